/* link.c - the client's side: messages that wait for their answer, on a connection that the links of
 * one server share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Messages -------------------------------------------------------------------------------- */

static void
ask_free (struct ask *ask)
{
  free (ask->token);
  free (ask->node);
  free (ask->argument);
  free (ask);
}

void
ask_end (struct ask *ask, const struct mantis_answer *answer)
{
  struct cable *cable = ask->link->cable;

  *ask->self = ask->next;
  if (ask->next)
    ask->next->self = ask->self;
  else
    cable->last = ask->self;
  letter_recall (cable, ask);
  cable->busy++;
  ask->answered (ask->context, answer);
  cable->busy--;
  ask_free (ask);
}

/* The first one before LIMIT, of LINK or of any. */
static struct ask *
first_ask (const struct cable *cable, const struct mantis_link *link, bool given, uint64_t limit)
{
  struct ask *ask = cable->first;

  while (ask && ((link && ask->link != link) || (given && !ask->given)))
    ask = ask->next;
  return ask && ask->id < limit ? ask : NULL;
}

/* What their owners send in reply stays: the list is read anew after each. */
static void
end_all (struct cable *cable, const struct mantis_link *link, bool given,
         const struct mantis_answer *answer)
{
  uint64_t limit = cable->next_id;
  struct ask *ask;

  while ((ask = first_ask (cable, link, given, limit)))
    ask_end (ask, answer);
}

void
asks_end (struct cable *cable, bool given, const struct mantis_answer *answer)
{
  end_all (cable, NULL, given, answer);
}

struct ask *
ask_of (const struct cable *cable, uint64_t id)
{
  struct ask *ask = cable->first;

  while (ask && ask->id != id)
    ask = ask->next;
  return ask && ask->given ? ask : NULL;
}

/* ---- Dialling -------------------------------------------------------------------------------- */

static struct cable *
cable_new (struct websocket *websocket, struct event_base *base, struct reach *reach)
{
  struct cable *cable = calloc (1, sizeof *cable);

  if (!cable)
    return NULL;
  cable->websocket = websocket;
  cable->base = base;
  cable->last = &cable->first;
  cable->reach = reach;
  cable->next = websocket->cables;
  cable->self = &websocket->cables;
  if (cable->next)
    cable->next->self = &cable->next;
  websocket->cables = cable;
  if (cable_begin (cable))
    return cable;
  cable->reach = NULL; /* still the caller's */
  cable_free (cable);
  return NULL;
}

/* The one that there is to the same server in the same way, or a new one.  Takes REACH. */
static struct cable *
find_cable (struct websocket *websocket, struct event_base *base, struct reach *reach)
{
  struct cable *cable = websocket->cables;

  while (cable && (cable->base != base || !reach_is_same (cable->reach, reach)))
    cable = cable->next;
  if (!cable && (cable = cable_new (websocket, base, reach)))
    return cable;
  reach_free (reach);
  return cable;
}

enum mantis_status
link_dial (void *self, struct event_base *base, const struct mantis_remote *remote,
           struct mantis_link **link, struct mantis_error *error)
{
  struct mantis_link *made = calloc (1, sizeof *made);
  struct reach *reach = NULL;
  enum mantis_status status;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "websocket: no memory");
  status = reach_new (remote, "websocket", &reach, error);
  if (status == MANTIS_OK && !(made->cable = find_cable (self, base, reach)))
    status = mantis_fail (error, MANTIS_FAILED, "websocket: no memory");
  if (status != MANTIS_OK) {
    free (made);
    return status;
  }
  made->cable->links++;
  *link = made;
  return MANTIS_OK;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool
copy (char **to, const char *from)
{
  return !from || (*to = strdup (from));
}

static struct ask *
ask_new (struct mantis_link *link, const struct mantis_request *request)
{
  struct ask *ask = calloc (1, sizeof *ask);

  if (!ask)
    return NULL;
  if (!copy (&ask->token, request->token) || !copy (&ask->node, request->node) ||
      !copy (&ask->argument, request->argument)) {
    ask_free (ask);
    return NULL;
  }
  ask->link = link;
  ask->id = link->cable->next_id++;
  ask->timeout = request->timeout;
  ask->deadline = mantis_monotonic () / 1000 + request->timeout;
  snprintf (ask->type, sizeof ask->type, "%s", request->message);
  ask->body = request->body;
  ask->length = request->length;
  return ask;
}

void
link_send (struct mantis_link *link, const struct mantis_request *request, mantis_answered answered,
           void *context)
{
  struct cable *cable = link->cable;
  struct ask *ask = ask_new (link, request);

  if (!ask) {
    answered (context, &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                               .error = "no memory for a request"});
    return;
  }
  ask->answered = answered;
  ask->context = context;
  ask->self = cable->last;
  *cable->last = ask;
  cable->last = &ask->next;
  cable_wake (cable);
}

void
link_interrupt (struct mantis_link *link)
{
  struct cable *cable = link->cable;

  end_all (cable, link, false,
           &(struct mantis_answer){.size = sizeof (struct mantis_answer), .error = "given up"});
  cable_wake (cable);
}

void
link_hang_up (struct mantis_link *link)
{
  struct cable *cable = link->cable;

  link_interrupt (link);
  cable->links--;
  free (link);
  cable_settle (cable);
}
