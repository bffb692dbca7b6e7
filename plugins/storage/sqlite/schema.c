/* schema.c - what tables there are, and which of them can be synced.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

/* What reading one table needs at every step. */
struct reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  struct mantis_table *table;
  struct facts *facts;
  struct mantis_error *error;
};

bool
is_own (const char *name)
{
  return sqlite3_strnicmp (name, "__sync_", 7) == 0 || sqlite3_strnicmp (name, "sqlite_", 7) == 0;
}

/* Prepare SQL with TEXT as its first parameter. */
static enum mantis_status
ask_about (struct reading *r, const char *sql, const char *text, sqlite3_stmt **statement)
{
  if (sqlite3_prepare_v2 (r->session->db, sql, -1, statement, NULL) ||
      sqlite3_bind_text (*statement, 1, text, -1, SQLITE_TRANSIENT))
    return sql_failed (r->session, r->error, "read the schema");
  return MANTIS_OK;
}

/* After a loop over rows: did it end well? */
static enum mantis_status
finished (struct reading *r, int code)
{
  if (code != SQLITE_DONE)
    return sql_failed (r->session, r->error, "read the schema");
  return mantis_arena_exhausted (r->arena) ? no_memory (r->error) : MANTIS_OK;
}

/* How many rows SQL gives for TEXT. */
static enum mantis_status
count_rows (struct reading *r, const char *sql, const char *text, size_t *count)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  enum mantis_status status = ask_about (r, sql, text, &rows);
  int code = SQLITE_DONE;

  *count = 0;
  while (!status && (code = sqlite3_step (rows)) == SQLITE_ROW)
    ++*count;
  return status ? status : finished (r, code);
}

static void *
array (struct reading *r, size_t count, size_t size)
{
  return mantis_arena_alloc (r->arena, (count ? count : 1) * size);
}

/* ---- Columns ---- */

static bool
contains (const char *declared, const char *pattern)
{
  return sqlite3_strlike (pattern, declared, 0) == 0;
}

/* https://sqlite.org/datatype3.html, section 3.1; STRICT tables have a type ANY that converts
 * nothing. */
static enum mantis_class
class_of (const char *declared, bool strict)
{
  if (strict && sqlite3_stricmp (declared, "ANY") == 0)
    return MANTIS_CLASS_ANY;
  if (contains (declared, "%INT%"))
    return MANTIS_CLASS_INTEGER;
  if (contains (declared, "%CHAR%") || contains (declared, "%CLOB%") ||
      contains (declared, "%TEXT%"))
    return MANTIS_CLASS_TEXT;
  if (!*declared || contains (declared, "%BLOB%"))
    return MANTIS_CLASS_ANY;
  if (contains (declared, "%REAL%") || contains (declared, "%FLOA%") ||
      contains (declared, "%DOUB%"))
    return MANTIS_CLASS_REAL;
  return MANTIS_CLASS_NUMERIC;
}

static void
read_collation (struct reading *r, struct mantis_column *column)
{
  const char *collation = NULL;
  int autoincrement = 0;

  sqlite3_table_column_metadata (r->session->db, "main", r->table->name, column->name, NULL,
                                 &collation, NULL, NULL, &autoincrement);
  if (collation && sqlite3_stricmp (collation, "BINARY") != 0)
    column->collation = mantis_arena_strdup (r->arena, collation);
  if (autoincrement)
    r->table->autoincrement = true;
}

/* Is it as if COLUMN was not there? */
static bool
is_left_out (const struct reading *r, const struct mantis_column *column)
{
  const struct mantis_session *session = r->session;

  return session->left_out && !column->key_position &&
         (column->generated || !column->not_null || column->default_value) &&
         session->left_out (session->left_out_context, r->table->name, column->name);
}

