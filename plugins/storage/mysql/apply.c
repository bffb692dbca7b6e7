/* apply.c - make rows as changes say, many in a statement; what is refused is found row by row.
 *
 * INSERT ... ON DUPLICATE KEY UPDATE would overwrite another row that has a value of a unique column, or a
 * key that only the collation calls equal.  It is used where neither can be: where there is nothing unique
 * but a key that compares by bytes; else the rows that exist are looked up, and locked, first.
 *
 * Where a table is alone (no triggers of the application, no actions of foreign keys) and nothing is remembered of its
 * rows, the capture triggers are quiet and the entries are written here, many in a statement; else the triggers speak,
 * and what they note for this session is given its origin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

/* What one call of apply() works with. */
struct applying {
  struct mantis_session *session;
  const struct mantis_table *table;
  const struct facts *facts; /* NULL: one of Mantis's own */
  bool append;               /* entries are written here */
  bool own;                  /* entries come from the triggers */
  bool look;                 /* rows that exist have to be known first */
  bool singly; /* ON DUPLICATE KEY UPDATE would fire triggers for rows that it does not insert */
  struct mantis_arena *scratch;
  struct mantis_error *error;
};

/* ---- Settings of the connection ---- */

enum mantis_status
set_voice (struct mantis_session *session, enum voice voice, struct mantis_error *error)
{
  enum mantis_status status;

  if (session->voice == voice)
    return MANTIS_OK;
  status =
      run (session,
           voice == VOICE_QUIET ? "SET @__sync_quiet = 1, @__sync_session = NULL"
                                : "SET @__sync_quiet = NULL, @__sync_session = CONNECTION_ID()",
           error);
  if (!status)
    session->voice = voice;
  return status;
}

/* ---- Which columns ---- */

static bool
carried (const struct mantis_table *table, mantis_row row, size_t at)
{
  return row[at].type != MANTIS_NONE && !table->columns[at].generated;
}

static bool
same_columns (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (carried (table, a, i) != carried (table, b, i))
      return false;
  return true;
}

static bool
is_whole (const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated && row[i].type == MANTIS_NONE)
      return false;
  return true;
}

static size_t
row_bytes (const struct mantis_table *table, mantis_row row)
{
  size_t bytes = 0;

  for (size_t i = 0; i < table->column_count; i++)
    bytes += 24 + (row[i].type == MANTIS_TEXT || row[i].type == MANTIS_BLOB ? row[i].length : 0);
  return bytes;
}

/* ---- Statements ---- */

static void
add_insert (struct applying *a, struct mantis_buf *sql, const struct mantis_change *const *changes,
            size_t count)
{
  const struct mantis_table *table = a->table;
  const char *between = " (";

  mantis_buf_text (sql, "INSERT INTO ");
  add_name (sql, table->name);
  for (size_t i = 0; i < table->column_count; i++)
    if (carried (table, changes[0]->row, i)) {
      mantis_buf_text (sql, between);
      add_name (sql, table->columns[i].name);
      between = ", ";
    }
  mantis_buf_text (sql, ") VALUES ");
  for (size_t r = 0; r < count; r++) {
    between = r ? ", (" : "(";
    for (size_t i = 0; i < table->column_count; i++) {
      struct column_facts facts;
      if (!carried (table, changes[0]->row, i))
        continue;
      facts = column_facts (table, i);
      mantis_buf_text (sql, between);
      add_value (a->session, sql, &facts, &changes[r]->row[i]);
      between = ", ";
    }
    mantis_buf_text (sql, ")");
  }
}

/* "a = VALUES(a), ..." for the columns outside the key; the key itself where there are no others. */
static void
add_on_duplicate (struct applying *a, struct mantis_buf *sql, mantis_row row)
{
  const struct mantis_table *table = a->table;
  const char *between = " ON DUPLICATE KEY UPDATE ";
  size_t first = table->key[0];

  for (size_t i = 0; i <= table->column_count; i++) {
    size_t at = i < table->column_count ? i : first;
    if (i < table->column_count ? !carried (table, row, i) || table->columns[i].key_position
                                : *between != ' ')
      continue;
    mantis_buf_text (sql, between);
    add_name (sql, table->columns[at].name);
    mantis_buf_text (sql, " = VALUES(");
    add_name (sql, table->columns[at].name);
    mantis_buf_text (sql, ")");
    between = ", ";
  }
}

