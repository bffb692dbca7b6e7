/* sqlite.h - what the files of this storage share.
 *
 * A session is one connection.  Statements are kept by their text, schemas until close().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SQLITE_H
#define MANTIS_SQLITE_H

#include <mantis/storage.h>

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#define COUNT_OF(array) (sizeof (array) / sizeof *(array))
#define AUTO_BUF __attribute__ ((cleanup (mantis_buf_free)))
#define AUTO_RESET __attribute__ ((cleanup (statement_reset)))
#define AUTO_FINALIZE __attribute__ ((cleanup (statement_finalize)))

/* The instance: options first, then what start() adds. */
struct sqlite {
  const char *path;
  int64_t busy_timeout; /* milliseconds */
  const char *journal_mode;
  int64_t cache;        /* bytes, of each session */
  pthread_mutex_t lock; /* of what follows */
  int notice;           /* inotify, -1: none */
};

/* What this storage knows of a table beyond struct mantis_table. */
struct facts {
  const char *sql;  /* of its CREATE TABLE */
  int64_t root;     /* page where it begins */
  bool virtual;     /* or a view: cannot be watched */
  bool own_trigger; /* the application has triggers on it */
  bool feeds; /* client: these write only to what is not synced, and run when rows are applied */
  bool rowid_alias; /* INTEGER PRIMARY KEY */
  const char
      *incident;  /* why writes may have gone unseen before attach(); NULL: there is no reason */
  bool looked_at; /* server: earlier values of columns are remembered */
  const uint32_t *looks; /* which, LOOK_COUNT of them */
  size_t look_count;
  int64_t look_id; /* in __sync_looks */
  /* Of the table as it is, with what is left out of its description: capture misses nothing for that. */
  const struct mantis_column *columns;
  size_t column_count;
  const struct mantis_unique *uniques;
  size_t unique_count;
};

/* One result of attach(). */
struct known_schema {
  struct mantis_schema shown;
  struct mantis_attached *attached;
  struct facts *facts; /* one for each of attached */
  struct mantis_arena *arena;
  struct known_schema *older;
};

/* A prepared statement, found again by its text. */
struct kept {
  struct kept *next; /* of the same slot */
  sqlite3_stmt *statement;
  uint64_t hash;
  uint64_t used;   /* when last; the oldest goes first */
  uint64_t pinned; /* call in which it may not go */
  char *sql;
};

enum { KEPT_SLOTS = 64, KEPT_MOST = 128, MOST_KEYS = 64 };

struct mantis_session {
  struct sqlite *storage;
  sqlite3 *db;
  enum mantis_role role;
  struct known_schema *schema; /* newest first */
  struct kept *kept[KEPT_SLOTS];
  size_t kept_count;
  uint64_t calls, uses;   /* counters for the above */
  struct mantis_buf sql;  /* scratch */
  int64_t schema_version; /* at the last attach() */
  int64_t begun_version;  /* the same when this transaction began */
  bool attached;
  bool attached_now; /* by the transaction under way */
  bool
      parked; /* in it, rows of which something is remembered: triggers see them as they are parked */
  bool references; /* some table refers to another, as of the last attach() */
  bool in_transaction, writing;
  bool writer;   /* has written rows: its cache is worth keeping */
  bool triggers; /* they run in this connection */
  int savepoints;
  size_t row_bytes; /* of a row that is read, at most; 0: no limit */
  int log_keys;     /* key columns of __sync_log, 0: not known yet */
  int log_looks; /* columns of earlier values there, once LOG_KEYS is known; -1: none, and no "was" */
  /* Which columns are left out, see mantis/storage.h; NULL: none. */
  bool (*left_out) (void *context, const char *table, const char *column);
  void *left_out_context;
  /* Which columns are remembered, see mantis/storage.h; NULL: of no table. */
  bool (*looks) (void *context, const struct mantis_schema *schema,
                 const struct mantis_table *table, bool *columns);
  void *looks_context;
  int64_t data_version; /* at the last look() */
  bool looked;
  dev_t device; /* of the file that was opened */
  ino_t inode;
};

