/* stuck.c - rows that do not move, for the status: by table and reason, with one key to look at.
 *
 * Held: the server has them, and this database refuses them.  Waiting: they were sent, and the server did not
 * take them.  A row that merely waits for its turn is not among them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/client_state.h"
#include "wire/json.h"

#include <string.h>

enum { MOST_GROUPS = 20 }; /* told apart; a person mends the first ones first */

struct group {
  const char *table, *what, *reason, *key;
  size_t rows;
};

struct groups {
  struct mantis_arena *arena;
  struct group all[MOST_GROUPS];
  size_t count;
};

static enum mantis_status
count_row (struct groups *groups, const char *what, const char *table, const char *reason,
           const char *key, struct mantis_error *error)
{
  struct group *group;

  for (size_t i = 0; i < groups->count; i++) {
    group = &groups->all[i];
    if (group->what == what && strcmp (group->table, table) == 0 &&
        strcmp (group->reason, reason) == 0) {
      group->rows++;
      return MANTIS_OK;
    }
  }
  if (groups->count == MOST_GROUPS)
    return MANTIS_OK;
  group = &groups->all[groups->count++];
  *group = (struct group){.table = mantis_arena_strdup (groups->arena, table),
                          .what = what,
                          .reason = mantis_arena_strdup (groups->arena, reason),
                          .key = mantis_arena_strdup (groups->arena, key),
                          .rows = 1};
  if (!group->table || !group->reason || !group->key)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return MANTIS_OK;
}

static enum mantis_status
count_held (struct client *client, struct groups *groups, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (client->store, &table_held);
  enum mantis_status status = MANTIS_OK;
  mantis_row row;

  while (status == MANTIS_OK && client->queue.held.count &&
         (status = walk_next (&walk, &row, error)) == MANTIS_OK && row)
    if (strcmp (value_as_text (&row[HELD_REASON]), HELD_EDITED) != 0)
      status = count_row (groups, "held", value_as_text (&row[HELD_TBL]),
                          value_as_text (&row[HELD_REASON]), value_as_text (&row[HELD_KEY]), error);
  return status;
}

static enum mantis_status
count_unsent (struct client *client, struct groups *groups, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (client->store, &table_pending);
  enum mantis_status status = MANTIS_OK;
  mantis_row row;

  while (status == MANTIS_OK && client->queue.pending.count &&
         (status = walk_next (&walk, &row, error)) == MANTIS_OK && row)
    if (value_as_integer (&row[PENDING_TRIES]) > 0)
      status = count_row (groups, "waiting", value_as_text (&row[PENDING_TBL]),
                          value_as_text (&row[PENDING_REASON]), value_as_text (&row[PENDING_KEY]),
                          error);
  return status;
}

enum mantis_status
stuck_add (struct client *client, struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct groups groups = {.arena = arena};
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  if (status == MANTIS_OK)
    status = count_held (client, &groups, error);
  if (status == MANTIS_OK)
    status = count_unsent (client, &groups, error);
  mantis_buf_text (buf, ",\"stuck\":[");
  for (size_t i = 0; i < groups.count && status == MANTIS_OK; i++) {
    const struct group *group = &groups.all[i];
    mantis_buf_printf (buf, "%s{\"rows\":%zu", i ? "," : "", group->rows);
    json_add_text (buf, "what", group->what);
    json_add_text (buf, "table", group->table);
    mantis_buf_printf (buf, ",\"key\":%s", group->key);
    json_add_text (buf, "reason", group->reason);
    mantis_buf_char (buf, '}');
  }
  mantis_buf_char (buf, ']');
  return status;
}
