/* client_state.h - what a client remembers between steps; for the files of core/sync alone.
 *
 * All of it can be read again from the database: client_reload() does so after a transaction that failed,
 * so that memory never claims what was rolled back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CLIENT_STATE_H
#define MANTIS_CLIENT_STATE_H

#include "sync/apply.h"
#include "sync/client.h"
#include "sync/feed.h"
#include "sync/hooks.h"
#include "sync/phase.h"
#include "sync/queue.h"
#include "wire/lists.h"

enum { NONCE_LENGTH = 16 };

/* One key of a batch. */
struct sent {
  const struct mantis_table *table;
  mantis_row key; /* in the batch's arena */
  uint64_t hash;
  int64_t first_seq, last_seq; /* of its entries in the batch's part of the log; 0: only pending */
  int64_t base, time, seen;
  int64_t waiting; /* of one that is pending, and evicted else: its time if the row is not gone; 0: none such */
  bool created;
  bool evicted; /* all its entries are MANTIS_EVICT: a deletion if the row is gone, else nothing */
  bool written; /* one of them is no deletion */
  bool dropped; /* not a change after all */
  bool later;   /* the log goes on about it behind the batch's part */
  bool based;   /* its table keeps bases: IMAGE is the row as it was sent, NULL for a deletion */
  const char *image;
};

/* One push: a part of the log, or pending changes, or both. */
struct batch {
  struct mantis_arena *arena; /* of sent */
  struct sent *sent;
  size_t count, room;
  struct map index; /* key -> place in sent, plus 1 */
  int64_t from, to_seq,
      q;            /* the log behind from up to to_seq, read in a snapshot whose log ended at q */
  int64_t attached; /* the schema (store->attached) that it speaks of */
  bool whole;       /* nothing of the backlog is left behind it */
  bool earlier;     /* some of it may be from before a table was compared */
  bool looked;      /* behind it, for the next one */
  bool trimmed;     /* the log of what was settled before: it was tried */
  struct mantis_buf body, revisions; /* of the message; the slot takes them */
  size_t changes;                    /* that travel */
};

/* As in __sync_meta: the batch that is under way, whatever happens to this process. */
struct flight {
  int64_t number; /* 0: none */
  char nonce[NONCE_LENGTH + 1];
  int64_t to_seq, q;
};

struct slot {
  bool busy;
  const char *message;
  struct mantis_buf body, revisions;
  size_t told; /* of a push with changes: its body up to what it says of our cursor; else 0 */
  char epoch[EPOCH_LENGTH + 1];
  bool waits;
  int64_t sent_at, answered_at; /* monotonic */
};

/* How much one transaction takes: sized by how long the last ones kept the application out. */
struct pace {
  size_t part;  /* rows of a part */
  size_t whole; /* rows up to which a changeset is kept whole */
};

