/* defaults.c - defaults and generated columns, in SQLite's words, for the tables that clients make.
 *
 * A device makes its rows while it is alone: what it puts into a column that nobody names has to be what the
 * server would have put there.  Constants are taken over by value, and of expressions those that mean the same
 * in both languages.  Of the others only the fact is told, as an empty text: 5 / 2 is 2 in SQLite, 2.5 here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char NO_FORM[] = "";

/* ---- Literals of SQLite ---- */

static void
add_hex (struct mantis_buf *buf, const char *bytes, size_t length)
{
  mantis_buf_text (buf, "X'");
  for (size_t i = 0; i < length; i++)
    mantis_buf_printf (buf, "%02x", (unsigned char)bytes[i]);
  mantis_buf_char (buf, '\'');
}

/* What could be taken for a comment by who looks whether it is harmless goes as bytes, as a NUL has to. */
static void
add_text (struct mantis_buf *buf, const char *bytes, size_t length)
{
  if (memmem (bytes, length, "--", 2) || memmem (bytes, length, "/*", 2) ||
      memchr (bytes, '\0', length)) {
    mantis_buf_text (buf, "CAST(");
    add_hex (buf, bytes, length);
    mantis_buf_text (buf, " AS TEXT)");
    return;
  }
  mantis_buf_char (buf, '\'');
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == '\'')
      mantis_buf_char (buf, '\'');
    mantis_buf_char (buf, bytes[i]);
  }
  mantis_buf_char (buf, '\'');
}

static void
add_integer (struct mantis_buf *buf, uint64_t integer)
{
  mantis_buf_printf (buf, integer > INT64_MAX ? "'%" PRIu64 "'" : "%" PRIu64, integer);
}

static void
add_float (struct mantis_buf *buf, const char *text)
{
  add_real (buf, (double)(float)parse_real (text));
}

/* ---- Constants ---- */

/* 'it''s' with backslashes, as MariaDB writes it, without its quotes. */
static void
add_unquoted (struct mantis_buf *buf, const char *text)
{
  for (text++; *text && !(text[0] == '\'' && text[1] == '\0'); text++) {
    if (*text == '\'' && text[1] == '\'')
      text++;
    else if (*text == '\\' && text[1]) {
      text++;
      mantis_buf_char (buf, *text == '0'   ? '\0'
                            : *text == 'n' ? '\n'
                            : *text == 'r' ? '\r'
                                           : *text);
      continue;
    }
    mantis_buf_char (buf, *text);
  }
}

/* b'1010', or 0xff as MySQL writes bytes. */
static uint64_t
bits_of (const char *text)
{
  return strncmp (text, "b'", 2) == 0 ? strtoull (text + 2, NULL, 2) : strtoull (text, NULL, 0);
}

/* TEXT: the constant, without quotes. */
static void
add_constant (struct mantis_buf *buf, const struct column_facts *facts, const char *text,
              size_t length)
{
  switch (facts->kind) {
  case KIND_INTEGER:
  case KIND_YEAR:
    if (*text == '-')
      mantis_buf_text (buf, text);
    else
      add_integer (buf, strtoull (text, NULL, 10));
    break;
  case KIND_BIT:
    add_integer (buf, bits_of (text));
    break;
  case KIND_FLOAT:
    add_float (buf, text);
    break;
  case KIND_REAL:
  case KIND_DECIMAL:
    mantis_buf_text (buf, text);
    break;
  case KIND_BYTES:
  case KIND_GEOMETRY:
    add_hex (buf, text, length);
    break;
  default:
    add_text (buf, text, length);
  }
}

/* ---- Expressions ---- */

/* TEXT is NAME, or a call of it: NAME(), NAME(3); *DIGITS is what stands there. */
static bool
is_call (const char *text, const char *name, unsigned *digits)
{
  size_t length = strlen (name);

  *digits = 0;
  if (strncasecmp (text, name, length) != 0)
    return false;
  text += length;
  if (*text == '\0')
    return true;
  if (*text++ != '(')
    return false;
  if (*text >= '0' && *text <= '6')
    *digits = (unsigned)(*text++ - '0');
  return strcmp (text, ")") == 0;
}

static bool
is_any_call (const char *text, const char *const *names, unsigned *digits)
{
  for (; *names; names++)
    if (is_call (text, *names, digits))
      return true;
  return false;
}

/* The present moment with so many digits of a second: SQLite has three. */
static const char *
moment (const char *plain, const char *format, unsigned digits, struct mantis_arena *arena)
{
  static const unsigned lengths[] = {20,
                                     9}; /* up to the point, of a date with time and of a time */
  unsigned length = strstr (format, "%Y") ? lengths[0] : lengths[1];

  if (digits == 0)
    return plain;
  if (digits < 3)
    return mantis_arena_printf (arena, "substr(strftime('%s', 'now'), 1, %u)", format,
                                length + digits);
  return mantis_arena_printf (arena, "strftime('%s', 'now')%s%.*s%s", format,
                              digits > 3 ? " || '" : "", (int)digits - 3, "000",
                              digits > 3 ? "'" : "");
}

static const char *
now_of (const struct column_facts *facts, const char *text, struct mantis_arena *arena)
{
  static const char *const stamps[] = {"current_timestamp", "now",           "localtimestamp",
                                       "localtime",         "utc_timestamp", NULL};
  static const char *const dates[] = {"curdate", "current_date", "utc_date", NULL};
  static const char *const times[] = {"curtime", "current_time", "utc_time", NULL};
  unsigned digits;
  bool stamp = is_any_call (text, stamps, &digits);

  if (facts->kind == KIND_DATE && (stamp || is_any_call (text, dates, &digits)))
    return "CURRENT_DATE";
  if (facts->kind == KIND_TIME && (stamp || is_any_call (text, times, &digits)))
    return moment ("CURRENT_TIME", "%H:%M:%f", digits, arena);
  if (stamp && facts->kind != KIND_INTEGER && facts->kind != KIND_REAL)
    return moment ("CURRENT_TIMESTAMP", "%Y-%m-%d %H:%M:%f", digits, arena);
  return NULL;
}

