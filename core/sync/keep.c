/* keep.c - small tables of plugins: each call is one on the storage, for the tables that were described.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/keep.h"

#include "base/base.h"

#include <string.h>

static const char prefix[] = "__sync_";

enum mantis_status
keep_check (const struct mantis_table *table, struct mantis_error *error)
{
  if (!table->name || strncmp (table->name, prefix, strlen (prefix)) != 0)
    return mantis_fail (error, MANTIS_INVALID, "table \"%s\": its name has to begin with \"%s\"",
                        table->name ? table->name : "", prefix);
  for (int role = MANTIS_CLIENT; role <= MANTIS_SERVER; role++)
    for (const struct mantis_table *const *own = internal_tables (role); *own; own++)
      if (strcmp ((*own)->name, table->name) == 0)
        return mantis_fail (error, MANTIS_INVALID, "table \"%s\" is Mantis's own", table->name);
  if (table->key_count < 1 || table->key_count > 2)
    return mantis_fail (error, MANTIS_INVALID, "table \"%s\": a key has one column or two",
                        table->name);
  return MANTIS_OK;
}

static enum mantis_status
check (const struct mantis_keep *keep, const struct mantis_table *table, struct mantis_error *error)
{
  if (!keep->store->in_transaction)
    return mantis_fail (error, MANTIS_FAILED, "table \"%s\": mantis_keep_begin() comes first",
                        table->name);
  for (const struct mantis_table *const *known = keep->tables; *known; known++)
    if (*known == table)
      return MANTIS_OK;
  return mantis_fail (error, MANTIS_FAILED, "table \"%s\" is not among those of the plugin",
                      table->name);
}

enum mantis_status
mantis_keep_begin (struct mantis_keep *keep, bool write, struct mantis_error *error)
{
  return store_begin (keep->store, write ? MANTIS_WRITE : MANTIS_READ, error);
}

enum mantis_status
mantis_keep_commit (struct mantis_keep *keep, struct mantis_error *error)
{
  enum mantis_status status = keep->committing ? keep->committing (keep->store, error) : MANTIS_OK;

  return status == MANTIS_OK ? store_commit (keep->store, error) : status;
}

void
mantis_keep_rollback (struct mantis_keep *keep)
{
  store_rollback (keep->store);
}

enum mantis_status
mantis_keep_get (struct mantis_keep *keep, const struct mantis_table *table, mantis_row key,
                 struct mantis_arena *arena, mantis_row *row, struct mantis_error *error)
{
  enum mantis_status status = check (keep, table, error);

  *row = NULL;
  return status == MANTIS_OK ? store_get (keep->store, table, key, arena, row, error) : status;
}

enum mantis_status
mantis_keep_scan (struct mantis_keep *keep, const struct mantis_table *table, mantis_row after,
                  size_t limit, struct mantis_arena *arena, const mantis_row **rows, size_t *count,
                  bool *end, struct mantis_error *error)
{
  enum mantis_status status = check (keep, table, error);

  *count = 0;
  *end = true;
  if (status != MANTIS_OK)
    return status;
  return keep->store->ops->scan (keep->store->session, table, after, NULL, limit, SIZE_MAX, arena,
                                 rows, count, end, error);
}

enum mantis_status
mantis_keep_put (struct mantis_keep *keep, const struct mantis_table *table, mantis_row row,
                 struct mantis_error *error)
{
  enum mantis_status status = check (keep, table, error);

  return status == MANTIS_OK ? store_put (keep->store, table, row, error) : status;
}

enum mantis_status
mantis_keep_delete (struct mantis_keep *keep, const struct mantis_table *table, mantis_row key,
                    struct mantis_error *error)
{
  enum mantis_status status = check (keep, table, error);

  return status == MANTIS_OK ? store_delete (keep->store, table, key, error) : status;
}
