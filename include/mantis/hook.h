/* mantis/hook.h - before and after connect, push, pull, apply and conflict, and on error: look, change, refuse.
 *
 * Called on a worker thread, one hook after the other in the order of the configuration.  "Before" hooks are asked before
 * the transaction that their answer is about begins, and "after" hooks when it is durable, so that a hook may take its
 * time: it keeps no one from the database, but it does occupy the thread.  (The one exception is MANTIS_BEFORE_CONFLICT.)
 * A hook that waits (runs a program, asks the network) declares MANTIS_WAITS.
 *
 * An "after" moment comes once at most: a crash between the commit and the call loses it.  A "before" moment may come
 * again for the same changes, when they are sent again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_HOOK_H
#define MANTIS_HOOK_H

#include <mantis/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_HOOK_ABI 1u

enum mantis_moment {
  MANTIS_BEFORE_PUSH = 1, /* server: a push was decoded, nothing is applied yet.  Client: one is about to be sent */
  MANTIS_AFTER_PUSH,      /* server: it is durable, and about to be answered.  Client: its answer is taken in */
  MANTIS_BEFORE_PULL,     /* server: somebody asks for news.  Client: it is about to ask */
  MANTIS_AFTER_PULL,      /* server: a page is about to be sent.  Client: one was taken in */
  MANTIS_BEFORE_APPLY,    /* rows of others are about to be stored: of a push, or on a client of a page */
  MANTIS_AFTER_APPLY,     /* they are stored, durably; those alone that are */
  MANTIS_AFTER_CONFLICT,  /* a change or a row has lost, and is kept in __sync_conflicts */
  MANTIS_BEFORE_CONFLICT, /* server: a resolver is about to be asked.  Inside the transaction: not for MANTIS_WAITS */
  MANTIS_BEFORE_CONNECT,  /* server: a node says hello.  Client: it is about to say hello */
  MANTIS_AFTER_CONNECT,   /* server: it is about to be answered.  Client: the answer is taken in */
  MANTIS_ON_ERROR         /* server: a message is about to be answered with an error.  Client: an exchange failed */
};

/* "before_push"; NULL: there is no such moment. */
MANTIS_PUBLIC const char *mantis_moment_name (uint32_t moment);

enum mantis_on_failure { /* what the configuration says about a hook that fails */
  MANTIS_FAILURE_REFUSES, /* what it was asked about waits, and comes again */
  MANTIS_FAILURE_IGNORED  /* as if there were no such hook */
};

struct mantis_event {
  size_t size;
  uint32_t moment;                          /* enum mantis_moment */
  const struct mantis_principal *principal; /* who calls; NULL on a client */
  const char *node; /* server: the caller's, NULL: it did not name one.  Client: its own */
  /* Before and after push, apply and conflict; of the hook's tables alone.  At least one of them, but for a client's push:
   * there are none.  A column that is not carried is MANTIS_NONE, on a server also in AFTER_APPLY. */
  const struct mantis_change *changes;
  size_t change_count;

  uint32_t on_failure; /* enum mantis_on_failure */

  /* Before push, apply and conflict, yours to fill, one for each change; all are NULL at the call.  REFUSALS: this row is
   * rejected, for this reason, and kept as a conflict; on a client, it is held, and comes again.  ROWS, on a server and
   * not before a conflict: column_count values to be stored in the place of what was sent; a column left MANTIS_NONE stays as
   * it was sent, keys and generated columns cannot change, nor can deletions.  What they point to lies in ARENA. */
  const char **refusals;
  mantis_row *rows;
  struct mantis_arena *arena;

  /* After push, apply and conflict, one for each change: what became of it (an outcome of docs/protocol.md), why, and who
   * decided; after a conflict also the row that stands, NULL: none does.  NULL: nothing to tell. */
  const char *const *outcomes;
  const char *const *reasons;
  const char *const *deciders;
  const mantis_row *standing;

  const char *message; /* on error: which one, "push"; or NULL */
  const char *error;   /* on error: what was said, in one line */
};

struct mantis_hook {
  size_t size;

  /* A bit (1u << moment) for each moment that this hook wants to see. */
  uint32_t moments;

  /* MANTIS_OK: go on.  At a "before" moment MANTIS_REFUSED, MANTIS_DENIED and MANTIS_INVALID refuse all of it: the sender
   * is told the reason in ERROR, and sends it again later.  Anything else is a failure of the hook: the configuration says
   * whether that refuses, too.  At an "after" moment it is logged. */
  enum mantis_status (*happens) (void *self, const struct mantis_event *event,
                                 struct mantis_error *error);
};

#define MANTIS_HOOK_PLUGIN(name, ops, ...)                                                         \
  MANTIS_PLUGIN (name, MANTIS_KIND_HOOK, MANTIS_HOOK_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
