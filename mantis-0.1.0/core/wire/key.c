/* key.c - a row's primary key: as text, as a hash, as a row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/key.h"
#include "base/base.h"
#include "wire/value.h"

#include <string.h>

#define TWO_63 9223372036854775808.0

void
key_encode (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row)
{
  mantis_buf_char (buf, '[');
  for (size_t i = 0; i < table->key_count; i++) {
    if (i)
      mantis_buf_char (buf, ',');
    value_encode (buf, &row[table->key[i]]);
  }
  mantis_buf_char (buf, ']');
}

char *
key_text (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  key_encode (&buf, table, row);
  return buf.failed ? NULL : mantis_arena_copy (arena, buf.bytes, buf.length);
}

static struct mantis_value *
empty_row (const struct mantis_table *table, struct mantis_arena *arena)
{
  return arena_array (arena, table->column_count, sizeof (struct mantis_value));
}

enum mantis_status
key_decode (const json_t *json, const struct mantis_table *table, struct mantis_arena *arena,
            mantis_row *row, struct mantis_error *error)
{
  struct mantis_value *values = empty_row (table, arena);

  if (!values)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  if (!json_is_array (json) || json_array_size (json) != table->key_count)
    return mantis_fail (error, MANTIS_INVALID, "the key of table \"%s\" is an array of %zu value%s",
                        table->name, table->key_count, table->key_count == 1 ? "" : "s");
  for (size_t i = 0; i < table->key_count; i++)
    if (value_decode (json_array_get (json, i), arena, &values[table->key[i]], error) != MANTIS_OK)
      return mantis_fail_in (error, "key of table \"%s\"", table->name);
  *row = values;
  return MANTIS_OK;
}

enum mantis_status
key_parse (const char *text, const struct mantis_table *table, struct mantis_arena *arena,
           mantis_row *row, struct mantis_error *error)
{
  json_t *json = json_loads (text, JSON_ALLOW_NUL, NULL);
  enum mantis_status status;

  if (!json)
    return mantis_fail (error, MANTIS_INVALID, "not a key of table \"%s\": %.100s", table->name,
                        text);
  status = key_decode (json, table, arena, row, error);
  json_decref (json);
  return status;
}

mantis_row
key_row (const struct mantis_table *table, const struct mantis_value *key,
         struct mantis_arena *arena)
{
  struct mantis_value *values = empty_row (table, arena);

  for (size_t i = 0; values && i < table->key_count; i++)
    values[table->key[i]] = key[i];
  return values;
}

/* A real that is a whole number compares equal to the integer. */
static struct mantis_value
comparable (const struct mantis_value *value)
{
  struct mantis_value same = *value;

  if (value->type == MANTIS_REAL && value->as.real >= -TWO_63 && value->as.real < TWO_63 &&
      value->as.real == (double)(int64_t)value->as.real) {
    same.type = MANTIS_INTEGER;
    same.as.integer = (int64_t)value->as.real;
  }
  return same;
}

uint64_t
value_hash (const struct mantis_value *given, uint64_t seed)
{
  struct mantis_value value = comparable (given);

  if (value.type == MANTIS_TEXT || value.type == MANTIS_BLOB)
    return hash_bytes (value.as.bytes, value.length, seed + value.type);
  if (value.type == MANTIS_NULL || value.type == MANTIS_NONE)
    return hash_bytes ("", 0, seed + value.type);
  return hash_bytes (&value.as, sizeof value.as, seed + value.type);
}

uint64_t
key_hash (const struct mantis_table *table, mantis_row row)
{
  uint64_t hash = hash_bytes (table->name, strlen (table->name), 0);

  for (size_t i = 0; i < table->key_count; i++)
    hash = value_hash (&row[table->key[i]], hash);
  return hash;
}

bool
key_equal (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  for (size_t i = 0; i < table->key_count; i++) {
    struct mantis_value left = comparable (&a[table->key[i]]),
                        right = comparable (&b[table->key[i]]);
    if (!mantis_value_equal (&left, &right))
      return false;
  }
  return true;
}

/* Exact: a double holds not every integer. */
static int
compare_with_real (int64_t integer, double real)
{
  int64_t whole;

  if (real < -TWO_63)
    return 1;
  if (!(real < TWO_63))
    return -1;
  whole = (int64_t)real; /* towards zero */
  if (integer != whole)
    return integer < whole ? -1 : 1;
  return (double)whole < real ? -1 : (double)whole > real;
}

static int
compare_numbers (const struct mantis_value *a, const struct mantis_value *b)
{
  if (a->type == MANTIS_INTEGER && b->type == MANTIS_INTEGER)
    return a->as.integer < b->as.integer ? -1 : a->as.integer > b->as.integer;
  if (a->type == MANTIS_INTEGER)
    return compare_with_real (a->as.integer, b->as.real);
  if (b->type == MANTIS_INTEGER)
    return -compare_with_real (b->as.integer, a->as.real);
  return a->as.real < b->as.real ? -1 : a->as.real > b->as.real;
}

static int
compare_values (const struct mantis_value *a, const struct mantis_value *b)
{
  static const int ranks[] = {0, 0, 1, 1, 2, 3}; /* by enum mantis_type */
  int order = ranks[a->type] - ranks[b->type];
  size_t length = a->length < b->length ? a->length : b->length;

  if (order || ranks[a->type] == 0)
    return order;
  if (ranks[a->type] == 1)
    return compare_numbers (a, b);
  order = length ? memcmp (a->as.bytes, b->as.bytes, length) : 0;
  return order ? order : a->length < b->length ? -1 : a->length > b->length;
}

int
key_compare (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  int order = 0;

  for (size_t i = 0; i < table->key_count && order == 0; i++)
    order = compare_values (&a[table->key[i]], &b[table->key[i]]);
  return order;
}

bool
key_has_null (const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->key_count; i++)
    if (row[table->key[i]].type <= MANTIS_NULL)
      return true;
  return false;
}
