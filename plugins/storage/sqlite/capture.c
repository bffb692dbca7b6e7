/* capture.c - the triggers: they append the key of each changed row to __sync_log, and nothing
 * more.
 *
 * They run in the application's own SQLite, 3.8.0 or later, under whatever conflict clause the
 * outer statement has: so no UPSERT, JSON, window or custom functions, and no constraint in the log
 * that a clause could act upon.
 *
 * REPLACE removes other rows where a unique index besides the primary key clashes, and no trigger
 * fires for those.  Tables with such indexes have BEFORE triggers that look the victims up and
 * append them as 'E': a deletion if the row is gone afterwards, else nothing.
 *
 * Where the earlier values of columns are remembered (facts->looks), they stand beside each entry: of the row that
 * OLD is, of none for a new one.  A row whose key a new one takes by REPLACE is looked up as well.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

/* Milliseconds since 1970; the same moment for all rows of a statement. */
#define NOW "cast((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS integer)"

struct making {
  struct mantis_session *session;
  const struct mantis_table *table;
  const struct facts *facts;
  struct mantis_arena *arena; /* the caller's */
  struct mantis_arena *scratch;
  int64_t id;
  struct mantis_error *error;
};

static const char *
key_name (const struct making *m, size_t i)
{
  return m->table->columns[m->table->key[i]].name;
}

/* "INSERT INTO __sync_log(tbl, op, time, k0, ..., was, w0, ...) " */
static void
add_append (struct mantis_buf *sql, const struct making *m)
{
  mantis_buf_text (sql, "INSERT INTO __sync_log(tbl, op, time");
  for (size_t i = 0; i < m->table->key_count; i++)
    mantis_buf_printf (sql, ", k%zu", i);
  if (m->facts->looked_at)
    mantis_buf_text (sql, ", was");
  for (size_t i = 0; m->facts->looked_at && i < m->facts->look_count; i++)
    mantis_buf_printf (sql, ", w%zu", i);
  mantis_buf_text (sql, ") ");
}

/* "ID, 'OP', now, ROW."key", ..." */
static void
add_entry (struct mantis_buf *sql, const struct making *m, char op, const char *row)
{
  mantis_buf_printf (sql, "%lld, '%c', " NOW, (long long)m->id, op);
  for (size_t i = 0; i < m->table->key_count; i++) {
    mantis_buf_printf (sql, ", %s", row);
    add_name (sql, key_name (m, i));
  }
}

/* What the row was: ROW (NULL: there was none). */
static void
add_before (struct mantis_buf *sql, const struct making *m, const char *row)
{
  if (!m->facts->looked_at)
    return;
  mantis_buf_printf (sql, ", %lld", row ? (long long)m->facts->look_id : 0);
  for (size_t i = 0; i < m->facts->look_count; i++) {
    mantis_buf_printf (sql, ", %s", row ? row : "NULL");
    if (row)
      add_name (sql, m->table->columns[m->facts->looks[i]].name);
  }
}

/* "A."k" IS NOT B."k" OR ..." over the columns of the key. */
static void
add_key_differs (struct mantis_buf *sql, const struct making *m, const char *a, const char *b)
{
  for (size_t i = 0; i < m->table->key_count; i++) {
    mantis_buf_printf (sql, "%s%s", i ? " OR " : "", a);
    add_name (sql, key_name (m, i));
    mantis_buf_printf (sql, " IS NOT %s", b);
    add_name (sql, key_name (m, i));
  }
}

static void
add_head (struct mantis_buf *sql, const struct making *m, const char *suffix, const char *event)
{
  mantis_buf_printf (sql, "CREATE TRIGGER \"__sync_%lld_%s\" %s ON ", (long long)m->id, suffix,
                     event);
  add_name (sql, m->table->name);
  mantis_buf_text (sql, " BEGIN ");
}

/* ---- After ---- */

/* An entry of the old row, deleted, where the key is another one. */
static void
add_old_key (struct mantis_buf *sql, const struct making *m)
{
  add_append (sql, m);
  mantis_buf_text (sql, "SELECT ");
  add_entry (sql, m, MANTIS_DELETE, "OLD.");
  add_before (sql, m, "OLD.");
  mantis_buf_text (sql, " WHERE ");
  add_key_differs (sql, m, "OLD.", "NEW.");
  mantis_buf_text (sql, "; ");
}

