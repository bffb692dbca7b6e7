/* mysql.h - what the files of this storage share.
 *
 * A session is one connection.  Who writes locks the one row of __sync_counter first, so that one session
 * at a time gives numbers in the log; number.c tells how.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MYSQL_H
#define MANTIS_MYSQL_H

#include <mantis/storage.h>

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>

#define COUNT_OF(array) (sizeof (array) / sizeof *(array))
#define AUTO_BUF __attribute__ ((cleanup (mantis_buf_free)))
#define AUTO_RESULT __attribute__ ((cleanup (result_free)))
#define AUTO_ARENA __attribute__ ((cleanup (arena_free)))

/* How long the application is left alone after a try that met one of its locks; wait.c. */
struct truce {
  int64_t length, until; /* microseconds; monotonic */
};

/* The instance: options first, then what start() adds. */
struct mysql {
  const char *host, *socket, *database, *user, *password_file;
  int64_t port;
  const char *tls_ca, *tls_cert, *tls_key;
  bool tls_verify, tls_required;
  int64_t connect_timeout, read_timeout, retry_pause, lock_timeout, schema_check; /* milliseconds */
  const char *const *skip_unchanged;
  atomic_llong news;    /* counts changes of the schema that one session has found: all look */
  char *name;           /* HOST/DATABASE, for people and for the lock's name */
  pthread_mutex_t lock; /* of what follows */
  int64_t not_before;   /* monotonic: no connection is tried earlier */
  int64_t pause;        /* microseconds, grows with each failure */
  int64_t since;        /* monotonic: the database's server is there since */
  bool away;            /* it is not */
  struct mantis_error last_error; /* of the last try; empty before the first */
  unsigned last_code;             /* the library's number of it */
  struct mantis_error waits_for;  /* of the last attach() that met another program's lock */
  struct truce truce;             /* no attach() before that */
  struct truce tables;            /* the same of triggers alone */
  atomic_bool was_attached;
  atomic_bool exposed; /* that others may read the password has been said */
  bool warned; /* settings of the database's server have been looked at */
  char
      trouble[sizeof ((struct mantis_error *)0)->text]; /* what a person has to mend; "": nothing */
  int64_t trouble_since;                                /* milliseconds since 1970 */
};

/* What kind of value a column holds, and how it stands in SQL. */
enum kind {
  KIND_INTEGER, /* all integer types; what is above 2^63-1 is text */
  KIND_YEAR,
  KIND_BIT,
  KIND_REAL, /* DOUBLE */
  KIND_FLOAT,
  KIND_DECIMAL, /* up to 15 digits: a number */
  KIND_EXACT,   /* more digits: text */
  KIND_TEXT,    /* also ENUM, SET, JSON, UUID, INET */
  KIND_DATE,
  KIND_TIME,
  KIND_DATETIME,
  KIND_TIMESTAMP,
  KIND_BYTES,
  KIND_GEOMETRY,
  KIND_ANY, /* of Mantis's own tables: an integer or text */
  KIND_NONE /* cannot be synced */
};

struct column_facts {
  enum kind kind;
  bool is_unsigned;
  bool alters;               /* it may store something else than it is given, without an error */
  bool in_order;             /* its order in the engine is that of its values in Mantis */
  bool fuzzy;                /* it compares values as equal that differ */
  bool any_case;             /* 'A' is 'a' to it, as for each letter of ASCII */
  bool fixed;                /* CHAR, BINARY */
  bool scaled;               /* FLOAT and DOUBLE that are rounded to a number of decimals */
  bool in_bytes, narrow;     /* of text: what LENGTH counts; each character is one byte */
  unsigned bits;             /* of integers and BIT */
  unsigned digits, decimals; /* of DECIMAL; decimals also of times */
  int64_t length;            /* in characters, of text; in bytes, of BYTES; 0: not known */
  bool counted;              /* AUTO_INCREMENT */
  bool ask_default;          /* only the engine itself tells its default exactly */
  const char *labels;        /* of ENUM and SET: the type as SQL has it, "enum('a','b')" */
};