/* What is not left out of the columns that there are. */
static enum mantis_status
describe_columns (struct reading *r)
{
  const struct facts *facts = r->facts;
  struct mantis_column *columns = array (r, facts->column_count, sizeof *columns);

  if (!columns)
    return no_memory (r->error);
  for (size_t i = 0; i < facts->column_count; i++)
    if (!is_left_out (r, &facts->columns[i]))
      columns[r->table->column_count++] = facts->columns[i];
  r->table->columns = columns;
  return MANTIS_OK;
}

static enum mantis_status
read_columns (struct reading *r)
{
  static const char sql[] = "SELECT name, type, \"notnull\", dflt_value, pk, hidden"
                            " FROM pragma_table_xinfo(?1, 'main')";
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  struct mantis_column *columns;
  size_t count, at = 0;
  int code = SQLITE_DONE;
  enum mantis_status status = count_rows (r, sql, r->table->name, &count);

  if (status || (status = ask_about (r, sql, r->table->name, &rows)))
    return status;
  if (!(columns = array (r, count, sizeof *columns)))
    return no_memory (r->error);
  while (at < count && (code = sqlite3_step (rows)) == SQLITE_ROW) {
    struct mantis_column *column = &columns[at];
    int hidden = sqlite3_column_int (rows, 5);
    if (hidden == 1) /* of a virtual table */
      continue;
    column->name = column_text (rows, 0, r->arena);
    column->declared = column_text (rows, 1, r->arena);
    column->not_null = sqlite3_column_int (rows, 2) != 0;
    column->default_value = column_text (rows, 3, r->arena);
    column->key_position = (uint32_t)sqlite3_column_int (rows, 4);
    if (!column->name || !column->declared)
      return no_memory (r->error);
    column->type_class = class_of (column->declared, r->table->strict);
    column->stored = hidden == 3;
    if (hidden)
      column->generated = parse_generated (r->facts->sql, column->name, r->arena);
    read_collation (r, column);
    at++;
  }
  r->facts->columns = columns;
  r->facts->column_count = at;
  status = at < count ? finished (r, code) : MANTIS_OK;
  return status ? status : describe_columns (r);
}

/* Is one of COUNT columns left out?  (Those of the rowid have no name.) */
static bool
names_left_out (const struct reading *r, const char *const *columns, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    size_t c = 0;
    while (c < r->table->column_count &&
           sqlite3_stricmp (columns[i] ? columns[i] : "", r->table->columns[c].name) != 0)
      c++;
    if (c == r->table->column_count)
      return true;
  }
  return false;
}

static enum mantis_status
read_key (struct reading *r)
{
  struct mantis_table *table = r->table;
  uint32_t *key;

  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].key_position)
      table->key_count++;
  if (!(key = array (r, table->key_count, sizeof *key)))
    return no_memory (r->error);
  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].key_position)
      key[table->columns[i].key_position - 1] = (uint32_t)i;
  table->key = key;
  r->facts->rowid_alias = table->key_count == 1 && !table->without_rowid &&
                          sqlite3_stricmp (table->columns[key[0]].declared, "INTEGER") == 0;
  return MANTIS_OK;
}

/* ---- Foreign keys, unique indexes ---- */

/* Column AT of the rows of foreign key ID, which ROWS stands on the first of. */
static enum mantis_status
read_foreign_key (struct reading *r, sqlite3_stmt *rows, int *code, struct mantis_foreign_key *key)
{
  const char **columns = array (r, r->facts->column_count, sizeof *columns);
  const char **parents = array (r, r->facts->column_count, sizeof *parents);
  int id = sqlite3_column_int (rows, 0);

  key->parent = column_text (rows, 1, r->arena);
  key->on_update = column_text (rows, 4, r->arena);
  key->on_delete = column_text (rows, 5, r->arena);
  if (!columns || !parents || !key->parent)
    return no_memory (r->error);
  while (*code == SQLITE_ROW && sqlite3_column_int (rows, 0) == id &&
         key->count < r->facts->column_count) {
    columns[key->count] = column_text (rows, 2, r->arena);
    parents[key->count] = column_text (rows, 3, r->arena);
    key->count++;
    *code = sqlite3_step (rows);
  }
  key->columns = columns;
  key->parents = key->count && parents[0] ? parents : NULL;
  return MANTIS_OK;
}