/* The earlier values of a row that was updated: none where its key is a new one. */
static void
add_before_update (struct mantis_buf *sql, const struct making *m)
{
  if (!m->facts->looked_at)
    return;
  mantis_buf_text (sql, ", CASE WHEN ");
  add_key_differs (sql, m, "OLD.", "NEW.");
  mantis_buf_printf (sql, " THEN 0 ELSE %lld END", (long long)m->facts->look_id);
  for (size_t i = 0; i < m->facts->look_count; i++) {
    mantis_buf_text (sql, ", OLD.");
    add_name (sql, m->table->columns[m->facts->looks[i]].name);
  }
}

static void
make_after (struct mantis_buf *sql, const struct making *m, const char *suffix, const char *event,
            char op, const char *row)
{
  add_head (sql, m, suffix, event);
  if (op == MANTIS_UPDATE)
    add_old_key (sql, m);
  add_append (sql, m);
  mantis_buf_text (sql, "VALUES (");
  add_entry (sql, m, op, row);
  if (op == MANTIS_UPDATE)
    add_before_update (sql, m);
  else
    add_before (sql, m, op == MANTIS_DELETE ? "OLD." : NULL);
  mantis_buf_text (sql, "); END");
}

/* ---- Before: who would be evicted? ---- */

struct unique_index {
  const char *name, *sql; /* sql: NULL for a constraint */
  bool partial, expression;
};

/* "(SELECT EXPRESSION FROM (SELECT NEW."a" AS "a", ...))": an index's expression over the new row.
 */
static void
add_over_new (struct mantis_buf *sql, const struct making *m, const char *expression)
{
  mantis_buf_printf (sql, "(SELECT %s FROM (SELECT ", expression);
  for (size_t i = 0; i < m->facts->column_count; i++) {
    mantis_buf_text (sql, i ? ", NEW." : "NEW.");
    add_name (sql, m->facts->columns[i].name);
    mantis_buf_text (sql, " AS ");
    add_name (sql, m->facts->columns[i].name);
  }
  mantis_buf_text (sql, "))");
}

/* "the indexed terms of a row = those of the new row AND both are in the index" */
static bool
add_terms_by_text (struct mantis_buf *sql, const struct making *m, const struct unique_index *index)
{
  struct index_parts parts;

  if (!index->sql || !parse_index (index->sql, m->scratch, &parts))
    return false;
  for (size_t i = 0; i < parts.count; i++) {
    mantis_buf_printf (sql, "%s(%s) = ", i ? " AND " : "", parts.terms[i]);
    add_over_new (sql, m, parts.terms[i]);
  }
  if (parts.where) {
    mantis_buf_printf (sql, " AND (%s) AND ", parts.where);
    add_over_new (sql, m, parts.where);
  }
  return true;
}

/* The same for an index of columns alone. */
static enum mantis_status
add_terms_by_column (struct mantis_buf *sql, const struct making *m,
                     const struct unique_index *index)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  const char *between = "";

  if (sqlite3_prepare_v2 (m->session->db,
                          "SELECT name, coll FROM pragma_index_xinfo(?1, 'main')"
                          " WHERE key AND cid >= 0 ORDER BY seqno",
                          -1, &rows, NULL) ||
      sqlite3_bind_text (rows, 1, index->name, -1, SQLITE_STATIC))
    return sql_failed (m->session, m->error, "read the schema");
  while (sqlite3_step (rows) == SQLITE_ROW) {
    const char *column = (const char *)sqlite3_column_text (rows, 0);
    mantis_buf_text (sql, between);
    add_name (sql, column);
    mantis_buf_text (sql, " COLLATE ");
    add_name (sql, (const char *)sqlite3_column_text (rows, 1));
    mantis_buf_text (sql, " = NEW.");
    add_name (sql, column);
    between = " AND ";
  }
  if (!*between)
    mantis_buf_text (sql, "0");
  return MANTIS_OK;
}

/* One INSERT ... SELECT for INDEX.  On INSERT a row with the key of the new one is not another row;
 * with an INTEGER PRIMARY KEY that is to be given, the new row shows -1 here. */