/* ---- statement.c: SQL and its errors ---- */

/* What SQLite says, as a status and a text.  WHAT: what was being done, e.g. "read notes". */
enum mantis_status sql_failed (struct mantis_session *session, struct mantis_error *error,
                               const char *what);
enum mantis_status no_memory (struct mantis_error *error);

/* The kept statement of SQL, made where there is none.  A pinned one stays until the next call of
 * the storage; another may be dropped when some hundred have been asked for since. */
enum mantis_status statement (struct mantis_session *session, const char *sql, bool pinned,
                              sqlite3_stmt **out, struct mantis_error *error);
void statement_reset (sqlite3_stmt **statement);
void statement_finalize (sqlite3_stmt **statement);
void forget_statements (struct mantis_session *session);

/* Start a public call: statements of earlier ones may go. */
void new_call (struct mantis_session *session);
/* MANTIS_FAILED unless a transaction is open (and may write, if WRITING). */
enum mantis_status need_transaction (struct mantis_session *session, bool writing,
                                     struct mantis_error *error);

/* Run SQL that gives no rows. */
enum mantis_status run (struct mantis_session *session, const char *sql,
                        struct mantis_error *error);
enum mantis_status runf (struct mantis_session *session, struct mantis_error *error,
                         const char *format, ...) MANTIS_PRINTF (3, 4);
/* The first column of the first row, OTHERWISE when there is no row or a NULL. */
enum mantis_status ask_integer (struct mantis_session *session, const char *sql, int64_t otherwise,
                                int64_t *value, struct mantis_error *error);
/* The same where the text never changes: kept. */
enum mantis_status ask_kept (struct mantis_session *session, const char *sql, int64_t otherwise,
                             int64_t *value, struct mantis_error *error);

void bind_value (sqlite3_stmt *statement, int at, const struct mantis_value *value);
/* Bind the key of ROW from parameter AT on; the next free parameter. */
int bind_key (sqlite3_stmt *statement, int at, const struct mantis_table *table, mantis_row row);
/* Column AT of the present row; texts are copied into ARENA. */
void column_value (sqlite3_stmt *statement, int at, struct mantis_arena *arena,
                   struct mantis_value *value);
/* Text of a column in ARENA, NULL for NULL. */
char *column_text (sqlite3_stmt *statement, int at, struct mantis_arena *arena);

void add_name (struct mantis_buf *buf, const char *name);   /* "name", quoted */
void add_string (struct mantis_buf *buf, const char *text); /* 'text', quoted */

/* ---- schema.c: what tables there are ---- */

bool is_own (const char *name); /* Mantis's or the engine's */
/* Fill TABLE and FACTS for the table NAME of TYPE ("table", "view", "virtual"). */
enum mantis_status read_table (struct mantis_session *session, const char *name, const char *type,
                               struct mantis_arena *arena, struct mantis_table *table,
                               struct facts *facts, struct mantis_error *error);
enum mantis_status mark_parents (struct mantis_session *session, struct known_schema *schema,
                                 struct mantis_error *error);
/* Why SQLite cannot write to TABLE from this connection, as text in ARENA; NULL: it can. */
const char *write_obstacle (struct mantis_session *session, const struct mantis_table *table,
                            struct mantis_arena *arena);
/* Do the application's triggers on TABLE write at all, and only to what SCHEMA does not sync? */
bool triggers_only_feed (struct mantis_session *session, const struct mantis_table *table,
                         const struct known_schema *schema);
/* Parents before children, as far as there are no circles. */
void order_tables (struct known_schema *schema);

/* ---- parse.c: the little of SQL that pragmas do not tell ---- */