static enum mantis_status
read_foreign_keys (struct reading *r)
{
  static const char sql[] = "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete"
                            " FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq";
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  struct mantis_foreign_key *keys;
  size_t most;
  int code;
  enum mantis_status status = count_rows (r, sql, r->table->name, &most);

  if (status || most == 0 || (status = ask_about (r, sql, r->table->name, &rows)))
    return status;
  if (!(keys = array (r, most, sizeof *keys)))
    return no_memory (r->error);
  code = sqlite3_step (rows);
  while (!status && code == SQLITE_ROW && r->table->foreign_key_count < most) {
    struct mantis_foreign_key *key = &keys[r->table->foreign_key_count];
    status = read_foreign_key (r, rows, &code, key);
    if (r->session->left_out && names_left_out (r, key->columns, key->count))
      *key = (struct mantis_foreign_key){.count = 0};
    else
      r->table->foreign_key_count++;
  }
  r->table->foreign_keys = keys;
  return status ? status : finished (r, code);
}

/* The named columns of index NAME; those that are expressions are left out. */
static enum mantis_status
read_unique (struct reading *r, const char *name, struct mantis_unique *unique)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  const char **columns = array (r, r->facts->column_count, sizeof *columns);
  int code = SQLITE_DONE;
  enum mantis_status status = ask_about (
      r, "SELECT name FROM pragma_index_xinfo(?1, 'main') WHERE key AND cid >= 0", name, &rows);

  if (!columns)
    return no_memory (r->error);
  while (!status && unique->count < r->facts->column_count &&
         (code = sqlite3_step (rows)) == SQLITE_ROW)
    columns[unique->count++] = column_text (rows, 0, r->arena);
  unique->columns = columns;
  return status;
}

/* Those of what is described; of all, the last LOOSE forbid less than their columns say. */
static enum mantis_status
describe_uniques (struct reading *r, size_t loose)
{
  const struct facts *facts = r->facts;
  struct mantis_unique *uniques = array (r, facts->unique_count, sizeof *uniques);

  if (!uniques)
    return no_memory (r->error);
  for (size_t i = 0; i < facts->unique_count; i++) {
    const struct mantis_unique *unique = &facts->uniques[i];
    if (r->session->left_out && names_left_out (r, unique->columns, unique->count))
      continue;
    uniques[r->table->unique_count++] = *unique;
    r->table->loose_uniques += i >= facts->unique_count - loose;
  }
  r->table->uniques = uniques;
  return MANTIS_OK;
}

static enum mantis_status
read_uniques (struct reading *r)
{
  static const char sql[] = /* what forbids less than its columns say, last */
      "SELECT l.name, l.partial OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, 'main')"
      " WHERE key AND cid < 0) FROM pragma_index_list(?1, 'main') AS l"
      " WHERE l.\"unique\" AND l.origin <> 'pk' ORDER BY 2, 1";
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  struct mantis_unique *uniques;
  size_t most, at = 0, loose = 0;
  int code = SQLITE_DONE;
  enum mantis_status status = count_rows (r, sql, r->table->name, &most);

  if (status || most == 0 || (status = ask_about (r, sql, r->table->name, &rows)))
    return status;
  if (!(uniques = array (r, most, sizeof *uniques)))
    return no_memory (r->error);
  while (!status && at < most && (code = sqlite3_step (rows)) == SQLITE_ROW) {
    status = read_unique (r, (const char *)sqlite3_column_text (rows, 0), &uniques[at]);
    if (uniques[at].count) { /* else expressions alone */
      loose += (size_t)sqlite3_column_int (rows, 1);
      at++;
    }
  }
  r->facts->uniques = uniques;
  r->facts->unique_count = at;
  return status ? status : describe_uniques (r, loose);
}

