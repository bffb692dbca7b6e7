/* link.c - the client's side: libcurl's transfers on the event loop, several at once.
 *
 * An answer may make the core send, interrupt or hang up from within: the list is read anew after
 * each, and the link lives until the outermost call returns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Life ------------------------------------------------------------------------------------ */

static void
link_free (struct mantis_link *link)
{
  multi_end (&link->multi);
  if (link->failed)
    event_free (link->failed);
  reach_free (link->reach);
  free (link);
}

static void
leave (struct mantis_link *link)
{
  if (--link->busy == 0 && link->dead)
    link_free (link);
}

/* ---- Exchanges ------------------------------------------------------------------------------- */

static void
finish (struct exchange *exchange, const struct mantis_answer *answer)
{
  *exchange->self = exchange->next;
  if (exchange->next)
    exchange->next->self = exchange->self;
  else
    exchange->link->last = exchange->self;
  if (exchange->easy)
    curl_multi_remove_handle (exchange->link->multi.handle, exchange->easy);
  exchange->answered (exchange->context, answer);
  exchange_free (exchange);
}

/* Tell those that wait what curl has finished. */
static void
finish_done (void *context)
{
  struct mantis_link *link = context;
  CURLMsg *message;
  int left;

  link->busy++;
  while ((message = curl_multi_info_read (link->multi.handle, &left))) {
    struct mantis_answer answer = {.size = sizeof answer};
    struct exchange *exchange;
    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo (message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
    exchange_result (exchange, message->data.result, &answer);
    finish (exchange, &answer);
  }
  leave (link);
}

/* ---- Dialling -------------------------------------------------------------------------------- */

/* Those that could not begin are told so from the loop, not from within send(). */
static void
on_failed (evutil_socket_t fd, short what, void *context)
{
  struct mantis_link *link = context;
  struct exchange *exchange;

  (void)fd, (void)what;
  link->busy++;
  do {
    for (exchange = link->first; exchange && exchange->easy; exchange = exchange->next)
      ;
    if (exchange)
      finish (exchange, &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                                .error = exchange->failure});
  } while (exchange);
  leave (link);
}

enum mantis_status
link_dial (void *self, struct event_base *base, const struct mantis_remote *remote,
           struct mantis_link **link, struct mantis_error *error)
{
  struct mantis_link *made = calloc (1, sizeof *made);
  enum mantis_status status;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "rest: no memory");
  made->rest = self;
  made->last = &made->first;
  made->failed = evtimer_new (base, on_failed, made);
  status = reach_new (remote, "rest", &made->reach, error);
  if (status == MANTIS_OK &&
      (!made->failed || !multi_begin (&made->multi, base, finish_done, made)))
    status = mantis_fail (error, MANTIS_FAILED, "rest: no memory");
  if (status != MANTIS_OK) {
    link_free (made);
    return status;
  }
  made->compress = strcmp (made->rest->compress, "always") == 0 ||
                   (strcmp (made->rest->compress, "auto") == 0 && !reach_is_here (made->reach));
  *link = made;
  return MANTIS_OK;
}

/* ---- Sending --------------------------------------------------------------------------------- */

void
link_send (struct mantis_link *link, const struct mantis_request *request, mantis_answered answered,
           void *context)
{
  struct exchange *exchange = calloc (1, sizeof *exchange);

  if (!exchange) {
    answered (context, &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                               .error = "no memory for a request"});
    return;
  }
  if (!link->rest->warned)
    reach_mind (link->reach, "rest");
  link->rest->warned = true;
  exchange->link = link;
  exchange->answered = answered;
  exchange->context = context;
  exchange->serial = link->next_serial++;
  exchange->self = link->last;
  *link->last = exchange;
  link->last = &exchange->next;
  if (exchange_prepare (exchange, request) &&
      curl_multi_add_handle (link->multi.handle, exchange->easy) == CURLM_OK)
    return;
  if (exchange->easy)
    curl_easy_cleanup (exchange->easy);
  exchange->easy = NULL;
  event_active (link->failed, EV_TIMEOUT, 1);
}

/* Those that are under way now; what their owners send in reply stays. */
void
link_interrupt (struct mantis_link *link)
{
  uint64_t limit = link->next_serial;

  link->busy++;
  while (link->first && link->first->serial < limit)
    finish (link->first,
            &(struct mantis_answer){.size = sizeof (struct mantis_answer), .error = "given up"});
  leave (link);
}

void
link_hang_up (struct mantis_link *link)
{
  link->busy++;
  link_interrupt (link);
  link->dead = true;
  leave (link);
}
