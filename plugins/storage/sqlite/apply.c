/* apply.c - make rows as changes say.
 *
 * Who runs triggers?  Client: nobody, so nothing enters the log; but where the application's
 * triggers only feed tables that are not synced (full text), they run, and what ours append is
 * removed again. Server: a plain table (nothing else happens when it changes) of which nothing is remembered is
 * written with triggers off, and its entry is appended here; else they run, and the entries of the change's own
 * key get its origin and time.
 *
 * Never INSERT OR REPLACE, and always OR ABORT, which overrides a conflict clause of the table:
 * nothing but the row may go.  A row with all its columns is one UPSERT; with some of them it is an
 * UPDATE, then an INSERT where there was none, because an UPSERT checks NOT NULL before it finds
 * the row, and would fire BEFORE INSERT triggers for an update.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <math.h>
#include <string.h>

enum { MASK_WORDS = 32, WORD_BITS = 64 }; /* SQLite's 2,000 columns at most */

/* Which columns a change carries. */
struct mask {
  uint64_t words[MASK_WORDS];
};

struct applying {
  struct mantis_session *session;
  const struct mantis_table *table;
  struct mantis_error *error;
  bool triggers; /* they run */
  bool append;   /* we append to the log */
  bool mark;     /* we give origin and time to what triggers append */
  bool forget;   /* we remove what triggers append */
  bool note;     /* client: we note the version */
  bool upsert;   /* rows with all columns may be one statement */
  int64_t head;  /* of the log, before */
  struct mask mask, full;
  bool have_mask;
  sqlite3_stmt *write, *update, *insert; /* for MASK: an UPSERT, or the other two */
  sqlite3_stmt *delete, *entry, *marking, *noting, *unnoting;
};

enum mantis_status
set_triggers (struct mantis_session *session, bool on, struct mantis_error *error)
{
  if (session->triggers == on)
    return MANTIS_OK;
  if (sqlite3_db_config (session->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, (int)on, NULL))
    return sql_failed (session, error, "switch triggers");
  session->triggers = on;
  return MANTIS_OK;
}

/* ---- May the column hold the value as it is? ---- */

static bool
is_space (char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Would SQLite take this text for a number? */
static bool
looks_numeric (const char *text, size_t length)
{
  const char *at = text, *end = text + length, *digits;
  size_t count;

  while (at < end && is_space (*at))
    at++;
  if (at < end && (*at == '-' || *at == '+'))
    at++;
  for (digits = at; at < end && *at >= '0' && *at <= '9'; at++)
    ;
  count = (size_t)(at - digits);
  if (at < end && *at == '.')
    for (at++; at < end && *at >= '0' && *at <= '9'; at++)
      count++;
  if (count && at < end && (*at | 32) == 'e') {
    const char *exponent = at + 1;
    if (exponent < end && (*exponent == '-' || *exponent == '+'))
      exponent++;
    if (exponent < end && *exponent >= '0' && *exponent <= '9')
      for (at = exponent; at < end && *at >= '0' && *at <= '9'; at++)
        ;
  }
  while (at < end && is_space (*at))
    at++;
  return count && at == end;
}

/* SQLite stores such a number as an integer. */
static bool
is_integral (double real)
{
  return real > -9223372036854775808.0 && real < 9223372036854775808.0 && real == floor (real);
}

/* NULL: it may.  Else what would become of it. */
static const char *
alteration (const struct mantis_column *column, const struct mantis_value *value)
{
  uint32_t class = column->type_class;
  bool number = class == MANTIS_CLASS_INTEGER || class == MANTIS_CLASS_NUMERIC;

  switch (value->type) {
  case MANTIS_INTEGER:
    return class == MANTIS_CLASS_TEXT   ? "text"
           : class == MANTIS_CLASS_REAL ? "a real number"
                                        : NULL;
  case MANTIS_REAL:
    if (class == MANTIS_CLASS_TEXT)
      return "text";
    if (number && is_integral (value->as.real))
      return "an integer";
    return class == MANTIS_CLASS_REAL && value->as.real == 0 && signbit (value->as.real) ? "0.0"
                                                                                         : NULL;
  case MANTIS_TEXT:
    return (number || class == MANTIS_CLASS_REAL) && looks_numeric (value->as.bytes, value->length)
               ? "a number"
               : NULL;
  default:
    return NULL;
  }
}

static enum mantis_status
check_values (struct applying *a, const struct mantis_change *change)
{
  static const char *const types[] = {"nothing",       "NULL", "an integer",
                                      "a real number", "text", "a blob"};
  const struct mantis_table *table = a->table;

  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_column *column = &table->columns[i];
    const char *becomes;
    if (change->deleted && !column->key_position)
      continue;
    if (column->key_position && change->row[i].type <= MANTIS_NULL)
      return mantis_fail (a->error, MANTIS_REFUSED, "%s.%s: a key may not be NULL", table->name,
                          column->name);
    if ((becomes = alteration (column, &change->row[i])))
      return mantis_fail (a->error, MANTIS_REFUSED,
                          "%s.%s is declared \"%s\" and would turn this value (%s) into %s",
                          table->name, column->name, column->declared, types[change->row[i].type],
                          becomes);
  }
  return MANTIS_OK;
}

