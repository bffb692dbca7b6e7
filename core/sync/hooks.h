/* hooks.h - who is told what happens, and may change or refuse it; see mantis/hook.h.
 *
 * Where no hook wants a moment, hooks_want() is all that it costs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SYNC_HOOKS_H
#define MANTIS_SYNC_HOOKS_H

#include "plugin/plugin.h"

#include <mantis/hook.h>
#include <stdatomic.h>

/* One entry of "hooks". */
struct hook {
  struct instance *instance;
  uint32_t moments;          /* that it knows, and is asked for */
  const char *const *tables; /* patterns, ends with NULL; NULL: all */
  uint32_t on_failure;       /* enum mantis_on_failure */
};

struct hook_set;

/* Of a node; the set is another one after SIGHUP. */
struct hooks {
  pthread_mutex_t lock;
  struct hook_set *now;     /* NULL: none */
  struct leaving *leaving;  /* those of before, while they end; NULL: none */
  _Atomic uint32_t moments; /* that any of them wants */
};

void hooks_init (struct hooks *hooks);
/* No thread calls any more. */
void hooks_free (struct hooks *hooks);
/* The COUNT of LIST take the place of those that were, which are freed when the last call of them has returned, on another
 * thread, as they may take their time.  Takes the instances, unless it fails; the rest of LIST is copied. */
enum mantis_status hooks_set (struct hooks *hooks, const struct hook *list, size_t count,
                              struct mantis_error *error);

/* HOOKS may be NULL. */
static inline bool
hooks_want (struct hooks *hooks, enum mantis_moment moment)
{
  return hooks && atomic_load_explicit (&hooks->moments, memory_order_relaxed) & 1u << moment;
}

/* Is there any hook at all? */
static inline bool
hooks_any (struct hooks *hooks)
{
  return hooks && atomic_load_explicit (&hooks->moments, memory_order_relaxed);
}

/* What was gathered in a transaction, to be told when it is durable.  All of it is borrowed until then. */
struct happened {
  struct mantis_change *changes;
  const char **outcomes, **reasons, **deciders;
  mantis_row *standing;
  size_t count, room;
};
enum mantis_status happened_add (struct happened *happened, struct mantis_arena *arena,
                                 const struct mantis_change *change, const char *outcome,
                                 const char *reason, const char *decided_by, mantis_row standing,
                                 struct mantis_error *error);

/* Who is concerned. */
struct hook_caller {
  const struct mantis_principal *principal; /* NULL: this is a client */
  const char *node;
};

/* Rows that hooks are asked about, and their answers.  CHANGES' rows are replaced by those that a hook wants instead. */
struct hook_question {
  enum mantis_moment moment;
  struct hook_caller caller;
  struct mantis_change *changes;
  size_t count;
  struct mantis_arena *arena;
  /* The answers, one for each change: NULL where no hook had one.  In ARENA, but for the names, which live with the process. */
  const char **refusals, **refused_by; /* why, and the hook that refuses */
  const char **changed_by;             /* the last hook that gave it another row */
  mantis_row *sent;                    /* its row before the first of them did */
};

/* Ask about QUESTION (no changes: about the message alone).  MANTIS_REFUSED: a hook refuses all of it.  MANTIS_BUSY: a hook
 * failed that the configuration does not let fail.  ERROR then has a text for the sender.  Not in a transaction, but for
 * MANTIS_BEFORE_CONFLICT. */
enum mantis_status hooks_ask (struct hooks *hooks, struct hook_question *question,
                              struct mantis_error *error);

/* Tell them; HAPPENED may be NULL.  Not in a transaction. */
void hooks_tell (struct hooks *hooks, enum mantis_moment moment, const struct hook_caller *caller,
                 const struct happened *happened);
void hooks_tell_error (struct hooks *hooks, const struct hook_caller *caller, const char *message,
                       const char *text);

#endif
