/* holders.c - jobs that are for one device each, or for all: the server's filter shows a device no others.
 *
 * A job's holder changes as any other value does, on whatever node; so jobs come to devices and leave them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"
#include "sync/filter.h"

#include <stdlib.h>
#include <string.h>

enum { HOLDER = 2 /* column of the table */ };

static bool
is_for (int64_t holder, int device)
{
  return holder == 0 || holder == device;
}

static bool
sees (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  const struct mantis_value *holder = &row[HOLDER];

  (void)self, (void)table;
  return holder->type == MANTIS_INTEGER &&
         is_for (holder->as.integer, atoi (caller->principal->subject + strlen ("device")));
}

static bool
reads_not (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
           mantis_row row)
{
  (void)self, (void)principal, (void)table, (void)row;
  return false;
}

/* Whoever sees a job may give it to anybody. */
static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  (void)self, (void)principal, (void)table, (void)before, (void)after, (void)reason;
  return true;
}

static enum mantis_status
prepare (void *self, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  (void)self, (void)table, (void)lender, (void)error;
  looks[HOLDER] = true;
  return MANTIS_OK;
}

static struct filter_chain
chain_of (void *context, const char *table)
{
  static const struct mantis_filter ops = {
      .size = sizeof ops, .reads = reads_not, .writes = writes, .prepare = prepare, .sees = sees};
  static struct instance own = {.ops = &ops, .name = "holders", .parallel = true},
                         *instances[] = {&own};

  (void)context;
  return (struct filter_chain){.instances = instances, .count = strcmp (table, "job") == 0};
}

struct filters *
holders_filters (void)
{
  return has (WITH_HOLDERS) ? filters_new (chain_of, NULL) : NULL;
}

/* Is ROW of TABLE for NODE?  Its text is "v|id|holder|x". */
bool
holders_show (const struct node *node, int table, const struct row *row)
{
  const char *at = row->all;

  if (strcmp (world->tables[table]->name, "job") != 0)
    return true;
  for (int i = 0; i < HOLDER && at; i++)
    at = strchr (at, '|') ? strchr (at, '|') + 1 : NULL;
  return at && *at != '-' && is_for (atoll (at), node->index);
}

static void
judge_block (const json_t *block, int device)
{
  const json_t *columns = json_object_get (block, "columns"), *row;
  const char *table = json_string_value (json_object_get (block, "table"));
  size_t i, at;

  if (!table || strcmp (table, "job") != 0)
    return;
  for (at = 0; at < json_array_size (columns); at++)
    if (strcmp (json_string_value (json_array_get (columns, at)), "holder") == 0)
      break;
  json_array_foreach (json_object_get (block, "rows"), i, row)
  {
    const json_t *holder = json_array_get (row, at);
    if (!json_is_integer (holder) || !is_for (json_integer_value (holder), device))
      fail ("client %d is told of a job that is not for it", device);
  }
}

static void
judge_blocks (const json_t *blocks, int device)
{
  const json_t *block;
  size_t i;

  json_array_foreach (blocks, i, block) judge_block (block, device);
}

void
holders_judge (const char *answer, int device)
{
  json_t *json = has (WITH_HOLDERS) ? json_loads (answer, JSON_ALLOW_NUL, NULL) : NULL;
  const json_t *item;
  size_t i;

  judge_blocks (json_object_get (json, "changes"), device);
  judge_blocks (json_object_get (json, "keys"), device);
  judge_blocks (json_object_get (json_object_get (json, "load"), "changes"), device);
  json_array_foreach (json_object_get (json, "exceptions"), i, item)
  {
    const json_t *holder = json_object_get (json_object_get (item, "row"), "holder");
    if (holder && (!json_is_integer (holder) || !is_for (json_integer_value (holder), device)))
      fail ("client %d is answered with a job that is not for it", device);
  }
  json_decref (json);
}
