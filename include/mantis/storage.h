/* mantis/storage.h - capture, read, apply, keep; many rows a call.
 *
 * A storage makes one database a node's.  The core decides what to do with rows and versions; a storage
 * knows how to notice writes, how to read and write many rows, and nothing of conflicts or messages.
 *
 * A session belongs to one thread at a time.  Statuses: MANTIS_BUSY when a lock is not had in time,
 * MANTIS_FULL when there is no room, MANTIS_LOST when the connection or the file is gone, MANTIS_STALE
 * when the schema changed since attach().  After any of these, and after MANTIS_FAILED, the caller rolls
 * back; what a caller wrote is never committed but by commit().
 *
 * Log and rows agree: what a transaction reads of a row that another program wrote stands in the log that it
 * reads.  On a client the log is all that tells an application's writes from Mantis's own.
 *
 * Rows are given as mantis_row: column_count values in the order of the table's columns.  Where a key is
 * asked for, a row whose key columns are set serves.
 *
 * tests/law/storage.c says the same as this page, as a test that every storage has to pass.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_STORAGE_H
#define MANTIS_STORAGE_H

#include <mantis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_STORAGE_ABI 1u

struct mantis_session; /* a storage's */

enum mantis_role { MANTIS_CLIENT = 1, MANTIS_SERVER = 2 };

enum mantis_mode {
  MANTIS_READ, /* one snapshot: all reads until commit() see one moment.  Where numbers of the log are given
                  after the commits (other programs write while the database is open to all), those that
                  this transaction sees for the first time are given in it, and stand when commit() has
                  succeeded */
  MANTIS_WRITE /* Mantis's other writers are kept out from here on.  So are other programs (SQLite: BEGIN
                  IMMEDIATE), or commit() says MANTIS_BUSY when one of them has written a row that this
                  transaction wrote, between its version being read and its being written */
};

/* How attach() found a table. */
enum mantis_watch {
  MANTIS_WATCHED,    /* captured already, and nothing happened to the triggers since */
  MANTIS_NEW,        /* captured from now on; rows may have been there before */
  MANTIS_REWATCHED,  /* capture had been lost or the table rebuilt: writes may have gone unseen */
  MANTIS_NOT_WATCHED /* table->refusal says why */
};

struct mantis_attached {
  const struct mantis_table *table;
  enum mantis_watch watch;
};

struct mantis_schema {
  size_t size;
  const struct mantis_attached *tables; /* parents before children as far as foreign keys allow */
  size_t count;
};

/* The current version of a row on a server. */
struct mantis_version {
  int64_t rev; /* of its newest entry in the log, 0 when it has none */
  /* never earlier than that of the entry before it, plus 1 for each later entry */
  int64_t updated_at;
  const char *origin; /* node id, NULL: written or altered by the database's own side */
};

/* What a row was before the change that an entry of the log tells. */
struct mantis_before {
  /* Its key and the columns that are remembered; NULL: not known, or there was none. */
  mantis_row row;
  bool fresh; /* there was none */
};

struct mantis_storage {
  size_t size;

  /* ---- Sessions ---- */

  /* Open a session for ROLE, making the database if it is missing.  MANTIS_INVALID: this storage serves the other
   * role only. */
  enum mantis_status (*open) (void *self, enum mantis_role role, struct mantis_session **session,
                              struct mantis_error *error);
  void (*close) (struct mantis_session *session); /* rolls back what is not committed */

  /* The file (or other name) that this database is known by on this machine: the control socket and the
   * lock are made beside it.  NULL: it has none; the core uses its state directory.  Asked after the plugin's
   * start(), and locked before the first open(): until then another process may be writing to it. */
  const char *(*place) (void *self);

  /* ---- Transactions ---- */

