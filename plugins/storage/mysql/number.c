/* number.c - from the outbox to the log, in the order of commits.
 *
 * Triggers append to __sync_outbox, whose ids say nothing about the order of commits: a transaction that
 * commits late has small ones.  So nobody reads them as a cursor.  Whoever holds the row of __sync_counter
 * moves what can be seen in the outbox to __sync_log and gives it the next numbers there: a late commit is
 * seen late, and numbered late.  An id that was rolled back is never seen; nothing waits for it.
 *
 * The row of __sync_counter is the only fence: it is locked and written by each transaction that gives
 * numbers, on whichever server, so that they become visible in their order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <stdlib.h>

enum { IDS_AT_ONCE = 1000, READ_TRIES = 2 };

#define LOCK_COUNTER "SELECT seq FROM __sync_counter WHERE id = 1 FOR UPDATE"

/* ---- Moving ---- */

/* "id IN (...)": of rows that can be seen, so that nobody's lock is waited for. */
static void
add_ids (struct mantis_buf *sql, const uint64_t *ids, size_t count)
{
  mantis_buf_text (sql, " WHERE id IN (");
  for (size_t i = 0; i < count; i++)
    mantis_buf_printf (sql, "%s%llu", i ? "," : "", (unsigned long long)ids[i]);
  mantis_buf_text (sql, ")");
}

static void
add_key_columns (struct mantis_session *session, struct mantis_buf *sql)
{
  for (int i = 0; i < session->log_keys; i++)
    mantis_buf_printf (sql, ", k%d", i);
}

static enum mantis_status
move (struct mantis_session *session, const uint64_t *ids, size_t count, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  mantis_buf_text (&sql, "INSERT INTO __sync_log (seq, tbl, op, time");
  add_key_columns (session, &sql);
  add_past_columns (session, &sql);
  mantis_buf_printf (&sql, ") SELECT %lld + row_number() OVER (ORDER BY id), tbl, op, time",
                     (long long)session->seq);
  add_key_columns (session, &sql);
  add_past_columns (session, &sql);
  mantis_buf_text (&sql, " FROM __sync_outbox");
  add_ids (&sql, ids, count);
  mantis_buf_text (&sql, "; DELETE FROM __sync_outbox");
  add_ids (&sql, ids, count);
  if ((status = query (session, &sql, NULL, error)))
    return status;
  session->seq += (int64_t)count;
  return MANTIS_OK;
}

/* With the counter locked: number all that can be seen. */
static enum mantis_status
number_visible (struct mantis_session *session, struct mantis_error *error)
{
  uint64_t ids[IDS_AT_ONCE]; /* UUID_SHORT() may use all bits */
  size_t count = IDS_AT_ONCE;
  enum mantis_status status = count_log_keys (session, error);

  while (!status && count == IDS_AT_ONCE) {
    AUTO_RESULT struct result result;
    if ((status =
             ask (session, "SELECT id FROM __sync_outbox ORDER BY id LIMIT 1000", &result, error)))
      return status;
    for (count = 0; count < IDS_AT_ONCE && next_row (&result); count++)
      ids[count] = strtoull (result.row[0], NULL, 10);
    if (count)
      status = move (session, ids, count, error);
  }
  return status;
}

/* ---- Transactions ---- */

/* SQL begins a transaction and asks for the counter.  *WAITING, where it is wanted: what its second column says. */
static enum mantis_status
take_counter (struct mantis_session *session, const char *sql, bool *waiting,
              struct mantis_error *error)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (session, sql, &result, error);

  if (status)
    return status;
  if (!next_row (&result))
    return mantis_fail (error, MANTIS_FAILED, "%s: __sync_counter has lost its row",
                        session->storage->name);
  session->seq = session->stored_seq = integer_at (&result, 0);
  if (waiting)
    *waiting = integer_at (&result, 1) != 0;
  return MANTIS_OK;
}

enum mantis_status
begin_write (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status =
      take_counter (session, "START TRANSACTION; " LOCK_COUNTER, NULL, error);

  return status ? status : number_visible (session, error);
}

enum mantis_status
lock_again (struct mantis_session *session, struct mantis_error *error)
{
  return begin_write (session, error);
}

/* What is in this snapshot; *WAITING: some of it has no number yet. */
static enum mantis_status
open_snapshot (struct mantis_session *session, bool *waiting, struct mantis_error *error)
{
  return take_counter (
      session,
      "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
      "START TRANSACTION WITH CONSISTENT SNAPSHOT;"
      "SELECT seq, EXISTS (SELECT 1 FROM __sync_outbox) FROM __sync_counter WHERE id = 1",
      waiting, error);
}

enum mantis_status
number_now (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = begin_write (session, error);

  if (!status)
    status = runf (session, error, "UPDATE __sync_counter SET seq = %lld WHERE id = 1; COMMIT",
                   (long long)session->seq);
  if (status && !session->gone)
    run (session, "ROLLBACK", NULL);
  session->gone = status == MANTIS_LOST;
  return status;
}

/* While others write all the time there is always something new: then the snapshot is taken under the
 * counter's lock, numbered as it is, and the lock is held until commit(). */
enum mantis_status
begin_read (struct mantis_session *session, struct mantis_error *error)
{
  bool waiting = true;
  enum mantis_status status = MANTIS_OK;

  for (int i = 0; i < READ_TRIES; i++) {
    if ((status = open_snapshot (session, &waiting, error)) || !waiting)
      return status;
    if ((status = run (session, "ROLLBACK", error)) || (status = number_now (session, error)))
      return status;
  }
  if ((status = open_snapshot (session, &waiting, error)) || !waiting)
    return status;
  if ((status = run (session, "ROLLBACK", error)) ||
      (status = take_counter (session,
                              "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
                              "START TRANSACTION; " LOCK_COUNTER,
                              NULL, error)))
    return status;
  return number_visible (session, error);
}

