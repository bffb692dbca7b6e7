/* row.c - rows as JSON, for plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/value.h"

#include <string.h>

void
mantis_row_json (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row)
{
  row_encode (buf, table, row);
}

static struct mantis_value *
value_named (const struct mantis_table *table, const char *name, struct mantis_value *row)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, name) == 0)
      return &row[i];
  return NULL;
}

enum mantis_status
mantis_row_read (const char *json, size_t length, const struct mantis_table *table,
                 struct mantis_arena *arena, mantis_row *row, struct mantis_error *error)
{
  CLEANUP_JSON json_t *object = json_read (json, length, error);
  struct mantis_value *values = arena_array (arena, table->column_count, sizeof *values);
  const char *name;
  json_t *member;

  if (!object)
    return MANTIS_INVALID;
  if (!values)
    return mantis_fail (error, MANTIS_FULL, "the row is larger than its limit");
  json_object_foreach (object, name, member)
  {
    struct mantis_value *value = value_named (table, name, values);
    if (!value)
      return mantis_fail (error, MANTIS_INVALID, "table \"%s\" has no column \"%.80s\"",
                          table->name, name);
    if (value_decode (member, arena, value, error) != MANTIS_OK)
      return mantis_fail_in (error, "table \"%s\", column \"%s\"", table->name, name);
  }
  *row = values;
  return MANTIS_OK;
}
