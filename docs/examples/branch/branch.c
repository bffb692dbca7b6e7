/* branch - to each office its own rows and those of the offices above it.
 *
 * An example of a filter that is kept outside Mantis's tree: docs/write-a-filter.md explains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/filter.h>

#include <string.h>

struct branch {
  const char *column;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct branch, column, "branch", "the column with the office that a row belongs to"),
  { .name = NULL },
};

/* The column's place; column_count: the table has none of this name. */
static size_t
find_column (const struct branch *branch, const struct mantis_table *table)
{
  size_t at = 0;

  while (at < table->column_count && strcmp (table->columns[at].name, branch->column) != 0)
    at++;
  return at;
}

/* Is ROW of the office with the LENGTH bytes of PATH, or, with ABOVE, of one above it?  "emea/de" is above "emea/de/ulm",
 * and "emea/d" is not. */
static bool
belongs (const struct branch *branch, const struct mantis_table *table, mantis_row row,
         const char *path, size_t length, bool above)
{
  size_t at = find_column (branch, table);
  const struct mantis_value *value = at < table->column_count ? &row[at] : NULL;

  if (!value || value->type != MANTIS_TEXT || value->length == 0 || value->length > length ||
      memcmp (value->as.bytes, path, value->length) != 0)
    return false;
  return value->length == length || (above && path[value->length] == '/');
}

/* "emea/de/ulm/till-3" is a device of the office "emea/de/ulm". */
static size_t
office_length (const char *subject)
{
  const char *last = strrchr (subject, '/');

  return last ? (size_t) (last - subject) : 0;
}

static enum mantis_status
prepare (void *self, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  const struct branch *branch = self;
  size_t at = find_column (branch, table);

  (void) lender;
  if (at == table->column_count)
    return mantis_fail (error, MANTIS_INVALID, "table \"%s\" has no column \"%s\": name it in \"column\"",
                        table->name, branch->column);
  looks[at] = true;
  return MANTIS_OK;
}

static void
view (void *self, const struct mantis_caller *caller, struct mantis_buf *view)
{
  const char *subject = caller->principal->subject;

  (void) self;
  mantis_buf_add (view, subject, office_length (subject));
}

static bool
sees (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  const char *subject = caller->principal->subject;

  return belongs (self, table, row, subject, office_length (subject), true);
}

static bool
lets (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct branch *branch = self;
  const char *subject = caller->principal->subject;
  size_t length = office_length (subject);

  if ((!before || belongs (branch, table, before, subject, length, false)) &&
      (!after || belongs (branch, table, after, subject, length, false)))
    return true;
  mantis_fail (reason, MANTIS_DENIED, "\"%s\" is not your office", branch->column);
  return false;
}

/* The first version of the header asked these; they have to be there. */
static bool
reads (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
       mantis_row row)
{
  const struct mantis_caller caller = { .size = sizeof caller, .principal = principal };

  return sees (self, &caller, table, row);
}

static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct mantis_caller caller = { .size = sizeof caller, .principal = principal };

  return lets (self, &caller, table, before, after, reason);
}

static const struct mantis_filter ops = { .size = sizeof ops,
                                          .reads = reads,
                                          .writes = writes,
                                          .prepare = prepare,
                                          .view = view,
                                          .sees = sees,
                                          .lets = lets };

MANTIS_FILTER_PLUGIN (branch, &ops, .summary = "to each office its own rows and those above it",
                      .version = "1.0", .self_size = sizeof (struct branch), .options = options,
                      .threads = MANTIS_PARALLEL);
