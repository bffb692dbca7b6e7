/* sim.h - the simulation: one server, some clients, a bad network, in virtual time, from one seed.
 *
 * Everything runs on one thread.  A world is made from a seed, lives for some hundred steps, is
 * healed, and is judged by the oracle, which knows docs/guarantees.md and nothing of the engine: it
 * reads the applications' tables, __sync_conflicts and what client_status() says.
 *
 *   world.c    nodes: databases, stores, clients; crashes, copies, clocks
 *   disk.c     SQLite's view of time, chance and files: all of them the simulation's
 *   tables.c   schemas that worlds are made of
 *   rows.c     what a database holds; what a transaction changed
 *   writer.c   applications
 *   network.c  requests and answers, and what becomes of them
 *   oracle.c   what must hold
 *   tills.c    a stock that many sell from
 *   holders.c  jobs that are for one device each
 *   break.c    rules taken out, to see that the oracle notices
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SIM_H
#define MANTIS_SIM_H

#include "base/base.h"
#include "message/message.h"
#include "plugin/plugin.h"
#include "sync/client.h"

#include <sqlite3.h>

enum { MOST_NODES = 9, MOST_TABLES = 4, MOST_FLYING = 64, MOST_OLD = 48, MOST_TOGETHER = 8 };

/* ---- Plans: what a world may contain ---- */
enum feature {
  WITH_BANK = 1 << 0,     /* accounts, whose sum is watched */
  WITH_UNIQUE = 1 << 1,   /* UNIQUE columns */
  WITH_FAMILY = 1 << 2,   /* foreign keys */
  WITH_TRIGGERS = 1 << 3, /* of the application */
  WITH_VALUES = 1 << 4,   /* any value in any column that takes it */
  WITH_STRICT = 1 << 5,   /* STRICT, CHECK */
  WITH_SCHEMA = 1 << 6,   /* ADD COLUMN on one side, later on the other */
  WITH_SCAN = 1 << 7,     /* tables rebuilt without triggers; scans */
  WITH_COPIES = 1 << 8,   /* files copied, restored from older copies */
  WITH_PARTS = 1 << 9,    /* batches and pages of a few rows */
  WITH_CLOCKS = 1 << 10,  /* wrong clocks, that jump */
  WITH_DISK = 1 << 11,    /* files that fail in the middle of a transaction */
  WITH_FIRST = 1 << 12,   /* rows on both sides at the first contact */
  WITH_KEYS = 1 << 13,    /* keys change */
  WITH_RESTORE = 1 << 14, /* the server's file replaced by an older copy */
  WITH_SERVERS = 1 << 15, /* two server processes on one file */
  WITH_PRUNING = 1 << 16, /* what is old leaves the server's log */
  WITH_GROUPS = 1 << 17,  /* pushes that share a transaction */
  ALL_FEATURES = (1 << 18) - 1,
  WITH_TILLS = 1 << 18,  /* a stock that many sell from, whose amounts are added up */
  WITH_HOLDERS = 1 << 19 /* rows that are for one device each */
};

struct plan {
  const char *name;
  unsigned always, maybe; /* enum feature */
};
extern const struct plan plans[]; /* ends with a NULL name; the first is the default */

/* ---- Tables ---- */
enum kind {
  TEXT_KEY,
  INTEGER_KEY,
  VERSION, /* the column v: who wrote this row */
  ANY,
  INTEGER,
  REAL,
  TEXT,
  BLOB,
  CHECKED, /* an integer from 0 to 1000 */
  CODE,    /* unique: one of a few */
  PARENT,  /* key of another table */
  DERIVED, /* set by triggers */
  HOLDING  /* number of a node; 0: all of them */
};

struct column {
  const char *name;
  enum kind kind;
  const char *parent; /* of PARENT */
};

struct table {
  const char *name;
  unsigned needs; /* enum feature */
  const char *sql;
  struct column columns[8];
  const char *server_trigger, *client_trigger; /* NULL: none */
  bool bank;                                   /* written by transfers only */
  bool keyed_by_text;
  int with; /* place in tables[] of one that it needs, plus 1 */
};
extern const struct table tables[]; /* ends with a NULL name */

/* ---- Rows ---- */
struct row {
  char *key, *v, *all; /* as text that keeps types and bytes apart; v is "" for NULL */
};
struct rows {
  struct row *at;
  size_t count;
  bool absent; /* there is no such table */
};
struct image { /* all tables of a database */
  struct rows of[MOST_TABLES];
};

/* ---- Versions: what applications wrote ---- */
struct version {
  int table, node;
  char *key;
  char v[32];    /* "" for a deletion */
  int parent;    /* the version that this row had in that file, -1: none known */
  int64_t step;  /* when */
  int64_t event; /* the same, finer */
  bool blind;    /* written before Mantis came: the parent is not known to have been the server's */
  bool altered;  /* by a cascade or trigger of some client: the same v, another row */
  bool gone;     /* was only in a file that is no more: no promise */
  bool anew;     /* since the server went back: what it was made on may be forgotten */
  bool loose;    /* was unsent in a file that was copied then: it may count as written later */
};

/* ---- Network ---- */
enum way { TO_SERVER, TO_CLIENT };