/* What this storage knows of a table beyond struct mantis_table. */
struct facts {
  struct column_facts *columns;
  const char *created; /* NODE=STAMP: hashes of the server, and of when it made or rebuilt it */
  const char
      *incident; /* why writes may have gone unseen before attach(); NULL: there is no reason */
  bool is_view;
  bool own_trigger;   /* the application has triggers on it */
  bool acts;          /* a change of a row changes others: triggers, actions of foreign keys */
  bool fuzzy_key;     /* keys that differ may be equal to the engine */
  bool other_uniques; /* there are unique indexes beside the primary key */
  bool alters;        /* some column may store something else than it is given */
  bool counts_far;    /* its AUTO_INCREMENT is beyond what SQLite counts to */
  bool asks;          /* a column has ask_default */
  bool looked_at;     /* server: earlier values of columns are remembered */
  uint32_t *looks;    /* which columns, look_count of them */
  size_t look_count;
  bool *asked;     /* for each of LOOKS: it is this process that asked for it */
  int64_t look_id; /* of LOOKS, in __sync_looks */
  uint64_t loose;  /* a bit for each unique index, while they are read: it has an expression */
};

/* A table of the application, as attach() found it. */
struct known_table {
  struct mantis_table table; /* first: this is what others see */
  struct facts facts;
  uint64_t shape;    /* hash of its columns at attach(); see check_shape() */
  int64_t looked_in; /* the transaction that looked last whether it still has these */
};

/* One result of attach(). */
struct known_schema {
  struct mantis_schema shown;
  struct mantis_attached *attached; /* each is a known_table */
  struct mantis_arena *arena;
  struct known_schema *older;
};

/* A set of 64 bit hashes; set.c. */
struct set {
  uint64_t *slots; /* 0: free */
  size_t room, count;
};

/* A row whose foreign keys have not been looked at. */
struct unchecked {
  const struct mantis_table *table;
  mantis_row row; /* its key */
  bool deleted;
};

enum { MOST_KEYS = 16, MOST_SAVEPOINTS = 64, ROWS_A_STATEMENT = 1000, STATEMENT_BYTES = 1 << 20 };

/* What capture triggers do when Mantis writes.  Outside of a transaction of Mantis's they treat its connection
 * as anybody's: should a pool lend it to a program, what that writes is captured. */
enum voice {
  VOICE_USUAL, /* they note what anybody writes */
  VOICE_QUIET, /* they do nothing: the entries are written beside the rows */
  VOICE_OWN    /* they note that it was this session */
};

struct mantis_session {
  struct mysql *storage;
  MYSQL *db;
  enum mantis_role role;
  bool mariadb;   /* not Oracle's */
  bool clustered; /* a node of Galera */
  int64_t largest_statement;
  struct known_schema *schema; /* newest first */
  struct mantis_buf sql;       /* scratch of the public calls, one at a time */
  bool sees_tables;            /* may ask InnoDB which table is which: TRUNCATE shows there */
  bool rescued;                /* its triggers were removed, and that was said */
  bool fails_others; /* what the account lacks lets our triggers fail the writes of others */
  bool has_meta;     /* __sync_meta is there: its generation is part of the signature */
  int64_t triggers;  /* hash of all triggers, at the last attach() */
  int64_t truncations, truncations_at; /* counters of the last look without PROCESS, and its time */
  int64_t triggers_at;                 /* monotonic: when they were last looked at */
  uint64_t signature;                  /* of the database's schema at the last attach() */
  long long news;                      /* those that it has looked for */
  int64_t checked_at;                  /* monotonic: when the signature was last looked at */
  bool attached;
  bool owes;         /* triggers that the last attach() could not make: look() tries again */
  bool holds_schema; /* the lock that keeps another attach() out */
  bool in_transaction, writing;
  int64_t transactions; /* counted: the number of this one, or of the last */
  int64_t connected_at; /* monotonic */
  bool lost;            /* the connection is: begin() makes a new one */
  bool gone; /* the engine has rolled the transaction back by itself (a deadlock), or is gone */
  enum voice voice;  /* of the capture triggers in this connection */
  bool unbound;      /* foreign keys are not looked at in this connection */
  bool until_commit; /* defer() */
  size_t row_bytes;  /* of a row that is read, at most; 0: no limit */
  int log_keys;      /* key columns of __sync_log, 0: not known yet */
  bool has_past;     /* __sync_outbox and __sync_log have was and w, which tell what rows were */
  /* Which columns are remembered, see mantis/storage.h; NULL: of no table. */
  bool (*looks) (void *context, const struct mantis_schema *schema,
                 const struct mantis_table *table, bool *columns);
  void *looks_context;
  int64_t seq;        /* newest number: that of the snapshot, or the one given last */
  int64_t stored_seq; /* the same as __sync_counter has it */
  int64_t seqs[MOST_SAVEPOINTS];
  size_t uncheckeds[MOST_SAVEPOINTS]; /* as many rows were unchecked then */
  int savepoints;
  struct set written; /* keys that this transaction has written */
  bool parked; /* rows of which something is remembered: triggers see them as they are parked */
  struct mantis_arena *memory; /* of this transaction */
  struct unchecked *unchecked;
  size_t unchecked_count, unchecked_room;
  int64_t own_seq;        /* newest number after our own last commit */
  int64_t looked_seq;     /* at the last look() */
  uint64_t looked_access; /* hash of what tells of who may come in */
  bool looked;
};

