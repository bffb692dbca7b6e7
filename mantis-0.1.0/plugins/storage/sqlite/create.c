/* create.c - make a table from its description, and remove all that Mantis made.
 *
 * A description may come from a peer: names are quoted, and of the rest only what is known to be
 * harmless becomes SQL.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

static const char *const actions[] = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL",
                                      "SET DEFAULT"};

static bool
is_action (const char *action)
{
  for (size_t i = 0; i < COUNT_OF (actions); i++)
    if (action && sqlite3_stricmp (action, actions[i]) == 0)
      return true;
  return false;
}

static bool
single_integer_key (const struct mantis_table *table)
{
  return table->key_count == 1 && !table->without_rowid &&
         sqlite3_stricmp (table->columns[table->key[0]].declared, "INTEGER") == 0;
}

/* ---- Columns ---- */

static enum mantis_status
add_collation (struct mantis_buf *sql, const struct mantis_table *table,
               const struct mantis_column *column, struct mantis_error *error)
{
  const char *collation = column->collation;

  if (!collation)
    return MANTIS_OK;
  if (sqlite3_stricmp (collation, "BINARY") != 0 && sqlite3_stricmp (collation, "NOCASE") != 0 &&
      sqlite3_stricmp (collation, "RTRIM") != 0)
    return mantis_fail (
        error, MANTIS_INVALID,
        "table %s, column %s: SQLite has no collation \"%s\": make the table by hand", table->name,
        column->name, collation);
  mantis_buf_printf (sql, " COLLATE %s", collation);
  return MANTIS_OK;
}

static void
add_default (struct mantis_buf *sql, const struct mantis_table *table,
             const struct mantis_column *column)
{
  if (!column->default_value)
    return;
  if (*column->default_value && harmless_expression (column->default_value, NULL))
    mantis_buf_printf (sql, " DEFAULT (%s)", column->default_value);
  else
    mantis_log (MANTIS_WARNING,
                "table %s, column %s: made without its default, which is not a plain expression",
                table->name, column->name);
}

/* NAME TYPE ... of column AT; what cannot be carried is left out with a warning. */
static enum mantis_status
add_column (struct mantis_buf *sql, const struct mantis_table *table, size_t at,
            struct mantis_error *error)
{
  const struct mantis_column *column = &table->columns[at];

  add_name (sql, column->name);
  if (!plain_type (column->declared))
    return mantis_fail (error, MANTIS_INVALID, "table %s, column %s: \"%s\" is not a type",
                        table->name, column->name, column->declared);
  mantis_buf_printf (sql, " %s", column->declared);
  if (column->generated) {
    mantis_buf_printf (sql, " GENERATED ALWAYS AS (%s) %s", column->generated,
                       column->stored ? "STORED" : "VIRTUAL");
    return MANTIS_OK;
  }
  if (column->not_null)
    mantis_buf_text (sql, " NOT NULL");
  if (column->key_position && single_integer_key (table))
    mantis_buf_printf (sql, " PRIMARY KEY%s", table->autoincrement ? " AUTOINCREMENT" : "");
  add_default (sql, table, column);
  return add_collation (sql, table, column, error);
}

/* A generated column that cannot be taken over is not made at all: its values do not travel. */
static bool
is_taken (const struct mantis_table *table, const struct mantis_column *column)
{
  return !column->generated ||
         (*column->generated && harmless_expression (column->generated, table));
}

/* What names a column that is not made is not made either. */
static bool
are_taken (const struct mantis_table *table, const char *const *names, size_t count)
{
  for (size_t i = 0; i < table->column_count; i++)
    for (size_t n = 0; n < count; n++)
      if (sqlite3_stricmp (table->columns[i].name, names[n]) == 0 &&
          !is_taken (table, &table->columns[i]))
        return false;
  return true;
}

/* ---- Constraints ---- */

static void
add_names (struct mantis_buf *sql, const char *const *names, size_t count)
{
  mantis_buf_text (sql, " (");
  for (size_t i = 0; i < count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_name (sql, names[i]);
  }
  mantis_buf_text (sql, ")");
}

static void
add_primary_key (struct mantis_buf *sql, const struct mantis_table *table)
{
  mantis_buf_text (sql, ", PRIMARY KEY (");
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_name (sql, table->columns[table->key[i]].name);
  }
  mantis_buf_text (sql, ")");
}

static void
add_foreign_key (struct mantis_buf *sql, const struct mantis_foreign_key *key)
{
  mantis_buf_text (sql, ", FOREIGN KEY");
  add_names (sql, key->columns, key->count);
  mantis_buf_text (sql, " REFERENCES ");
  add_name (sql, key->parent);
  if (key->parents)
    add_names (sql, key->parents, key->count);
  if (is_action (key->on_delete))
    mantis_buf_printf (sql, " ON DELETE %s", key->on_delete);
  if (is_action (key->on_update))
    mantis_buf_printf (sql, " ON UPDATE %s", key->on_update);
}

