/* backlog.c - how much waits in a device's log, and the warning when that is much.
 *
 * What has not been sent is never dropped: the log grows by a small entry a write until the server has been
 * reached, and what bounds it in the end is the disk.  So people hear of it long before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/client_state.h"
#include "wire/json.h"

#include <stdio.h>
#include <time.h>

/* Entries of the log that are not settled, in a transaction. */
static enum mantis_status
count_entries (struct client *client, int64_t *entries, struct mantis_error *error)
{
  int64_t head = 0;
  enum mantis_status status = client->store->ops->log_head (client->store->session, &head, error);

  *entries = head > client->queue.acked ? head - client->queue.acked : 0;
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
void
client_watch (struct client *client)
{
  struct mantis_error error;
  int64_t entries = 0;
  enum mantis_status status = client_begin (client, MANTIS_READ, &error);

  if (status == MANTIS_OK)
    status = count_entries (client, &entries, &error);
  if (client_end (client, status, &error) != MANTIS_OK)
    return; /* busy, or something that the next request will tell of */
  if (!is_large (client, entries))
    client->warned_at = 0;
  else if (entries >= 2 * client->warned_at) {
    client->warned_at = entries;
    warn (client, entries);
  }
}