/* ---- connect.c ---- */
enum mantis_status connect_session (struct mantis_session *session, struct mantis_error *error);
/* What a cluster has committed so far is here from now on: who was answered by another node meets no past. */
enum mantis_status catch_up (struct mantis_session *session, struct mantis_error *error);
/* How long another's lock is waited for. */
long long lock_seconds (const struct mysql *storage);
/* The connection is lost: the next one is "connected again". */
void note_loss (struct mantis_session *session);

/* ---- privileges.c ---- */
#define DISTRUSTED                                                                                 \
  "the binary log is on, and who is not trusted may not make triggers (error 1419): SET GLOBAL"    \
  " log_bin_trust_function_creators = 1, there and in its configuration"
/* MANTIS_INVALID, with the name of each one that is missing, or when the account is gone. */
enum mantis_status check_privileges (struct mantis_session *session, struct mantis_error *error);
bool storage_trouble (void *self, struct mantis_buf *text, int64_t *since);
void add_needed_privileges (struct mantis_buf *text);

/* ---- query.c: SQL and its errors ---- */

struct result {
  MYSQL_RES *rows;
  MYSQL_ROW row;
  unsigned long *lengths;
};

enum mantis_status no_memory (struct mantis_error *error);
/* What the engine says, as a status and a text.  WHAT: what was being done. */
enum mantis_status sql_failed (struct mantis_session *session, struct mantis_error *error,
                               const char *what);
/* Run the statements in SQL; RESULT (may be NULL) gets the rows of the last that gave any. */
enum mantis_status query (struct mantis_session *session, const struct mantis_buf *sql,
                          struct result *result, struct mantis_error *error);
/* As query(), of several statements: TAKE is given the rows of one after the other, and frees them. */
typedef void (*take_rows) (void *context, MYSQL_RES *rows);
enum mantis_status query_each (struct mantis_session *session, const struct mantis_buf *sql,
                               take_rows take, void *context, struct mantis_error *error);
enum mantis_status run (struct mantis_session *session, const char *sql,
                        struct mantis_error *error);
enum mantis_status runf (struct mantis_session *session, struct mantis_error *error,
                         const char *format, ...) MANTIS_PRINTF (3, 4);
enum mantis_status ask (struct mantis_session *session, const char *sql, struct result *result,
                        struct mantis_error *error);
/* The first column of the first row as an integer, OTHERWISE when there is none or a NULL. */
enum mantis_status ask_integer (struct mantis_session *session, const char *sql, int64_t otherwise,
                                int64_t *value, struct mantis_error *error);