  /* MANTIS_STALE when the schema changed since the session's last attach() (never before the first): no
   * transaction is open then, and the next begin() does not say so again.  A storage that finds out what other
   * programs wrote by looking looks here; what it finds stays, whatever becomes of the transaction. */
  enum mantis_status (*begin) (struct mantis_session *session, enum mantis_mode mode,
                               struct mantis_error *error);
  /* On a server durable before it returns.  MANTIS_REFUSED: a deferred constraint does not hold; the
   * transaction is still open.  MANTIS_BUSY: roll back, and do all of it again on the rows as they are. */
  enum mantis_status (*commit) (struct mantis_session *session, struct mantis_error *error);
  void (*rollback) (struct mantis_session *session);

  /* Savepoints nest.  rollback_to() leaves the innermost one open, release() closes it. */
  enum mantis_status (*savepoint) (struct mantis_session *session, struct mantis_error *error);
  enum mantis_status (*rollback_to) (struct mantis_session *session, struct mantis_error *error);
  enum mantis_status (*release) (struct mantis_session *session, struct mantis_error *error);

  /* In a transaction of a server: check foreign keys at commit (true, the state after begin) or at each
   * row (false).  On a client foreign keys are not checked and their actions do not run. */
  enum mantis_status (*defer) (struct mantis_session *session, bool until_commit,
                               struct mantis_error *error);
  /* MANTIS_REFUSED when commit() would say so now. */
  enum mantis_status (*check) (struct mantis_session *session, struct mantis_error *error);

  /* ---- Schema ---- */

  /* In a write transaction, which an engine whose schema is not transactional may commit and begin anew:
   * each step has to bear being done twice.  Read the schema, watch the tables that match one of PATTERNS (names, or with
   * '*' and '?'; NULL: all), put back what is missing of the capture, stop watching the others.  Tables
   * of Mantis (__sync_*) and the engine's own never match.  *SCHEMA belongs to the session and lives until
   * its close(): earlier ones stay valid.  A table that cannot be synced is listed with a refusal.  MANTIS_STALE when
   * somebody changed the schema meanwhile: the caller rolls back and tries again. */
  enum mantis_status (*attach) (struct mantis_session *session, const char *const *patterns,
                                const struct mantis_schema **schema, struct mantis_error *error);
  /* In a write transaction: make TABLE (its column types in SQLite's words where it comes from a peer) if
   * there is none of that name.  Also makes Mantis's own tables, and adds columns that one of those lacks. */
  enum mantis_status (*create) (struct mantis_session *session, const struct mantis_table *table,
                                struct mantis_error *error);
  /* In a write transaction: remove the capture of all tables and every object that Mantis made. */
  enum mantis_status (*detach) (struct mantis_session *session, struct mantis_error *error);

  /* ---- The log ---- */

  /* seq of the newest entry, 0 when there is none yet.  Numbers are never given twice.  On a server there is one from
   * attach() on: a log begins with a MANTIS_START, so that there is a place to have read up to. */
  enum mantis_status (*log_head) (struct mantis_session *session, int64_t *head,
                                  struct mantis_error *error);
  /* Entries with AFTER < seq <= UPTO, by seq, LIMIT at most.  Other programs' writes of one row between two
   * transactions may be one entry, or none where the row is as it was; its time is that of the last of them,
   * as far as that is known: conflicts are decided by it.  A row that came is MANTIS_INSERT, one that changed
   * MANTIS_UPDATE; a row that got another key is a deletion, and either of them. */
  enum mantis_status (*log_read) (struct mantis_session *session, int64_t after, int64_t upto,
                                  size_t limit, struct mantis_arena *arena,
                                  struct mantis_entry **entries, size_t *count,
                                  struct mantis_error *error);
  /* Remove the entries with seq <= UPTO, but never the newest of all. */
  enum mantis_status (*log_trim) (struct mantis_session *session, int64_t upto,
                                  struct mantis_error *error);
  /* Server: the newest entry of each row in ROWS gets origin NULL.  For rows that the database altered on
   * the way in: they are nobody's verbatim, and go back to their author too. */
  enum mantis_status (*log_disown) (struct mantis_session *session,
                                    const struct mantis_table *table, const mantis_row *rows,
                                    size_t count, struct mantis_error *error);
  /* Server: the current version of each row.  MANTIS_EVICT entries of rows that exist do not count. */
  enum mantis_status (*versions) (struct mantis_session *session, const struct mantis_table *table,
                                  const mantis_row *rows, size_t count, struct mantis_arena *arena,
                                  struct mantis_version *versions, struct mantis_error *error);

