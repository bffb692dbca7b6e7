/* types.c - values and types, both ways: docs/types.md has the table.
 *
 * What has no class of its own in SQLite is exact text; a DECIMAL of up to 15 digits is a number there, as
 * those survive a double.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_DIGITS = 15, LONGEST_KEY_TEXT = 255 };

/* ---- Numbers, whatever the locale ---- */

static locale_t
plain_locale (void)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static locale_t plain;

  pthread_mutex_lock (&mutex);
  if (!plain)
    plain = newlocale (LC_ALL_MASK, "C", (locale_t)0);
  pthread_mutex_unlock (&mutex);
  return plain;
}

double
parse_real (const char *text)
{
  return strtod_l (text, NULL, plain_locale ());
}

void
add_decimal (struct mantis_buf *buf, unsigned decimals, double real)
{
  locale_t before = uselocale (plain_locale ());
  char text[400];

  snprintf (text, sizeof text, "%.*f", (int)decimals, real);
  uselocale (before);
  mantis_buf_text (buf, text);
}

void
add_real (struct mantis_buf *buf, double real)
{
  locale_t before = uselocale (plain_locale ());
  char text[400];

  snprintf (text, sizeof text, "%.16e", real);
  uselocale (before);
  mantis_buf_text (buf, text);
}

/* ---- Types of the engine ---- */