unsigned
last_code (const struct mantis_session *session); /* the engine's number of the last error */
bool next_row (struct result *result);
int64_t integer_at (const struct result *result, int column); /* 0 for NULL */
const char *text_at (const struct result *result, int column, struct mantis_arena *arena);
void result_free (struct result *result);
void arena_free (struct mantis_arena **arena);
void add_name (struct mantis_buf *buf, const char *name); /* `name`, quoted */
void add_bytes (struct mantis_session *session, struct mantis_buf *buf, const char *bytes,
                size_t length); /* 'bytes', escaped */
void add_string (struct mantis_session *session, struct mantis_buf *buf, const char *text);
/* MANTIS_FAILED unless a transaction is open (and may write, if WRITING). */
enum mantis_status need_transaction (struct mantis_session *session, bool writing,
                                     struct mantis_error *error);

/* ---- types.c: values and types, both ways ---- */

/* Fill COLUMN and FACTS from what information_schema says. */
struct described {
  const char *data_type, *column_type, *charset, *collation;
  int64_t length, precision, decimals, time_decimals;
  const char *default_text, *extra;
  bool quotes; /* of the default: constants are as in SQL, else it is bare */
};
void describe_type (const struct described *d, struct mantis_column *column,
                    struct column_facts *facts, struct mantis_arena *arena);
/* The facts of a column of one of Mantis's own tables. */
struct column_facts own_column (const struct mantis_column *column);
/* The type that a column of a peer's table gets here; false: there is none. */
bool add_type (struct mantis_buf *sql, const struct mantis_table *table, size_t at, bool indexed);
/* What selects the column so that value_of() understands it. */
void add_selected (struct mantis_buf *sql, const char *prefix, const char *name,
                   const struct column_facts *facts);
/* The value in BYTES (NULL: NULL), copied into ARENA. */
bool value_of (const struct column_facts *facts, const char *bytes, size_t length,
               struct mantis_arena *arena, struct mantis_value *value);
void add_value (struct mantis_session *session, struct mantis_buf *sql,
                const struct column_facts *facts, const struct mantis_value *value);
/* A value that nobody has, for a unique column. */
void add_placeholder (struct mantis_buf *sql, const struct column_facts *facts);
/* In a trigger: the column as the bytes that stand in the log.  PREFIX: "NEW." and so on. */
void add_key_text (struct mantis_buf *sql, const char *prefix, const char *name,
                   const struct column_facts *facts);
/* The same bytes of VALUE. */
void key_bytes (struct mantis_buf *buf, const struct column_facts *facts,
                const struct mantis_value *value);

/* Numbers as text, whatever the locale. */
double parse_real (const char *text);
void add_decimal (struct mantis_buf *buf, unsigned decimals, double real);
void add_real (struct mantis_buf *buf, double real);
bool is_integer (const char *text, size_t length);

/* ---- defaults.c: in SQLite's words; "": there is one that has no form there ---- */

/* NULL: there is none.  *ASK: ask_defaults() will know. */
const char *default_of (const struct described *d, const struct column_facts *facts,
                        struct mantis_arena *arena, bool *ask);
/* Set the default of each column that has ask_default. */
enum mantis_status ask_defaults (struct mantis_session *session, struct mantis_table *table,
                                 const struct facts *facts, struct mantis_arena *arena,
                                 struct mantis_error *error);
/* Of the generated column AT, whose text is the engine's. */
const char *generated_of (const struct mantis_table *table, const struct facts *facts, size_t at,
                          struct mantis_arena *arena);

/* ---- check.c ---- */

/* MANTIS_REFUSED, with the reason, when the column cannot hold VALUE and would not say so. */
enum mantis_status check_value (const struct mantis_table *table, size_t at,
                                const struct column_facts *facts, const struct mantis_value *value,
                                struct mantis_error *error);

/* ---- geometry.c ---- */
bool is_geometry (const char *bytes, size_t length);

/* ---- set.c ---- */
uint64_t hash_on (uint64_t hash, const void *bytes, size_t length);
#define HASH_START 14695981039346656037u
bool set_add (struct set *set, uint64_t hash); /* false: no memory */
bool set_has (const struct set *set, uint64_t hash);
void set_clear (struct set *set);
void set_free (struct set *set);
/* Where hashes stand in an array; several may be equal. */
struct places {
  const uint64_t *hashes;
  uint32_t *slots, *next; /* place + 1 */
  size_t room;
};
bool places_make (struct places *places, const uint64_t *hashes, size_t count,
                  struct mantis_arena *arena);
