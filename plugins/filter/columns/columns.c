/* columns - columns that a principal may not see, or not write, unless a claim says that it may.
 *
 * docs/filters.md shows what can be said with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/filter.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct columns {
  const char *const *hide, *const *read_only;
  const char *const *unless; /* claim and value by turns */
};

static const struct mantis_option options[] = {
    MANTIS_LIST (struct columns, hide, NULL, "columns that may neither be seen nor written"),
    MANTIS_LIST (struct columns, read_only, NULL, "columns that may not be written"),
    MANTIS_MAP (
        struct columns, unless, NULL,
        "claims and their values: for whom all of them hold, these columns are like any other"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  const struct columns *columns = self;

  if (!columns->hide && !columns->read_only)
    return mantis_fail (error, MANTIS_INVALID,
                        "neither \"hide\" nor \"read_only\" is given: name the columns");
  return MANTIS_OK;
}

/* ---- Who ----------------------------------------------------------------------------------------- */

/* Is TEXT one of VALUES, which are separated by '|'? */
static bool
is_one_of (const char *values, const char *text, size_t length)
{
  for (const char *at = values; at; at = strchr (at, '|') ? strchr (at, '|') + 1 : NULL)
    if (strcspn (at, "|") == length && memcmp (at, text, length) == 0)
      return true;
  return false;
}

/* Does CLAIM, or an element of it, have one of VALUES? */
static bool
has_value (const json_t *claim, const char *values)
{
  char number[32];
  json_t *element;
  size_t i;

  if (json_is_array (claim))
    json_array_foreach (claim, i, element)
    {
      if (!json_is_array (element) && has_value (element, values))
        return true;
    }
  if (json_is_string (claim))
    return is_one_of (values, json_string_value (claim), json_string_length (claim));
  if (json_is_boolean (claim))
    return is_one_of (values, json_is_true (claim) ? "true" : "false",
                      json_is_true (claim) ? 4 : 5);
  if (json_is_integer (claim)) {
    snprintf (number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value (claim));
    return is_one_of (values, number, strlen (number));
  }
  return false;
}

/* All of "unless" holds.  A role may stand in "roles" as well. */
static bool
is_exempt (const struct columns *columns, const struct mantis_principal *principal)
{
  json_t *claims;
  bool holds = true;

  if (!columns->unless || !*columns->unless || !principal->claims)
    return false;
  claims = json_loads (principal->claims, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
  for (const char *const *at = columns->unless; *at && holds; at += 2)
    holds = has_value (json_object_get (claims, at[0]), at[1]) ||
            (strcmp (at[0], "role") == 0 && has_value (json_object_get (claims, "roles"), at[1]));
  json_decref (claims);
  return holds;
}

/* ---- What ---------------------------------------------------------------------------------------- */

/* As SQLite compares names, which knows case in ASCII alone. */
static bool
is_named (const char *const *names, const char *name)
{
  for (; names && *names; names++)
    if (strcasecmp (*names, name) == 0)
      return true;
  return false;
}

static enum mantis_status
check_names (const char *option, const char *const *names, const struct mantis_table *table,
             struct mantis_error *error)
{
  for (; names && *names; names++) {
    size_t at = 0;
    while (at < table->column_count && strcasecmp (table->columns[at].name, *names) != 0)
      at++;
    if (at == table->column_count)
      return mantis_fail (error, MANTIS_INVALID,
                          "\"%s\" names \"%s\", which is no column of \"%s\"", option, *names,
                          table->name);
    if (table->columns[at].key_position)
      return mantis_fail (error, MANTIS_INVALID,
                          "\"%s\" names \"%s\", which is part of the primary key of \"%s\": a row "
                          "is known by it; leave it out (filter where can withhold whole rows)",
                          option, *names, table->name);
  }
  return MANTIS_OK;
}

static enum mantis_status
prepare (void *self, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  const struct columns *columns = self;
  enum mantis_status status = check_names ("hide", columns->hide, table, error);

  (void)lender, (void)looks;
  return status ? status : check_names ("read_only", columns->read_only, table, error);
}

/* ---- Reading ------------------------------------------------------------------------------------- */

static bool
column (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        size_t at)
{
  const struct columns *columns = self;

  return !is_named (columns->hide, table->columns[at].name) || is_exempt (columns, principal);
}

static void
view (void *self, const struct mantis_caller *caller, struct mantis_buf *text)
{
  const struct columns *columns = self;

  if (columns->hide)
    mantis_buf_text (text, is_exempt (columns, caller->principal) ? "all" : "some");
}

static bool
reads (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
       mantis_row row)
{
  (void)self, (void)principal, (void)table, (void)row;
  return true;
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static bool
is_number (const char *text, const struct mantis_value *value)
{
  double real = value->type == MANTIS_INTEGER ? (double)value->as.integer : value->as.real;
  char *end;

  if (value->type != MANTIS_INTEGER && value->type != MANTIS_REAL)
    return false;
  if (value->type == MANTIS_INTEGER && strtoll (text, &end, 10) == value->as.integer && !*end)
    return true;
  return strtod (text, &end) == real && end != text && !*end;
}

static bool
is_text (const char *text, const struct mantis_value *value)
{
  size_t length = 0;

  if (value->type != MANTIS_TEXT)
    return false;
  if (*text != '\'')
    return strlen (text) == value->length && memcmp (text, value->as.bytes, value->length) == 0;
  for (text++; *text && (*text != '\'' || text[1] == '\''); text++, length++) {
    text += *text == '\'';
    if (length == value->length || *text != value->as.bytes[length])
      return false;
  }
  return length == value->length && strcmp (text, "'") == 0;
}

/* What a row has in COLUMN whose author left it out: NULL, or the default where that is a number or a text. */
static bool
is_left_out (const struct mantis_column *column, const struct mantis_value *value)
{
  const char *text = column->default_value;

  return value->type == MANTIS_NONE || value->type == MANTIS_NULL ||
         (text && *text && (is_number (text, value) || is_text (text, value)));
}

/* Who names a hidden column is refused before any filter is asked; a hook may fill it in. */
static bool
lets (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct columns *columns = self;

  for (size_t i = 0; after && i < table->column_count; i++) {
    const struct mantis_column *at = &table->columns[i];
    bool touched = before
                       ? after[i].type != MANTIS_NONE && !mantis_value_equal (&before[i], &after[i])
                       : !is_left_out (at, &after[i]);
    if (!touched || !is_named (columns->read_only, at->name))
      continue;
    if (is_exempt (columns, caller->principal))
      return true;
    mantis_fail (reason, MANTIS_DENIED, "you may not write the column \"%s\" of \"%s\"", at->name,
                 table->name);
    return false;
  }
  return true;
}

static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct mantis_caller caller = {.size = sizeof caller, .principal = principal};

  return lets (self, &caller, table, before, after, reason);
}

static const struct mantis_filter ops = {.size = sizeof ops,
                                         .reads = reads,
                                         .writes = writes,
                                         .column = column,
                                         .prepare = prepare,
                                         .view = view,
                                         .lets = lets};

MANTIS_FILTER_PLUGIN (columns, &ops, .summary = "columns that not everybody may see or write",
                      .self_size = sizeof (struct columns), .options = options, .start = start,
                      .threads = MANTIS_PARALLEL);
