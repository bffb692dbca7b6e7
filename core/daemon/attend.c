/* attend.c - connections that stay: one whose node, user or key is taken back is told to end.
 *
 * Names are compared at once, on the loop.  Credentials take a worker: one connection at a time, so that
 * thousands of them leave the queue to those who have something to say.  A worker gets copies, as the
 * connection may go meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/attend.h"

#include "base/base.h"
#include "base/map.h"
#include "daemon/service.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROOM_MS = 10,    /* until a full queue is asked again */
  LATER_MS = 1000, /* until credentials that cannot be checked now are checked again */
  MOST_BYTES = 1024 * 1024
};

struct attendant {
  struct mantis_attendance of;
  struct attendant *next, **self;
  uint64_t ticket;
  char *subject; /* NULL: its credentials have not been looked at yet */
  bool over;     /* it was told to end */
};

struct attending {
  const struct service_settings *set;
  struct map tickets; /* -> attendant */
  uint64_t last_ticket;
  struct attendant *settled, *doubted,
      **doubted_end; /* doubted: to be checked, the first one next */
  struct event timer;

  /* The check that is under way: */
  struct task task;
  bool checking, stale; /* stale: what it finds out was overtaken by attending_recheck() */
  uint64_t checked;     /* ticket */
  struct mantis_arena *arena;
  struct mantis_request request;
  struct mantis_principal principal;
  enum mantis_status status;
  struct mantis_error error;
};

static void check_next (struct attending *attending);

/* ---- Lists ------------------------------------------------------------------------------------
 */

static void
settle (struct attendant *attendant, struct attending *attending)
{
  attendant->self = &attending->settled;
  attendant->next = attending->settled;
  if (attendant->next)
    attendant->next->self = &attendant->next;
  attending->settled = attendant;
}

static void
doubt (struct attendant *attendant, struct attending *attending)
{
  attendant->self = attending->doubted_end;
  attendant->next = NULL;
  *attending->doubted_end = attendant;
  attending->doubted_end = &attendant->next;
}

static void
leave (struct attendant *attendant, struct attending *attending)
{
  if (attending->doubted_end == &attendant->next)
    attending->doubted_end = attendant->self;
  *attendant->self = attendant->next;
  if (attendant->next)
    attendant->next->self = attendant->self;
}

static struct attendant *
find (struct attending *attending, uint64_t ticket)
{
  int64_t *found = map_at (&attending->tickets, ticket, false);

  return found ? (struct attendant *)(intptr_t)*found : NULL;
}

/* ---- Ends -------------------------------------------------------------------------------------
 */

/* ATTENDANT, who is settled, may be gone afterwards. */
static void
end (struct attendant *attendant, enum mantis_status status, const char *why)
{
  mantis_log (MANTIS_INFO, "the connection of %s from %s ends: %s",
              attendant->subject ? attendant->subject : "somebody",
              attendant->of.credentials->peer ? attendant->of.credentials->peer : "unknown", why);
  attendant->over = true;
  attendant->of.ended (attendant->of.context, status == MANTIS_REFUSED ? 403 : 401, why);
}

static bool
is_barred (const struct attending *attending, const struct attendant *attendant,
           struct mantis_error *error)
{
  const struct mantis_request request = {.node = attendant->of.node};
  const struct mantis_principal principal = {.subject = attendant->subject};

  return admit_again (attending->set, &request, &principal, error) != MANTIS_OK;
}

/* ---- Credentials ------------------------------------------------------------------------------
 */

static void
check_work (struct task *task, size_t worker)
{
  struct attending *attending =
      (struct attending *)((char *)task - offsetof (struct attending, task));

  struct store *store = NULL;

  attending->status = MANTIS_OK;
  if (attending->set->keeping)
    attending->status =
        stores_get (attending->set->stores, worker, &store, NULL, &attending->error);
  if (attending->status == MANTIS_OK)
    attending->status = admit (attending->set, &attending->request, store, attending->arena,
                               &attending->principal, &attending->error);
}

/* What was found out about ATTENDANT, whose list it has left. */
static void
take_verdict (struct attending *attending, struct attendant *attendant)
{
  enum mantis_status status = attending->status;

  if (status == MANTIS_OK && !attendant->subject &&
      !(attendant->subject = strdup (attending->principal.subject)))
    status = MANTIS_FAILED;
  if (status == MANTIS_OK || status == MANTIS_DENIED || status == MANTIS_REFUSED)
    settle (attendant, attending);
  else {
    doubt (attendant, attending);
    loop_timer (&attending->timer, LATER_MS);
  }
  if (status == MANTIS_DENIED || status == MANTIS_REFUSED)
    end (attendant, status, attending->error.text);
}

