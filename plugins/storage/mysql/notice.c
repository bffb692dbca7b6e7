/* notice.c - did somebody commit?  Is the schema still the one that was attached to?
 *
 * The engine tells nobody of commits, so this asks: three look-ups by key while nothing happens.  What it
 * finds in the outbox is numbered at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

enum { TRIGGERS_US = 2 * 1000 * 1000 };

/* ---- What the schema is known by ---- */

const char *
inner_tables (const struct mantis_session *session)
{
  return session->mariadb ? "information_schema.innodb_sys_tables"
                          : "information_schema.innodb_tables";
}

/* What attach() tells of: columns, and when tables were made; behind that, which triggers there are (as far
 * as somebody has looked), and what other servers have done to the generations of tables. */
static void
add_signature (struct mantis_session *session, struct mantis_buf *sql)
{
  mantis_buf_text (
      sql, "SELECT count(*), sum(crc32(concat_ws('/', table_name, column_name, ordinal_position,"
           " column_type, is_nullable, column_default, extra, collation_name))),"
           " (SELECT sum(crc32(concat_ws('/', table_name, engine, create_time)))"
           "  FROM information_schema.tables WHERE table_schema = DATABASE()"
           "  AND table_name NOT LIKE '\\_\\_sync\\_%'), ");
  if (session->sees_tables)
    mantis_buf_printf (sql,
                       "(SELECT sum(crc32(concat(name, '/', table_id))) FROM %s WHERE"
                       " CAST(substring_index(name, '/', 1) AS BINARY) = " FILE_NAME (
                           "DATABASE()") " AND name NOT LIKE '%%/\\_\\_sync\\_%%')",
                       inner_tables (session));
  else
    mantis_buf_text (sql, "0");
  mantis_buf_text (sql, ", (SELECT seq FROM __sync_counter WHERE id = 2), ");
  mantis_buf_text (
      sql, session->has_meta ? "(SELECT value FROM __sync_meta WHERE name = 'generation')" : "0");
  mantis_buf_text (sql, " FROM information_schema.columns WHERE table_schema = DATABASE()"
                        " AND table_name NOT LIKE '\\_\\_sync\\_%'");
}

enum mantis_status
read_signature (struct mantis_session *session, uint64_t *signature, uint64_t *shape,
                struct mantis_error *error)
{
  enum { SHAPE = 4, ALL = 6 };
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  uint64_t hash = HASH_START;
  enum mantis_status status;

  add_signature (session, &sql);
  if ((status = query (session, &sql, &result, error)))
    return status;
  *shape = *signature = hash;
  if (!next_row (&result))
    return MANTIS_OK;
  for (int i = 0; i < ALL; i++) {
    hash = hash_on (hash, &i, sizeof i);
    if (result.row[i])
      hash = hash_on (hash, result.row[i], result.lengths[i]);
    if (i == SHAPE - 1)
      *shape = hash;
  }
  *signature = hash;
  return MANTIS_OK;
}

/* What a table's columns look like to who reads them. */
static void
add_look (struct mantis_buf *sql, const char *table)
{
  mantis_buf_text (sql, "SELECT * FROM ");
  add_name (sql, table);
  mantis_buf_text (sql, " LIMIT 0");
}

static uint64_t
shape_of (MYSQL_RES *rows)
{
  const MYSQL_FIELD *fields = mysql_fetch_fields (rows);
  uint64_t shape = HASH_START;

  for (unsigned i = 0; i < mysql_num_fields (rows); i++) {
    shape = hash_on (shape, fields[i].name, strlen (fields[i].name) + 1);
    shape = hash_on (shape, &fields[i].type, sizeof fields[i].type);
    shape = hash_on (shape, &fields[i].length, sizeof fields[i].length);
  }
  return shape;
}

static enum mantis_status
read_shape (struct mantis_session *session, const char *table, uint64_t *shape,
            struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  *shape = HASH_START;
  add_look (&sql, table);
  if (!(status = query (session, &sql, &result, error)) && result.rows)
    *shape = shape_of (result.rows);
  return status;
}

/* The tables that are watched, one after the other; NULL after the last one. */
struct watched {
  struct known_schema *schema;
  size_t next;
};

static struct known_table *
next_watched (struct watched *watched)
{
  while (watched->next < watched->schema->shown.count) {
    struct known_table *known = known_at (watched->schema, watched->next);
    if (watched->schema->attached[watched->next++].watch != MANTIS_NOT_WATCHED &&
        !known->table.refusal)
      return known;
  }
  return NULL;
}

static void
note_shape (void *context, MYSQL_RES *rows)
{
  struct known_table *known = next_watched (context);

  if (known)
    known->shape = shape_of (rows);
  mysql_free_result (rows);
}

enum mantis_status
note_shapes (struct mantis_session *session, struct known_schema *schema,
             struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  struct watched asked = {.schema = schema}, answered = asked;
  const struct known_table *known;

  while ((known = next_watched (&asked))) {
    mantis_buf_text (&sql, sql.length ? "; " : "");
    add_look (&sql, known->table.name);
  }
  return query_each (session, &sql, note_shape, &answered, error);
}

enum mantis_status
check_shape (struct mantis_session *session, const struct mantis_table *table,
             struct mantis_error *error)
{
  struct known_table *known = (struct known_table *)table;
  uint64_t shape;
  enum mantis_status status;