static const struct {
  const char *name;
  enum kind kind;
  unsigned bits;
  const char *declared; /* in SQLite's words */
  uint32_t type_class;
} types[] = {
    {"tinyint", KIND_INTEGER, 8, "TINYINT", MANTIS_CLASS_INTEGER},
    {"smallint", KIND_INTEGER, 16, "SMALLINT", MANTIS_CLASS_INTEGER},
    {"mediumint", KIND_INTEGER, 24, "MEDIUMINT", MANTIS_CLASS_INTEGER},
    {"int", KIND_INTEGER, 32, "INT", MANTIS_CLASS_INTEGER},
    {"bigint", KIND_INTEGER, 64, "BIGINT", MANTIS_CLASS_INTEGER},
    {"year", KIND_YEAR, 16, "INT", MANTIS_CLASS_INTEGER},
    {"bit", KIND_BIT, 0, "INT", MANTIS_CLASS_INTEGER},
    {"double", KIND_REAL, 0, "DOUBLE", MANTIS_CLASS_REAL},
    {"float", KIND_FLOAT, 0, "FLOAT", MANTIS_CLASS_REAL},
    {"decimal", KIND_DECIMAL, 0, NULL, MANTIS_CLASS_NUMERIC},
    {"date", KIND_DATE, 0, "DATE", MANTIS_CLASS_NUMERIC},
    {"time", KIND_TIME, 0, "TIME", MANTIS_CLASS_NUMERIC},
    {"datetime", KIND_DATETIME, 0, "DATETIME", MANTIS_CLASS_NUMERIC},
    {"timestamp", KIND_TIMESTAMP, 0, "TIMESTAMP", MANTIS_CLASS_NUMERIC},
    {"char", KIND_TEXT, 0, NULL, MANTIS_CLASS_TEXT},
    {"varchar", KIND_TEXT, 0, NULL, MANTIS_CLASS_TEXT},
    {"tinytext", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"text", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"mediumtext", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"longtext", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"json", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"enum", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"set", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"uuid", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"inet4", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"inet6", KIND_TEXT, 0, "TEXT", MANTIS_CLASS_TEXT},
    {"binary", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"varbinary", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"tinyblob", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"blob", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"mediumblob", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"longblob", KIND_BYTES, 0, "BLOB", MANTIS_CLASS_ANY},
    {"geometry", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"point", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"linestring", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"polygon", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"multipoint", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"multilinestring", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"multipolygon", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"geometrycollection", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
    {"geomcollection", KIND_GEOMETRY, 0, "BLOB", MANTIS_CLASS_ANY},
};

static bool
is_one_of (const char *name, const char *const *names)
{
  for (; name && *names; names++)
    if (strcasecmp (name, *names) == 0)
      return true;
  return false;
}

static void
describe_number (const struct described *d, struct mantis_column *column,
                 struct column_facts *facts, struct mantis_arena *arena)
{
  facts->is_unsigned = strcasestr (d->column_type, "unsigned") || facts->kind == KIND_BIT;
  facts->digits = (unsigned)d->precision;
  facts->decimals = (unsigned)d->decimals;
  facts->in_order = true;
  if (facts->kind == KIND_BIT)
    facts->bits = (unsigned)d->precision;
  /* SQLite would make a REAL of a number above 2^63 in a column of numbers. */
  if (facts->bits == 64 && facts->is_unsigned) {
    column->declared = "BLOB";
    column->type_class = MANTIS_CLASS_ANY;
  }
  if (facts->kind == KIND_DECIMAL && facts->digits > NUMBER_DIGITS) {
    facts->kind = KIND_EXACT;
    facts->in_order = false;
    facts->alters = true;
    column->declared = "TEXT";
    column->type_class = MANTIS_CLASS_TEXT;
  } else if (facts->kind == KIND_DECIMAL)
    column->declared =
        mantis_arena_printf (arena, "DECIMAL(%u,%u)", facts->digits, facts->decimals);
  facts->alters |= facts->kind == KIND_FLOAT;
  facts->scaled = (facts->kind == KIND_FLOAT || facts->kind == KIND_REAL) &&
                  strchr (d->column_type, ',') != NULL;
}

static void
describe_text (const struct described *d, struct mantis_column *column, struct column_facts *facts,
               struct mantis_arena *arena)
{
  static const char *const exact[] = {"utf8mb4_nopad_bin", "utf8mb4_0900_bin",
                                      "utf8mb3_nopad_bin", "ascii_nopad_bin",
                                      "utf8mb4_bin",       "utf8mb3_bin",
                                      "utf8_bin",          "utf8_nopad_bin",
                                      "ascii_bin",         NULL};
  static const char *const plain[] = {"utf8mb4", "utf8mb3", "utf8", "ascii", NULL};
  /* Those that fold A to Z, whatever stands beside them: not Turkish, not Danish. */
  static const char *const folding[] = {
      "utf8mb4_general_ci",    "utf8mb4_unicode_ci",    "utf8mb4_unicode_520_ci",
      "utf8mb4_0900_ai_ci",    "utf8mb4_uca1400_ai_ci", "utf8mb4_general_nopad_ci",
      "utf8mb3_general_ci",    "utf8mb3_unicode_ci",    "utf8mb4_unicode_nopad_ci",
      "utf8_general_ci",       "utf8_unicode_ci",       "latin1_swedish_ci",
      "latin1_general_ci",     "ascii_general_ci",      "utf8mb4_0900_as_ci",
      "utf8mb4_uca1400_as_ci", "utf8mb3_uca1400_ai_ci", NULL};
  static const char *const altering[] = {"enum", "set", "uuid", "inet4", "inet6", "json", NULL};
  const char *collation = d->collation ? d->collation : "";

  facts->length = d->length;
  facts->any_case = is_one_of (collation, folding);
  facts->fixed = strcasecmp (d->data_type, "char") == 0;
  facts->in_bytes = strstr (d->data_type, "text") != NULL;
  facts->narrow = d->charset && strcasecmp (d->charset, "latin1") == 0;
  if (strcasecmp (d->data_type, "enum") == 0 || strcasecmp (d->data_type, "set") == 0)
    facts->labels = mantis_arena_strdup (arena, d->column_type);
  facts->alters = facts->fixed || is_one_of (d->data_type, altering) ||
                  (facts->in_bytes && !facts->narrow && !is_one_of (d->charset, plain));
  facts->in_order = is_one_of (collation, exact) && !facts->alters;
  facts->in_order |= facts->fixed && is_one_of (collation, exact);
  facts->fuzzy = !strstr (collation, "nopad_bin") && !strstr (collation, "0900_bin");
  if (!column->declared)
    column->declared = mantis_arena_printf (arena, "%s(%lld)", facts->fixed ? "CHAR" : "VARCHAR",
                                            (long long)d->length);
}

void
describe_type (const struct described *d, struct mantis_column *column, struct column_facts *facts,
               struct mantis_arena *arena)
{
  *facts = (struct column_facts){.kind = KIND_NONE};
  column->declared = "";
  for (size_t i = 0; i < COUNT_OF (types); i++)
    if (strcasecmp (d->data_type, types[i].name) == 0) {
      facts->kind = types[i].kind;
      facts->bits = types[i].bits;
      column->declared = types[i].declared;
      column->type_class = types[i].type_class;
    }
  switch (facts->kind) {
  case KIND_INTEGER:
  case KIND_YEAR:
  case KIND_BIT:
  case KIND_REAL:
  case KIND_FLOAT:
  case KIND_DECIMAL:
    describe_number (d, column, facts, arena);
    break;
  case KIND_TEXT:
    describe_text (d, column, facts, arena);
    break;
  case KIND_DATE:
  case KIND_TIME:
  case KIND_DATETIME:
  case KIND_TIMESTAMP:
    facts->decimals = (unsigned)d->time_decimals;
    facts->alters = true;
    facts->in_order = facts->kind != KIND_TIME;
    break;
  case KIND_BYTES:
    facts->length = d->length;
    facts->in_order = true;
    facts->fixed = facts->alters = strcasecmp (d->data_type, "binary") == 0;
    break;
  default:
    break;
  }
}

struct column_facts
own_column (const struct mantis_column *column)
{
  switch (column->type_class) {
  case MANTIS_CLASS_INTEGER:
    return (struct column_facts){.kind = KIND_INTEGER, .bits = 64, .in_order = true};
  case MANTIS_CLASS_TEXT:
    return (struct column_facts){.kind = KIND_TEXT, .in_order = true};
  default:
    return (struct column_facts){.kind = KIND_ANY, .in_order = true};
  }
}

/* ---- Types for a table that comes from a peer ---- */

static void
add_text_type (struct mantis_buf *sql, const char *declared, bool indexed)
{
  const char *open = strchr (declared, '(');
  int length = open ? atoi (open + 1) : 0;

  if (length > 0 && length <= (indexed ? 768 : 16000))
    mantis_buf_printf (sql, "VARCHAR(%d)", length);
  else if (indexed)
    mantis_buf_printf (sql, "VARCHAR(%d)", LONGEST_KEY_TEXT);
  else
    mantis_buf_text (sql, "LONGTEXT");
}

/* NUMERIC: only what is known to hold all that the word promises. */
static bool
add_numeric_type (struct mantis_buf *sql, const char *declared)
{
  int digits = 0, decimals = 0;

  if (strncasecmp (declared, "DATETIME", 8) == 0 || strncasecmp (declared, "TIMESTAMP", 9) == 0)
    mantis_buf_text (sql, "DATETIME");
  else if (strncasecmp (declared, "DATE", 4) == 0)
    mantis_buf_text (sql, "DATE");
  else if (strncasecmp (declared, "TIME", 4) == 0)
    mantis_buf_text (sql, "TIME");
  else if (strncasecmp (declared, "BOOL", 4) == 0)
    mantis_buf_text (sql, "DECIMAL(1,0)");
  else if (strchr (declared, '(') &&
           sscanf (strchr (declared, '('), "(%d,%d", &digits, &decimals) >= 1 && digits > 0 &&
           digits <= NUMBER_DIGITS && decimals >= 0 && decimals <= digits)
    mantis_buf_printf (sql, "DECIMAL(%d,%d)", digits, decimals);
  else
    return false;
  return true;
}

bool
add_type (struct mantis_buf *sql, const struct mantis_table *table, size_t at, bool indexed)
{
  const struct mantis_column *column = &table->columns[at];

  switch (column->type_class) {
  case MANTIS_CLASS_INTEGER:
    mantis_buf_text (sql, "BIGINT");
    return true;
  case MANTIS_CLASS_REAL:
    mantis_buf_text (sql, "DOUBLE");
    return true;
  case MANTIS_CLASS_TEXT:
    add_text_type (sql, column->declared, indexed);
    return true;
  case MANTIS_CLASS_ANY:
    mantis_buf_text (sql, indexed ? "VARBINARY(255)" : "LONGBLOB");
    return true;
  default:
    return add_numeric_type (sql, column->declared);
  }
}

/* ---- Out of the engine ---- */

void
add_selected (struct mantis_buf *sql, const char *prefix, const char *name,
              const struct column_facts *facts)
{
  bool as_number = facts->kind == KIND_BIT || facts->kind == KIND_FLOAT;

  mantis_buf_text (sql, as_number ? "(" : "");
  mantis_buf_text (sql, prefix);
  add_name (sql, name);
  if (facts->kind == KIND_BIT)
    mantis_buf_text (sql, " + 0)");
  else if (facts->kind == KIND_FLOAT)
    mantis_buf_text (sql, " * 1e0)"); /* as it is: alone it is printed with six digits */
}

bool
is_integer (const char *text, size_t length)
{
  size_t at = length && *text == '-';

  if (at == length || length > 20 || (text[at] == '0' && length > 1))
    return false;
  for (size_t i = at; i < length; i++)
    if (text[i] < '0' || text[i] > '9')
      return false;
  return true;
}

/* False: TEXT is no integer of 64 bits. */
static bool
parse_integer (const char *text, size_t length, int64_t *integer)
{
  char copy[24];

  if (!is_integer (text, length))
    return false;
  memcpy (copy, text, length);
  copy[length] = '\0';
  errno = 0;
  *integer = strtoll (copy, NULL, 10);
  return errno == 0;
}

static bool
text_of (uint32_t type, const char *bytes, size_t length, struct mantis_arena *arena,
         struct mantis_value *value)
{
  *value = (struct mantis_value){.type = type,
                                 .length = (uint32_t)length,
                                 .as.bytes = mantis_arena_copy (arena, bytes, length)};
  return value->as.bytes != NULL;
}

/* "1.50" is 1.5, "2.00" is 2: as SQLite stores it in a column of numbers. */
static void
decimal_of (const char *bytes, struct mantis_value *value)
{
  double real = parse_real (bytes);

  if (real == floor (real))
    *value = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = (int64_t)real};
  else
    *value = (struct mantis_value){.type = MANTIS_REAL, .as.real = real};
}

