/* way.c - the ways to the server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/way.h"

#include "base/base.h"

#include <stdio.h>

/* Until a transport that did not get through is tried again: longer after each time. */
enum { FIRST_PAUSE = 60 * 1000, LONGEST_PAUSE = 60 * 60 * 1000 };

static int64_t
now_ms (void)
{
  return mantis_monotonic () / 1000;
}

enum mantis_status
ways_open (struct ways *ways, struct instance *const *dial, struct event_base *base,
           const struct mantis_remote *remote, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (; *dial && ways->count < MOST_WAYS; dial++) {
    struct way *way = &ways->list[ways->count++];
    way->ops = (*dial)->ops;
    way->name = (*dial)->name;
    if (!way->ops->dial)
      return mantis_fail (error, MANTIS_INVALID, "transport \"%s\" cannot call a server",
                          way->name);
    for (int i = 0; i < CLIENT_SLOTS && status == MANTIS_OK; i++)
      status = way->ops->dial ((*dial)->self, base, remote, &way->links[i], error);
    if (status != MANTIS_OK)
      return status;
  }
  return status;
}

void
ways_close (struct ways *ways)
{
  for (size_t i = 0; i < ways->count; i++)
    for (int k = 0; k < CLIENT_SLOTS; k++)
      if (ways->list[i].links[k])
        ways->list[i].ops->hang_up (ways->list[i].links[k]);
  ways->count = 0;
}

void
ways_send (struct ways *ways, int slot, const struct mantis_request *request,
           mantis_answered answered, void *context)
{
  const struct way *way;

  if (ways->at && now_ms () >= ways->again_at)
    ways->at = 0;
  ways->taken[slot] = ways->at;
  way = &ways->list[ways->at];
  way->ops->send (way->links[slot], request, answered, context);
}

void
ways_interrupt (struct ways *ways, int slot)
{
  const struct way *way = &ways->list[ways->taken[slot]];

  way->ops->interrupt (way->links[slot]);
}

static void
set_aside (struct ways *ways, const char *why)
{
  int64_t pause = ways->pause ? ways->pause : FIRST_PAUSE;

  snprintf (ways->why, sizeof ways->why, "%s", why);
  mantis_log (MANTIS_WARNING, "%s: going on over %s; %s is tried again in %lld s", ways->why,
              ways->list[1].name, ways->list[0].name, (long long)pause / 1000);
  ways->at = 1;
  ways->again_at = now_ms () + pause;
  ways->pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
}

bool
ways_turn (struct ways *ways, int slot, const struct mantis_answer *answer)
{
  bool unfit = answer->size > offsetof (struct mantis_answer, unfit) && answer->unfit;

  if (ways->taken[slot] != 0 || ways->count < 2)
    return false;
  if (unfit) {
    if (ways->at == 0)
      set_aside (ways, answer->error ? answer->error : "it does not get through");
    return true;
  }
  if (answer->status && *ways->why) {
    mantis_log (MANTIS_INFO, "over %s again", ways->list[0].name);
    ways->why[0] = '\0';
    ways->pause = 0;
  }
  return false;
}

void
ways_retry (struct ways *ways)
{
  ways->again_at = 0;
  ways->pause = 0;
}

const char *
ways_name (const struct ways *ways)
{
  return ways->list[ways->at].name;
}
