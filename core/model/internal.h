/* internal.h - the tables that Mantis keeps for itself, as storages create and read them.
 *
 * They are ordinary tables to a storage: made by create(), read by read() and scan(), written by apply().
 * docs/tables.md explains them column by column.  Only __sync_log is a storage's own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_INTERNAL_H
#define MANTIS_INTERNAL_H

#include <mantis/storage.h>

/* __sync_meta: facts about this node.  Names that views and people rely on:
 *   node   id of this node           epoch  of this server's history (server)
 *   floor  revision that rows without an entry have (server)     floor_time  its time
 *   pruned what was deleted before this revision is forgotten; absent: nothing is (server)
 *   pruned_time  then at the latest it was deleted
 *   access counts changes of who may come in: __sync_disabled, users, sessions (server)
 *   format version of these tables   remote the url that the cursor belongs to (client) */
enum { META_NAME, META_VALUE, META_COLUMNS };

/* __sync_state: how far each table is, with each remote.  The row with tbl = '*' holds the cursor. */
enum {
  STATE_REMOTE, /* the server's node id */
  STATE_TBL,
  STATE_EPOCH,
  STATE_REV,
  STATE_MARK,
  STATE_PHASE,  /* live, or why the table is not yet: see sync/phase.h */
  STATE_LOADED, /* key up to which loading has come, as JSON */
  STATE_FINGERPRINT,
  STATE_LAST_PUSH, /* milliseconds since 1970 */
  STATE_LAST_PULL,
  STATE_DETAIL,     /* why it is paused, what failed last */
  STATE_GENERATION, /* of the server's table: counts how often its capture was lost and healed */
  STATE_HAPPENED,   /* why writes may have gone unseen, the last time */
  STATE_HAPPENED_AT,
  STATE_ERA,   /* of the rows of __sync_base that count; 0: none is kept */
  STATE_BASED, /* the era in which each row was given one */
  STATE_VIEW,  /* client: the number of what the server shows of it; 0: of several, or all */
  STATE_COLUMNS
};

/* __sync_conflicts: what lost, what won, and why.  Rows are JSON objects, NULL for a deletion. */
enum {
  CONFLICT_ID,
  CONFLICT_TBL,
  CONFLICT_KEY,     /* JSON array */
  CONFLICT_OUTCOME, /* superseded, merged, deferred, rejected, beaten */
  CONFLICT_REASON,
  CONFLICT_NODE, /* whose change lost */
  CONFLICT_LOSER,
  CONFLICT_LOSER_TIME,
  CONFLICT_WINNER,
  CONFLICT_WINNER_TIME,
  CONFLICT_WINNER_ORIGIN,
  CONFLICT_BASE, /* revision that the loser was made on */
  CONFLICT_REV,  /* of the winner */
  CONFLICT_DECIDED_BY,
  CONFLICT_AT,
  CONFLICT_STATE,    /* open, closed */
  CONFLICT_BASE_ROW, /* that the loser was made of, NULL: not known */
  CONFLICT_STAMPS, /* of the server's row by column, as in __sync_stamps; NULL: nobody asked for them */
  CONFLICT_STANDS, /* the third row, where one stands; NULL: it is one of the two, or a deletion */
  CONFLICT_SENT_TIME,  /* of the change, before it was made later than what it replaced */
  CONFLICT_RESOLUTION, /* what a person chose: local, remote, merged, restored; NULL: nobody has */
  CONFLICT_RESOLVED_BY,
  CONFLICT_RESOLVED_AT,
  CONFLICT_COLUMNS
};

/* Client.  __sync_bases: entries with seq <= SEQ were made under a cursor of REV or less. */
enum { BASE_SEQ, BASE_REV, BASE_COLUMNS };

/* Client.  __sync_pending: unsent changes that have left the log. */
enum {
  PENDING_TBL,
  PENDING_KEY,
  PENDING_BASE,
  PENDING_CREATED,
  PENDING_TIME,
  PENDING_REASON,
  PENDING_NEXT_TRY,
  PENDING_TRIES,
  PENDING_COLUMNS
};

/* Client.  __sync_held: keys whose pulled state could not be applied (yet); fetched again by key. */
enum {
  HELD_TBL,
  HELD_KEY,
  HELD_FIRST_REV,
  HELD_LAST_REV,
  HELD_REASON,
  HELD_NEXT_TRY,
  HELD_COLUMNS
};

/* Client.  __sync_seen: rows received in answers, newer than the cursor. */
enum { SEEN_TBL, SEEN_KEY, SEEN_REV, SEEN_COLUMNS };

/* Client.  __sync_base: rows as they were when server and client last agreed, of tables whose policy merges. */
enum {
  IMAGE_TBL,
  IMAGE_KEY,
  IMAGE_ERA,
  IMAGE_ROW,   /* as JSON; NULL: none is known, or there was none */
  IMAGE_SENT,  /* as it is on its way; NULL: a deletion */
  IMAGE_BATCH, /* in the batch with this nonce; NULL: it is not */
  IMAGE_COLUMNS
};

/* Server.  __sync_stamps: who wrote which column when, of tables whose policy merges. */
enum {
  STAMP_TBL,
  STAMP_HASH, /* of the key, which may be long */
  STAMP_KEY,
  STAMP_TIME, /* the row's time; where the row has another one by now, this counts no more */
  STAMP_STAMPS,
  STAMP_COLUMNS
};

/* Server.  __sync_open: conflicts that wait for a person, by the row and the node that they are about. */
enum {
  OPEN_TBL,
  OPEN_HASH, /* of the key, which may be long */
  OPEN_NODE,
  OPEN_ID, /* in __sync_conflicts */
  OPEN_COLUMNS
};

/* Server.  __sync_heads: how far the log was when; what is older than the retention leaves it. */
enum { HEAD_TIME, HEAD_REV, HEAD_COLUMNS };

/* Server.  __sync_nodes: who has called, and the answer to its last batch. */
enum {
  NODE_ID,
  NODE_SUBJECT,
  NODE_NUMBER,
  NODE_NONCE,
  NODE_ANSWER,
  NODE_REV, /* cursor at its last pull, when it last said hello or pushed */
  NODE_SEEN_AT,
  NODE_DISABLED, /* it or its subject stands in __sync_disabled: a push looks here, in its transaction */
  NODE_GENERATION, /* that it was told of at its last hello, and compares its tables for */
  NODE_COLUMNS
};

/* Server.  __sync_disabled: nodes and subjects that are turned away, by `mantisctl nodes disable'. */
enum { DISABLED_NAME, DISABLED_AT, DISABLED_COLUMNS };

extern const struct mantis_table table_meta, table_state, table_conflicts, table_bases,
    table_pending, table_held, table_seen, table_base, table_stamps, table_open, table_heads,
    table_nodes, table_disabled;

/* The tables of a role, ends with NULL. */
const struct mantis_table *const *internal_tables (enum mantis_role role);

#endif