bool
value_of (const struct column_facts *facts, const char *bytes, size_t length,
          struct mantis_arena *arena, struct mantis_value *value)
{
  *value = (struct mantis_value){.type = MANTIS_NULL};
  if (!bytes)
    return true;
  switch (facts->kind) {
  case KIND_NONE:
    return true;
  case KIND_ANY:
    if (length && *bytes == '\'')
      return text_of (MANTIS_TEXT, bytes + 1, length - 1, arena, value);
    /* fall through */
  case KIND_INTEGER:
  case KIND_YEAR:
  case KIND_BIT:
    while (facts->kind != KIND_ANY && length > 1 && *bytes == '0') /* ZEROFILL, and the year 0000 */
      bytes++, length--;
    value->type = MANTIS_INTEGER;
    if (parse_integer (bytes, length, &value->as.integer))
      return true;
    return text_of (MANTIS_TEXT, bytes, length, arena, value);
  case KIND_REAL:
  case KIND_FLOAT:
    *value = (struct mantis_value){.type = MANTIS_REAL, .as.real = parse_real (bytes)};
    return true;
  case KIND_DECIMAL:
    decimal_of (bytes, value);
    return true;
  case KIND_BYTES:
  case KIND_GEOMETRY:
    return text_of (MANTIS_BLOB, bytes, length, arena, value);
  default:
    return text_of (MANTIS_TEXT, bytes, length, arena, value);
  }
}