static void
check_done (struct call *call)
{
  struct attending *attending =
      (struct attending *)((char *)call - offsetof (struct attending, task));
  struct attendant *attendant = find (attending, attending->checked);

  attending->checking = false;
  if (attendant && !attendant->over) {
    leave (attendant, attending);
    if (attending->stale)
      doubt (attendant, attending);
    else
      take_verdict (attending, attendant);
  }
  mantis_arena_free (attending->arena);
  attending->arena = NULL;
  if (!event_pending (&attending->timer, EV_TIMEOUT, NULL))
    check_next (attending);
}

/* False: no memory. */
static bool
copy_request (struct attending *attending, const struct mantis_attendance *of)
{
  struct mantis_arena *arena = mantis_arena_new (MOST_BYTES);
  const struct mantis_credentials *from = of->credentials;

  if (!(attending->arena = arena))
    return false;
  attending->request =
      (struct mantis_request){.size = sizeof attending->request,
                              .message = "connect",
                              .body = "",
                              .node = mantis_arena_strdup (arena, of->node),
                              .credentials = {.size = sizeof attending->request.credentials,
                                              .bearer = mantis_arena_strdup (arena, from->bearer),
                                              .cookie = mantis_arena_strdup (arena, from->cookie),
                                              .peer = mantis_arena_strdup (arena, from->peer),
                                              .certificate_subject = mantis_arena_strdup (
                                                  arena, from->certificate_subject)}};
  return !mantis_arena_exhausted (arena);
}

static void
check_next (struct attending *attending)
{
  struct attendant *attendant = attending->doubted;

  if (attending->checking || !attendant)
    return;
  attending->checked = attendant->ticket;
  attending->stale = false;
  attending->checking = copy_request (attending, &attendant->of) &&
                        pool_submit (attending->set->pool, &attending->task);
  if (attending->checking)
    return;
  mantis_arena_free (attending->arena);
  attending->arena = NULL;
  loop_timer (&attending->timer, ROOM_MS);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  check_next (context);
}

/* ---- From outside -----------------------------------------------------------------------------
 */

uint64_t
attending_add (struct attending *attending, const struct mantis_attendance *attendance)
{
  struct attendant *attendant = calloc (1, sizeof *attendant);
  uint64_t ticket = ++attending->last_ticket;
  int64_t *place = attendant ? map_at (&attending->tickets, ticket, true) : NULL;

  if (!place) {
    free (attendant);
    return 0;
  }
  *place = (int64_t)(intptr_t)attendant;
  attendant->of = *attendance;
  attendant->ticket = ticket;
  doubt (attendant, attending);
  check_next (attending);
  return ticket;
}

void
attending_remove (struct attending *attending, uint64_t ticket)
{
  struct attendant *attendant = find (attending, ticket);

  if (!attendant)
    return;
  map_remove (&attending->tickets, ticket);
  leave (attendant, attending);
  free (attendant->subject);
  free (attendant);
}

/* Those of FIRST and behind it who are turned away leave; the others are doubted. */
static void
sort_out (struct attending *attending, struct attendant *first)
{
  struct attendant *next;
  struct mantis_error error;

  for (struct attendant *attendant = first; attendant; attendant = next) {
    bool barred = !attendant->over && is_barred (attending, attendant, &error);
    next = attendant->next;
    if (barred || attendant->over)
      settle (attendant, attending);
    else
      doubt (attendant, attending);
    if (barred)
      end (attendant, MANTIS_REFUSED, error.text);
  }
}

void
attending_recheck (struct attending *attending)
{
  struct attendant *settled = attending->settled, *doubted = attending->doubted;

  attending->settled = attending->doubted = NULL;
  attending->doubted_end = &attending->doubted;
  attending->stale = true;
  sort_out (attending, doubted);
  sort_out (attending, settled);
  check_next (attending);
}

bool
same_token (const struct mantis_credentials *credentials, const struct mantis_credentials *others)
{
  const char *a = credentials->bearer ? credentials->bearer : credentials->cookie;
  const char *b = others->bearer ? others->bearer : others->cookie;

  return a && b && strcmp (a, b) == 0;
}

void
attending_doubt (struct attending *attending, const struct mantis_credentials *credentials)
{
  struct attendant *next;

  for (struct attendant *attendant = attending->settled; attendant; attendant = next) {
    next = attendant->next;
    if (attendant->over || !same_token (attendant->of.credentials, credentials))
      continue;
    leave (attendant, attending);
    doubt (attendant, attending);
  }
  attending->stale = true;
  check_next (attending);
}

struct attending *
attending_new (const struct service_settings *settings, struct event_base *base)
{
  struct attending *attending = calloc (1, sizeof *attending);

  if (!attending)
    return NULL;
  attending->set = settings;
  attending->doubted_end = &attending->doubted;
  attending->task = (struct task){.work = check_work, .done.run = check_done};
  evtimer_assign (&attending->timer, base, on_timer, attending);
  return attending;
}

void
attending_free (struct attending *attending)
{
  event_del (&attending->timer);
  map_free (&attending->tickets);
  free (attending);
}