/* ---- Statements ---- */

static bool
carries (const struct mask *mask, size_t column)
{
  return mask->words[column / WORD_BITS] >> (column % WORD_BITS) & 1;
}

static void
take_mask (const struct mantis_table *table, mantis_row row, struct mask *mask)
{
  size_t words = table->column_count / WORD_BITS + 1;

  memset (mask->words, 0, words * sizeof *mask->words);
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated && (!row || row[i].type != MANTIS_NONE))
      mask->words[i / WORD_BITS] |= UINT64_C (1) << (i % WORD_BITS);
}

static bool
same_mask (const struct mantis_table *table, const struct mask *a, const struct mask *b)
{
  size_t words = table->column_count / WORD_BITS + 1;

  return memcmp (a->words, b->words, words * sizeof *a->words) == 0;
}

/* INSERT with parameter i + 1 for column i, so that all statements of a row are bound alike. */
static void
add_insert (struct mantis_buf *sql, const struct mantis_table *table, const struct mask *mask)
{
  const char *between = "";

  mantis_buf_text (sql, "INSERT OR ABORT INTO main.");
  add_name (sql, table->name);
  mantis_buf_text (sql, " (");
  for (size_t i = 0; i < table->column_count; i++)
    if (carries (mask, i)) {
      mantis_buf_text (sql, between);
      add_name (sql, table->columns[i].name);
      between = ", ";
    }
  mantis_buf_text (sql, ") VALUES (");
  between = "";
  for (size_t i = 0; i < table->column_count; i++)
    if (carries (mask, i)) {
      mantis_buf_printf (sql, "%s?%zu", between, i + 1);
      between = ", ";
    }
  mantis_buf_text (sql, ")");
}

static void
add_own_key (struct mantis_buf *sql, const struct mantis_table *table)
{
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? " AND " : "");
    add_name (sql, table->columns[table->key[i]].name);
    mantis_buf_printf (sql, " = ?%u", table->key[i] + 1);
  }
}

/* "a = ?1, ..." for the columns outside the key; false when there are none. */
static bool
add_sets (struct mantis_buf *sql, const struct mantis_table *table, const struct mask *mask,
          bool excluded)
{
  const char *between = "";

  for (size_t i = 0; i < table->column_count; i++)
    if (carries (mask, i) && !table->columns[i].key_position) {
      mantis_buf_text (sql, between);
      add_name (sql, table->columns[i].name);
      if (excluded) {
        mantis_buf_text (sql, " = excluded.");
        add_name (sql, table->columns[i].name);
      } else
        mantis_buf_printf (sql, " = ?%zu", i + 1);
      between = ", ";
    }
  return *between;
}

static enum mantis_status
prepare_upsert (struct applying *a)
{
  struct mantis_buf *sql = &a->session->sql;
  size_t before;

  mantis_buf_clear (sql);
  add_insert (sql, a->table, &a->mask);
  mantis_buf_text (sql, " ON CONFLICT (");
  for (size_t i = 0; i < a->table->key_count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_name (sql, a->table->columns[a->table->key[i]].name);
  }
  mantis_buf_text (sql, ") DO ");
  before = sql->length;
  mantis_buf_text (sql, "UPDATE SET ");
  if (!add_sets (sql, a->table, &a->mask, true) && !sql->failed) {
    sql->length = before;
    mantis_buf_text (sql, "NOTHING");
  }
  return statement (a->session, sql->bytes, false, &a->write, a->error);
}

