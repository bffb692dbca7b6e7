/* A filter built against the first headers: rows belong to whom their second column names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/filter.h>

#include <string.h>

struct old_filter {
  int64_t column;
};

static const struct mantis_option options[] = {
    MANTIS_INTEGER_OPTION (struct old_filter, column, "1", 0, 100, "which column names the owner"),
    {.name = NULL},
};

static bool
reads (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
       mantis_row row)
{
  const struct old_filter *old = self;
  const struct mantis_value *owner = &row[old->column];

  return (size_t)old->column < table->column_count && owner->type == MANTIS_TEXT &&
         owner->length == strlen (principal->subject) &&
         memcmp (owner->as.bytes, principal->subject, owner->length) == 0;
}

static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  if ((!before || reads (self, principal, table, before)) &&
      (!after || reads (self, principal, table, after)))
    return true;
  mantis_fail (reason, MANTIS_DENIED, "a row of somebody else in table \"%s\"", table->name);
  return false;
}

static const struct mantis_filter ops = {.size = sizeof ops, .reads = reads, .writes = writes};

MANTIS_FILTER_PLUGIN (old_filter, &ops, .summary = "as of the first headers",
                      .self_size = sizeof (struct old_filter), .options = options);
