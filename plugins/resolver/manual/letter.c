/* letter.c - a conflict as JSON, and the answer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "manual.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- What it is told ------------------------------------------------------------------------- */

static void
add_row (struct mantis_buf *buf, const char *name, const struct mantis_table *table, mantis_row row)
{
  mantis_buf_printf (buf, ",\"%s\":", name);
  if (row)
    mantis_row_json (buf, table, row);
  else
    mantis_buf_text (buf, "null");
}

static void
add_side (struct mantis_buf *buf, const char *name, const struct mantis_change *change)
{
  add_row (buf, name, change->table, change->deleted ? NULL : change->row);
  mantis_buf_printf (buf, ",\"%s_updated_at\":%lld,\"%s_origin\":", name,
                     (long long)change->updated_at, name);
  mantis_buf_json (buf, change->origin, strlen (change->origin));
}

static void
add_columns (struct mantis_buf *buf, const struct mantis_table *table)
{
  const char *comma = "";

  mantis_buf_text (buf, ",\"columns\":{");
  for (size_t i = 0; i < table->column_count; i++, comma = ",") {
    const struct mantis_column *column = &table->columns[i];
    mantis_buf_text (buf, comma);
    mantis_buf_json (buf, column->name, strlen (column->name));
    mantis_buf_char (buf, ':');
    mantis_buf_json (buf, column->declared, strlen (column->declared));
  }
  mantis_buf_char (buf, '}');
}

void
letter_write (const struct mantis_conflict *conflict, struct mantis_buf *buf)
{
  const struct mantis_table *table = conflict->table;
  const char *comma = "";

  mantis_buf_text (buf, "{\"table\":");
  mantis_buf_json (buf, table->name, strlen (table->name));
  mantis_buf_text (buf, ",\"key\":[");
  for (size_t i = 0; i < table->key_count; i++, comma = ",") {
    const char *name = table->columns[table->key[i]].name;
    mantis_buf_text (buf, comma);
    mantis_buf_json (buf, name, strlen (name));
  }
  mantis_buf_char (buf, ']');
  add_columns (buf, table);
  add_side (buf, "local", conflict->local);
  add_side (buf, "remote", conflict->remote);
  add_row (buf, "base", table, conflict->base);
  mantis_buf_text (buf, "}\n");
}

/* ---- What it answers ------------------------------------------------------------------------- */

static const struct {
  const char *word;
  enum mantis_decision decision;
} words[] = {
    {"local", MANTIS_KEEP_LOCAL}, {"remote", MANTIS_TAKE_REMOTE}, {"merged", MANTIS_MERGE},
    {"joined", MANTIS_JOIN},      {"defer", MANTIS_DEFER},        {"refuse", MANTIS_REFUSE},
};

static enum mantis_status
read_merged (const json_t *json, const struct mantis_table *table, struct mantis_value *merged,
             struct mantis_arena *arena, struct mantis_error *error)
{
  char *text = json_is_object (json) ? json_dumps (json, JSON_COMPACT) : NULL;
  enum mantis_status status;
  mantis_row row;

  if (!text)
    return mantis_fail (error, MANTIS_INVALID,
                        "\"merged\" and \"joined\" need a \"row\", an object");
  status = mantis_row_read (text, strlen (text), table, arena, &row, error);
  free (text);
  if (status == MANTIS_OK)
    memcpy (merged, row, table->column_count * sizeof *merged);
  return status;
}

static enum mantis_status
read_answer (const json_t *json, const struct mantis_conflict *conflict,
             struct mantis_value *merged, struct mantis_arena *arena,
             enum mantis_decision *decision, struct mantis_error *error)
{
  const char *word = json_string_value (json_object_get (json, "decision"));
  const char *reason = json_string_value (json_object_get (json, "reason"));
  enum mantis_status status = MANTIS_OK;
  size_t i = 0;

  while (i < sizeof words / sizeof *words && (!word || strcmp (words[i].word, word) != 0))
    i++;
  if (i == sizeof words / sizeof *words)
    return mantis_fail (error, MANTIS_INVALID,
                        "\"decision\" is none of \"local\", \"remote\", \"merged\", \"joined\", "
                        "\"defer\" and \"refuse\"");
  *decision = words[i].decision;
  if (*decision == MANTIS_MERGE || *decision == MANTIS_JOIN)
    status = read_merged (json_object_get (json, "row"), conflict->table, merged, arena, error);
  if (status == MANTIS_OK)
    mantis_fail (error, MANTIS_OK, "%s", reason ? reason : "");
  return status;
}

enum mantis_status
letter_read (const char *text, size_t length, const struct mantis_conflict *conflict,
             struct mantis_value *merged, struct mantis_arena *arena,
             enum mantis_decision *decision, struct mantis_error *error)
{
  json_error_t why;
  json_t *json = json_loadb (text, length, JSON_ALLOW_NUL, &why);
  enum mantis_status status;

  if (!json_is_object (json))
    status = mantis_fail (error, MANTIS_INVALID, "what it wrote is not one JSON object%s%s",
                          json ? "" : ": ", json ? "" : why.text);
  else
    status = read_answer (json, conflict, merged, arena, decision, error);
  json_decref (json);
  return status;
}