static enum mantis_status
insert_rows (struct applying *a, const struct mantis_change *const *changes, size_t count,
             bool replace)
{
  struct mantis_buf *sql = &a->session->sql;

  mantis_buf_clear (sql);
  add_insert (a, sql, changes, count);
  if (replace)
    add_on_duplicate (a, sql, changes[0]->row);
  return query (a->session, sql, NULL, a->error);
}

static enum mantis_status
update_row (struct applying *a, const struct mantis_change *change)
{
  const struct mantis_table *table = a->table;
  struct mantis_buf *sql = &a->session->sql;
  const char *between = " SET ";

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "UPDATE ");
  add_name (sql, table->name);
  for (size_t i = 0; i < table->column_count; i++) {
    struct column_facts facts;
    if (!carried (table, change->row, i) || table->columns[i].key_position)
      continue;
    facts = column_facts (table, i);
    mantis_buf_text (sql, between);
    add_name (sql, table->columns[i].name);
    mantis_buf_text (sql, " = ");
    add_value (a->session, sql, &facts, &change->row[i]);
    between = ", ";
  }
  if (*between == ' ')
    return MANTIS_OK; /* it has nothing outside its key */
  mantis_buf_text (sql, " WHERE ");
  add_key_match (a->session, sql, table, change->row);
  return query (a->session, sql, NULL, a->error);
}

static enum mantis_status
delete_rows (struct applying *a, const mantis_row *rows, size_t count)
{
  struct mantis_buf *sql = &a->session->sql;

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "DELETE FROM ");
  add_name (sql, a->table->name);
  mantis_buf_text (sql, " WHERE ");
  add_key_list (a->session, sql, a->table, rows, count);
  return query (a->session, sql, NULL, a->error);
}

/* ---- One lot: changes of one kind ---- */

struct lot {
  const struct mantis_change *const *changes;
  size_t count;
  bool deleted;
};

/* Which of them exist?  FOUND as rows_lock() gives it. */
static enum mantis_status
look_up (struct applying *a, const struct lot *lot, mantis_row **found)
{
  mantis_row *rows = mantis_arena_alloc (a->scratch, lot->count * sizeof *rows);

  *found = mantis_arena_alloc (a->scratch, lot->count * sizeof **found);
  if (!rows || !*found)
    return no_memory (a->error);
  for (size_t i = 0; i < lot->count; i++)
    rows[i] = lot->changes[i]->row;
  return rows_lock (a->session, a->table, rows, lot->count, a->scratch, *found, a->error);
}

static enum mantis_status
write_split (struct applying *a, const struct lot *lot, bool whole)
{
  const struct mantis_change **absent =
      mantis_arena_alloc (a->scratch, lot->count * sizeof *absent);
  const struct mantis_change **present =
      mantis_arena_alloc (a->scratch, lot->count * sizeof *present);
  size_t absents = 0, presents = 0;
  mantis_row *found;
  enum mantis_status status = absent && present ? look_up (a, lot, &found) : no_memory (a->error);

  if (status)
    return status;
  for (size_t i = 0; i < lot->count; i++)
    if (found[i])
      present[presents++] = lot->changes[i];
    else
      absent[absents++] = lot->changes[i];
  /* What exists first: it may give up a unique value that a new row takes. */
  if (presents && whole && !a->singly)
    status = insert_rows (a, present, presents, true);
  else
    for (size_t i = 0; i < presents && !status; i++)
      status = update_row (a, present[i]);
  return status || !absents ? status : insert_rows (a, absent, absents, false);
}

static enum mantis_status
write_lot (struct applying *a, const struct lot *lot)
{
  bool whole = is_whole (a->table, lot->changes[0]->row);

  if (whole && !a->look)
    return insert_rows (a, lot->changes, lot->count, true);
  return write_split (a, lot, whole);
}

