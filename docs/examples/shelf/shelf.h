/* shelf.h - a server's tables in memory, and all of them in one file: for some thousand rows, without a database.
 *
 * What there is at one moment is a struct state.  A reader holds the one that is current when it begins; a writer makes
 * a copy, changes that, writes it to the file, and puts it in the place of the current one.  So a transaction is seen
 * whole or not at all, a savepoint is one more copy, and what is rolled back is thrown away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SHELF_H
#define SHELF_H

#define _GNU_SOURCE /* renameat2(), qsort_r() */

#include <mantis/storage.h>

#include <pthread.h>
#include <stdio.h>

/* ---- What there is (state.c) ---- */

struct kept { /* a table, and its rows in the order of their keys */
  struct mantis_table about;
  mantis_row *rows;
  size_t count, room;
  bool watched, was_watched;
};

struct noted { /* an entry of the log */
  int64_t seq, time;
  size_t table; /* its place in the state */
  char operation;
  const char *origin; /* NULL: nobody's */
  mantis_row row;     /* of which the key is set */
};

struct step { /* a file that a commit changes */
  size_t table; /* its place in the state */
  mantis_row key, to; /* TO: what it will say; NULL: it goes */
};

struct state {
  struct mantis_arena *arena; /* all of it lies there */
  size_t holders;             /* under the lock of the shelf */
  struct kept *tables;
  size_t table_count;
  struct noted *log; /* by seq */
  size_t log_count, log_room;
  int64_t head, shape; /* of the log; SHAPE counts tables that were made */
  struct step *steps;  /* of a commit that is under way, or was cut short */
  size_t step_count;
};

bool is_own (const char *name); /* a table of Mantis's? */
struct state *state_new (void);
struct state *state_copy (const struct state *from);
void state_free (struct state *state);
struct kept *state_find (const struct state *state, const char *name);
struct kept *state_add (struct state *state, const struct mantis_table *table);
void state_widen (struct state *state, struct kept *kept, const struct mantis_table *table);
void state_note (struct state *state, const struct kept *kept, const struct mantis_change *change,
                 char operation);

/* Of LENGTH places, each of SIZE, one more; false: no memory. */
bool array_grow (struct mantis_arena *arena, void *array, size_t count, size_t *room, size_t size);
void table_copy (struct mantis_arena *arena, const struct mantis_table *from, struct mantis_table *to);
mantis_row row_copy (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row);
int key_order (const struct mantis_table *table, mantis_row a, mantis_row b);
/* The place of the row with this key; *THERE: it is taken. */
size_t row_place (const struct kept *kept, mantis_row key, bool *there);
bool row_put (struct state *state, struct kept *kept, size_t place, bool there, mantis_row row);
void row_remove (struct kept *kept, size_t place);

/* ---- The file (file.c) ---- */

enum mantis_status file_read (const char *path, struct state **state, struct mantis_error *error);
/* Durable when it returns. */
enum mantis_status file_write (const char *path, const struct state *state, struct mantis_error *error);

/* ---- Files that an application writes (paper.c, folder.c) ---- */

struct shelf;

struct paper { /* a file as an application left it */
  mantis_row row;
  int64_t time;
  bool clear; /* it says a row */
};

/* The folder of a table. */
char *table_path (const struct shelf *shelf, const char *table);
int table_open (const struct shelf *shelf, const char *table, struct mantis_error *error);
enum mantis_status table_make (const struct shelf *shelf, const char *table, struct mantis_error *error);

/* The file of a row; NULL: its key has no name.  And back; NULL: a file of this name is no row. */
const char *paper_name (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row);
struct mantis_value *paper_key (struct mantis_arena *arena, const struct mantis_table *table, const char *name);
/* MANTIS_ABSENT: there is no such file.  MANTIS_INVALID: it says no row; ERROR has why. */
enum mantis_status paper_read (int dir, const char *name, const struct mantis_table *table,
                               const struct mantis_value *key, struct mantis_arena *arena,
                               struct paper *paper, struct mantis_error *error);
