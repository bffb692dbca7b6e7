/* stores.c - a session with the database for each worker, opened when it is first needed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mantis_status
stores_init (struct stores *stores, size_t count, struct mantis_error *error)
{
  if (!(stores->list = calloc (count, sizeof *stores->list)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left for %zu database sessions", count);
  stores->opened = false;
  stores->count = count;
  return MANTIS_OK;
}

void
stores_free (struct stores *stores)
{
  for (size_t i = 0; i < stores->count; i++) {
    stores_turn (stores, i);
    store_close (&stores->list[i].store);
    filtering_free (stores->list[i].filtering);
  }
  free (stores->list);
  stores->list = NULL;
  stores->count = 0;
}

/* Somebody who moves a database away is about to put another one there: an empty one made by us in
 * between would be in the way, and on a client it would be a node without a past. */
static enum mantis_status
still_there (const struct stores *stores, struct mantis_error *error)
{
  const char *place = stores->ops->place ? stores->ops->place (stores->self) : NULL;

  if ((stores->round == 0 && !stores->opened) || !place || place[0] != '/' || access (place, F_OK) == 0)
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_LOST, "%s is gone: put it back, or stop mantisd first (%s)",
                      place, strerror (errno));
}

enum mantis_status
stores_get (struct stores *stores, size_t number, struct store **store, bool *fresh,
            struct mantis_error *error)
{
  struct store *own = &stores->list[number].store;
  long long round = stores->round;
  enum mantis_status status = MANTIS_OK;

  if (fresh)
    *fresh = false;
  stores_turn (stores, number);
  if (own->session && stores->list[number].round != round)
    store_close (own);
  if (!own->session) {
    if ((status = still_there (stores, error)) == MANTIS_OK)
      status = store_open_filtered (own, stores->ops, stores->self, stores->role, stores->patterns,
                                    stores->kept,
                                    filtering_filters (stores->list[number].filtering), error);
    if (status == MANTIS_OK)
      stores->opened = true;
    stores->list[number].round = round;
    own->hooks = stores->hooks;
    own->reports = number == 0 ? stores->reports : NULL;
    if (fresh)
      *fresh = status == MANTIS_OK;
  }
  *store = status == MANTIS_OK ? own : NULL;
  return status;
}

void
stores_renew (struct stores *stores)
{
  stores->round++;
}

void
stores_refilter (struct stores *stores, size_t number, struct filtering *filtering)
{
  filtering_free (atomic_exchange (&stores->list[number].coming, filtering)); /* nobody had them */
}

void
stores_turn (struct stores *stores, size_t number)
{
  struct filtering *coming = atomic_exchange (&stores->list[number].coming, NULL);

  if (!coming)
    return;
  store_close (&stores->list[number].store);
  filtering_free (stores->list[number].filtering);
  stores->list[number].filtering = coming;
}

struct filters *
stores_filters (struct stores *stores, size_t number)
{
  stores_turn (stores, number);
  return filtering_filters (stores->list[number].filtering);
}