/* May the engine, or a trigger, have given the row another key than it was told? */
static bool
may_be_moved (const struct applying *a, mantis_row row)
{
  for (size_t i = 0; a->facts && i < a->table->key_count; i++) {
    const struct column_facts *facts = &a->facts->columns[a->table->key[i]];
    const struct mantis_value *value = &row[a->table->key[i]];
    if (!facts->alters)
      continue;
    if (facts->kind == KIND_BYTES ? value->length < facts->length
        : facts->fixed            ? value->length && value->as.bytes[value->length - 1] == ' '
                                  : true)
      return true;
  }
  return a->facts && a->facts->own_trigger;
}

/* Nobody would find such a row again: its author has it under the key that it gave. */
static enum mantis_status
check_moved (struct applying *a, const struct lot *lot)
{
  enum mantis_status status;
  bool moved = false;
  mantis_row *found;

  for (size_t i = 0; i < lot->count && !moved; i++)
    moved = may_be_moved (a, lot->changes[i]->row);
  if (!moved)
    return MANTIS_OK;
  if ((status = look_up (a, lot, &found)))
    return status;
  for (size_t i = 0; i < lot->count; i++)
    if (!found[i])
      return mantis_fail (a->error, MANTIS_REFUSED,
                          "the server's database stores the row under another key than this one:"
                          " write keys as it shows them");
  return MANTIS_OK;
}

/* Only rows that exist are deleted, and logged: *MADE of the lot's changes, which are put first in LOGGED. */
static enum mantis_status
delete_lot (struct applying *a, const struct lot *lot, const struct mantis_change **logged,
            size_t *made)
{
  mantis_row *found, *rows = mantis_arena_alloc (a->scratch, lot->count * sizeof *rows);
  enum mantis_status status = rows ? look_up (a, lot, &found) : no_memory (a->error);

  *made = 0;
  for (size_t i = 0; i < lot->count && !status; i++)
    if (found[i]) {
      rows[*made] = lot->changes[i]->row;
      logged[(*made)++] = lot->changes[i];
    }
  return status || *made == 0 ? status : delete_rows (a, rows, *made);
}

/* With foreign keys looked at; if that is what refuses it, and they may wait, without. */
static enum mantis_status
write_bound (struct applying *a, const struct lot *lot, const struct mantis_change **logged,
             size_t *made)
{
  struct mantis_session *session = a->session;
  enum mantis_status status, set;
  unsigned code;

  *made = lot->count;
  status = lot->deleted ? delete_lot (a, lot, logged, made) : write_lot (a, lot);
  code = status == MANTIS_REFUSED ? last_code (session) : 0;
  if (!session->until_commit || session->unbound ||
      (code != ER_NO_REFERENCED_ROW_2 && code != ER_NO_REFERENCED_ROW &&
       code != ER_ROW_IS_REFERENCED_2 && code != ER_ROW_IS_REFERENCED))
    return status;
  if ((status = set_unbound (session, true, a->error)))
    return status;
  *made = lot->count;
  status = lot->deleted ? delete_lot (a, lot, logged, made) : write_lot (a, lot);
  set = set_unbound (session, false, a->error);
  if (!status && !(status = set))
    status = note_unchecked (session, lot->changes, lot->count, a->error);
  return status;
}

/* The statements of one lot stand or fall together. */
static enum mantis_status
try_lot (struct applying *a, const struct lot *lot)
{
  struct mantis_session *session = a->session;
  const struct mantis_change **logged =
      mantis_arena_alloc (a->scratch, lot->count * sizeof *logged);
  int64_t seq = session->seq;
  size_t unchecked = session->unchecked_count, made;
  enum mantis_status status;

  if (!logged)
    return no_memory (a->error);
  memcpy (logged, lot->changes, lot->count * sizeof *logged);
  if ((status = run (session, "SAVEPOINT lot", a->error)))
    return status;
  status = write_bound (a, lot, logged, &made);
  if (!status && !lot->deleted)
    status = check_moved (a, lot);
  if (!status && a->append)
    status = log_append (session, a->table, logged, made, a->error);
  else if (!status && a->own)
    status = number_own (session, a->table, lot->changes, lot->count, a->error);
  if (status == MANTIS_REFUSED) {
    struct mantis_error refusal = *a->error;
    session->seq = seq;
    session->unchecked_count = unchecked;
    if ((status = run (session, "ROLLBACK TO SAVEPOINT lot", a->error)))
      return status;
    *a->error = refusal;
    return MANTIS_REFUSED;
  }
  return status;
}