  if (!table->id || known->looked_in == session->transactions)
    return MANTIS_OK;
  if ((status = read_shape (session, table->name, &shape, error)))
    return status;
  known->looked_in = session->transactions;
  if (shape == known->shape)
    return MANTIS_OK;
  session->signature = 0; /* the next begin() looks, and lets the caller attach */
  session->checked_at = 0;
  return mantis_fail (error, MANTIS_BUSY, "%s: table \"%s\" was altered just now",
                      session->storage->name, table->name);
}

enum mantis_status
read_trigger_hash (struct mantis_session *session, int64_t *hash, struct mantis_error *error)
{
  return ask_integer (session,
                      "SELECT sum(crc32(concat_ws('/', trigger_name, event_object_table,"
                      " event_manipulation, action_timing, action_statement, definer)))"
                      " FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
                      0, hash, error);
}

/* ---- Looking ---- */

/* There is no descriptor: look() is asked again and again. */
int
notice_watch (void *self, struct mantis_error *error)
{
  (void)self, (void)error;
  return -1;
}

enum mantis_status
check_schema (struct mantis_session *session, struct mantis_error *error)
{
  int64_t now = mantis_monotonic ();
  long long news = session->storage->news;
  uint64_t signature, shape;
  enum mantis_status status;

  if (!session->attached || (session->checked_at && session->news == news &&
                             now - session->checked_at < session->storage->schema_check * 1000))
    return MANTIS_OK;
  session->news = news;
  if ((status = read_signature (session, &signature, &shape, error)))
    return status;
  session->checked_at = now;
  if (signature == session->signature)
    return MANTIS_OK;
  session->attached = false; /* so that the next begin() lets the caller attach */
  return mantis_fail (error, MANTIS_STALE, "%s: the schema has changed", session->storage->name);
}

/* Triggers act as our account.  Where it is gone, or may no longer do what they do, they fail every write of
 * others: then no capture is better than that, as what goes unseen is found by comparing. */
static void
rescue_others (struct mantis_session *session)
{
  struct mantis_error error;
  const char *name = session->storage->name;

  if (drop_capture (session, true, &error))
    mantis_log (MANTIS_ERROR, "%s: the triggers of the capture cannot be removed: %s", name,
                error.text);
  else if (!session->rescued)
    mantis_log (MANTIS_ERROR,
                "%s: the triggers of the capture are removed, so that others can write; what they"
                " write is found by comparing all tables when the user is as it should be",
                name);
  session->rescued = true;
}

/* Do the triggers still stand, and do they work? */
static enum mantis_status
look_at_triggers (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = check_privileges (session, error);
  int64_t triggers;

  if (status && status != MANTIS_INVALID)
    return status;
  if (status && session->fails_others)
    rescue_others (session);
  else
    session->rescued = false;
  if ((status = look_for_truncated (session, error)) ||
      (status = read_trigger_hash (session, &triggers, error)) || triggers == session->triggers)
    return status;
  return runf (session, error, "REPLACE INTO __sync_counter (id, seq) VALUES (2, %lld)",
               (long long)triggers);
}

/* What a program did to the schema: *CHANGED, and begin() will say MANTIS_STALE. */
static enum mantis_status
look_at_schema (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  int64_t now = mantis_monotonic ();
  uint64_t signature, shape;
  enum mantis_status status;

  if (now - session->checked_at < session->storage->schema_check * 1000)
    return MANTIS_OK;
  session->checked_at = now;
  if ((*changed = !session->attached)) /* attach() was kept from it, e.g. by another's */
    return MANTIS_OK;
  if ((*changed = session->owes && tables_are_due (session->storage))) {
    session->signature = 0; /* so that the next begin() lets the caller attach */
    session->checked_at = 0;
    return MANTIS_OK;
  }
  if (now - session->triggers_at > TRIGGERS_US) {
    session->triggers_at = now;
    if ((status = look_at_triggers (session, error)))
      return status;
  }
  if ((status = read_signature (session, &signature, &shape, error)))
    return status;
  if ((*changed = signature != session->signature))
    session->storage->news++; /* begin() looks for itself, in each session */
  return MANTIS_OK;
}

enum mantis_status
notice_look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status = find_connection (session, error);
  uint64_t access;
  int64_t seq;

  *changed = false;
  if (!status)
    status = look_at_schema (session, changed, error);
  if (!status)
    status = ask (session,
                  session->has_meta
                      ? "SELECT seq, EXISTS (SELECT 1 FROM __sync_outbox), (SELECT value FROM"
                        " __sync_meta WHERE name = 'access') FROM __sync_counter WHERE id = 1"
                      : "SELECT seq, EXISTS (SELECT 1 FROM __sync_outbox), NULL"
                        " FROM __sync_counter WHERE id = 1",
                  &result, error);
  if (status || !next_row (&result))
    return status;
  seq = integer_at (&result, 0);
  if (integer_at (&result, 1)) {
    if ((status = number_now (session, error)))
      return status;
    seq = session->seq;
  }
  access = result.row[2] ? hash_on (HASH_START, result.row[2], result.lengths[2]) : 0;
  *changed |= !session->looked || access != session->looked_access ||
              (seq != session->looked_seq && seq != session->own_seq);
  session->looked = true;
  session->looked_seq = seq;
  session->looked_access = access;
  return MANTIS_OK;
}
