/* create.c - Mantis's own tables, a table from its description, and the removal of all that Mantis made.
 *
 * What changes the schema commits, in this engine: each step can be done again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <mysqld_error.h>
#include <string.h>
#include <strings.h>

enum { KEY_BYTES = 3072, INDEXED_BYTES = 48, INDEXED_KEYS = 12 };

/* ---- The log ---- */

enum mantis_status
count_log_keys (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status;

  if (session->log_keys)
    return MANTIS_OK;
  status = ask (session,
                "SELECT sum(table_name = '__sync_log' AND column_name REGEXP '^k[0-9]+$'),"
                " sum(column_name = 'w') FROM information_schema.columns WHERE table_schema ="
                " DATABASE() AND table_name IN ('__sync_log', '__sync_outbox')",
                &result, error);
  if (status || !next_row (&result))
    return status;
  session->log_keys = (int)integer_at (&result, 0);
  session->has_past = integer_at (&result, 1) == 2;
  return MANTIS_OK;
}

/* Columns that an INSERT without names passes over. */
bool
may_hide (const struct mantis_session *session)
{
  return mysql_get_server_version (session->db) >= (session->mariadb ? 100303 : 80023);
}

static enum mantis_status
make_base (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = runf (
      session, error,
      "CREATE TABLE IF NOT EXISTS __sync_counter (id TINYINT PRIMARY KEY, seq BIGINT NOT NULL)"
      " ENGINE = InnoDB;"
      "CREATE TABLE IF NOT EXISTS __sync_tables (id BIGINT PRIMARY KEY, name VARCHAR(64) NOT NULL,"
      " `key` TEXT NOT NULL, fingerprint VARCHAR(32) NOT NULL, created VARCHAR(255),"
      " state VARCHAR(16) NOT NULL) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");

  if (!status)
    status = runf (
        session, error,
        "CREATE TABLE IF NOT EXISTS __sync_outbox (id BIGINT UNSIGNED PRIMARY KEY,"
        " tbl BIGINT NOT NULL, op CHAR(1) NOT NULL, time BIGINT NOT NULL, session BIGINT UNSIGNED,"
        " k0 VARBINARY(%d)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET ascii;"
        "CREATE TABLE IF NOT EXISTS __sync_log (seq BIGINT PRIMARY KEY, tbl BIGINT NOT NULL,"
        " op CHAR(1) NOT NULL, time BIGINT NOT NULL, origin VARCHAR(64), k0 VARBINARY(%d),"
        " KEY __sync_log_key (tbl, k0(%d))) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET "
        "ascii",
        KEY_BYTES, KEY_BYTES, INDEXED_BYTES);
  if (!status) /* the mark with which the log begins, once */
    status = runf (session, error,
                   "START TRANSACTION; INSERT IGNORE INTO __sync_counter SELECT 1, 0 FROM DUAL"
                   " WHERE NOT EXISTS (SELECT 1 FROM __sync_log);"
                   "SELECT seq FROM __sync_counter WHERE id = 1 FOR UPDATE;"
                   "INSERT IGNORE INTO __sync_log (seq, tbl, op, time) SELECT 1, 0, 'M', %lld"
                   " FROM __sync_counter WHERE seq = 0;"
                   "UPDATE __sync_counter SET seq = 1 WHERE id = 1 AND seq = 0; COMMIT",
                   (long long)mantis_now ());
  return status;
}

/* Does the log have its first entry?  There may be no more than the tables: whoever made them was killed. */
static enum mantis_status
log_begins (struct mantis_session *session, bool *begins, struct mantis_error *error)
{
  int64_t entry = 0;
  enum mantis_status status = count_log_keys (session, error);

  if (!status && session->log_keys)
    status = ask_integer (session, "SELECT 1 FROM __sync_log LIMIT 1", 0, &entry, error);
  *begins = entry == 1;
  return status;
}