struct client {
  struct client_settings settings;
  struct store *store;
  struct phases phases;
  struct queue queue;
  int64_t number; /* of the last settled batch */
  char nonce[NONCE_LENGTH + 1];
  struct flight flight;
  struct batch *batch;
  struct batch *ahead; /* the next one, collected while BATCH is under way */
  struct pace pull, push;
  /* head of the server's log once the last batch was applied: older pages are stale */
  int64_t pushed;
  struct cursor
      newest; /* the newest head that rows came from before the cursor was there; rev 0: none */
  char *asked_table; /* of which the pull under way asks a page, NULL: none */
  char *asked_after; /* behind this key, NULL: from the start */
  size_t row_limit;  /* of a batch, after the server found one too large; 0: none */
  struct slot slots[CLIENT_SLOTS];
  bool greeted;
  int64_t told;      /* schema (store->attached) that the last hello spoke of */
  int64_t woken;     /* schema with which rows that this database refused were last tried again */
  bool wants_schema; /* the server has tables that we lack, or shaped otherwise */
  bool offers;       /* offer our tables at the next hello */
  bool creates;      /* the server makes tables that are offered */
  bool wish_told;
  int64_t generation;           /* of the server at the last hello */
  int64_t policies;             /* so are its policies numbered */
  int64_t filters;              /* its filters, 0: it has none */
  int64_t view;                 /* and what it shows to us */
  int64_t clock_ahead;          /* of ours before the server's, milliseconds; 0 when it is small */
  size_t page_rows, page_bytes; /* limits of the server */
  bool caught_up;               /* the last page was complete and nothing is left to reconcile */
  bool partly;                  /* a load or a large backlog is applied in parts */
  bool may_pull;                /* what waited at hello was pushed first */
  bool noticed;                 /* the log may have grown */
  bool wakes;                   /* what the server did not take is to be tried again now */
  bool loaded;                  /* the state was read */
  struct map keyless;           /* keys with NULL in them that were written down */
  int64_t retry_at;             /* no request before this moment (monotonic milliseconds) */
  int failures;                 /* in a row */
  int64_t next_cycle;           /* look again then, whatever was noticed (monotonic milliseconds) */
  int64_t rest_until; /* no pull before: the application wants its turn (monotonic milliseconds) */
  int64_t log_end,
      written_at; /* of the log when last looked at, and when the application moved it */
  int64_t folded; /* entries that were left when the log was folded last */
  int64_t *spare; /* numbers of entries that are to leave the log */
  size_t spare_count, spare_done;
  int64_t warned_at; /* entries that waited when that was told last; 0: not since they were few */
  int64_t prune_at;  /* conflicts are looked at again then (monotonic milliseconds) */
  int64_t pruned;    /* ... from this one on */
  bool disabled;     /* says the server */
  char *trouble;
};

enum mantis_status client_reload (struct client *client, struct mantis_error *error);

/* Begin a transaction of KIND with state that fits the schema: whatever attached again is read again. */
enum mantis_status client_begin (struct client *client, enum mantis_mode mode,
                                 struct mantis_error *error);
/* End it: commit when STATUS is MANTIS_OK.  Where that fails or STATUS is another, the state is read again. */
enum mantis_status client_end (struct client *client, enum mantis_status status,
                               struct mantis_error *error);

void client_set_trouble (struct client *client, const char *text); /* NULL: all is well */

/* ---- pace.c ---------------------------------------------------------------------------------- */
void pace_reset (struct client *client);
/* After a transaction that kept writers out for TOOK milliseconds: leave an application that is writing time
 * for its turn. */
void pace_rest (struct client *client, int64_t took);
/* A transaction of ROWS rows kept writers out for TOOK milliseconds. */
void pace_learn (struct client *client, struct pace *pace, size_t rows, int64_t took);

/* ---- batch.c --------------------------------------------------------------------------------- */
struct batch *batch_new (void); /* NULL: no memory */
void batch_free (struct batch *batch);
/* The place of KEY in the batch, NULL: it has none. */
struct sent *batch_find (struct batch *batch, const struct mantis_table *table, mantis_row key);
/* After the commit that settled it: its keys that were not edited since the snapshot are clean. */
void batch_settled (struct client *client, const struct batch *batch);
/* The same, made if need be.  NULL: no memory. */
struct sent *batch_key (struct batch *batch, const struct mantis_table *table, mantis_row key,
                        bool *added);
/* The keys of the log's entries behind batch->from, up to UPTO, until there are LIMIT keys.  *WHOLE: that was all. */
enum mantis_status batch_take_log (struct client *client, struct batch *batch, int64_t upto,
                                   size_t limit, bool *whole, struct mantis_error *error);
/* The keys of __sync_pending that are due, and what is known there of those that the batch has.  *WHOLE becomes
 * false when some stay behind. */
enum mantis_status batch_take_pending (struct client *client, struct batch *batch, size_t limit,
                                       bool *whole, struct mantis_error *error);

/* ---- collect.c ------------------------------------------------------------------------------- */

/* Gather what waits into client->batch, note it as under way and encode it.  With nothing to send,
 * client->batch stays NULL. */
enum mantis_status collect (struct client *client, struct mantis_error *error);
/* A batch's BODY, of which LENGTH bytes are about its changes, tells the newest place in the server's history that we
 * know, each time that it is sent: a server that was restored to one in between must not apply it once more.  Its log
 * might then look at our cursor as if we had seen all of it. */