/* ---- Others ---- */

/* D3: a program that had written a row, and commits after its version was read and before we wrote it, is
 * overwritten unseen.  Its entry can be seen now, as it committed before our write went through. */
enum mantis_status
check_others (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  AUTO_RESULT struct result result = {0};
  enum mantis_status status;

  if (session->written.count == 0)
    return MANTIS_OK;
  mantis_buf_text (&sql, "SELECT tbl");
  add_key_columns (session, &sql);
  mantis_buf_text (&sql, " FROM __sync_outbox");
  if ((status = query (session, &sql, &result, error)))
    return status;
  while (next_row (&result)) {
    const struct mantis_table *table = table_of_id (session, integer_at (&result, 0));
    if (table && set_has (&session->written, key_hash_of (&result, 1, table)))
      return mantis_fail (error, MANTIS_BUSY,
                          "%s: another program wrote the same row of \"%s\" at the same time",
                          session->storage->name, table->name);
  }
  return MANTIS_OK;
}

/* ---- Our own ---- */

struct own {
  struct mantis_session *session;
  const struct mantis_table *table;
  const struct mantis_change *const *changes;
  struct places places; /* of the changes' keys */
  struct mantis_buf insert, remove;
};

/* The change whose row this entry is about; NULL: the database derived it. */
static const struct mantis_change *
author_of (const struct own *own, const struct result *entry)
{
  size_t at;

  if (integer_at (entry, 1) != own->table->id)
    return NULL;
  at = places_find (&own->places, key_hash_of (entry, 4, own->table));
  return at == SIZE_MAX ? NULL : own->changes[at];
}

static void
add_field (struct own *own, const struct result *entry, int at)
{
  mantis_buf_text (&own->insert, ", ");
  if (entry->row[at]) {
    mantis_buf_text (&own->insert, "_binary");
    add_bytes (own->session, &own->insert, entry->row[at], entry->lengths[at]);
  } else
    mantis_buf_text (&own->insert, "NULL");
}

/* What the row was, unless it may have been parked. */
static void
add_own_past (struct own *own, const struct result *entry)
{
  int at = 4 + own->session->log_keys;

  if (!own->session->has_past)
    return;
  if (own->session->parked) {
    mantis_buf_text (&own->insert, ", NULL, NULL");
    return;
  }
  mantis_buf_printf (&own->insert, ", %s", entry->row[at] ? entry->row[at] : "NULL");
  add_field (own, entry, at + 1);
}

static void
add_own_entry (struct own *own, const struct result *entry)
{
  struct mantis_session *session = own->session;
  const struct mantis_change *author = author_of (own, entry);
  struct mantis_buf *sql = &own->insert;

  mantis_buf_printf (sql, "%s(%lld, %s, '%s', %lld, ", sql->length > 0 ? ", " : "",
                     (long long)++session->seq, entry->row[1], entry->row[2],
                     author ? (long long)author->updated_at : (long long)integer_at (entry, 3));
  if (author && author->origin)
    add_string (session, sql, author->origin);
  else
    mantis_buf_text (sql, "NULL");
  for (int i = 0; i < session->log_keys; i++)
    add_field (own, entry, 4 + i);
  add_own_past (own, entry);
  mantis_buf_text (sql, ")");
  mantis_buf_printf (&own->remove, "%s%s", own->remove.length ? "," : "", entry->row[0]);
}

static enum mantis_status
write_own (struct own *own, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  if (own->insert.failed || own->remove.failed)
    return no_memory (error);
  if (own->insert.length == 0)
    return MANTIS_OK;
  mantis_buf_text (&sql, "INSERT INTO __sync_log (");
  add_log_columns (own->session, &sql);
  add_past_columns (own->session, &sql);
  mantis_buf_text (&sql, ") VALUES ");
  mantis_buf_add (&sql, own->insert.bytes, own->insert.length);
  mantis_buf_text (&sql, "; DELETE FROM __sync_outbox WHERE id IN (");
  mantis_buf_add (&sql, own->remove.bytes, own->remove.length);
  mantis_buf_text (&sql, ")");
  mantis_buf_clear (&own->insert);
  mantis_buf_clear (&own->remove);
  return query (own->session, &sql, NULL, error);
}

static enum mantis_status
move_own (struct own *own, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  AUTO_RESULT struct result result = {0};
  enum mantis_status status;

  mantis_buf_text (&sql, "SELECT id, tbl, op, time");
  add_key_columns (own->session, &sql);
  add_past_columns (own->session, &sql);
  mantis_buf_text (&sql, " FROM __sync_outbox WHERE session = CONNECTION_ID() ORDER BY id");
  status = query (own->session, &sql, &result, error);
  while (!status && next_row (&result)) {
    add_own_entry (own, &result);
    if (own->insert.length > STATEMENT_BYTES)
      status = write_own (own, error);
  }
  return status ? status : write_own (own, error);
}

enum mantis_status
number_own (struct mantis_session *session, const struct mantis_table *table,
            const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  AUTO_ARENA struct mantis_arena *scratch = mantis_arena_new (0);
  uint64_t *hashes = scratch ? mantis_arena_alloc (scratch, (count + 1) * sizeof *hashes) : NULL;
  struct own own = {.session = session, .table = table, .changes = changes};
  enum mantis_status status;

  if (!hashes)
    return no_memory (error);
  for (size_t i = 0; i < count; i++)
    hashes[i] = key_hash (table, changes[i]->row);
  if (!places_make (&own.places, hashes, count, scratch))
    return no_memory (error);
  status = move_own (&own, error);
  mantis_buf_free (&own.insert);
  mantis_buf_free (&own.remove);
  return status;
}