/* One more key column in both; the index takes the first ones. */
static enum mantis_status
widen (struct mantis_session *session, int have, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_printf (&sql, "ALTER TABLE __sync_outbox ADD COLUMN k%d VARBINARY(%d)%s", have,
                     KEY_BYTES, may_hide (session) ? " INVISIBLE" : "");
  if (alter_own (session, &sql, error) &&
      last_code (session) != ER_DUP_FIELDNAME) /* it was stopped here before */
    return error ? error->status : MANTIS_FAILED;
  mantis_buf_clear (&sql);
  mantis_buf_printf (&sql, "ALTER TABLE __sync_log ADD COLUMN k%d VARBINARY(%d)", have, KEY_BYTES);
  if (have < INDEXED_KEYS) {
    mantis_buf_text (&sql, ", DROP KEY __sync_log_key, ADD KEY __sync_log_key (tbl");
    for (int i = 0; i <= have; i++)
      mantis_buf_printf (&sql, ", k%d(%d)", i, INDEXED_BYTES);
    mantis_buf_text (&sql, ")");
  }
  return alter_own (session, &sql, error);
}

enum mantis_status
make_log (struct mantis_session *session, size_t keys, struct mantis_error *error)
{
  enum mantis_status status;
  bool begins;

  session->log_keys = 0;
  if ((status = log_begins (session, &begins, error)))
    return status;
  if (!begins && (status = make_base (session, error)))
    return status;
  session->log_keys = session->log_keys ? session->log_keys : 1;
  while ((size_t)session->log_keys < keys && !status)
    if (!(status = widen (session, session->log_keys, error)))
      session->log_keys++;
  if (status)
    session->log_keys = 0;
  return status;
}

/* Those of the outbox are hidden: triggers that remember nothing pass over them. */
enum mantis_status
make_past (struct mantis_session *session, struct mantis_error *error)
{
  static const char *const tables[] = {"__sync_outbox", "__sync_log"};
  enum mantis_status status =
      runf (session, error,
            "CREATE TABLE IF NOT EXISTS __sync_looks (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
            " tbl BIGINT NOT NULL, columns TEXT, KEY (tbl)) ENGINE = InnoDB CHARACTER SET utf8mb4"
            " COLLATE utf8mb4_bin");

  for (int i = 0; i < (int)COUNT_OF (tables) && !status && !session->has_past; i++) {
    const char *hidden = i == 0 && may_hide (session) ? " INVISIBLE" : "";
    AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
    mantis_buf_printf (&sql, "ALTER TABLE %s ADD COLUMN was BIGINT%s, ADD COLUMN w BLOB%s",
                       tables[i], hidden, hidden);
    status = alter_own (session, &sql, error);
    if (status && last_code (session) == ER_DUP_FIELDNAME) /* it was stopped here before */
      status = MANTIS_OK;
  }
  session->has_past |= !status;
  return status;
}

/* An outbox as older versions made it, before triggers are made that rely on what is new. */
enum mantis_status
renew_outbox (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  AUTO_RESULT struct result result = {0};
  enum mantis_status status =
      ask (session,
           "SELECT column_name, extra LIKE '%auto_increment%', extra LIKE '%INVISIBLE%'"
           " FROM information_schema.columns WHERE table_schema = DATABASE() AND"
           " table_name = '__sync_outbox' AND column_name REGEXP '^(id|k[1-9][0-9]*)$'",
           &result, error);

  while (!status && next_row (&result)) {
    bool is_id = strcmp (result.row[0], "id") == 0;
    if (is_id ? !integer_at (&result, 1) : integer_at (&result, 2) || !may_hide (session))
      continue;
    mantis_buf_printf (&sql, "%s MODIFY %s ", sql.length ? "," : "ALTER TABLE __sync_outbox",
                       result.row[0]);
    if (is_id)
      mantis_buf_text (&sql, "BIGINT UNSIGNED NOT NULL");
    else
      mantis_buf_printf (&sql, "VARBINARY(%d) INVISIBLE", KEY_BYTES);
  }
  return status || !sql.length ? status : alter_own (session, &sql, error);
}

