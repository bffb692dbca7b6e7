/* unmet.c - rows from before the first contact, for the status: whether they have to be sent is not known
 * until they are compared with the server's, so they are not among those that wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/client_state.h"
#include "wire/key.h"

#include <string.h>

enum { MOST_ROWS = 1000, MOST_BYTES = 8 * 1024 * 1024 }; /* what a look at the status may read */

enum mantis_status
unmet_count (struct client *client, const struct table_state *state, struct unmet *unmet,
             struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct store *store = client->store;
  mantis_row after = NULL;
  const mantis_row *rows;
  size_t count = 0;
  bool end = true;
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  *unmet = (struct unmet){.rows = 0};
  if (state->phase != PHASE_FIRST)
    return MANTIS_OK;
  if (status == MANTIS_OK && state->loaded)
    status = key_parse (state->loaded, state->table, arena, &after, error);
  if (status == MANTIS_OK)
    status = store->ops->scan (store->session, state->table, after, NULL, MOST_ROWS, MOST_BYTES,
                               arena, &rows, &count, &end, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    unmet->rows += !queue_written (&client->queue, key_hash (state->table, rows[i]));
  unmet->more = !end;
  return status;
}