struct index_parts {
  char **terms; /* without ASC and DESC */
  size_t count;
  char *where; /* NULL: not partial */
};
/* The parts of a CREATE INDEX; false when it cannot be understood. */
bool parse_index (const char *sql, struct mantis_arena *arena, struct index_parts *parts);
/* The expression of the generated column NAME in a CREATE TABLE; "" when it cannot be found. */
const char *parse_generated (const char *sql, const char *name, struct mantis_arena *arena);
/* Is TEXT an expression that may be taken from a peer: literals, operators, harmless functions, and
 * columns of TABLE (NULL: none)? */
bool harmless_expression (const char *text, const struct mantis_table *table);
/* Is TEXT a type's name, such as VARCHAR(20)? */
bool plain_type (const char *text);

/* ---- capture.c: triggers ---- */

struct trigger {
  const char *name;
  const char *sql;
};
enum { MOST_TRIGGERS = 6 };
/* The triggers that TABLE needs under ID, in ARENA. */
enum mantis_status capture_triggers (struct mantis_session *session,
                                     const struct mantis_table *table, const struct facts *facts,
                                     int64_t id, struct mantis_arena *arena,
                                     struct trigger *triggers, size_t *count,
                                     struct mantis_error *error);

/* ---- attach.c, create.c ---- */
const char *storage_incident (struct mantis_session *session, const struct mantis_table *table);
enum mantis_status storage_attach (struct mantis_session *session, const char *const *patterns,
                                   const struct mantis_schema **schema, struct mantis_error *error);
enum mantis_status storage_create (struct mantis_session *session, const struct mantis_table *table,
                                   struct mantis_error *error);
enum mantis_status storage_detach (struct mantis_session *session, struct mantis_error *error);
const struct facts *table_facts (const struct mantis_session *session,
                                 const struct mantis_table *table);

/* ---- log.c ---- */

/* Make __sync_log and __sync_tables where they are missing, with room for KEYS key columns. */
enum mantis_status make_log (struct mantis_session *session, size_t keys,
                             struct mantis_error *error);
enum mantis_status log_head (struct mantis_session *session, int64_t *head,
                             struct mantis_error *error);
enum mantis_status log_read (struct mantis_session *session, int64_t after, int64_t upto,
                             size_t limit, struct mantis_arena *arena,
                             struct mantis_entry **entries, size_t *count,
                             struct mantis_error *error);
enum mantis_status log_recall (struct mantis_session *session, int64_t after, int64_t upto,
                               size_t limit, struct mantis_arena *arena,
                               struct mantis_entry **entries, struct mantis_before **before,
                               size_t *count, struct mantis_error *error);
/* Make room in the log for COUNT earlier values of a row. */
enum mantis_status make_looks (struct mantis_session *session, size_t count,
                               struct mantis_error *error);
enum mantis_status log_prune (struct mantis_session *session, int64_t after, int64_t upto,
                              struct mantis_error *error);
enum mantis_status log_trim (struct mantis_session *session, int64_t upto,
                             struct mantis_error *error);
enum mantis_status log_spare (struct mantis_session *session, int64_t after, int64_t upto,
                              size_t limit, struct mantis_arena *arena, int64_t **seqs,
                              size_t *count, struct mantis_error *error);
enum mantis_status log_drop (struct mantis_session *session, const int64_t *seqs, size_t count,
                             struct mantis_error *error);
enum mantis_status log_disown (struct mantis_session *session, const struct mantis_table *table,
                               const mantis_row *rows, size_t count, struct mantis_error *error);
enum mantis_status log_versions (struct mantis_session *session, const struct mantis_table *table,
                                 const mantis_row *rows, size_t count, struct mantis_arena *arena,
                                 struct mantis_version *versions, struct mantis_error *error);
/* "tbl = ID AND k0 = ?1 AND k1 IS NULL ..." */
void add_log_key (struct mantis_session *session, struct mantis_buf *sql,
                  const struct mantis_table *table, int first);

/* The watched table with this id, NULL when there is none. */
const struct mantis_table *table_of_id (const struct mantis_session *session, int64_t id);

/* ---- versions.c: __sync_row_TABLE ---- */