  /* ---- Rows ---- */

  /* FOUND[i] is the row with the key of ROWS[i], NULL when there is none. */
  enum mantis_status (*read) (struct mantis_session *session, const struct mantis_table *table,
                              const mantis_row *rows, size_t count, struct mantis_arena *arena,
                              mantis_row *found, struct mantis_error *error);
  /* Rows in key order with AFTER < key <= UPTO (NULL: no bound), until LIMIT rows or BYTES of values are
   * reached (at least one row).  *END: there are no more rows up to UPTO. */
  enum mantis_status (*scan) (struct mantis_session *session, const struct mantis_table *table,
                              mantis_row after, mantis_row upto, size_t limit, size_t bytes,
                              struct mantis_arena *arena, const mantis_row **rows, size_t *count,
                              bool *end, struct mantis_error *error);
  /* In a write transaction: make the rows of TABLE as CHANGES say, in that order.  Only columns that are
   * not MANTIS_NONE are set; a deletion of a row that is not there is no error.  *DONE is how many were
   * made; with MANTIS_REFUSED, CHANGES[*DONE] is the one that the database refuses, ERROR says why, and
   * those before it stay made.
   *
   * On a client a row that is refused is held back by the core, and tried again every half minute, and when
   * another row of its table was applied.
   *
   * On a client nothing enters the log, no trigger of the application runs and no foreign key acts (but
   * triggers that only feed tables that are not synced, e.g. a full text index, do run).
   * On a server everything enters the log: each change with its own origin and updated_at, all that the
   * database's triggers and actions derive from it with origin NULL and the present time.
   * Mantis's own tables are never logged. */
  enum mantis_status (*apply) (struct mantis_session *session, const struct mantis_table *table,
                               const struct mantis_change *const *changes, size_t count,
                               size_t *done, struct mantis_error *error);
  /* In a write transaction: the rows with the keys of CHANGES, as far as they exist, give up what they
   * hold in unique columns for a placeholder, so that values may be swapped among them.  The caller then
   * applies CHANGES, or rolls back. */
  enum mantis_status (*park) (struct mantis_session *session, const struct mantis_table *table,
                              const struct mantis_change *const *changes, size_t count,
                              struct mantis_error *error);

  /* ---- Notice ---- */

  /* A descriptor that becomes readable when somebody may have committed, Mantis too; the caller reads it empty and
   * then asks look(), again after a short while when the answer is no.  It stays the storage's, which closes it
   * when it is stopped, and is the same one each time.  -1: there is none, poll look(). */
  int (*watch) (void *self, struct mantis_error *error);
  /* Did anybody but this session commit since its last look()?  Cheap: it is asked once a second, and often while
   * the descriptor speaks.  Outside any transaction, on a thread that has a session for this, while others work.
   * MANTIS_BUSY: asked again.  MANTIS_LOST: the database was replaced or removed under us. */
  enum mantis_status (*look) (struct mantis_session *session, bool *changed,
                              struct mantis_error *error);

  /* ---- A log that waits long ----
   *
   * Both on a client, and both may be NULL: then the log keeps an entry for each write until it is sent. */

