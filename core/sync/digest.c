/* digest.c - checksums of key ranges: what is equal on both sides need not travel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/digest.h"
#include "base/base.h"
#include "sync/large.h"
#include "wire/json.h"
#include "wire/key.h"
#include "wire/value.h"

#include <stdio.h>
#include <string.h>

enum { RANGES = 16, RANGE_ROWS = 500, RANGE_BYTES = 256 * 1024, SUM_LENGTH = 16 };

static uint64_t
row_sum (const struct mantis_table *table, mantis_row row, struct mantis_buf *scratch)
{
  uint64_t sum = 0;
  unsigned char bytes[8];

  for (size_t i = 0; i < table->column_count; i++) {
    const char *name = table->columns[i].name;
    if (table->columns[i].generated || row[i].type == MANTIS_NONE)
      continue;
    mantis_buf_clear (scratch);
    value_encode (scratch, &row[i]);
    sum += hash_bytes (scratch->bytes, scratch->length, hash_bytes (name, strlen (name), 0));
  }
  for (int i = 0; i < 8; i++)
    bytes[i] = (unsigned char)(sum >> (8 * i));
  return hash_bytes (bytes, sizeof bytes, 0);
}

static void
write_sum (uint64_t sum, char *text)
{
  snprintf (text, SUM_LENGTH + 1, "%016llx", (unsigned long long)sum);
}

static void
range_sum (const struct mantis_table *table, const mantis_row *rows, size_t count, char *text)
{
  CLEANUP_BUF struct mantis_buf scratch = MANTIS_BUF_INIT;
  uint64_t sum = 0;

  for (size_t i = 0; i < count; i++)
    sum += row_sum (table, rows[i], &scratch);
  write_sum (sum, text);
}

enum mantis_status
digest_add (struct store *store, const struct mantis_table *table, mantis_row after,
            struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  const char *before = ",\"known\":[";
  bool end = false;

  for (int i = 0; i < RANGES && !end && status == MANTIS_OK; i++) {
    char sum[SUM_LENGTH + 1];
    const mantis_row *rows;
    size_t count = 0;
    status = store->ops->scan (store->session, table, after, NULL, RANGE_ROWS, RANGE_BYTES, arena,
                               &rows, &count, &end, error);
    if (status != MANTIS_OK || count == 0)
      break;
    after = rows[count - 1];
    range_sum (table, rows, count, sum);
    mantis_buf_printf (buf, "%s{\"to\":", before);
    key_encode (buf, table, after);
    mantis_buf_printf (buf, ",\"rows\":%zu,\"sum\":\"%s\"}", count, sum);
    before = ",";
  }
  if (strcmp (before, ",") == 0)
    mantis_buf_char (buf, ']');
  return status;
}

/* The rows here between two keys that VIEWER sees. */
struct counted {
  const struct viewer *viewer;
  const struct mantis_table *table;
  const struct filtered *filtered;
  struct mantis_arena *scratch;
  struct mantis_buf text;
  size_t count;
  uint64_t sum;
  bool cut; /* one of them has to be told that it is too large */
};

static enum mantis_status
count_row (struct counted *counted, mantis_row row, struct mantis_error *error)
{
  if (!filter_sees (counted->filtered, counted->viewer, row))
    return MANTIS_OK;
  counted->cut |= row_is_cut (counted->table, row);
  if (!(row = filter_blank (counted->filtered, counted->viewer, row, counted->scratch)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  counted->sum += row_sum (counted->table, row, &counted->text);
  counted->count++;
  return MANTIS_OK;
}

/* From AFTER up to TO, until there are more than WANTED. */
static enum mantis_status
count_rows (struct counted *counted, mantis_row after, mantis_row to, size_t wanted,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *keys = mantis_arena_new (0);
  struct store *store = counted->viewer->store;
  enum mantis_status status =
      keys ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  bool end = false;

  while (status == MANTIS_OK && !end && !counted->cut && counted->count <= wanted) {
    const mantis_row *rows;
    size_t count = 0;
    char *key;
    mantis_arena_reset (counted->scratch);
    status = store->ops->scan (store->session, counted->table, after, to, wanted + 1,
                               2 * RANGE_BYTES, counted->scratch, &rows, &count, &end, error);
    for (size_t i = 0; i < count && status == MANTIS_OK; i++)
      status = count_row (counted, rows[i], error);
    if (status != MANTIS_OK || end || !counted->filtered)
      break; /* without filters all of them count: more than are wanted, or too many bytes */
    if (!count || !(key = key_text (counted->scratch, counted->table, rows[count - 1])))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    status = key_parse (key, counted->table, keys, &after, error);
  }
  counted->cut |= !end;
  return status;
}

/* Are the rows here after FROM, up to the key that RANGE names, as VIEWER sees them, the ones that it speaks of? */
static enum mantis_status
compare_range (const struct viewer *viewer, const struct mantis_table *table, mantis_row from,
               const json_t *range, struct mantis_arena *arena, mantis_row *to, bool *equal,
               struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *scratch = mantis_arena_new (0);
  struct counted counted = {.viewer = viewer,
                            .table = table,
                            .filtered = viewer_filtered (viewer, table),
                            .scratch = scratch,
                            .text = MANTIS_BUF_INIT};
  enum mantis_status status = MANTIS_OK;
  int64_t wanted = json_get_integer (range, "rows", 0, &status, error);
  const char *sum = json_get_text (range, "sum", "", &status, error);
  char ours[SUM_LENGTH + 1];

  *equal = false;
  if (!scratch)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (status == MANTIS_OK && (wanted < 1 || wanted > RANGE_ROWS))
    status = mantis_fail (error, MANTIS_INVALID, "$.load.known: 1 to %d rows a range", RANGE_ROWS);
  if (status == MANTIS_OK)
    status = key_decode (json_object_get (range, "to"), table, arena, to, error);
  if (status == MANTIS_OK)
    status = count_rows (&counted, from, *to, (size_t)wanted, error);
  mantis_buf_free (&counted.text);
  if (status != MANTIS_OK || counted.cut || counted.count != (size_t)wanted)
    return status;
  write_sum (counted.sum, ours);
  *equal = strcmp (sum, ours) == 0;
  return MANTIS_OK;
}

enum mantis_status
digest_compare (const struct viewer *viewer, const struct mantis_table *table, mantis_row after,
                const json_t *known, struct mantis_arena *arena, mantis_row *reached,
                struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *range;
  size_t i;

  *reached = after;
  if (json_array_size (known) > RANGES)
    return mantis_fail (error, MANTIS_INVALID, "$.load.known: more than %d ranges", RANGES);
  json_array_foreach (known, i, range)
  {
    mantis_row to;
    bool equal;
    if ((status = compare_range (viewer, table, *reached, range, arena, &to, &equal, error)) !=
            MANTIS_OK ||
        !equal)
      break;
    *reached = to;
  }
  return status;
}
