/* storage_rig.h - the words in which the storage laws are written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_STORAGE_RIG_H
#define MANTIS_STORAGE_RIG_H

#include "law.h"

#ifdef LAW_COMMAND /* for mantis-plugin-test */
#include "engine_command.h"
#include "words.h"
#else
#include <check.h>
#endif
#include <stdlib.h>
#include <string.h>

#ifndef LAW_ENGINE
#define LAW_ENGINE engine_sqlite
#endif
static const struct engine *const engine = &LAW_ENGINE;
static const struct mantis_storage *storage;
static void *self;
static struct mantis_session *session;
static struct mantis_arena *arena;
static struct mantis_error error;
static const struct mantis_schema *schema;

#define OK(call)                                                                                   \
  do {                                                                                             \
    error.text[0] = '\0';                                                                          \
    enum mantis_status status_ = (call);                                                           \
    ck_assert_msg (status_ == MANTIS_OK, "%s: status %d: %s", #call, status_, error.text);         \
  } while (0)
#define GIVES(expected, call)                                                                      \
  do {                                                                                             \
    error.text[0] = '\0';                                                                          \
    enum mantis_status status_ = (call);                                                           \
    ck_assert_msg (status_ == (expected), "%s: status %d instead of %s: %s", #call, status_,       \
                   #expected, error.text);                                                         \
  } while (0)
/* For what a storage may leave out: without it there is nothing to try. */
#ifdef LAW_COMMAND
#define NEEDS(callback)                                                                            \
  do {                                                                                             \
    if (!storage->callback)                                                                        \
      skip ("it has no " #callback "()");                                                          \
  } while (0)
#else
#define NEEDS(callback)                                                                            \
  do {                                                                                             \
    if (!storage->callback)                                                                        \
      return;                                                                                      \
  } while (0)
#endif
#define WRITES(sql) ck_assert_msg (engine->write (sql), "%s", sql)

static const char notes[] = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title VARCHAR(50),"
                            " price REAL)";

static inline void
set_up (void)
{
  storage = engine->plugin->ops;
  self = engine->make ();
  OK (engine->plugin->start (self, &error));
  ck_assert_ptr_nonnull (arena = mantis_arena_new (0));
}

static inline void
close_session (void)
{
  if (session)
    storage->close (session);
  session = NULL;
}

static inline void
tear_down (void)
{
  close_session ();
  engine->plugin->stop (self);
  engine->discard (self);
  mantis_arena_free (arena);
}

static inline void
begin (enum mantis_mode mode)
{
  OK (storage->begin (session, mode, &error));
}

static inline void
commit (void)
{
  OK (storage->commit (session, &error));
}

/* An engine may still be at work at what the application, or the law before, did to the schema. */
static inline void
attach (void)
{
  enum { TRIES = 20 };
  enum mantis_status status = MANTIS_STALE;

  for (int i = 0; i < TRIES && status == MANTIS_STALE; i++) {
    begin (MANTIS_WRITE);
    if ((status = storage->attach (session, NULL, &schema, &error)) == MANTIS_STALE)
      storage->rollback (session);
  }
  ck_assert_msg (status == MANTIS_OK, "attach: status %d: %s", status, error.text);
  commit ();
}

static inline void
start (enum mantis_role role)
{
  enum mantis_status status = storage->open (self, role, &session, &error);

#ifdef LAW_COMMAND
  if (status == MANTIS_INVALID)
    skip ("it serves no %s: %s", role == MANTIS_CLIENT ? "client" : "server", error.text);
#endif
  ck_assert_msg (status == MANTIS_OK, "open: status %d: %s", status, error.text);
  attach ();
}

static inline const struct mantis_attached *
find (const char *name)
{
  for (size_t i = 0; i < schema->count; i++)
    if (strcmp (schema->tables[i].table->name, name) == 0)
      return &schema->tables[i];
  return NULL;
}

static inline const struct mantis_table *
table_of (const char *name)
{
  const struct mantis_attached *found = find (name);

  ck_assert_msg (found != NULL, "%s is not listed", name);
  ck_assert_msg (!found->table->refusal, "%s: %s", name, found->table->refusal);
  return found->table;
}

/* ---- Values and changes ---- */

static inline struct mantis_value
integer (int64_t number)
{
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = number};
}

static inline struct mantis_value
real (double number)
{
  return (struct mantis_value){.type = MANTIS_REAL, .as.real = number};
}

static inline struct mantis_value
text (const char *bytes)
{
  return (struct mantis_value){MANTIS_TEXT, (uint32_t)strlen (bytes), {.bytes = bytes}};
}

static const struct mantis_value null = {.type = MANTIS_NULL};

static inline mantis_row
note (int64_t id, const char *title, double price)
{
  struct mantis_value *row = mantis_arena_alloc (arena, 3 * sizeof *row);

  row[0] = integer (id);
  row[1] = title ? text (title) : null;
  row[2] = real (price);
  return row;
}

/* A row of TABLE that has only its one key column set. */
static inline mantis_row
key_of (const struct mantis_table *table, int64_t id)
{
  struct mantis_value *row = mantis_arena_alloc (arena, table->column_count * sizeof *row);

  row[table->key[0]] = integer (id);
  return row;
}

static inline const struct mantis_change *
change (const struct mantis_table *table, mantis_row row, bool deleted, const char *origin,
        int64_t time)
{
  struct mantis_change *made = mantis_arena_alloc (arena, sizeof *made);

  *made = (struct mantis_change){
      .table = table, .row = row, .deleted = deleted, .updated_at = time, .origin = origin};
  return made;
}

static inline enum mantis_status
try_apply (const struct mantis_change *one)
{
  size_t done;
  enum mantis_status status = storage->apply (session, one->table, &one, 1, &done, &error);

  ck_assert_uint_eq (done, status == MANTIS_OK);
  return status;
}

/* One change in a transaction of its own. */
static inline void
apply (const struct mantis_change *one)
{
  begin (MANTIS_WRITE);
  OK (try_apply (one));
  commit ();
}

static inline mantis_row
read_one (const struct mantis_table *table, int64_t id)
{
  mantis_row row = key_of (table, id), found;

  begin (MANTIS_READ);
  OK (storage->read (session, table, &row, 1, arena, &found, &error));
  commit ();
  return found;
}

/* ---- The log ---- */

static struct mantis_entry *entries;
static size_t entry_count;

static inline int64_t
head (void)
{
  int64_t seq;

  begin (MANTIS_READ);
  OK (storage->log_head (session, &seq, &error));
  commit ();
  return seq;
}

/* The entries after AFTER that belong to a table, in entries[]. */
static inline void
read_log (int64_t after)
{
  size_t kept = 0;

  begin (MANTIS_READ);
  OK (storage->log_read (session, after, INT64_MAX, 1000, arena, &entries, &entry_count, &error));
  commit ();
  for (size_t i = 0; i < entry_count; i++)
    if (entries[i].table)
      entries[kept++] = entries[i];
  entry_count = kept;
}

/* "I1 U2 ..." for the entries of tables with one integer key. */
static inline const char *
log_text (int64_t after)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;
  char *copy;

  read_log (after);
  for (size_t i = 0; i < entry_count; i++)
    mantis_buf_printf (&buf, "%s%c%lld", i ? " " : "", entries[i].operation,
                       (long long)entries[i].key[0].as.integer);
  copy = mantis_arena_copy (arena, buf.bytes, buf.length);
  mantis_buf_free (&buf);
  return copy;
}

#endif