/* ---- Into the engine ---- */

static void
add_any (struct mantis_session *session, struct mantis_buf *sql, const struct mantis_value *value)
{
  AUTO_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  int64_t integer;

  if (value->length == 0 || *value->as.bytes == '\'' ||
      parse_integer (value->as.bytes, value->length, &integer))
    mantis_buf_char (&text, '\'');
  mantis_buf_add (&text, value->as.bytes, value->length);
  add_bytes (session, sql, text.bytes, text.length);
}

void
add_value (struct mantis_session *session, struct mantis_buf *sql, const struct column_facts *facts,
           const struct mantis_value *value)
{
  switch (value->type) {
  case MANTIS_INTEGER:
    mantis_buf_printf (sql, facts->kind == KIND_ANY ? "'%" PRId64 "'" : "%" PRId64,
                       value->as.integer);
    break;
  case MANTIS_REAL:
    if (facts->kind == KIND_DECIMAL)
      add_decimal (sql, facts->decimals, value->as.real);
    else
      add_real (sql, value->as.real);
    break;
  case MANTIS_TEXT:
    if (facts->kind == KIND_ANY)
      add_any (session, sql, value);
    else if (facts->kind == KIND_INTEGER || facts->kind == KIND_BIT || facts->kind == KIND_EXACT)
      mantis_buf_add (sql, value->as.bytes, value->length); /* digits: check_value() */
    else
      add_bytes (session, sql, value->as.bytes, value->length);
    break;
  case MANTIS_BLOB:
    mantis_buf_text (sql, "_binary");
    add_bytes (session, sql, value->as.bytes, value->length);
    break;
  default:
    mantis_buf_text (sql, "NULL");
  }
}