static enum mantis_status
note_written (struct applying *a, const struct lot *lot)
{
  if (!a->append && !a->own)
    return MANTIS_OK;
  for (size_t i = 0; i < lot->count; i++)
    if (!set_add (&a->session->written, key_hash (a->table, lot->changes[i]->row)))
      return no_memory (a->error);
  return MANTIS_OK;
}

/* *DONE counts those that were made. */
static enum mantis_status
make_lot (struct applying *a, const struct lot *lot, size_t *done)
{
  enum mantis_status status = note_written (a, lot);

  if (status)
    return status;
  status = try_lot (a, lot);
  if (!status)
    *done += lot->count;
  for (size_t i = 0; lot->count > 1 && status == MANTIS_REFUSED && i < lot->count; i++) {
    const struct lot one = {lot->changes + i, 1, lot->deleted};
    if ((status = try_lot (a, &one)))
      return status; /* the one to blame */
    ++*done;
    status = i + 1 < lot->count ? MANTIS_REFUSED : MANTIS_OK;
  }
  return status;
}

/* ---- What may not be given to the engine at all ---- */

static enum mantis_status
check_change (struct applying *a, const struct mantis_change *change)
{
  const struct mantis_table *table = a->table;

  for (size_t i = 0; i < table->column_count; i++) {
    struct column_facts facts = column_facts (table, i);
    enum mantis_status status;
    if (change->deleted && !table->columns[i].key_position)
      continue;
    if (change->row[i].type == MANTIS_NULL && table->columns[i].not_null)
      return mantis_fail (a->error, MANTIS_REFUSED, "column '%s' cannot be null",
                          table->columns[i].name);
    if (!table->columns[i].generated &&
        (status = check_value (table, i, &facts, &change->row[i], a->error)))
      return status;
  }
  if ((int64_t)row_bytes (table, change->row) * 2 + 4096 > a->session->largest_statement)
    return mantis_fail (a->error, MANTIS_REFUSED,
                        "the row is larger than max_allowed_packet, %lld bytes, allows",
                        (long long)a->session->largest_statement);
  return MANTIS_OK;
}

/* Another row whose key only the collation calls equal: one of them would have to be both. */
static enum mantis_status
check_twins (struct applying *a, const struct mantis_change *change)
{
  AUTO_RESULT struct result result = {0};
  struct mantis_buf *sql = &a->session->sql;
  enum mantis_status status;

  if (change->deleted)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT count(*) FROM ");
  add_name (sql, a->table->name);
  mantis_buf_text (sql, " WHERE ");
  add_key_match (a->session, sql, a->table, change->row);
  mantis_buf_text (sql, " AND NOT (");
  for (size_t i = 0; i < a->table->key_count; i++) {
    struct column_facts facts = column_facts (a->table, a->table->key[i]);
    mantis_buf_text (sql, i ? " AND CAST(" : "CAST(");
    add_key_text (sql, "", a->table->columns[a->table->key[i]].name, &facts);
    mantis_buf_text (sql, " AS BINARY) = CAST(");
    add_value (a->session, sql, &facts, &change->row[a->table->key[i]]);
    mantis_buf_text (sql, " AS BINARY)");
  }
  mantis_buf_text (sql, ")");
  if ((status = query (a->session, sql, &result, a->error)) || !next_row (&result) ||
      integer_at (&result, 0) == 0)
    return status;
  return mantis_fail (
      a->error, MANTIS_REFUSED,
      "the key equals that of another row, by the collation of the server's column");
}

/* Is there a row that equals one of COUNT changes to the engine and has another key?  Whose own row is there has
 * no twin: a key is unique. */