static const char *
expression_of (const struct column_facts *facts, const char *text, struct mantis_arena *arena)
{
  static const char uuid[] =
      "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)),"
      " 2) || '-' || substr('89ab', 1 + abs(random() % 4), 1) || substr(hex(randomblob(2)), 2) ||"
      " '-' || hex(randomblob(6)))";
  bool integer = facts->kind == KIND_INTEGER;
  unsigned digits;
  const char *now = now_of (facts, text, arena);

  if (now)
    return now;
  if (facts->kind == KIND_TEXT && is_call (text, "uuid", &digits))
    return uuid;
  if (integer && is_call (text, "unix_timestamp", &digits))
    return "CAST(strftime('%s', 'now') AS INTEGER)";
  if (integer && text[strspn (text, "0123456789+-*() ")] == '\0' && !strstr (text, "--"))
    return mantis_arena_strdup (arena, text);
  return NO_FORM;
}

/* ---- Defaults ---- */

const char *
default_of (const struct described *d, const struct column_facts *facts, struct mantis_arena *arena,
            bool *ask)
{
  AUTO_BUF struct mantis_buf constant = MANTIS_BUF_INIT, literal = MANTIS_BUF_INIT;
  const char *text = d->default_text;
  bool number;

  *ask = false;
  if (!text || strcmp (text, "NULL") == 0 || facts->kind == KIND_NONE)
    return NULL;
  number = (*text >= '0' && *text <= '9') || *text == '-' || strncmp (text, "b'", 2) == 0;
  if (d->quotes ? !number && *text != '\'' && strncasecmp (text, "x'", 2) != 0
                : strstr (d->extra, "DEFAULT_GENERATED") ||
                      strncasecmp (text, "current_timestamp", 17) == 0)
    return expression_of (facts, text, arena);
  /* Here the schema tells bytes, and what is beyond 16 bits of Unicode, with question marks. */
  *ask = facts->kind == KIND_BYTES || facts->kind == KIND_GEOMETRY ||
         (d->quotes && *text == '\'' && strchr (text, '?'));
  if (*ask)
    return NO_FORM;
  if (d->quotes && *text == '\'')
    add_unquoted (&constant, text);
  else
    mantis_buf_text (&constant, text);
  if (!constant.failed)
    add_constant (&literal, facts, constant.length ? constant.bytes : "", constant.length);
  return constant.failed || literal.failed
             ? NULL
             : mantis_arena_strdup (arena, literal.length ? literal.bytes : NO_FORM);
}

enum mantis_status
ask_defaults (struct mantis_session *session, struct mantis_table *table, const struct facts *facts,
              struct mantis_arena *arena, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  struct mantis_column *columns = (struct mantis_column *)table->columns;
  const char *between = "SELECT DEFAULT(t.";
  enum mantis_status status;

  for (size_t i = 0; i < table->column_count; i++)
    if (facts->columns[i].ask_default) {
      mantis_buf_text (&sql, between);
      add_name (&sql, columns[i].name);
      between = "), DEFAULT(t.";
    }
  mantis_buf_text (&sql, ") FROM (SELECT 1) AS one LEFT JOIN ");
  add_name (&sql, table->name);
  mantis_buf_text (&sql, " AS t ON FALSE");
  if ((status = query (session, &sql, &result, error)) || !next_row (&result))
    return status;
  for (size_t i = 0, at = 0; i < table->column_count; i++) {
    AUTO_BUF struct mantis_buf literal = MANTIS_BUF_INIT;
    if (!facts->columns[i].ask_default)
      continue;
    if (result.row[at]) {
      add_constant (&literal, &facts->columns[i], result.row[at], result.lengths[at]);
      columns[i].default_value = literal.failed ? NULL : mantis_arena_strdup (arena, literal.bytes);
    }
    at++;
  }
  return MANTIS_OK;
}

/* ---- Generated columns ---- */

/* The column of integers whose name in backticks stands at *TEXT, which goes on behind it; or NULL. */
static const char *
integer_at_name (const struct mantis_table *table, const struct facts *facts, const char **text)
{
  for (size_t i = 0; i < table->column_count; i++) {
    size_t length = strlen (table->columns[i].name);
    if (facts->columns[i].kind == KIND_INTEGER &&
        strncmp (*text + 1, table->columns[i].name, length) == 0 && (*text)[length + 1] == '`') {
      *text += length + 2;
      return table->columns[i].name;
    }
  }
  return NULL;
}

const char *
generated_of (const struct mantis_table *table, const struct facts *facts, size_t at,
              struct mantis_arena *arena)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  const char *text = table->columns[at].generated;

  if (facts->columns[at].kind != KIND_INTEGER)
    return NO_FORM;
  while (*text) {
    const char *name;
    if (*text != '`') {
      if (!strchr ("0123456789+-*() ", *text))
        return NO_FORM;
      mantis_buf_char (&sql, *text++);
    } else if (!(name = integer_at_name (table, facts, &text)))
      return NO_FORM;
    else {
      mantis_buf_char (&sql, '"');
      for (; *name; name++)
        mantis_buf_printf (&sql, *name == '"' ? "\"\"" : "%c", *name);
      mantis_buf_char (&sql, '"');
    }
  }
  return sql.failed ? NULL : mantis_arena_strdup (arena, sql.length ? sql.bytes : NO_FORM);
}