/* ---- Placeholders ---- */

void
add_placeholder (struct mantis_buf *sql, const struct column_facts *facts)
{
  unsigned bits = facts->bits ? facts->bits : 64;
  uint64_t chance[2];
  char text[64];
  int length;

  mantis_random (chance, sizeof chance);
  switch (facts->kind) {
  case KIND_INTEGER:
    chance[0] >>= 64 - bits + 1; /* half of the type's range */
    if (facts->is_unsigned)
      mantis_buf_printf (sql, "%" PRIu64, chance[0] + (UINT64_C (1) << (bits - 1)));
    else
      mantis_buf_printf (sql, "-%" PRIu64, chance[0] + 1);
    break;
  case KIND_YEAR:
    mantis_buf_printf (sql, "%d", 1901 + (int)(chance[0] % 255));
    break;
  case KIND_TEXT:
  case KIND_BYTES:
    length = snprintf (text, sizeof text, "mantis-parked-%016" PRIx64 "%016" PRIx64, chance[0],
                       chance[1]);
    if (facts->length && facts->length < length)
      mantis_buf_printf (sql, "'%s'", text + (length - facts->length));
    else
      mantis_buf_printf (sql, "'%s'", text);
    break;
  case KIND_DATE:
  case KIND_DATETIME:
    mantis_buf_printf (sql, "'%04d-%02d-%02d'", 1000 + (int)(chance[0] % 8000),
                       1 + (int)(chance[1] % 12), 1 + (int)(chance[1] / 12 % 28));
    break;
  default:
    mantis_buf_printf (sql, "-%" PRIu64, chance[0] % 1000000000);
  }
}

/* ---- Keys in the log ---- */

void
add_key_text (struct mantis_buf *sql, const char *prefix, const char *name,
              const struct column_facts *facts)
{
  const char *before = "", *after = "";

  switch (facts->kind) {
  case KIND_BYTES:
    break;
  case KIND_INTEGER:
  case KIND_YEAR:
    before = "(", after = " + 0)"; /* ZEROFILL */
    break;
  default:
    before = "CONVERT(", after = " USING utf8mb4)";
  }
  mantis_buf_text (sql, before);
  mantis_buf_text (sql, prefix);
  add_name (sql, name);
  mantis_buf_text (sql, after);
}

void
key_bytes (struct mantis_buf *buf, const struct column_facts *facts,
           const struct mantis_value *value)
{
  switch (value->type) {
  case MANTIS_INTEGER:
    if (facts->kind == KIND_DECIMAL && facts->decimals)
      add_decimal (buf, facts->decimals, (double)value->as.integer);
    else
      mantis_buf_printf (buf, "%" PRId64, value->as.integer);
    break;
  case MANTIS_REAL:
    if (facts->kind == KIND_DECIMAL)
      add_decimal (buf, facts->decimals, value->as.real);
    else
      add_real (buf, value->as.real);
    break;
  case MANTIS_TEXT:
  case MANTIS_BLOB:
    mantis_buf_add (buf, value->as.bytes, value->length);
    break;
  default:
    break;
  }
}