static enum mantis_status
look_for_twins (struct applying *a, const struct mantis_change *const *changes, size_t count,
                bool *some)
{
  AUTO_RESULT struct result result = {0};
  struct mantis_buf *sql = &a->session->sql;
  mantis_row *rows = mantis_arena_alloc (a->scratch, (count + 1) * sizeof *rows);
  mantis_row *found = mantis_arena_alloc (a->scratch, (count + 1) * sizeof *found);
  size_t asked = 0, absent = 0;
  enum mantis_status status;

  if (!rows || !found)
    return no_memory (a->error);
  for (size_t i = 0; i < count; i++)
    if (!changes[i]->deleted)
      rows[asked++] = changes[i]->row;
  if ((status = rows_lock (a->session, a->table, rows, asked, a->scratch, found, a->error)))
    return status;
  for (size_t i = 0; i < asked; i++)
    if (!found[i])
      rows[absent++] = rows[i];
  if (absent == 0)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT EXISTS (SELECT 1 FROM ");
  add_name (sql, a->table->name);
  mantis_buf_text (sql, " WHERE ");
  add_key_list (a->session, sql, a->table, rows, absent);
  mantis_buf_text (sql, ")");
  if (!(status = query (a->session, sql, &result, a->error)) && next_row (&result))
    *some = integer_at (&result, 0) != 0;
  return status;
}

/* Of the first *GOOD changes, those before the first that has a twin.  Looked for one by one only where there are
 * some at all. */
static enum mantis_status
refuse_twins (struct applying *a, const struct mantis_change *const *changes, size_t *good)
{
  bool some = false;
  enum mantis_status status = MANTIS_OK;

  if (!a->facts || !a->facts->fuzzy_key)
    return MANTIS_OK;
  for (size_t from = 0, part; from < *good && !status && !some; from += part) {
    part = *good - from < ROWS_A_STATEMENT ? *good - from : ROWS_A_STATEMENT;
    status = look_for_twins (a, changes + from, part, &some);
    mantis_arena_reset (a->scratch);
  }
  for (size_t i = 0; i < *good && some && !status; i++)
    if ((status = check_twins (a, changes[i])))
      *good = i;
  return status;
}

/* ---- All of them ---- */

static enum mantis_status
start_applying (struct applying *a)
{
  bool server = a->session->role == MANTIS_SERVER;

  a->facts = table_facts (a->table);
  if (!a->facts)
    return MANTIS_OK;
  a->own =
      server && (a->facts->acts || a->facts->looked_at); /* what rows were only triggers can tell */
  a->append = server && !a->own;
  a->look = a->facts->other_uniques || a->facts->fuzzy_key || a->facts->own_trigger;
  a->singly = a->facts->own_trigger;
  if (!server && set_unbound (a->session, true, a->error))
    return a->error->status;
  return set_voice (a->session, a->own ? VOICE_OWN : VOICE_QUIET, a->error);
}

/* As many from FROM on as are of one kind and fit into one statement. */
static struct lot
next_lot (const struct applying *a, const struct mantis_change *const *changes, size_t count)
{
  struct lot lot = {changes, 1, changes[0]->deleted};
  size_t bytes = row_bytes (a->table, changes[0]->row);

  while (lot.count < count && lot.count < ROWS_A_STATEMENT &&
         changes[lot.count]->deleted == lot.deleted) {
    mantis_row row = changes[lot.count]->row;
    bytes += row_bytes (a->table, row);
    if (bytes > STATEMENT_BYTES || (!lot.deleted && !same_columns (a->table, changes[0]->row, row)))
      break;
    lot.count++;
  }
  return lot;
}

enum mantis_status
rows_apply (struct mantis_session *session, const struct mantis_table *table,
            const struct mantis_change *const *changes, size_t count, size_t *done,
            struct mantis_error *error)
{
  struct applying a = {.session = session, .table = table, .error = error};
  struct mantis_error ignored;
  enum mantis_status status = need_transaction (session, true, error), refusal = MANTIS_OK;
  size_t good = 0;

  *done = 0;
  a.error = error ? error : &ignored;
  if (status || count == 0 || (status = start_applying (&a)))
    return status;
  while (good < count && !(refusal = check_change (&a, changes[good])))
    good++;
  if (refusal && refusal != MANTIS_REFUSED)
    return refusal;
  if (!(a.scratch = mantis_arena_new (0)))
    return no_memory (error);
  if ((status = refuse_twins (&a, changes, &good)) == MANTIS_REFUSED) {
    refusal = status; /* it comes before what check_change() refuses */
    status = MANTIS_OK;
  }
  for (size_t from = 0; from < good && !status;) {
    struct mantis_error before = *a.error;
    struct lot lot = next_lot (&a, changes + from, good - from);
    mantis_arena_reset (a.scratch);
    if (!(status = make_lot (&a, &lot, done)))
      *a.error = before; /* what the row behind the last is refused for */
    from += lot.count;
  }
  mantis_arena_free (a.scratch);
  return status ? status : refusal;
}

/* ---- Parking ---- */

/* Does UNIQUE hold all of the key?  Then two rows never clash in it, and other tables may refer to it. */
static bool
holds_key (const struct mantis_table *table, const struct mantis_unique *unique)
{
  size_t held = 0;

  for (size_t u = 0; u < unique->count; u++) {
    size_t at = find_column (table, unique->columns[u]);
    held += at != SIZE_MAX && table->columns[at].key_position;
  }
  return held == table->key_count;
}

/* Which column of UNIQUE gives way for CHANGE: one that it sets again, best one that may be NULL. */
static size_t
parking_column (const struct mantis_table *table, const struct mantis_unique *unique,
                const struct mantis_change *change)
{
  size_t choice = SIZE_MAX;

  for (size_t u = 0; u < unique->count; u++) {
    size_t at = find_column (table, unique->columns[u]);
    if (at == SIZE_MAX || table->columns[at].key_position || table->columns[at].generated ||
        (!change->deleted && change->row[at].type == MANTIS_NONE))
      continue;
    if (choice == SIZE_MAX || !table->columns[at].not_null)
      choice = at;
  }
  return choice;
}

static enum mantis_status
park_column (struct mantis_session *session, const struct mantis_table *table, size_t at,
             const struct mantis_change *change, struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;
  struct column_facts facts = column_facts (table, at);

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "UPDATE ");
  add_name (sql, table->name);
  mantis_buf_text (sql, " SET ");
  add_name (sql, table->columns[at].name);
  mantis_buf_text (sql, " = ");
  if (table->columns[at].not_null)
    add_placeholder (sql, &facts);
  else
    mantis_buf_text (sql, "NULL");
  mantis_buf_text (sql, " WHERE ");
  add_key_match (session, sql, table, change->row);
  return query (session, sql, NULL, error);
}