enum mantis_status batch_tell_history (const struct client *client, struct mantis_buf *body,
                                       size_t length, struct mantis_error *error);
/* What was collected ahead (client_look_ahead()) would say something else now: an exception in the answer, something
 * pending, another schema, a state read anew. */
void drop_ahead (struct client *client);
/* After a restart: the keys of the batch under way, without rows. */
enum mantis_status collect_again (struct client *client, struct mantis_error *error);

/* ---- settle.c -------------------------------------------------------------------------------- */

/* The server's ANSWER to the batch under way, in one transaction. */
enum mantis_status settle (struct client *client, const json_t *answer, struct mantis_error *error);
/* The server refuses the batch's only row for its size. */
enum mantis_status settle_too_large (struct client *client, const char *reason,
                                     struct mantis_error *error);

/* ---- receive.c ------------------------------------------------------------------------------- */
enum mantis_status pull_request (struct client *client, struct mantis_buf *buf, bool *waits,
                                 struct mantis_error *error);
/* LISTS: the page's rows. */
enum mantis_status receive (struct client *client, const json_t *page, struct lists *lists,
                            struct mantis_error *error);

/* ---- ahead.c --------------------------------------------------------------------------------- */
enum mantis_status ahead_load (struct client *client, struct mantis_error *error);
/* In the write transaction that takes PAGE. */
enum mantis_status ahead_note (struct client *client, const json_t *page,
                               struct mantis_error *error);
/* The cursor has come to REV, or nothing that was known counts any more (INT64_MAX). */
enum mantis_status ahead_reached (struct client *client, int64_t rev, struct mantis_error *error);
/* ,"ahead":{..} for a message to the server. */
void ahead_add (const struct client *client, struct mantis_buf *buf);

/* ---- backlog.c ------------------------------------------------------------------------------- */

void backlog_forget (struct client *client); /* what is to leave the log */
/* For the status, in a transaction: ,"entries":N of the log that wait, and ,"warning" where they are many. */
enum mantis_status backlog_add (struct client *client, struct mantis_buf *buf,
                                struct mantis_error *error);

/* ---- stuck.c --------------------------------------------------------------------------------- */

/* For the status, in a transaction: ,"stuck":[...], rows that need a person, by table and reason. */
enum mantis_status stuck_add (struct client *client, struct mantis_buf *buf,
                              struct mantis_error *error);

/* Rows of a table that has not met the server's, and that nobody has edited since; MORE: at least so many. */
struct unmet {
  size_t rows;
  bool more;
};
enum mantis_status unmet_count (struct client *client, const struct table_state *state,
                                struct unmet *unmet, struct mantis_error *error);

/* ---- client_hooks.c -------------------------------------------------------------------------- */

/* MESSAGE is about to be sent; its answer was taken in; it failed. */
enum mantis_status client_ask_hooks (struct client *client, const char *message,
                                     struct mantis_error *error);
void client_tell_hooks (struct client *client, const char *message);
void client_tell_trouble (struct client *client, const char *message, const char *text);
/* After the commit: rows that were stored, those of ITEMS that are done; or that lost. */
void client_tell_applied (struct client *client, const struct apply_item *items, size_t count,
                          struct mantis_arena *arena);
void client_tell_rows (struct client *client, enum mantis_moment moment,
                       const struct happened *happened);

/* ---- greet.c --------------------------------------------------------------------------------- */
enum mantis_status hello_request (struct client *client, struct mantis_buf *buf,
                                  struct mantis_error *error);
enum mantis_status hello_answer (struct client *client, const json_t *answer,
                                 struct mantis_error *error);
enum mantis_status schema_answer (struct client *client, json_t *answer,
                                  struct mantis_error *error);
/* What the server made of the table came to nobody's notice, or comes by: what was compared is to be compared again. */
enum mantis_status start_over (struct client *client, struct table_state *state,
                               struct mantis_error *error);
/* The server shows other rows of the table from now on: what has the number VIEW. */
enum mantis_status see_anew (struct client *client, struct table_state *state, int64_t view,
                             struct mantis_error *error);

/* "todos=41, notes=7" for a header, percent-encoded where need be. */
void add_revision (struct mantis_buf *buf, const struct table_state *state);

#endif