/* The first place of HASH, or the one after AFTER; SIZE_MAX: there is none (more). */
size_t places_find (const struct places *places, uint64_t hash);
size_t places_next (const struct places *places, size_t after);
/* Of a row's key, as it stands in the log. */
uint64_t key_hash (const struct mantis_table *table, mantis_row row);
/* The same of a key as the database gave it: in ROW, from column FIRST. */
uint64_t key_hash_of (const struct result *row, int first, const struct mantis_table *table);
/* The key columns of ROW hold the same as those of OTHER. */
bool same_key (const struct mantis_table *table, mantis_row row, mantis_row other);

/* ---- describe.c: what tables there are ---- */

/* What reading the schema needs at every step. */
struct reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  struct known_schema *schema;
  struct mantis_error *error;
};

bool is_own (const char *name);
bool same_name (const char *a, const char *b); /* as the engine compares names of columns */
/* All tables of the database that match PATTERNS, with their facts; order parents first. */
enum mantis_status describe_tables (struct mantis_session *session, const char *const *patterns,
                                    struct known_schema *schema, struct mantis_error *error);
struct known_table *known_at (const struct known_schema *schema, size_t at);
size_t find_table (const struct known_schema *schema, const char *name); /* SIZE_MAX: none */
size_t find_column (const struct mantis_table *table, const char *name);
/* NULL: of one of Mantis's own tables. */
const struct facts *table_facts (const struct mantis_table *table);
/* The facts of column AT, of one of Mantis's own tables too. */
struct column_facts column_facts (const struct mantis_table *table, size_t at);
/* The watched table with this id, NULL when there is none. */
const struct mantis_table *table_of_id (const struct mantis_session *session, int64_t id);

/* ---- keys.c ---- */
enum mantis_status read_indexes (struct reading *r);
enum mantis_status read_foreign_keys (struct reading *r);
/* When all columns and keys are known: what clients make of them. */
enum mantis_status finish_keys (struct reading *r, struct mantis_table *table,
                                const struct facts *facts);

/* ---- looks.c: what rows were ---- */
void storage_remember (struct mantis_session *session,
                       bool (*looks) (void *context, const struct mantis_schema *schema,
                                      const struct mantis_table *table, bool *columns),
                       void *context);
/* Ask which columns of all watched tables are remembered, and write it down in their facts.  ANEW: what other processes
 * asked for does not count. */
enum mantis_status looks_ask (struct mantis_session *session, struct known_schema *schema,
                              bool anew, struct mantis_error *error);
/* In a trigger: all that is remembered of the row in PREFIX, "OLD." and so on, as one value. */
void add_past (struct mantis_buf *sql, const char *prefix, const struct mantis_table *table,
               const struct facts *facts);
/* That value, in W: the row with KEY as it was.  *ROW is NULL where it is not known.  False: no memory. */
bool read_past (const struct mantis_table *table, const struct facts *facts, mantis_row key,
                const char *w, size_t length, struct mantis_arena *arena, mantis_row *row);

/* ---- capture.c: triggers ---- */
struct trigger {
  const char *name, *table, *event; /* "AFTER INSERT" */
  const char *body;
  const char *plain; /* the body of one that remembers nothing; the same where this one does not */
};
enum { MOST_TRIGGERS = 5 };
/* Is BODY that of a trigger that notes the same changes as WANTED, and may remember other columns? */
bool captures_alike (const char *body, const struct trigger *wanted);
enum mantis_status capture_triggers (struct mantis_session *session,
                                     const struct known_schema *schema, size_t at,
                                     struct mantis_arena *arena, struct trigger *triggers,
                                     size_t *count, struct mantis_error *error);

/* ---- created.c ---- */
/* NOW is what a node says now, LIST what was remembered: is it something else than this node said before? */
bool created_differs (const char *list, const char *now);
/* What to remember; NULL: no memory. */
const char *created_join (const char *list, const char *now, struct mantis_arena *arena);

