/* push.h - what becomes of a pushed changeset on the server: detect, resolve, apply, record.
 *
 * All four steps happen in one write transaction, in this order, on one struct push.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PUSH_H
#define MANTIS_PUSH_H

#include "plugin/plugin.h"
#include "sync/apply.h"
#include "sync/filter.h"
#include "sync/hooks.h"
#include "sync/questions.h"

enum outcome {
  OUTCOME_APPLIED, /* it stands as sent */
  OUTCOME_SAME,    /* the row was so already */
  OUTCOME_MERGED,  /* a row made of both stands, or the database altered what it stored */
  OUTCOME_SUPERSEDED,
  OUTCOME_DEFERRED,
  OUTCOME_REJECTED, /* by the database, a resolver or a filter */
  OUTCOME_RETRY,    /* not decided: send it again later */
  OUTCOME_COUNT
};

const char *outcome_name (enum outcome outcome);
/* OUTCOME_COUNT: there is none of that name. */
enum outcome outcome_from (const char *name);

struct pushed {
  struct mantis_change change;   /* as it came, its time bounded by ours */
  struct mantis_version version; /* the row's current one */
  mantis_row current;            /* the row as it is, where it was looked at; NULL: there is none */
  bool conflict;
  /* no conflict, but the row may have been written unseen since it got its version */
  bool unwatched;
  /* taken as it came; then the database made something else of it: the answer is `merged' */
  bool altered;
  bool hidden;     /* its author does not see the row that stands, or there is none: it learns neither */
  bool forgotten;  /* its key had a row that its author did not see: what is known of that is nothing for it */
  bool quiet;      /* nobody lost: all that either side changed stands */
  mantis_row base; /* that the change was made of, in a conflict; NULL: not known */
  const struct mantis_stamp
      *stamps; /* of the row as it stood, by column; NULL: nobody wants them */
  enum outcome outcome;
  const char *reason;
  int64_t after;               /* of OUTCOME_RETRY: seconds until it is worth it; 0: not known */
  const char *decided_by;      /* the resolver, in a conflict */
  struct mantis_change stored; /* what is to be applied, for OUTCOME_APPLIED and OUTCOME_MERGED */
};

/* A row that was there before Mantis came has no time of its own, nor has one that newer ones could not replace:
 * anything that is known is later. */
enum { TIME_UNKNOWN = 1 };

/* Who decides about conflicts in a table; never NULL. */
typedef struct instance *(*policy_lookup) (void *context, const char *table);

struct push {
  struct store *store;
  struct mantis_arena *arena;
  const char *node;   /* origin of the changes */
  struct viewer viewer; /* who makes them */
  bool anonymous;     /* the caller named no node: nothing counts as its own earlier change */
  int64_t now;        /* when the request was first received */
  int64_t generation; /* of ours up to which the sender has compared its tables */
  bool shared;        /* others wait in the same transaction */
  bool partial;       /* more of the sender's backlog follows: what does not fit now may fit then */
  enum apply_mode mode;
  size_t row_limit; /* of a row that a conflict is about, bytes; 0: none */
  policy_lookup policy;
  void *policy_context;
  struct questions *questions; /* to resolvers that wait */
  uint64_t
      thinks; /* the last of those without an answer: nothing is made before there is one (MANTIS_BUSY) */
  int64_t until;               /* mantis_monotonic(): but not later; then it is `retry' */
  int64_t pruned, pruned_time; /* of the store; see sync/prune.h */
  struct hook_caller caller;
  const struct hook_question *asked; /* what hooks said, for each item; NULL: nothing */
  struct pushed *items;
  size_t count;
};

/* Of a row that its author does not see, whether there is one or not. */
#define NO_SUCH_ROW "there is no such row, or none that this caller may see"

/* permit.c: after detect.c has read the versions of the COUNT items from FROM on, all of one table: those that filters
 * do not allow are rejected. */
enum mantis_status push_permit (struct push *push, size_t from, size_t count,
                                struct mantis_error *error);
/* The same of what a policy merged; and before the answer: what its author does not see it is not told. */
void push_permit_merged (struct push *push);
enum mantis_status push_hide (struct push *push, struct mantis_error *error);
/* detect.c: was each change made on the row's current version?  Equal states are no conflict. */
enum mantis_status push_detect (struct push *push, struct mantis_error *error);
/* resolve.c: ask the policy about the conflicts. */
enum mantis_status push_resolve (struct push *push, struct mantis_error *error);
/* What does the policy of TABLE want? (enum mantis_wants) */
uint32_t push_wants (const struct push *push, const struct mantis_table *table);
/* stamps.c: who wrote which column when, for the items of tables whose policy wants to know; and as it is now. */
enum mantis_status push_read_stamps (struct push *push, struct mantis_error *error);
enum mantis_status push_write_stamps (struct push *push, struct mantis_error *error);
/* Those of ITEM as they stood, as JSON in the push's arena; NULL: nobody wants them. */
const char *push_stamps_text (const struct push *push, const struct pushed *item);
/* record.c: apply what stands, find what the database altered, keep what lost.  MANTIS_REFUSED: see APPLY_ALL. */
enum mantis_status push_apply (struct push *push, struct mantis_error *error);
enum mantis_status push_record (struct push *push, struct mantis_error *error);
/* hooked.c: what hooks said counts: after detect, and after apply. */
void push_take_answers (struct push *push);
/* The row of ITEM as its author sent it. */
mantis_row push_sent (const struct push *push, const struct pushed *item);
enum mantis_status push_tell_changed (struct push *push, struct mantis_error *error);
/* May the resolver be asked about ITEM?  If not, it is rejected. */
enum mantis_status push_ask_conflict (struct push *push, struct pushed *item,
                                      struct mantis_error *error);
/* Once it is durable: tell the hooks. */
void push_tell (struct push *push);
/* record.c: the answer, a JSON object, without its closing brace. */
void push_answer (const struct push *push, struct mantis_buf *buf);

/* The version number that the current state of a row has. */
static inline int64_t
version_rev (const struct store *store, const struct mantis_version *version)
{
  return version->rev ? version->rev : store->floor;
}

/* Are the columns that WANTED carries the same in HELD? */
bool rows_agree (const struct mantis_table *table, mantis_row wanted, mantis_row held);

#endif