/* The UPDATE of a row that has nothing outside its key only looks whether the row is there. */
static enum mantis_status
prepare_two (struct applying *a)
{
  struct mantis_buf *sql = &a->session->sql;
  enum mantis_status status;

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "UPDATE OR ABORT main.");
  add_name (sql, a->table->name);
  mantis_buf_text (sql, " SET ");
  if (!add_sets (sql, a->table, &a->mask, false)) {
    mantis_buf_clear (sql);
    mantis_buf_text (sql, "SELECT 1 FROM main.");
    add_name (sql, a->table->name);
  }
  mantis_buf_text (sql, " WHERE ");
  add_own_key (sql, a->table);
  if ((status = statement (a->session, sql->bytes, false, &a->update, a->error)))
    return status;
  mantis_buf_clear (sql);
  add_insert (sql, a->table, &a->mask);
  return statement (a->session, sql->bytes, false, &a->insert, a->error);
}

static enum mantis_status
prepare_row (struct applying *a, mantis_row row)
{
  struct mask mask;

  take_mask (a->table, row, &mask);
  if (a->have_mask && same_mask (a->table, &mask, &a->mask))
    return MANTIS_OK;
  a->have_mask = true;
  a->mask = mask;
  a->write = a->update = a->insert = NULL;
  if (a->upsert && same_mask (a->table, &mask, &a->full))
    return prepare_upsert (a);
  return prepare_two (a);
}

static enum mantis_status
prepare_delete (struct applying *a)
{
  struct mantis_buf *sql = &a->session->sql;

  if (a->delete)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "DELETE FROM main.");
  add_name (sql, a->table->name);
  mantis_buf_text (sql, " WHERE ");
  add_key_match (sql, a->table, 1);
  return statement (a->session, sql->bytes, true, &a->delete, a->error);
}

/* ---- One change ---- */

static void
bind_row (sqlite3_stmt *write, const struct mantis_table *table, const struct mask *mask,
          mantis_row row, bool key_only)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (key_only ? table->columns[i].key_position > 0 : carries (mask, i))
      bind_value (write, (int)i + 1, &row[i]);
}

/* Run WRITE; *MADE: it found or changed a row. */
static enum mantis_status
step_write (struct applying *a, sqlite3_stmt *write, bool *made)
{
  int code = sqlite3_step (write);
  enum mantis_status status = MANTIS_OK;

  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    status = sql_failed (a->session, a->error, "write a row");
    if (status == MANTIS_REFUSED && sqlite3_get_autocommit (a->session->db))
      status = mantis_fail (
          a->error, MANTIS_FAILED,
          "table %s: a ROLLBACK in the database's own rules ended the transaction", a->table->name);
  }
  *made = code == SQLITE_ROW || (code == SQLITE_DONE && !sqlite3_stmt_readonly (write) &&
                                 sqlite3_changes (a->session->db) > 0);
  sqlite3_reset (write);
  return status;
}

static enum mantis_status
write_row (struct applying *a, const struct mantis_change *change, bool *made)
{
  enum mantis_status status = prepare_row (a, change->row);

  if (status)
    return status;
  if (a->write) {
    bind_row (a->write, a->table, &a->mask, change->row, false);
    return step_write (a, a->write, made);
  }
  bind_row (a->update, a->table, &a->mask, change->row, sqlite3_stmt_readonly (a->update));
  if ((status = step_write (a, a->update, made)))
    return status;
  if (*made) {
    *made = !sqlite3_stmt_readonly (a->update);
    return MANTIS_OK;
  }
  bind_row (a->insert, a->table, &a->mask, change->row, false);
  return step_write (a, a->insert, made);
}

static enum mantis_status
delete_row (struct applying *a, const struct mantis_change *change, bool *made)
{
  enum mantis_status status = prepare_delete (a);

  if (status)
    return status;
  bind_key (a->delete, 1, a->table, change->row);
  return step_write (a, a->delete, made);
}

/* ---- Its entry in the log ---- */

static enum mantis_status
prepare_entry (struct applying *a)
{
  struct mantis_buf *sql = &a->session->sql;

  mantis_buf_clear (sql);
  mantis_buf_printf (sql, "INSERT INTO main.__sync_log (tbl, op, time, origin");
  for (size_t i = 0; i < a->table->key_count; i++)
    mantis_buf_printf (sql, ", k%zu", i);
  mantis_buf_printf (sql, ") VALUES (%lld, ?1, ?2, ?3", (long long)a->table->id);
  for (size_t i = 0; i < a->table->key_count; i++)
    mantis_buf_printf (sql, ", ?%zu", i + 4);
  mantis_buf_text (sql, ")");
  return statement (a->session, sql->bytes, true, &a->entry, a->error);
}

