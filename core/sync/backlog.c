/* backlog.c - how much waits in a device's log: the warning when that is much, and making it less.
 *
 * No change that has not been sent is ever dropped.  While nothing can be sent, the log grows by a small entry
 * a write; then entries that tell nothing new leave it, so that what bounds it is the number of rows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/client_state.h"
#include "sync/prune.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  MOST_SPARE = 100000, /* entries that are found at once to leave the log */
  AT_ONCE = 2000       /* that leave it in one transaction */
};

/* Entries of the log that are not settled, in a transaction. */
static enum mantis_status
count_entries (struct client *client, int64_t *entries, struct mantis_error *error)
{
  int64_t head = 0;
  enum mantis_status status = client->store->ops->log_head (client->store->session, &head, error);

  *entries = head - client->queue.acked - client->queue.gaps;
  if (*entries < 0)
    *entries = 0;
  return status;
}

static bool
is_large (const struct client *client, int64_t entries)
{
  return client->settings.warn_entries > 0 && entries >= client->settings.warn_entries;
}

enum mantis_status
backlog_add (struct client *client, struct mantis_buf *buf, struct mantis_error *error)
{
  int64_t entries = 0;
  enum mantis_status status = count_entries (client, &entries, error);

  mantis_buf_printf (buf, ",\"entries\":%lld", (long long)entries);
  if (is_large (client, entries))
    json_add_text (buf, "warning", "the log of what waits to be sent has become large");
  return status;
}

static void
warn (const struct client *client, int64_t entries)
{
  time_t last = (time_t)(client->phases.last_push / 1000);
  char when[40] = "never";
  struct tm utc;

  if (last && gmtime_r (&last, &utc))
    strftime (when, sizeof when, "at %Y-%m-%dT%H:%M:%SZ", &utc);
  mantis_log (
      MANTIS_WARNING,
      "%lld entries wait in __sync_log to be sent; something was last sent %s. The log grows "
      "with each write until %s is reached, and a write that finds the disk full fails",
      (long long)entries, when, client->settings.remote_name);
}

/* Told once, and again whenever it has doubled. */
static void
tell (struct client *client, int64_t entries)
{
  if (!is_large (client, entries))
    client->warned_at = 0;
  else if (entries >= 2 * client->warned_at) {
    client->warned_at = entries;
    warn (client, entries);
  }
}

/* ---- Folding ---------------------------------------------------------------------------------
 *
 * A row that is written to a thousand times is sent once, as it is then; of its entries the first tells the
 * base, the newest the time.  What lies between leaves the log while it waits, so that it holds at most three
 * entries a row.  Those of a batch under way stay: they are known by their numbers.
 */

void
backlog_forget (struct client *client)
{
  free (client->spare);
  client->spare = NULL;
  client->spare_count = client->spare_done = 0;
}

/* Nothing can be sent just now, and the log has doubled since the last time?  A hello under way is no such time: all
 * is sent at once behind it. */
static bool
wants_folding (const struct client *client, bool sends, int64_t entries)
{
  const struct client_settings *settings = &client->settings;

  return settings->fold_entries > 0 && client->store->ops->log_spare &&
         client->store->ops->log_drop && entries >= settings->fold_entries &&
         entries >= 2 * client->folded &&
         (!sends || client->failures > 0);
}

/* In a read transaction. */
static enum mantis_status
find_spare (struct client *client, int64_t entries, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const struct queue *queue = &client->queue;
  int64_t after =
      client->flight.number && client->flight.q > queue->acked ? client->flight.q : queue->acked;
  enum mantis_status status = MANTIS_OK;
  int64_t *seqs = NULL;
  size_t count = 0;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = client->store->ops->log_spare (client->store->session, after, queue->read_to, MOST_SPARE,
                                          arena, &seqs, &count, error);
  if (status != MANTIS_OK)
    return status;
  client->folded = entries - (int64_t)count;
  if (count && !(client->spare = malloc (count * sizeof *seqs)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (count)
    memcpy (client->spare, seqs, count * sizeof *seqs);
  client->spare_count = count;
  return MANTIS_OK;
}

/* Some of them, as many as an application hardly notices. */
static enum mantis_status
drop_some (struct client *client, struct mantis_error *error)
{
  size_t count = client->spare_count - client->spare_done;
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);

  count = count < AT_ONCE ? count : AT_ONCE;
  if (status == MANTIS_OK && !client->spare)
    return client_end (client, status, error); /* it was read again just now */
  if (status == MANTIS_OK)
    status = client->store->ops->log_drop (client->store->session,
                                           client->spare + client->spare_done, count, error);
  if ((status = client_end (client, status, error)) != MANTIS_OK)
    return status;
  client->queue.gaps += (int64_t)count;
  client->spare_done += count;
  if (client->spare_done == client->spare_count)
    backlog_forget (client);
  return status;
}

/* Old conflicts go, now and then; if that cannot be now, then the next time. */
static void
prune_some (struct client *client)
{
  const int64_t now = mantis_monotonic () / 1000, retention = client->settings.retention;
  struct mantis_error error;
  bool more = false;

  if (!retention || now < client->prune_at)
    return;
  prune_conflicts (client->store, retention, &client->pruned, &more, &error);
  client->prune_at = now + (more ? 0 : prune_interval (retention));
}

bool
client_watch (struct client *client, bool sends)
{
  struct mantis_error error;
  int64_t entries = 0;
  enum mantis_status status = client_begin (client, MANTIS_READ, &error);

  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, &error);
  if (status == MANTIS_OK)
    status = count_entries (client, &entries, &error);
  if (status == MANTIS_OK && !client->spare && wants_folding (client, sends, entries))
    status = find_spare (client, entries, &error);
  if (client_end (client, status, &error) != MANTIS_OK)
    return false; /* busy, or something that the next request will tell of */
  tell (client, entries);
  prune_some (client);
  if (entries < client->settings.fold_entries)
    client->folded = 0;
  if (client->spare && drop_some (client, &error) != MANTIS_OK)
    backlog_forget (client);
  return client->spare != NULL;
}