/* Who refers to the column does so until check(): no foreign key acts on a value that is nobody's. */
static enum mantis_status
park_one (struct mantis_session *session, const struct mantis_table *table,
          const struct mantis_unique *unique, const struct mantis_change *change,
          struct mantis_error *error)
{
  const struct mantis_change left = {.table = table, .row = change->row, .deleted = true};
  const struct mantis_change *const gone = &left;
  size_t at = holds_key (table, unique) ? SIZE_MAX : parking_column (table, unique, change);
  bool unbound = session->unbound;
  enum mantis_status status, set;

  if (at == SIZE_MAX)
    return MANTIS_OK;
  if (!is_referred_to (session, table, table->columns[at].name))
    return park_column (session, table, at, change, error);
  if ((status = set_unbound (session, true, error)))
    return status;
  status = park_column (session, table, at, change, error);
  if ((set = set_unbound (session, unbound, error)) || status)
    return set ? set : status;
  return note_unchecked (session, &gone, 1, error);
}

enum mantis_status
rows_park (struct mantis_session *session, const struct mantis_table *table,
           const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  const struct facts *facts = table_facts (table);
  enum mantis_status status = need_transaction (session, true, error);

  if (!status)
    status = set_voice (session, VOICE_QUIET, error);
  session->parked |= facts && facts->looked_at;
  for (size_t i = 0; i < count && !status; i++)
    for (size_t u = 0; u < table->unique_count && !status; u++)
      status = park_one (session, table, &table->uniques[u], changes[i], error);
  return status;
}