void
storage_leave_out (struct mantis_session *session,
                   bool (*left_out) (void *context, const char *table, const char *column),
                   void *context)
{
  session->left_out = left_out;
  session->left_out_context = context;
}

/* ---- Fingerprint ---- */

static enum mantis_status
read_fingerprint (struct reading *r)
{
  r->table->fingerprint = mantis_table_fingerprint (r->table, r->arena);
  return r->table->fingerprint ? MANTIS_OK : no_memory (r->error);
}

/* ---- What cannot be synced ---- */

static bool
is_utf8 (const char *text)
{
  const unsigned char *at = (const unsigned char *)text;

  while (*at) {
    size_t more = *at < 0x80   ? 0
                  : *at < 0xc2 ? 9
                  : *at < 0xe0 ? 1
                  : *at < 0xf0 ? 2
                  : *at < 0xf5 ? 3
                               : 9;
    if (more == 9)
      return false;
    for (at++; more; more--, at++)
      if ((*at & 0xc0) != 0x80)
        return false;
  }
  return true;
}

static bool
names_are_text (const struct mantis_table *table)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (!is_utf8 (table->columns[i].name))
      return false;
  return is_utf8 (table->name);
}

/* The collation under which the primary key is unique, NULL for the binary one. */
static enum mantis_status
key_collation (struct reading *r, const char **column, const char **collation)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  enum mantis_status status =
      ask_about (r,
                 "SELECT x.name, x.coll FROM pragma_index_list(?1, 'main') AS l,"
                 " pragma_index_xinfo(l.name, 'main') AS x"
                 " WHERE l.origin = 'pk' AND x.key AND x.coll <> 'BINARY' COLLATE NOCASE",
                 r->table->name, &rows);

  *collation = NULL;
  for (size_t i = 0; i < r->table->key_count && !*collation; i++) {
    *column = r->table->columns[r->table->key[i]].name;
    *collation = r->table->columns[r->table->key[i]].collation;
  }
  if (!status && !*collation && sqlite3_step (rows) == SQLITE_ROW) {
    *column = column_text (rows, 0, r->arena);
    *collation = column_text (rows, 1, r->arena);
  }
  return status;
}

static enum mantis_status
read_refusal (struct reading *r)
{
  struct mantis_table *table = r->table;
  const char *column, *collation;
  enum mantis_status status;

  if (!names_are_text (table))
    table->refusal = "its name or a column's is not UTF-8: rename it";
  else if (table->key_count == 0)
    table->refusal =
        "it has no primary key: rows cannot be told apart on other nodes; rebuild it with"
        " one, e.g. id TEXT PRIMARY KEY with a UUID in each row";
  else if (table->key_count > MOST_KEYS)
    table->refusal = "its primary key has more than 64 columns";
  else {
    if ((status = key_collation (r, &column, &collation)))
      return status;
    if (collation)
      table->refusal = mantis_arena_printf (
          r->arena,
          "its key column \"%s\" compares by %s, so that keys which differ elsewhere are the same"
          " here: rebuild the table with this column COLLATE BINARY (a unique index with COLLATE %s"
          " may stay beside it)",
          column, collation, collation);
  }
  return MANTIS_OK;
}

