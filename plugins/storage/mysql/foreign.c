/* foreign.c - foreign keys that are looked at later, which this engine does not know.
 *
 * A row whose parent is not there yet is written with foreign_key_checks off, and looked at when asked to:
 * with the parents locked, so that they are still there after the commit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

enum mantis_status
set_unbound (struct mantis_session *session, bool unbound, struct mantis_error *error)
{
  enum mantis_status status;

  if (session->unbound == unbound)
    return MANTIS_OK;
  status = runf (session, error, "SET SESSION foreign_key_checks = %d", !unbound);
  if (!status)
    session->unbound = unbound;
  return status;
}

/* The row, with what its foreign keys and those of others refer to: in memory of the transaction. */
static mantis_row
copy_row (struct mantis_session *session, const struct mantis_table *table, mantis_row row)
{
  struct mantis_value *copy =
      mantis_arena_alloc (session->memory, table->column_count * sizeof *copy);

  for (size_t i = 0; copy && i < table->column_count; i++) {
    if (!table->columns[i].key_position)
      continue;
    copy[i] = row[i];
    if ((row[i].type == MANTIS_TEXT || row[i].type == MANTIS_BLOB) &&
        !(copy[i].as.bytes = mantis_arena_copy (session->memory, row[i].as.bytes, row[i].length)))
      return NULL;
  }
  return copy;
}

enum mantis_status
note_unchecked (struct mantis_session *session, const struct mantis_change *const *changes,
                size_t count, struct mantis_error *error)
{
  if (!session->memory && !(session->memory = mantis_arena_new (0)))
    return no_memory (error);
  for (size_t i = 0; i < count; i++) {
    struct unchecked *more;
    if (session->unchecked_count == session->unchecked_room) {
      size_t room = session->unchecked_room ? session->unchecked_room * 2 : 64;
      if (!(more = mantis_arena_alloc (session->memory, room * sizeof *more)))
        return no_memory (error);
      if (session->unchecked_count)
        memcpy (more, session->unchecked, session->unchecked_count * sizeof *more);
      session->unchecked = more;
      session->unchecked_room = room;
    }
    more = &session->unchecked[session->unchecked_count++];
    *more = (struct unchecked){changes[i]->table,
                               copy_row (session, changes[i]->table, changes[i]->row),
                               changes[i]->deleted};
    if (!more->row)
      return no_memory (error);
  }
  return MANTIS_OK;
}

/* " FROM `child` AS c LEFT JOIN `parent` AS p ON p.id = c.parent WHERE p.id IS NULL AND c.parent IS NOT NULL" */
static void
add_orphans (struct mantis_buf *sql, const struct mantis_table *child,
             const struct mantis_foreign_key *key)
{
  mantis_buf_text (sql, " FROM ");
  add_name (sql, child->name);
  mantis_buf_text (sql, " AS c LEFT JOIN ");
  add_name (sql, key->parent);
  mantis_buf_text (sql, " AS p ON ");
  for (size_t i = 0; i < key->count; i++) {
    mantis_buf_text (sql, i ? " AND p." : "p.");
    add_name (sql, key->parents[i]);
    mantis_buf_text (sql, " = c.");
    add_name (sql, key->columns[i]);
  }
  mantis_buf_text (sql, " WHERE p.");
  add_name (sql, key->parents[0]);
  mantis_buf_text (sql, " IS NULL");
  for (size_t i = 0; i < key->count; i++) {
    mantis_buf_text (sql, " AND c.");
    add_name (sql, key->columns[i]);
    mantis_buf_text (sql, " IS NOT NULL");
  }
}

static enum mantis_status
refuse_orphans (struct mantis_session *session, const struct mantis_buf *sql,
                const struct mantis_table *child, const struct mantis_foreign_key *key,
                struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status = query (session, sql, &result, error);

  if (status || !next_row (&result))
    return status;
  return mantis_fail (error, MANTIS_REFUSED,
                      "FOREIGN KEY constraint failed: \"%s\" refers to a row of \"%s\" that is not"
                      " there",
                      child->name, key->parent);
}

static enum mantis_status
check_row (struct mantis_session *session, const struct unchecked *row, struct mantis_error *error)
{
  const struct mantis_table *table = row->table;
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = MANTIS_OK;

  for (size_t k = 0; k < table->foreign_key_count && !status; k++) {
    mantis_buf_clear (sql);
    mantis_buf_text (sql, "SELECT 1");
    add_orphans (sql, table, &table->foreign_keys[k]);
    for (size_t i = 0; i < table->key_count; i++) {
      uint32_t column = table->key[i];
      struct column_facts facts = column_facts (table, column);
      mantis_buf_text (sql, " AND c.");
      add_name (sql, table->columns[column].name);
      mantis_buf_text (sql, " = ");
      add_value (session, sql, &facts, &row->row[column]);
    }
    mantis_buf_text (sql, " LOCK IN SHARE MODE");
    status = refuse_orphans (session, sql, table, &table->foreign_keys[k], error);
  }
  return status;
}

bool
is_referred_to (const struct mantis_session *session, const struct mantis_table *parent,
                const char *column)
{
  for (size_t c = 0; session->schema && c < session->schema->shown.count; c++) {
    const struct mantis_table *child = session->schema->attached[c].table;
    for (size_t k = 0; k < child->foreign_key_count; k++) {
      const struct mantis_foreign_key *key = &child->foreign_keys[k];
      for (size_t i = 0; i < key->count && strcmp (key->parent, parent->name) == 0; i++)
        if (strcasecmp (key->parents[i], column) == 0)
          return true;
    }
  }
  return false;
}

/* Of a deletion, or a value that was parked: nobody may refer to a row that is not there; which one it referred to is not known any
 * more, so that all children are looked at. */
static enum mantis_status
check_children (struct mantis_session *session, const struct mantis_table *parent,
                struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = MANTIS_OK;

  for (size_t c = 0; session->schema && c < session->schema->shown.count; c++) {
    const struct mantis_table *child = session->schema->attached[c].table;
    for (size_t k = 0; k < child->foreign_key_count && !status; k++) {
      if (strcmp (child->foreign_keys[k].parent, parent->name) != 0)
        continue;
      mantis_buf_clear (sql);
      mantis_buf_text (sql, "SELECT 1");
      add_orphans (sql, child, &child->foreign_keys[k]);
      mantis_buf_text (sql, " LIMIT 1");
      status = refuse_orphans (session, sql, child, &child->foreign_keys[k], error);
    }
  }
  return status;
}

enum mantis_status
check_foreign (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const struct mantis_table *last = NULL;

  for (size_t i = 0; i < session->unchecked_count && !status; i++) {
    const struct unchecked *row = &session->unchecked[i];
    if (!row->deleted)
      status = check_row (session, row, error);
    else if (row->table != last)
      status = check_children (session, last = row->table, error);
  }
  return status;
}
