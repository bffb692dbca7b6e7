/* large.c - rows of a server that no message can carry: they are left out of what is told, and named.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/large.h"
#include "base/base.h"
#include "wire/key.h"
#include "wire/value.h"

#include <string.h>

enum { LONGEST_ESCAPE = 6 }; /* of a byte, as \u001f */

static bool
has_bytes (const struct mantis_value *value)
{
  return value->type == MANTIS_TEXT || value->type == MANTIS_BLOB;
}

bool
row_is_cut (const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (row[i].type == MANTIS_NONE && !table->columns[i].generated &&
        !table->columns[i].key_position)
      return true;
  return false;
}

size_t
row_bytes (const struct mantis_table *table, mantis_row row)
{
  size_t bytes = 0;

  for (size_t i = 0; i < table->column_count; i++)
    bytes += 8 + (has_bytes (&row[i]) || row[i].type == MANTIS_NONE ? row[i].length : 0);
  return bytes;
}

static size_t
json_bytes (const struct mantis_value *value)
{
  static const char short_escapes[] = "\"\\\b\f\n\r\t";
  size_t bytes = value->length;

  if (!has_bytes (value))
    return 0;
  if (value->type == MANTIS_BLOB || !text_is_utf8 (value->as.bytes, value->length))
    return (bytes + 2) / 3 * 4;
  for (size_t i = 0; i < value->length; i++) {
    char c = value->as.bytes[i];
    if ((unsigned char)c < 0x20 || c == '"' || c == '\\')
      bytes += c && strchr (short_escapes, c) ? 1 : LONGEST_ESCAPE - 1;
  }
  return bytes;
}

bool
large_is (const struct large *large, const struct mantis_table *table, mantis_row row,
          size_t *bytes)
{
  *bytes = row_bytes (table, row);
  if (!large->limit)
    return false;
  if (row_is_cut (table, row))
    return true;
  if (*bytes <= large->limit / LONGEST_ESCAPE) /* as most rows are: nothing to count */
    return false;
  for (size_t i = *bytes = 0; i < table->column_count; i++)
    *bytes += 8 + json_bytes (&row[i]);
  return *bytes > large->limit;
}

enum mantis_status
large_tell (struct large *large, struct store *store, const struct mantis_table *table,
            mantis_row row, int64_t rev, size_t bytes, struct mantis_error *error)
{
  struct mantis_buf *told = &large->told;

  if (!rev) {
    CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
    struct mantis_version version;
    enum mantis_status status = MANTIS_OK;
    if (!arena)
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    status = store->ops->versions (store->session, table, &row, 1, arena, &version, error);
    if (status != MANTIS_OK)
      return status;
    rev = version.rev ? version.rev : store->floor;
  }
  mantis_buf_text (told, told->length ? ",{\"table\":" : "{\"table\":");
  mantis_buf_json (told, table->name, strlen (table->name));
  mantis_buf_text (told, ",\"key\":");
  key_encode (told, table, row);
  mantis_buf_printf (told, ",\"rev\":%lld,\"bytes\":%zu}", (long long)rev, bytes);
  return told->failed ? mantis_fail (error, MANTIS_FULL, "the page is larger than its limit")
                      : MANTIS_OK;
}