static enum mantis_status
add_table (struct mantis_buf *sql, const struct mantis_table *table, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *between = "";

  mantis_buf_text (sql, "CREATE TABLE main.");
  add_name (sql, table->name);
  mantis_buf_text (sql, " (");
  for (size_t i = 0; i < table->column_count && !status; i++)
    if (is_taken (table, &table->columns[i])) {
      mantis_buf_text (sql, between);
      status = add_column (sql, table, i, error);
      between = ", ";
    } else
      mantis_log (MANTIS_WARNING,
                  "table %s: made without the generated column %s, which is not a plain expression",
                  table->name, table->columns[i].name);
  if (!single_integer_key (table))
    add_primary_key (sql, table);
  for (size_t i = 0; i < table->unique_count; i++)
    if (are_taken (table, table->uniques[i].columns, table->uniques[i].count)) {
      mantis_buf_text (sql, ", UNIQUE");
      add_names (sql, table->uniques[i].columns, table->uniques[i].count);
    }
  for (size_t i = 0; i < table->foreign_key_count; i++)
    if (are_taken (table, table->foreign_keys[i].columns, table->foreign_keys[i].count))
      add_foreign_key (sql, &table->foreign_keys[i]);
  mantis_buf_printf (sql, ")%s%s%s", table->without_rowid ? " WITHOUT ROWID" : "",
                     table->without_rowid && table->strict ? "," : "",
                     table->strict ? " STRICT" : "");
  return status;
}

/* ---- Public ---- */

static enum mantis_status
check_description (const struct mantis_table *table, struct mantis_error *error)
{
  if (sqlite3_strnicmp (table->name, "sqlite_", 7) == 0)
    return mantis_fail (error, MANTIS_INVALID, "table %s: the name belongs to SQLite", table->name);
  if (table->key_count == 0 || table->column_count == 0)
    return mantis_fail (error, MANTIS_INVALID, "table %s: it has no primary key", table->name);
  return MANTIS_OK;
}

/* A table of Mantis that an earlier version made may lack columns. */
static enum mantis_status
add_missing_columns (struct mantis_session *session, const struct mantis_table *table,
                     struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < table->column_count && !status; i++) {
    const struct mantis_column *column = &table->columns[i];
    struct mantis_buf *sql = &session->sql;
    if (sqlite3_table_column_metadata (session->db, "main", table->name, column->name, NULL, NULL,
                                       NULL, NULL, NULL) == SQLITE_OK)
      continue;
    mantis_buf_clear (sql);
    mantis_buf_text (sql, "ALTER TABLE main.");
    add_name (sql, table->name);
    mantis_buf_text (sql, " ADD COLUMN ");
    add_name (sql, column->name);
    mantis_buf_printf (sql, " %s", column->declared);
    status = run (session, sql->failed ? NULL : sql->bytes, error);
  }
  return status;
}

static enum mantis_status
make_table (struct mantis_session *session, const struct mantis_table *table,
            struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  if (sqlite3_table_column_metadata (session->db, "main", table->name, NULL, NULL, NULL, NULL, NULL,
                                     NULL) == SQLITE_OK)
    return is_own (table->name) ? add_missing_columns (session, table, error) : MANTIS_OK;
  if ((status = add_table (&sql, table, error)))
    return status;
  status = run (session, sql.failed ? NULL : sql.bytes, error);
  if (status == MANTIS_FAILED && (sqlite3_errcode (session->db) & 0xff) == SQLITE_ERROR)
    return mantis_fail (error, MANTIS_INVALID, "table %s cannot be made: %s", table->name,
                        sqlite3_errmsg (session->db)); /* as it was described */
  return status ? mantis_fail_in (error, "table %s cannot be made", table->name) : MANTIS_OK;
}

enum mantis_status
storage_create (struct mantis_session *session, const struct mantis_table *table,
                struct mantis_error *error)
{
  static const char version[] = "PRAGMA schema_version";
  int64_t before, after;
  enum mantis_status status = need_transaction (session, true, error);

  if (status || (status = check_description (table, error)) ||
      (status = ask_integer (session, version, 0, &before, error)) ||
      (status = make_table (session, table, error)) ||
      (status = ask_integer (session, version, 0, &after, error)))
    return status;
  if (is_own (table->name) && session->schema_version == before)
    session->schema_version = after; /* nothing that attach() tells has changed */
  return MANTIS_OK;
}

/* Drop all of KIND that Mantis made. */
static enum mantis_status
drop_all (struct mantis_session *session, const char *kind, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (bool more = true; more && !status;) {
    AUTO_FINALIZE sqlite3_stmt *one = NULL;
    AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
    if (sqlite3_prepare_v2 (session->db,
                            "SELECT name FROM main.sqlite_master WHERE type = lower(?1)"
                            " AND name LIKE '\\_\\_sync\\_%' ESCAPE '\\' LIMIT 1",
                            -1, &one, NULL))
      return sql_failed (session, error, "read the schema");
    sqlite3_bind_text (one, 1, kind, -1, SQLITE_STATIC);
    if (!(more = sqlite3_step (one) == SQLITE_ROW))
      break;
    mantis_buf_printf (&sql, "DROP %s main.", kind);
    add_name (&sql, (const char *)sqlite3_column_text (one, 0));
    sqlite3_reset (one);
    status = run (session, sql.failed ? NULL : sql.bytes, error);
  }
  return status;
}

enum mantis_status
storage_detach (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, true, error);

  if (status)
    return status;
  forget_statements (session);
  session->log_keys = 0;
  session->attached = false;
  if ((status = drop_all (session, "TRIGGER", error)) ||
      (status = drop_all (session, "VIEW", error)))
    return status;
  return drop_all (session, "TABLE", error);
}