static enum mantis_status
add_eviction (struct mantis_buf *sql, const struct making *m, const struct unique_index *index,
              bool update)
{
  enum mantis_status status = MANTIS_OK;
  const char *self = update ? "OLD." : "NEW.";
  size_t before;

  add_append (sql, m);
  mantis_buf_text (sql, "SELECT ");
  add_entry (sql, m, MANTIS_EVICT, "");
  add_before (sql, m, "");
  mantis_buf_text (sql, " FROM ");
  add_name (sql, m->table->name);
  mantis_buf_text (sql, " WHERE ");
  before = sql->length;
  if (!((index->partial || index->expression) && add_terms_by_text (sql, m, index))) {
    sql->length = sql->failed ? sql->length : before;
    status = add_terms_by_column (sql, m, index);
  }
  mantis_buf_text (sql, " AND (");
  add_key_differs (sql, m, "", self);
  if (m->facts->rowid_alias && !update) {
    mantis_buf_text (sql, " OR NEW.");
    add_name (sql, key_name (m, 0));
    mantis_buf_text (sql, " = -1");
  }
  mantis_buf_text (sql, "); ");
  return status;
}

/* The row that has the new one's key, where it is another one: REPLACE takes its place without a word. */
static void
add_predecessor (struct mantis_buf *sql, const struct making *m, bool update)
{
  add_append (sql, m);
  mantis_buf_text (sql, "SELECT ");
  add_entry (sql, m, MANTIS_EVICT, "");
  add_before (sql, m, "");
  mantis_buf_text (sql, " FROM ");
  add_name (sql, m->table->name);
  for (size_t i = 0; i < m->table->key_count; i++) {
    mantis_buf_text (sql, i ? " AND " : " WHERE ");
    add_name (sql, key_name (m, i));
    mantis_buf_text (sql, " = NEW.");
    add_name (sql, key_name (m, i));
  }
  if (update) {
    mantis_buf_text (sql, " AND (");
    add_key_differs (sql, m, "OLD.", "NEW.");
    mantis_buf_char (sql, ')');
  }
  mantis_buf_text (sql, "; ");
}

/* The same as a trigger of its own: on updates of the key alone, which are rare. */
static void
make_before_key (struct mantis_buf *sql, const struct making *m)
{
  AUTO_BUF struct mantis_buf event = MANTIS_BUF_INIT;

  mantis_buf_text (&event, "BEFORE UPDATE");
  for (size_t i = 0; !m->facts->rowid_alias && i < m->table->key_count; i++) {
    mantis_buf_text (&event, i ? ", " : " OF ");
    add_name (&event, key_name (m, i));
  }
  add_head (sql, m, "bky", event.failed ? "" : event.bytes);
  sql->failed |= event.failed;
  add_predecessor (sql, m, true);
  mantis_buf_text (sql, "END");
}

static const struct mantis_column *
column_named (const struct facts *facts, const char *name)
{
  for (size_t i = 0; i < facts->column_count; i++)
    if (sqlite3_stricmp (facts->columns[i].name, name) == 0)
      return &facts->columns[i];
  return NULL;
}

/* "BEFORE UPDATE OF ..." the columns in INDEXES, or of any where those do not tell all: a
 * condition, an expression, a generated column, or the rowid, which may be set under another name.
 */
static void
add_update_event (struct mantis_buf *event, const struct making *m,
                  const struct unique_index *indexes, size_t count)
{
  const char *between = " OF ";

  mantis_buf_text (event, "BEFORE UPDATE");
  for (size_t i = 0; i < count; i++)
    if (indexes[i].expression || indexes[i].partial)
      return;
  for (size_t u = 0; u < m->facts->unique_count; u++)
    for (size_t i = 0; i < m->facts->uniques[u].count; i++) {
      const struct mantis_column *column = column_named (m->facts, m->facts->uniques[u].columns[i]);
      if (!column || column->generated || (column->key_position && m->facts->rowid_alias)) {
        mantis_buf_clear (event);
        mantis_buf_text (event, "BEFORE UPDATE");
        return;
      }
      mantis_buf_text (event, between);
      add_name (event, column->name);
      between = ", ";
    }
}

static enum mantis_status
make_before (struct mantis_buf *sql, const struct making *m, const struct unique_index *indexes,
             size_t count, bool update)
{
  AUTO_BUF struct mantis_buf event = MANTIS_BUF_INIT;
  enum mantis_status status = MANTIS_OK;

  if (update)
    add_update_event (&event, m, indexes, count);
  else
    mantis_buf_text (&event, "BEFORE INSERT");
  if (event.failed)
    return no_memory (m->error);
  add_head (sql, m, update ? "bup" : "bin", event.bytes);
  if (!update && m->facts->looked_at)
    add_predecessor (sql, m, false);
  for (size_t i = 0; i < count && !status; i++)
    status = add_eviction (sql, m, &indexes[i], update);
  mantis_buf_text (sql, "END");
  return status;
}