const char *
write_obstacle (struct mantis_session *session, const struct mantis_table *table,
                struct mantis_arena *arena)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  sqlite3_stmt *probe = NULL;
  const char *obstacle = NULL;

  for (int i = 0; i < 3 && !obstacle; i++) {
    mantis_buf_clear (&sql);
    mantis_buf_text (&sql, i == 0   ? "INSERT INTO main."
                           : i == 1 ? "DELETE FROM main."
                                    : "UPDATE main.");
    add_name (&sql, table->name);
    mantis_buf_text (&sql, i == 0 ? " DEFAULT VALUES" : "");
    for (size_t c = 0; i == 2 && c < table->column_count; c++)
      if (!table->columns[c].generated) {
        mantis_buf_text (&sql, strstr (sql.bytes, " SET ") ? ", " : " SET ");
        add_name (&sql, table->columns[c].name);
        mantis_buf_text (&sql, " = NULL");
      }
    if (sql.failed || sqlite3_prepare_v2 (session->db, sql.bytes, -1, &probe, NULL))
      obstacle = mantis_arena_printf (
          arena, "this SQLite cannot write to it (%s): it needs what only the application has",
          sqlite3_errmsg (session->db));
    sqlite3_finalize (probe);
    probe = NULL;
  }
  return obstacle;
}

/* ---- The whole table ---- */

/* Triggers of the application, and generated columns; see mark_parents() for the rest. */
static enum mantis_status
read_company (struct reading *r)
{
  struct mantis_table *table = r->table;
  size_t triggers;
  enum mantis_status status =
      count_rows (r,
                  "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger'"
                  " AND tbl_name = ?1 COLLATE NOCASE AND name NOT LIKE '\\_\\_sync\\_%'"
                  " ESCAPE '\\'",
                  table->name, &triggers);

  r->facts->own_trigger = triggers > 0;
  table->plain = triggers == 0;
  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].generated)
      table->plain = false;
  return status;
}

/* Tables whose change acts upon others, watched or not, through foreign keys are not plain. */
enum mantis_status
mark_parents (struct mantis_session *session, struct known_schema *schema,
              struct mantis_error *error)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;

  if (sqlite3_prepare_v2 (session->db,
                          "SELECT DISTINCT k.\"table\" FROM main.sqlite_master AS m,"
                          " pragma_foreign_key_list(m.name, 'main') AS k WHERE m.type = 'table' AND"
                          " (k.on_delete NOT IN ('NO ACTION', 'RESTRICT')"
                          " OR k.on_update NOT IN ('NO ACTION', 'RESTRICT'))",
                          -1, &rows, NULL))
    return sql_failed (session, error, "read the schema");
  while (sqlite3_step (rows) == SQLITE_ROW)
    for (size_t i = 0; i < schema->shown.count; i++) {
      struct mantis_table *table = (struct mantis_table *)schema->attached[i].table;
      if (sqlite3_stricmp (table->name, (const char *)sqlite3_column_text (rows, 0)) == 0)
        table->plain = false;
    }
  return MANTIS_OK;
}

/* CREATE statement and root page; WITHOUT ROWID and STRICT. */
static enum mantis_status
read_master (struct reading *r)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  enum mantis_status status =
      ask_about (r,
                 "SELECT m.sql, m.rootpage, l.wr, l.strict FROM main.sqlite_master AS m,"
                 " pragma_table_list(m.name) AS l WHERE m.name = ?1 AND l.schema = 'main'"
                 " AND m.type IN ('table', 'view')",
                 r->table->name, &rows);

  if (status)
    return status;
  if (sqlite3_step (rows) != SQLITE_ROW)
    return sql_failed (r->session, r->error, "read the schema");
  r->facts->sql = column_text (rows, 0, r->arena);
  r->facts->root = sqlite3_column_int64 (rows, 1);
  r->table->without_rowid = sqlite3_column_int (rows, 2) != 0;
  r->table->strict = sqlite3_column_int (rows, 3) != 0;
  return r->facts->sql ? MANTIS_OK : no_memory (r->error);
}

enum mantis_status
read_table (struct mantis_session *session, const char *name, const char *type,
            struct mantis_arena *arena, struct mantis_table *table, struct facts *facts,
            struct mantis_error *error)
{
  struct reading r = {session, arena, table, facts, error};
  enum mantis_status status;