/* Does the file say just this row, or (NULL) is there none? */
bool paper_says (int dir, const char *name, const struct mantis_table *table, mantis_row key, mantis_row row);
bool paper_same (const struct mantis_table *table, mantis_row a, mantis_row b);
/* The file says FROM: make it say TO (NULL: it is not there).  MANTIS_BUSY: it says something else, and goes on doing so. */
enum mantis_status paper_turn (int dir, const struct mantis_table *table, const char *name, mantis_row key,
                               mantis_row from, mantis_row to, struct mantis_error *error);
void paper_recover (int dir, const struct mantis_table *table, const char *name, mantis_row key, mantis_row from,
                    mantis_row to);

enum mantis_status folder_compare (struct shelf *shelf, struct state **fresh, struct mantis_error *error);
enum mantis_status folder_commit (struct shelf *shelf, struct state *mine, struct mantis_error *error);
enum mantis_status folder_recover (struct shelf *shelf, struct mantis_error *error);
enum mantis_status folder_admits (const struct shelf *shelf, const struct mantis_table *table, mantis_row row,
                                  struct mantis_error *error);
int folder_watch (void *self, struct mantis_error *error);
bool folder_trouble (void *self, struct mantis_buf *text, int64_t *since);

/* ---- The plugin (shelf.c), sessions (session.c), rows and log (rows.c) ---- */

struct shelf {
  const char *path, *folder; /* options */
  const char *const *tables;
  int64_t wait;
  pthread_mutex_t lock; /* around what follows */
  pthread_cond_t free;
  struct state *state;
  int64_t commits;
  bool writing;
  int tells;                   /* to the core that something was written to the folder */
  struct mantis_error trouble; /* a file that says no row */
  int64_t since;
  /* who has set WRITING has these: */
  int stirs;        /* tells us the same */
  int64_t compared; /* the shape of which all files were compared */
};

struct mantis_session {
  struct shelf *shelf;
  enum mantis_role role;
  struct state *state; /* of the transaction: NULL outside */
  bool writes;
  struct state *saved[16]; /* savepoints */
  size_t saved_count;
  struct mantis_arena *arena; /* of schemas */
  const struct mantis_schema *schema;
  int64_t shape, seen;
};

enum mantis_status shelf_load (struct shelf *shelf, struct mantis_error *error);
enum mantis_status session_open (void *self, enum mantis_role role, struct mantis_session **session,
                                 struct mantis_error *error);
void session_close (struct mantis_session *session);
enum mantis_status session_begin (struct mantis_session *session, enum mantis_mode mode,
                                  struct mantis_error *error);
enum mantis_status session_commit (struct mantis_session *session, struct mantis_error *error);
void session_rollback (struct mantis_session *session);
enum mantis_status session_savepoint (struct mantis_session *session, struct mantis_error *error);
enum mantis_status session_rollback_to (struct mantis_session *session, struct mantis_error *error);
enum mantis_status session_release (struct mantis_session *session, struct mantis_error *error);
enum mantis_status session_attach (struct mantis_session *session, const char *const *patterns,
                                   const struct mantis_schema **schema, struct mantis_error *error);
enum mantis_status session_create (struct mantis_session *session, const struct mantis_table *table,
                                   struct mantis_error *error);
enum mantis_status session_detach (struct mantis_session *session, struct mantis_error *error);
enum mantis_status session_look (struct mantis_session *session, bool *changed,
                                 struct mantis_error *error);

enum mantis_status row_make (struct state *state, struct kept *kept, const struct mantis_change *change,
                             bool logged, struct mantis_error *error);
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
enum mantis_status log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error);
enum mantis_status log_read (struct mantis_session *session, int64_t after, int64_t upto,
                             size_t limit, struct mantis_arena *arena, struct mantis_entry **entries,
                             size_t *count, struct mantis_error *error);
enum mantis_status log_trim (struct mantis_session *session, int64_t upto, struct mantis_error *error);
enum mantis_status log_prune (struct mantis_session *session, int64_t after, int64_t upto,
                              struct mantis_error *error);
enum mantis_status log_disown (struct mantis_session *session, const struct mantis_table *table,
                               const mantis_row *rows, size_t count, struct mantis_error *error);
enum mantis_status log_versions (struct mantis_session *session, const struct mantis_table *table,
                                 const mantis_row *rows, size_t count, struct mantis_arena *arena,
                                 struct mantis_version *versions, struct mantis_error *error);

#endif