/* ---- Mantis's own tables ---- */

/* Their columns have three types in SQLite's words: INTEGER, TEXT and none. */
static void
add_own_column (struct mantis_buf *sql, const struct mantis_column *column)
{
  static const char text[] = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

  add_name (sql, column->name);
  if (column->type_class == MANTIS_CLASS_INTEGER)
    mantis_buf_text (sql, " BIGINT");
  else if (column->key_position)
    mantis_buf_printf (sql, " VARCHAR(255)%s", text);
  else
    mantis_buf_printf (sql, " LONGTEXT%s", text);
  if (column->key_position)
    mantis_buf_text (sql, " NOT NULL");
}

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

static enum mantis_status
create_own (struct mantis_session *session, const struct mantis_table *table,
            struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_text (&sql, "CREATE TABLE ");
  add_name (&sql, table->name);
  mantis_buf_text (&sql, " (");
  for (size_t i = 0; i < table->column_count; i++) {
    mantis_buf_text (&sql, i ? ", " : "");
    add_own_column (&sql, &table->columns[i]);
  }
  add_primary_key (&sql, table);
  mantis_buf_text (&sql, ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC");
  return query (session, &sql, NULL, error);
}

/* One that an earlier version made may lack columns. */
static enum mantis_status
widen_own (struct mantis_session *session, const struct mantis_table *table, const struct set *have,
           bool *changed, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  for (size_t i = 0; i < table->column_count; i++) {
    const char *name = table->columns[i].name;
    if (set_has (have, hash_on (HASH_START, name, strlen (name))))
      continue;
    if (sql.length == 0) {
      mantis_buf_text (&sql, "ALTER TABLE ");
      add_name (&sql, table->name);
    }
    mantis_buf_text (&sql, *changed ? ", ADD COLUMN " : " ADD COLUMN ");
    add_own_column (&sql, &table->columns[i]);
    *changed = true;
  }
  return *changed ? alter_own (session, &sql, error) : MANTIS_OK;
}

/* ---- A table of a peer ---- */

static bool
is_indexed (const struct mantis_table *table, size_t at)
{
  const char *name = table->columns[at].name;

  if (table->columns[at].key_position)
    return true;
  for (size_t u = 0; u < table->unique_count; u++)
    for (size_t i = 0; i < table->uniques[u].count; i++)
      if (same_name (table->uniques[u].columns[i], name))
        return true;
  for (size_t k = 0; k < table->foreign_key_count; k++)
    for (size_t i = 0; i < table->foreign_keys[k].count; i++)
      if (same_name (table->foreign_keys[k].columns[i], name))
        return true;
  return false;
}

/* Is TEXT a number or a quoted string, and nothing else? */
static bool
plain_literal (const char *text)
{
  size_t length = strlen (text);

  if (length > 1 && text[0] == '\'' && text[length - 1] == '\'') {
    for (size_t i = 1; i < length - 1; i++)
      if (text[i] == '\\' || (text[i] == '\'' && (text[++i] != '\'' || i == length - 1)))
        return false;
    return true;
  }
  return length > 0 && text[strspn (text, "+-0123456789.eE")] == '\0';
}

static enum mantis_status
add_column (struct mantis_buf *sql, const struct mantis_table *table, size_t at,
            struct mantis_error *error)
{
  const struct mantis_column *column = &table->columns[at];
  bool indexed = is_indexed (table, at);

  add_name (sql, column->name);
  mantis_buf_char (sql, ' ');
  if (!add_type (sql, table, at, indexed))
    return mantis_fail (error, MANTIS_INVALID,
                        "table %s, column %s: there is no type here that holds all that \"%s\" may"
                        " hold: make the table by hand",
                        table->name, column->name, column->declared);
  if (column->not_null || column->key_position)
    mantis_buf_text (sql, " NOT NULL");
  else
    mantis_buf_text (sql, " NULL");
  if (!column->default_value || strcasecmp (column->default_value, "NULL") == 0)
    return MANTIS_OK;
  if (*column->default_value && plain_literal (column->default_value) &&
      (indexed ||
       (column->type_class != MANTIS_CLASS_TEXT && column->type_class != MANTIS_CLASS_ANY) ||
       strchr (column->declared, '(')))
    mantis_buf_printf (sql, " DEFAULT %s", column->default_value);
  else
    mantis_log (MANTIS_WARNING,
                "table %s, column %s: made without its default, which is not a plain value",
                table->name, column->name);
  return MANTIS_OK;
}

static void
add_foreign_key (struct mantis_buf *sql, const struct mantis_foreign_key *key,
                 const struct mantis_table *parent)
{
  static const char *const actions[] = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL"};

  mantis_buf_text (sql, ", FOREIGN KEY");
  add_names (sql, key->columns, key->count);
  mantis_buf_text (sql, " REFERENCES ");
  add_name (sql, key->parent);
  if (key->parents)
    add_names (sql, key->parents, key->count);
  else if (parent) {
    mantis_buf_text (sql, " (");
    for (size_t i = 0; i < parent->key_count; i++) {
      mantis_buf_text (sql, i ? ", " : "");
      add_name (sql, parent->columns[parent->key[i]].name);
    }
    mantis_buf_text (sql, ")");
  }
  for (size_t i = 0; i < COUNT_OF (actions); i++) {
    if (key->on_delete && strcasecmp (key->on_delete, actions[i]) == 0)
      mantis_buf_printf (sql, " ON DELETE %s", actions[i]);
    if (key->on_update && strcasecmp (key->on_update, actions[i]) == 0)
      mantis_buf_printf (sql, " ON UPDATE %s", actions[i]);
  }
}

static const struct mantis_table *
known_table_named (const struct mantis_session *session, const char *name)
{
  size_t at = session->schema ? find_table (session->schema, name) : SIZE_MAX;

  return at == SIZE_MAX ? NULL : session->schema->attached[at].table;
}

/* What names a generated column, which is not made, is not made either. */
static bool
are_made (const struct mantis_table *table, const char *const *names, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    size_t at = find_column (table, names[i]);
    if (at == SIZE_MAX || table->columns[at].generated)
      return false;
  }
  return true;
}