  table->size = sizeof *table;
  table->fingerprint = "";
  if (!(table->name = mantis_arena_strdup (arena, name)))
    return no_memory (error);
  facts->virtual = strcmp (type, "table") != 0;
  if (facts->virtual) {
    table->refusal = strcmp (type, "view") == 0
                         ? "it is a view: sync the tables that it shows"
                         : "it is a virtual table: sync the tables that it is made from";
    return MANTIS_OK;
  }
  if ((status = read_master (&r)) || (status = read_columns (&r)) || (status = read_key (&r)) ||
      (status = read_foreign_keys (&r)) || (status = read_uniques (&r)) ||
      (status = read_fingerprint (&r)) || (status = read_company (&r)))
    return status;
  return read_refusal (&r);
}

/* ---- Triggers that only feed what is not synced ---- */

struct feeding {
  const struct known_schema *schema;
  const struct mantis_table *table;
  bool writes, elsewhere;
};

static bool
is_synced (const struct known_schema *schema, const char *name)
{
  for (size_t i = 0; i < schema->shown.count; i++)
    if (!schema->attached[i].table->refusal &&
        sqlite3_stricmp (schema->attached[i].table->name, name) == 0)
      return true;
  return false;
}

/* SQLite asks this for all that a statement and its triggers do. */
static int
note_write (void *context, int action, const char *object, const char *column, const char *database,
            const char *trigger)
{
  struct feeding *feeding = context;

  (void)column, (void)database;
  if (!trigger || is_own (trigger) ||
      (action != SQLITE_INSERT && action != SQLITE_UPDATE && action != SQLITE_DELETE))
    return SQLITE_OK;
  feeding->writes = true;
  if (is_own (object) || is_synced (feeding->schema, object))
    feeding->elsewhere = true;
  return SQLITE_OK;
}

bool
triggers_only_feed (struct mantis_session *session, const struct mantis_table *table,
                    const struct known_schema *schema)
{
  struct feeding feeding = {schema, table, false, false};
  AUTO_FINALIZE sqlite3_stmt *nothing = NULL;
  struct mantis_arena *scratch = mantis_arena_new (65536);
  bool works = scratch != NULL && set_triggers (session, true, NULL) == MANTIS_OK;

  sqlite3_set_authorizer (session->db, note_write, &feeding);
  works = works && !write_obstacle (session, table, scratch);
  sqlite3_set_authorizer (session->db, NULL, NULL);
  mantis_arena_free (scratch);
  return set_triggers (session, false, NULL) == MANTIS_OK && works && feeding.writes &&
         !feeding.elsewhere;
}

/* ---- Parents before children ---- */

static void
visit (struct known_schema *schema, size_t at, char *state, size_t *order, size_t *count)
{
  const struct mantis_table *table = schema->attached[at].table;

  if (state[at])
    return; /* done, or a circle */
  state[at] = 1;
  for (size_t k = 0; k < table->foreign_key_count; k++)
    for (size_t i = 0; i < schema->shown.count; i++)
      if (sqlite3_stricmp (schema->attached[i].table->name, table->foreign_keys[k].parent) == 0)
        visit (schema, i, state, order, count);
  order[(*count)++] = at;
}

void
order_tables (struct known_schema *schema)
{
  size_t count = schema->shown.count, ordered = 0;
  char *state = mantis_arena_alloc (schema->arena, count + 1);
  size_t *order = mantis_arena_alloc (schema->arena, (count + 1) * sizeof *order);
  struct mantis_attached *attached =
      mantis_arena_alloc (schema->arena, (count + 1) * sizeof *attached);
  struct facts *facts = mantis_arena_alloc (schema->arena, (count + 1) * sizeof *facts);

  if (!state || !order || !attached || !facts)
    return;
  for (size_t i = 0; i < count; i++)
    visit (schema, i, state, order, &ordered);
  for (size_t i = 0; i < count; i++) {
    attached[i] = schema->attached[order[i]];
    facts[i] = schema->facts[order[i]];
  }
  schema->shown.tables = schema->attached = attached;
  schema->facts = facts;
}