static enum mantis_status
read_unique_indexes (const struct making *m, struct unique_index *indexes, size_t most,
                     size_t *count)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;

  if (sqlite3_prepare_v2 (
          m->session->db,
          "SELECT l.name, l.partial, m.sql,"
          " (SELECT count(*) FROM pragma_index_xinfo(l.name, 'main') AS x"
          "  WHERE x.key AND x.cid < 0)"
          " FROM pragma_index_list(?1, 'main') AS l"
          " LEFT JOIN main.sqlite_master AS m ON m.type = 'index' AND m.name = l.name"
          " WHERE l.\"unique\" AND l.origin <> 'pk' ORDER BY l.name",
          -1, &rows, NULL) ||
      sqlite3_bind_text (rows, 1, m->table->name, -1, SQLITE_STATIC))
    return sql_failed (m->session, m->error, "read the schema");
  for (*count = 0; *count < most && sqlite3_step (rows) == SQLITE_ROW; ++*count)
    indexes[*count] = (struct unique_index){.name = column_text (rows, 0, m->scratch),
                                            .sql = column_text (rows, 2, m->scratch),
                                            .partial = sqlite3_column_int (rows, 1) != 0,
                                            .expression = sqlite3_column_int (rows, 3) != 0};
  return mantis_arena_exhausted (m->scratch) ? no_memory (m->error) : MANTIS_OK;
}

/* ---- All of them ---- */

static enum mantis_status
add_trigger (const struct making *m, struct mantis_buf *sql, const char *suffix,
             struct trigger *triggers, size_t *count)
{
  struct trigger *trigger = &triggers[(*count)++];

  if (sql->failed)
    return no_memory (m->error);
  trigger->name = mantis_arena_printf (m->arena, "__sync_%lld_%s", (long long)m->id, suffix);
  trigger->sql = mantis_arena_copy (m->arena, sql->bytes, sql->length);
  mantis_buf_clear (sql);
  return trigger->name && trigger->sql ? MANTIS_OK : no_memory (m->error);
}

static enum mantis_status
make_all (const struct making *m, struct trigger *triggers, size_t *count)
{
  enum { MOST_INDEXES = 64 };
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  struct unique_index indexes[MOST_INDEXES];
  size_t index_count = 0;
  enum mantis_status status;

  make_after (&sql, m, "ins", "AFTER INSERT", MANTIS_INSERT, "NEW.");
  if ((status = add_trigger (m, &sql, "ins", triggers, count)))
    return status;
  make_after (&sql, m, "upd", "AFTER UPDATE", MANTIS_UPDATE, "NEW.");
  if ((status = add_trigger (m, &sql, "upd", triggers, count)))
    return status;
  make_after (&sql, m, "del", "AFTER DELETE", MANTIS_DELETE, "OLD.");
  if ((status = add_trigger (m, &sql, "del", triggers, count)) ||
      (status = read_unique_indexes (m, indexes, MOST_INDEXES, &index_count)))
    return status;
  if ((index_count || m->facts->looked_at) &&
      ((status = make_before (&sql, m, indexes, index_count, false)) ||
       (status = add_trigger (m, &sql, "bin", triggers, count))))
    return status;
  if (index_count && ((status = make_before (&sql, m, indexes, index_count, true)) ||
                      (status = add_trigger (m, &sql, "bup", triggers, count))))
    return status;
  if (!m->facts->looked_at)
    return MANTIS_OK;
  make_before_key (&sql, m);
  return add_trigger (m, &sql, "bky", triggers, count);
}

enum mantis_status
capture_triggers (struct mantis_session *session, const struct mantis_table *table,
                  const struct facts *facts, int64_t id, struct mantis_arena *arena,
                  struct trigger *triggers, size_t *count, struct mantis_error *error)
{
  struct making m = {session, table, facts, arena, mantis_arena_new (0), id, error};
  enum mantis_status status;

  *count = 0;
  if (!m.scratch)
    return no_memory (error);
  status = make_all (&m, triggers, count);
  mantis_arena_free (m.scratch);
  return status;
}