/* Make what is missing; FILL: take in the rows that are there. */
enum mantis_status versions_watch (struct mantis_session *session, const struct mantis_table *table,
                                   bool fill, struct mantis_error *error);
/* The statement with which a client notes what it applies, and its use. */
enum mantis_status versions_prepare (struct mantis_session *session,
                                     const struct mantis_table *table, bool deleted,
                                     sqlite3_stmt **write, struct mantis_error *error);
/* *READ: rev, time and origin of the row whose key is bound from parameter 1 on, where its version has left
 * the log of a server; NULL where no entry has. */
enum mantis_status versions_find (struct mantis_session *session, const struct mantis_table *table,
                                  sqlite3_stmt **read, struct mantis_error *error);
enum mantis_status versions_write (struct mantis_session *session, sqlite3_stmt *write,
                                   const struct mantis_change *change, struct mantis_error *error);
/* The entries with seq <= UPTO are about to leave the log. */
enum mantis_status versions_fold (struct mantis_session *session, int64_t upto,
                                  struct mantis_error *error);

/* ---- rows.c, apply.c ---- */

/* "id" = ?FIRST AND ... */
void add_key_match (struct mantis_buf *sql, const struct mantis_table *table, int first);
enum mantis_status rows_read (struct mantis_session *session, const struct mantis_table *table,
                              const mantis_row *rows, size_t count, struct mantis_arena *arena,
                              mantis_row *found, struct mantis_error *error);
enum mantis_status rows_scan (struct mantis_session *session, const struct mantis_table *table,
                              mantis_row after, mantis_row upto, size_t limit, size_t bytes,
                              struct mantis_arena *arena, const mantis_row **rows, size_t *count,
                              bool *end, struct mantis_error *error);
enum mantis_status rows_apply (struct mantis_session *session, const struct mantis_table *table,
                               const struct mantis_change *const *changes, size_t count,
                               size_t *done, struct mantis_error *error);
enum mantis_status rows_park (struct mantis_session *session, const struct mantis_table *table,
                              const struct mantis_change *const *changes, size_t count,
                              struct mantis_error *error);
/* Let triggers run in this connection, or not. */
enum mantis_status set_triggers (struct mantis_session *session, bool on,
                                 struct mantis_error *error);

/* ---- looks.c: what rows were ---- */

void storage_remember (struct mantis_session *session,
                       bool (*looks) (void *context, const struct mantis_schema *schema,
                                      const struct mantis_table *table, bool *columns),
                       void *context);
void storage_leave_out (struct mantis_session *session,
                        bool (*left_out) (void *context, const char *table, const char *column),
                        void *context);
/* Ask which columns of TABLE are remembered, and write it down in FACTS; none of a client's. */
enum mantis_status looks_ask (struct mantis_session *session, const struct known_schema *schema,
                              const struct mantis_table *table, struct facts *facts,
                              struct mantis_arena *arena, struct mantis_error *error);
/* The number that TABLE's columns have in __sync_looks, made where there is none, with room in the log. */
enum mantis_status looks_number (struct mantis_session *session, const struct mantis_table *table,
                                 struct facts *facts, struct mantis_error *error);
/* *SUM of the triggers that were made for TABLE when it was last remembered, 0: none is known. */
enum mantis_status looks_sum (struct mantis_session *session, const struct mantis_table *table,
                              uint64_t *sum, struct mantis_error *error);
/* The triggers that stand on TABLE from now on have SUM. */
enum mantis_status looks_note (struct mantis_session *session, const struct mantis_table *table,
                               const struct facts *facts, uint64_t sum, struct mantis_error *error);
/* A part of a sum, which is the sum of such. */
uint64_t trigger_sum (const char *name, const char *sql);

/* ---- notice.c ---- */
/* MANTIS_LOST when the file is not the one that was opened. */
enum mantis_status check_file (struct mantis_session *session, struct mantis_error *error);
int notice_watch (void *self, struct mantis_error *error);
enum mantis_status notice_look (struct mantis_session *session, bool *changed,
                                struct mantis_error *error);

#endif
