/* pace.c - transactions are sized by how long they keep the application out.
 *
 * On a client a part is to take 50 ms at most; a changeset that is kept whole up to 200 ms (guarantee 16).
 * A server's transactions may take longer: small ones in random key order write the same pages again and
 * again, and who waits there is another batch, not a person.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/client_state.h"

enum {
  PART_BUDGET = 50,
  WHOLE_BUDGET = 200,
  SERVER_FACTOR = 5,
  FEWEST_ROWS = 50,
  ENOUGH_TO_JUDGE = 50,
  /* SQLite's busy handler looks every 25 ms for most of a timeout of 250 ms: it has to find the lock free. */
  LONG_ENOUGH = 10,
  REST = 30,
  ACTIVE = 3000 /* who has written within so many milliseconds will write again */
};

void
pace_reset (struct client *client)
{
  const struct client_settings *settings = &client->settings;

  client->pull = client->push =
      (struct pace){.part = settings->batch_rows, .whole = settings->whole_rows};
}

/* ROWS took too long or left time to spare: what fits BUDGET, but no more than MOST. */
static size_t
fitted (size_t now, size_t rows, int64_t took, int64_t budget, size_t most)
{
  size_t fits;

  if (took <= budget)
    return took < budget / 2 && now < most ? (now + now / 4 + 1 < most ? now + now / 4 + 1 : most)
                                           : now;
  fits = rows * (size_t)budget / (size_t)took;
  if (fits < FEWEST_ROWS)
    fits = FEWEST_ROWS < most ? FEWEST_ROWS : most;
  return fits < now ? fits : now;
}

void
pace_learn (struct client *client, struct pace *pace, size_t rows, int64_t took)
{
  int64_t factor = pace == &client->push ? SERVER_FACTOR : 1;

  if (rows < ENOUGH_TO_JUDGE)
    return;
  pace->part = fitted (pace->part, rows, took, factor * PART_BUDGET, client->settings.batch_rows);
  pace->whole =
      fitted (pace->whole, rows, took, factor * WHOLE_BUDGET, client->settings.whole_rows);
  if (pace->whole < pace->part)
    pace->whole = pace->part;
}

void
pace_rest (struct client *client, int64_t took)
{
  int64_t now = mantis_monotonic () / 1000;

  if (client->log_end && client->queue.read_to != client->log_end)
    client->written_at = now;
  client->log_end = client->queue.read_to;
  if (took >= LONG_ENOUGH && client->written_at && now - client->written_at < ACTIVE)
    client->rest_until = now + REST;
}