struct parcel {
  enum way way;
  int client;
  unsigned life;
  enum client_slot slot;
  char *message, *body, *epoch, *revisions;
  char node[NODE_LENGTH + 1];
  size_t length;
  int status;
  int64_t retry_after;
  char *answer;
  size_t answer_length;
};

/* ---- Nodes ---- */
struct node {
  int index; /* 0: the server */
  char path[128];
  void *self; /* of the storage plugin */
  struct store store;
  struct store second; /* of the server: another process */
  struct filters *filters[2]; /* of these */
  bool up;
  bool met; /* Mantis has been here: what was written before was made on nothing that it knows */
  struct client *client;
  sqlite3 *app;
  bool writing; /* the application holds a transaction open */
  struct image before;
  int64_t skew;
  unsigned life;
  bool waits[CLIENT_SLOTS]; /* a request of this slot is under way */
  bool offline;
  bool copied; /* PATH.copy holds an older state */
  int64_t copied_at, copied_event;
  bool made_tables;     /* by the application, else Mantis makes them */
  struct image initial; /* what was there before Mantis came */
  struct image seen;    /* what the application read last */
  char *page;           /* break.c: rows of the last page that had some */
};

struct world {
  uint64_t seed, chance, mantis_chance;
  unsigned features;
  bool verbose;
  char folder[64];
  int64_t now, step, event;
  int acting; /* index of the node whose clock counts */
  const struct table *tables[MOST_TABLES];
  int table_count;
  struct node nodes[MOST_NODES];
  int node_count;
  struct server server;
  struct instance *policy, *merges; /* for all tables but that of the tills; for that one */
  int64_t sold[8], highest[8];      /* of each row of the tills' stock, by all */
  struct client_settings settings;
  struct parcel flying[MOST_FLYING], old[MOST_OLD];
  int flying_count, old_count;
  bool healed;
  bool restored; /* the server went back */
  long pushed_rows, pulled_rows, pushes;
  struct version *versions;
  int version_count, version_room;
  int statements; /* numbers the values of v */
  struct image server_image;
  int64_t server_mark;
  struct standing *standing; /* oracle.c: what the server held, in order */
  int standing_count, standing_room;
  char failure[2000];
};
extern struct world *world; /* the present one: SQLite's callbacks know no other way */

/* sim.c */
uint32_t chance (uint32_t below);
bool odds (uint32_t one_in);
void fail (const char *format, ...) MANTIS_PRINTF (1, 2); /* the first one counts */
void trace (const char *format, ...) MANTIS_PRINTF (1, 2);
bool has (enum feature feature);
static inline bool
failed (void)
{
  return world->failure[0] != '\0';
}

/* disk.c */
void disk_start (void);
/* The next COUNT writes of NODE's files succeed, and none after them until disk_heal(). */
void disk_break (int count);
void disk_heal (void);
bool disk_broken (void);
int64_t world_time (void);
void mantis_chance (void *bytes, size_t length);

/* world.c */
bool world_new (uint64_t seed, const struct plan *plan, bool verbose);
void world_free (void);
void act_as (struct node *node);
void start_node (struct node *node);
void stop_node (struct node *node);
void crash_node (struct node *node);
void copy_node (struct node *node);
void restore_node (struct node *node);
void fork_node (struct node *node);
void add_column (struct node *node, int table);
void rebuild_table (struct node *node, int table);
int run_sql (sqlite3 *db, const char *format, ...) MANTIS_PRINTF (2, 3);

/* rows.c */
void image_read (sqlite3 *db, struct image *image);
bool has_extra (sqlite3 *db, const struct table *table); /* the column that was added */
void image_free (struct image *image);
const struct row *image_find (const struct image *image, int table, const char *key);

/* writer.c */
void write_something (struct node *node);
void end_writing (struct node *node); /* of a transaction left open */
void bind_any (sqlite3_stmt *statement, int at);

/* network.c */
void client_talks (struct node *node);
void network_step (void);
void network_hang_up (void);
void network_heal (void);
/* Deliver all, until nobody has anything to say; false: that does not end. */
bool network_drain (void);
void forget_parcels (void);

/* tills.c */
void tills_make (struct node *node);
void tills_sell (struct node *node);
void tills_judge (struct node *node);

/* holders.c */
struct filters *holders_filters (void); /* NULL: there are none */
bool holders_show (const struct node *node, int table, const struct row *row);
void holders_judge (const char *answer, int device);

/* break.c */
bool break_rule (const char *name); /* false: there is no such rule */
const char *broken_rule (void);     /* "": none */
const struct mantis_storage *storage_of (const struct node *node);
void break_repetition (struct parcel *parcel);
bool break_request (struct parcel *parcel); /* true: it was answered already */
void break_answer (struct parcel *parcel);

/* oracle.c */
void note_server (void); /* after anything that the server may have committed */
void note_written (struct node *node, const struct image *before, const struct image *after);
void note_received (struct node *node); /* after a client took an answer */
/* The file of NODE is now as AUTHOR's was at step SINCE; LOST: what AUTHOR wrote since then is no
 * more. */
void note_restored (struct node *node, const struct node *author, int64_t since, bool lost);
/* The server's file is now as it was at EVENT. */
void note_server_restored (int64_t event);
void forget_standings (void);
void watch_bank (struct node *node);
/* Nothing waits anywhere, as client_status() says. */
bool all_quiet (void);
void judge (void);
void show_world (void);

#endif