/* ---- wait.c ---- */
enum { BRIEF_SECONDS = 1 };
/* So long does this session wait for transactions that use a table. */
enum mantis_status wait_for_tables (struct mantis_session *session, long long seconds,
                                    struct mantis_error *error);
/* MANTIS_BUSY while the application is left alone after a try. */
enum mantis_status may_change_tables (struct mysql *storage, struct mantis_error *error);
void note_attach (struct mysql *storage, enum mantis_status status,
                  const struct mantis_error *error);
/* May triggers be made that have to wait for somebody? */
bool tables_are_due (struct mysql *storage);
/* What came of it: OWED, not all could be made. */
void note_tables (struct mysql *storage, bool owed);
/* Since the start of this process not all could be looked after. */
bool owes_triggers (struct mysql *storage);
/* One attach() at a time, of all servers; until its transaction has ended. */
enum mantis_status lock_schema (struct mantis_session *session, struct mantis_error *error);
void leave_schema (struct mantis_session *session);

/* ---- attach.c, create.c ---- */
enum mantis_status storage_attach (struct mantis_session *session, const char *const *patterns,
                                   const struct mantis_schema **schema, struct mantis_error *error);
enum mantis_status storage_create (struct mantis_session *session, const struct mantis_table *table,
                                   struct mantis_error *error);
enum mantis_status storage_detach (struct mantis_session *session, struct mantis_error *error);
/* Drop the triggers of the capture, or those whose definer is our account. */
enum mantis_status drop_capture (struct mantis_session *session, bool own,
                                 struct mantis_error *error);
const char *storage_incident (struct mantis_session *session, const struct mantis_table *table);
/* Make the counter, the outbox and the log where they are missing, with room for KEYS key columns. */
enum mantis_status make_log (struct mantis_session *session, size_t keys,
                             struct mantis_error *error);
enum mantis_status renew_outbox (struct mantis_session *session, struct mantis_error *error);
/* Make room for what rows were, where there is none. */
enum mantis_status make_past (struct mantis_session *session, struct mantis_error *error);
bool may_hide (const struct mantis_session *session);
enum mantis_status count_log_keys (struct mantis_session *session, struct mantis_error *error);
/* What changes the schema ends the transaction: lock the counter again. */
enum mantis_status lock_again (struct mantis_session *session, struct mantis_error *error);

/* ---- number.c: from the outbox to the log, in the order of commits ---- */

/* Open a transaction that may write, with the counter locked and all that is visible numbered. */
enum mantis_status begin_write (struct mantis_session *session, struct mantis_error *error);
/* Open a snapshot in which all that is visible is numbered. */
enum mantis_status begin_read (struct mantis_session *session, struct mantis_error *error);
/* Give numbers to all that waits, in a transaction of its own. */
enum mantis_status number_now (struct mantis_session *session, struct mantis_error *error);
/* In a write transaction: MANTIS_BUSY when others have written what this transaction wrote. */
enum mantis_status check_others (struct mantis_session *session, struct mantis_error *error);
/* In a write transaction: what triggers noted for this session gets its numbers; those of CHANGES their
 * origin and time. */
enum mantis_status number_own (struct mantis_session *session, const struct mantis_table *table,
                               const struct mantis_change *const *changes, size_t count,
                               struct mantis_error *error);