  /* Entries with AFTER < seq <= UPTO that tell nothing: of those of one row there, all but the first, the
   * first that is no MANTIS_EVICT, and the newest.  LIMIT at most, by seq.  May take a while: ask in a read
   * transaction. */
  enum mantis_status (*log_spare) (struct mantis_session *session, int64_t after, int64_t upto,
                                   size_t limit, struct mantis_arena *arena, int64_t **seqs,
                                   size_t *count, struct mantis_error *error);
  /* In a write transaction: remove these. */
  enum mantis_status (*log_drop) (struct mantis_session *session, const int64_t *seqs, size_t count,
                                  struct mantis_error *error);

  /* ---- Rows that are too large ---- */

  /* In a transaction, until it ends: of a row whose values (text and blobs) take more than BYTES, read() and
   * scan() give the key only.  Its other columns are MANTIS_NONE, and the length of each of those is what was
   * left out.  May be NULL: then such a row fails the call, where it fits into no arena. */
  void (*limit_rows) (struct mantis_session *session, size_t bytes);

  /* ---- What went wrong with the capture ----
   *
   * For people; both may be NULL. */

  /* Why writes to TABLE may have gone unseen, where the last attach() said MANTIS_REWATCHED: "a trigger was
   * dropped".  NULL: there are no words for it.  It lives as long as the schema. */
  const char *(*incident) (struct mantis_session *session, const struct mantis_table *table);
  /* What somebody has to mend before all is captured (again): TEXT says what and how, *SINCE since when, in
   * milliseconds since 1970.  False: nothing.  Any thread may ask. */
  bool (*trouble) (void *self, struct mantis_buf *text, int64_t *since);

  /* ---- A log that grows old ---- */

  /* Server, in a write transaction: the entries with AFTER < seq <= UPTO are old, and may go, with those
   * before them that are of the same rows; never the newest of all.  What versions() tells of rows that are
   * there stays as it is, but for updated_at, which may become that of the newest entry alone; of rows that
   * are not it tells nothing any more.  Called with ranges that follow each other.  May be NULL: then the
   * log of a server keeps all that ever happened. */
  enum mantis_status (*log_prune) (struct mantis_session *session, int64_t after, int64_t upto,
                                   struct mantis_error *error);

  /* ---- What rows were ----
   *
   * Server.  Both NULL: no filter can be used with this storage. */

  /* From the next attach() on, in each of them and for each table that is watched, LOOKS is asked with COLUMNS,
   * column_count places that are all false, and with SCHEMA: the tables that there are, not watched yet.  Where it says
   * true, the values that the columns set there had before stand beside each change of a row from then on.  Other
   * columns than at the last attach() are no reason to call the table MANTIS_REWATCHED: no write goes unseen.  All
   * sessions give the same answer. */
  void (*remember) (struct mantis_session *session,
                    bool (*looks) (void *context, const struct mantis_schema *schema,
                                   const struct mantis_table *table, bool *columns),
                    void *context);
  /* As log_read(), and for each entry what its row was before.  Of one that was made while other columns were
   * remembered, or none, it is not known. */
  enum mantis_status (*log_recall) (struct mantis_session *session, int64_t after, int64_t upto,
                                    size_t limit, struct mantis_arena *arena,
                                    struct mantis_entry **entries, struct mantis_before **before,
                                    size_t *count, struct mantis_error *error);

  /* ---- Columns that are nobody else's business ---- */

  /* Client.  From the next attach() on, in each of them, LEFT_OUT is asked about each column.  One for which it says
   * true is as if it was not there: attach() does not describe it, it is not read, and what is written leaves it as it
   * is.  Not so where no row could be made without it: a column of the key, or one that is NOT NULL and has no default,
   * is described all the same, and the table is paused then.  LEFT_OUT of NULL: none are.  May be NULL: a table with
   * columns that the server hides is paused. */
  void (*leave_out) (struct mantis_session *session,
                     bool (*left_out) (void *context, const char *table, const char *column),
                     void *context);
};

#define MANTIS_STORAGE_PLUGIN(name, ops, ...)                                                      \
  MANTIS_PLUGIN (name, MANTIS_KIND_STORAGE, MANTIS_STORAGE_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