static enum mantis_status
append_entry (struct applying *a, const struct mantis_change *change)
{
  const char *operation = change->deleted ? "D" : change->created ? "I" : "U";
  enum mantis_status status = MANTIS_OK;

  sqlite3_bind_text (a->entry, 1, operation, 1, SQLITE_STATIC);
  sqlite3_bind_int64 (a->entry, 2, change->updated_at);
  sqlite3_bind_text (a->entry, 3, change->origin, -1, SQLITE_STATIC);
  bind_key (a->entry, 4, a->table, change->row);
  if (sqlite3_step (a->entry) != SQLITE_DONE)
    status = sql_failed (a->session, a->error, "append to the log");
  sqlite3_reset (a->entry);
  return status;
}

static enum mantis_status
prepare_marking (struct applying *a)
{
  struct mantis_buf *sql = &a->session->sql;

  mantis_buf_clear (sql);
  mantis_buf_printf (sql,
                     "UPDATE main.__sync_log SET origin = ?1, time = ?2%s WHERE seq > ?3"
                     " AND op <> 'E' AND ",
                     a->session->parked ? ", was = NULL" : "");
  add_log_key (a->session, sql, a->table, 4);
  return statement (a->session, sql->bytes, true, &a->marking, a->error);
}

static enum mantis_status
mark_entries (struct applying *a, const struct mantis_change *change)
{
  enum mantis_status status = MANTIS_OK;

  sqlite3_bind_text (a->marking, 1, change->origin, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (a->marking, 2, change->updated_at);
  sqlite3_bind_int64 (a->marking, 3, a->head);
  bind_key (a->marking, 4, a->table, change->row);
  if (sqlite3_step (a->marking) != SQLITE_DONE)
    status = sql_failed (a->session, a->error, "change the log");
  sqlite3_reset (a->marking);
  if (status)
    return status;
  return ask_kept (a->session, "SELECT max(seq) FROM main.__sync_log", 0, &a->head, a->error);
}

static enum mantis_status
apply_one (struct applying *a, const struct mantis_change *change)
{
  bool made = false;
  enum mantis_status status = check_values (a, change);

  if (!status)
    status = change->deleted ? delete_row (a, change, &made) : write_row (a, change, &made);
  if (!status && a->append && made)
    status = append_entry (a, change);
  if (!status && a->mark)
    status = mark_entries (a, change);
  if (!status && a->note)
    status =
        versions_write (a->session, change->deleted ? a->unnoting : a->noting, change, a->error);
  return status;
}

/* ---- All of them ---- */

static enum mantis_status
start_applying (struct applying *a)
{
  const struct facts *facts = table_facts (a->session, a->table);
  bool server = a->session->role == MANTIS_SERVER, logged = a->table->id > 0;
  enum mantis_status status;

  if (a->table->column_count >= (size_t)MASK_WORDS * WORD_BITS)
    return mantis_fail (a->error, MANTIS_INVALID, "table %s has too many columns", a->table->name);
  /* What the row was before only a trigger can tell. */
  a->triggers =
      logged && (server ? !a->table->plain || (facts && facts->looked_at) : facts && facts->feeds);
  a->append = logged && server && !a->triggers;
  a->mark = logged && server && a->triggers;
  a->forget = !server && a->triggers;
  a->upsert = !a->triggers;
  a->note = logged && !server;
  a->session->writer |= logged;
  take_mask (a->table, NULL, &a->full);
  if ((status = set_triggers (a->session, a->triggers, a->error)))
    return status;
  if (a->triggers)
    status = log_head (a->session, &a->head, a->error);
  else if (a->append && a->session->log_keys == 0)
    status = log_head (a->session, &a->head, a->error);
  if (!status && a->append)
    status = prepare_entry (a);
  if (!status && a->mark)
    status = prepare_marking (a);
  if (!status && a->note &&
      !(status = versions_prepare (a->session, a->table, false, &a->noting, a->error)))
    status = versions_prepare (a->session, a->table, true, &a->unnoting, a->error);
  return status;
}

/* Let go of the caller's values. */
static void
stop_applying (struct applying *a)
{
  sqlite3_stmt **const all[] = {&a->write, &a->update,  &a->insert, &a->delete,
                                &a->entry, &a->marking, &a->noting, &a->unnoting};

  for (size_t i = 0; i < COUNT_OF (all); i++)
    statement_reset (all[i]);
}

enum mantis_status
rows_apply (struct mantis_session *session, const struct mantis_table *table,
            const struct mantis_change *const *changes, size_t count, size_t *done,
            struct mantis_error *error)
{
  struct applying a = {.session = session, .table = table, .error = error};
  enum mantis_status status = need_transaction (session, true, error);

  *done = 0;
  if (status || count == 0)
    return status;
  status = start_applying (&a);
  while (!status && *done < count && !(status = apply_one (&a, changes[*done])))
    ++*done;
  stop_applying (&a);
  if (a.forget && (status == MANTIS_OK || status == MANTIS_REFUSED)) {
    enum mantis_status forgot =
        runf (session, error, "DELETE FROM main.__sync_log WHERE seq > %lld", (long long)a.head);
    status = forgot ? forgot : status;
  }
  return status;
}

/* ---- Parking ---- */

/* Which column of UNIQUE gives way for CHANGE: one that it sets again, best one that may be NULL.  NULL: none does, as
 * none can or, where it holds all of the key, none has to. */
static const struct mantis_column *
parking_column (const struct mantis_table *table, const struct mantis_unique *unique,
                const struct mantis_change *change)
{
  const struct mantis_column *choice = NULL;
  size_t keys = 0;

  for (size_t u = 0; u < unique->count; u++)
    for (size_t i = 0; i < table->column_count; i++) {
      const struct mantis_column *column = &table->columns[i];
      if (sqlite3_stricmp (column->name, unique->columns[u]) != 0)
        continue;
      keys += column->key_position != 0;
      if (column->key_position || column->generated ||
          (!change->deleted && change->row[i].type == MANTIS_NONE))
        continue;
      if (!choice || !column->not_null)
        choice = column;
    }
  return keys < table->key_count ? choice : NULL;
}

/* A value that nobody has. */
static void
bind_placeholder (sqlite3_stmt *park, int at, const struct mantis_column *column)
{
  uint64_t chance[2];
  char text[64];

  mantis_random (chance, sizeof chance);
  switch (column->type_class) {
  case MANTIS_CLASS_INTEGER:
  case MANTIS_CLASS_NUMERIC:
    sqlite3_bind_int64 (park, at, -(int64_t)(chance[0] >> 2) - 1);
    break;
  case MANTIS_CLASS_REAL:
    sqlite3_bind_double (park, at, -(double)(chance[0] >> 11) - 0.5);
    break;
  default:
    sqlite3_snprintf (sizeof text, text, "mantis-parked-%016llx%016llx",
                      (unsigned long long)chance[0], (unsigned long long)chance[1]);
    sqlite3_bind_text (park, at, text, -1, SQLITE_TRANSIENT);
  }
}

static enum mantis_status
park_one (struct mantis_session *session, const struct mantis_table *table,
          const struct mantis_unique *unique, const struct mantis_change *change,
          struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *park = NULL;
  const struct mantis_column *column = parking_column (table, unique, change);
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status;

  if (!column)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "UPDATE OR ABORT main.");
  add_name (sql, table->name);
  mantis_buf_text (sql, " SET ");
  add_name (sql, column->name);
  mantis_buf_text (sql, " = ?1 WHERE ");
  add_key_match (sql, table, 2);
  if ((status = statement (session, sql->bytes, false, &park, error)))
    return status;
  if (column->not_null)
    bind_placeholder (park, 1, column);
  bind_key (park, 2, table, change->row);
  return sqlite3_step (park) == SQLITE_DONE ? MANTIS_OK : sql_failed (session, error, "park a row");
}

enum mantis_status
rows_park (struct mantis_session *session, const struct mantis_table *table,
           const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  const struct facts *facts = table_facts (session, table);
  enum mantis_status status = need_transaction (session, true, error);

  session->parked |= facts && facts->looked_at;
  if (!status)
    status = set_triggers (session, false, error);
  for (size_t i = 0; i < count && !status; i++)
    for (size_t u = 0; u < table->unique_count && !status; u++)
      status = park_one (session, table, &table->uniques[u], changes[i], error);
  return status;
}