/* ---- log.c ---- */
void add_log_columns (struct mantis_session *session, struct mantis_buf *sql);
/* ", was, w" where there are such columns. */
void add_past_columns (struct mantis_session *session, struct mantis_buf *sql);
/* Entries for COUNT changes of a table whose triggers were quiet. */
enum mantis_status log_append (struct mantis_session *session, const struct mantis_table *table,
                               const struct mantis_change *const *changes, size_t count,
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
enum mantis_status log_prune (struct mantis_session *session, int64_t after, int64_t upto,
                              struct mantis_error *error);
enum mantis_status log_trim (struct mantis_session *session, int64_t upto,
                             struct mantis_error *error);
enum mantis_status log_disown (struct mantis_session *session, const struct mantis_table *table,
                               const mantis_row *rows, size_t count, struct mantis_error *error);
enum mantis_status log_versions (struct mantis_session *session, const struct mantis_table *table,
                                 const mantis_row *rows, size_t count, struct mantis_arena *arena,
                                 struct mantis_version *versions, struct mantis_error *error);

/* ---- rows.c, apply.c, foreign.c ---- */

/* "(`a`, `b`) IN ((1, 'x'), ...)" */
void add_key_list (struct mantis_session *session, struct mantis_buf *sql,
                   const struct mantis_table *table, const mantis_row *rows, size_t count);
/* "`a` = 1 AND `b` = 'x'" */
void add_key_match (struct mantis_session *session, struct mantis_buf *sql,
                    const struct mantis_table *table, mantis_row row);
enum mantis_status rows_read (struct mantis_session *session, const struct mantis_table *table,
                              const mantis_row *rows, size_t count, struct mantis_arena *arena,
                              mantis_row *found, struct mantis_error *error);
/* The keys of ROWS that there are, as they are, and locked. */
enum mantis_status rows_lock (struct mantis_session *session, const struct mantis_table *table,
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
/* In a write transaction, until it ends. */
enum mantis_status set_voice (struct mantis_session *session, enum voice voice,
                              struct mantis_error *error);
/* Before COMMIT or ROLLBACK. */
#define USUAL_VOICE "SET @__sync_quiet = NULL, @__sync_session = NULL; "
/* Look at foreign keys in this connection, or not. */
enum mantis_status set_unbound (struct mantis_session *session, bool unbound,
                                struct mantis_error *error);
/* Does a foreign key name COLUMN of PARENT? */
bool is_referred_to (const struct mantis_session *session, const struct mantis_table *parent,
                     const char *column);
/* The rows of CHANGES were written with foreign keys not looked at. */
enum mantis_status note_unchecked (struct mantis_session *session,
                                   const struct mantis_change *const *changes, size_t count,
                                   struct mantis_error *error);
/* MANTIS_REFUSED when one of them does not hold. */
enum mantis_status check_foreign (struct mantis_session *session, struct mantis_error *error);

/* ---- notice.c ---- */
/* Which of InnoDB's own tables tells the ids of tables, and a name as it stands there. */
const char *inner_tables (const struct mantis_session *session);
#define FILE_NAME(name) "CAST(CONVERT(" name " USING filename) AS BINARY)"
/* Of all triggers in the database: slow to ask for. */
/* Note which columns the watched tables of SCHEMA have. */
enum mantis_status note_shapes (struct mantis_session *session, struct known_schema *schema,
                                struct mantis_error *error);
/* In a transaction, before rows of TABLE are read: are its columns those of attach()?  Looks of check_schema() are rare,
 * and a column that came just now may have values already; from this look on the transaction keeps others from
 * altering it.  MANTIS_BUSY: they are not, and the next begin() will say MANTIS_STALE. */
enum mantis_status check_shape (struct mantis_session *session, const struct mantis_table *table,
                                struct mantis_error *error);
enum mantis_status read_trigger_hash (struct mantis_session *session, int64_t *hash,
                                      struct mantis_error *error);
/* SHAPE: the part that has to do with tables and their columns. */
enum mantis_status read_signature (struct mantis_session *session, uint64_t *signature,
                                   uint64_t *shape, struct mantis_error *error);
/* truncated.c: without PROCESS. */
enum mantis_status look_for_truncated (struct mantis_session *session, struct mantis_error *error);
/* An ALTER TABLE of one of Mantis's own, which is not to be taken for somebody else's. */
enum mantis_status alter_own (struct mantis_session *session, const struct mantis_buf *sql,
                              struct mantis_error *error);
int notice_watch (void *self, struct mantis_error *error);
enum mantis_status notice_look (struct mantis_session *session, bool *changed,
                                struct mantis_error *error);
/* mysql.c: connect again where the connection was lost. */
enum mantis_status find_connection (struct mantis_session *session, struct mantis_error *error);
/* MANTIS_STALE when the schema is not the one that attach() saw. */
enum mantis_status check_schema (struct mantis_session *session, struct mantis_error *error);

#endif