static enum mantis_status
create_application (struct mantis_session *session, const struct mantis_table *table,
                    struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  const char *between = "";
  enum mantis_status status = MANTIS_OK;

  mantis_buf_text (&sql, "CREATE TABLE ");
  add_name (&sql, table->name);
  mantis_buf_text (&sql, " (");
  for (size_t i = 0; i < table->column_count && !status; i++)
    if (!table->columns[i]
             .generated) { /* its expression is in another dialect; values do not travel */
      mantis_buf_text (&sql, between);
      status = add_column (&sql, table, i, error);
      between = ", ";
    }
  if (status)
    return status;
  add_primary_key (&sql, table);
  for (size_t i = 0; i < table->unique_count; i++)
    if (are_made (table, table->uniques[i].columns, table->uniques[i].count)) {
      mantis_buf_text (&sql, ", UNIQUE");
      add_names (&sql, table->uniques[i].columns, table->uniques[i].count);
    }
  for (size_t i = 0; i < table->foreign_key_count; i++)
    if (are_made (table, table->foreign_keys[i].columns, table->foreign_keys[i].count))
      add_foreign_key (&sql, &table->foreign_keys[i],
                       known_table_named (session, table->foreign_keys[i].parent));
  mantis_buf_printf (&sql,
                     ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE %s",
                     session->mariadb ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin");
  status = query (session, &sql, NULL, error);
  if (status == MANTIS_FAILED || status == MANTIS_REFUSED)
    return mantis_fail (error, MANTIS_INVALID, "table %s cannot be made: %s", table->name,
                        mysql_error (session->db)); /* as it was described */
  return status;
}

/* ---- Public ---- */

static enum mantis_status
columns_of (struct mantis_session *session, const char *table, struct set *columns,
            struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  mantis_buf_text (&sql, "SELECT column_name FROM information_schema.columns WHERE table_schema ="
                         " DATABASE() AND table_name = ");
  add_string (session, &sql, table);
  status = query (session, &sql, &result, error);
  while (!status && next_row (&result))
    if (!set_add (columns, hash_on (HASH_START, result.row[0], result.lengths[0])))
      return no_memory (error);
  return status;
}

/* As what changes the schema ends the transaction, also where it fails, whose error STATUS and ERROR are. */
static enum mantis_status
go_on (struct mantis_session *session, enum mantis_status status, struct mantis_error *error)
{
  struct mantis_error lost;

  if (status == MANTIS_OK)
    return lock_again (session, error);
  if (status != MANTIS_INVALID || lock_again (session, &lost) == MANTIS_OK)
    return status;
  if (error)
    *error = lost;
  return lost.status;
}

enum mantis_status
storage_create (struct mantis_session *session, const struct mantis_table *table,
                struct mantis_error *error)
{
  struct set have = {0};
  bool changed = false;
  enum mantis_status status = need_transaction (session, true, error);

  if (!status && (table->key_count == 0 || table->column_count == 0))
    return mantis_fail (error, MANTIS_INVALID, "table %s: it has no primary key", table->name);
  if (!status)
    status = columns_of (session, table->name, &have, error);
  if (!status && have.count == 0) {
    changed = true;
    status = is_own (table->name) ? create_own (session, table, error)
                                  : create_application (session, table, error);
  } else if (!status && is_own (table->name))
    status = widen_own (session, table, &have, &changed, error);
  set_free (&have);
  if (!is_own (table->name)) /* made now, or by others: no session has attached it yet */
    session->storage->news++;
  return changed ? go_on (session, status, error) : status;
}

/* Run STATEMENT_OF each name that SQL gives. */
static enum mantis_status
drop_all (struct mantis_session *session, const char *kind, const char *sql,
          struct mantis_error *error)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (session, sql, &result, error);

  while (!status && next_row (&result)) {
    AUTO_BUF struct mantis_buf drop = MANTIS_BUF_INIT;
    mantis_buf_printf (&drop, "DROP %s IF EXISTS ", kind);
    add_name (&drop, result.row[0]);
    status = query (session, &drop, NULL, error);
  }
  return status;
}

#define CAPTURE_TRIGGERS                                                                           \
  "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"         \
  " AND trigger_name LIKE '\\_\\_sync\\_%'"

enum mantis_status
drop_capture (struct mantis_session *session, bool own, struct mantis_error *error)
{
  return drop_all (session, "TRIGGER",
                   own ? CAPTURE_TRIGGERS " AND definer = CURRENT_USER()" : CAPTURE_TRIGGERS,
                   error);
}

enum mantis_status
storage_detach (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, true, error);

  if (status)
    return status;
  session->log_keys = 0;
  session->attached = false;
  status = drop_capture (session, false, error);
  if (!status)
    status = drop_all (session, "VIEW",
                       "SELECT table_name FROM information_schema.views WHERE table_schema ="
                       " DATABASE() AND table_name LIKE '\\_\\_sync\\_%'",
                       error);
  if (!status)
    status = drop_all (session, "TABLE",
                       "SELECT table_name FROM information_schema.tables WHERE table_schema ="
                       " DATABASE() AND table_type = 'BASE TABLE'"
                       " AND table_name LIKE '\\_\\_sync\\_%'",
                       error);
  session->stored_seq = session->seq; /* there is no counter any more */
  set_clear (&session->written);
  return status;
}
