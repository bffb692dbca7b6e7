/* link.c - the client's side: libcurl's transfers on the event loop, several at once.
 *
 * curl says which sockets and which moment it waits for, libevent waits for them.  An answer may
 * make the core send, interrupt or hang up from within: the list is read anew after each, and the
 * link lives until the outermost call returns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEPT_CONNECTIONS = 4 };

/* ---- Life ------------------------------------------------------------------------------------ */

static void
link_free (struct mantis_link *link)
{
  if (link->multi)
    curl_multi_cleanup (link->multi);
  if (link->timer)
    event_free (link->timer);
  if (link->failed)
    event_free (link->failed);
  reach_free (link->reach);
  free (link->url);
  free (link->place);
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
    curl_multi_remove_handle (exchange->link->multi, exchange->easy);
  exchange->answered (exchange->context, answer);
  exchange_free (exchange);
}

/* Tell those that wait what curl has finished. */
static void
finish_done (struct mantis_link *link)
{
  CURLMsg *message;
  int left;

  link->busy++;
  while ((message = curl_multi_info_read (link->multi, &left))) {
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

/* ---- curl's events --------------------------------------------------------------------------- */

static void
on_ready (evutil_socket_t fd, short what, void *context)
{
  struct mantis_link *link = context;
  int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
  int running;

  curl_multi_socket_action (link->multi, fd, mask, &running);
  finish_done (link);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct mantis_link *link = context;
  int running;

  (void)fd, (void)what;
  curl_multi_socket_action (link->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  finish_done (link);
}

static int
watch_socket (CURL *easy, curl_socket_t socket, int what, void *context, void *watched)
{
  struct mantis_link *link = context;
  struct event *event = watched;
  short events = EV_PERSIST;

  (void)easy;
  if (event)
    event_free (event);
  curl_multi_assign (link->multi, socket, NULL);
  if (what == CURL_POLL_REMOVE)
    return 0;
  if (what & CURL_POLL_IN)
    events |= EV_READ;
  if (what & CURL_POLL_OUT)
    events |= EV_WRITE;
  if (!(event = event_new (link->base, socket, events, on_ready, link)))
    return -1;
  event_add (event, NULL);
  curl_multi_assign (link->multi, socket, event);
  return 0;
}

static int
watch_clock (CURLM *multi, long milliseconds, void *context)
{
  struct mantis_link *link = context;
  struct timeval after = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

  (void)multi;
  if (milliseconds < 0)
    event_del (link->timer);
  else
    event_add (link->timer, &after);
  return 0;
}

/* ---- Dialling -------------------------------------------------------------------------------- */

static bool
is_loopback (const char *host)
{
  return strcasecmp (host, "localhost") == 0 || strncmp (host, "127.", 4) == 0 ||
         strcmp (host, "[::1]") == 0;
}

/* What the URL says: is it one of ours, who is it, and is that this machine? */
static enum mantis_status
read_url (struct mantis_link *link, const char *text, const char *proxy, struct mantis_error *error)
{
  CURLU *url = curl_url ();
  char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *query = NULL;
  enum mantis_status status = MANTIS_OK;

  if (!url || curl_url_set (url, CURLUPART_URL, text, 0) ||
      curl_url_get (url, CURLUPART_SCHEME, &scheme, 0) ||
      curl_url_get (url, CURLUPART_HOST, &host, 0) ||
      curl_url_get (url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
      (strcmp (scheme, "http") != 0 && strcmp (scheme, "https") != 0))
    status = mantis_fail (error, MANTIS_INVALID,
                          "rest: \"%s\" is not the URL of a server; write for example "
                          "https://sync.example.org",
                          text);
  else if (!curl_url_get (url, CURLUPART_USER, &user, 0) ||
           !curl_url_get (url, CURLUPART_QUERY, &query, 0))
    status = mantis_fail (
        error, MANTIS_INVALID,
        "rest: the URL of %s names a user or a query; the token belongs into a file", host);
  else {
    struct mantis_buf place = MANTIS_BUF_INIT;
    bool here = is_loopback (host);
    mantis_buf_printf (&place, "%s:%s%s%s", host, port, proxy ? " by way of " : "",
                       proxy ? proxy : "");
    link->place = mantis_buf_take (&place, NULL);
    link->compress = strcmp (link->rest->compress, "always") == 0 ||
                     (strcmp (link->rest->compress, "auto") == 0 && !here);
    if (!here && !link->rest->warned && strcmp (scheme, "http") == 0)
      mantis_log (MANTIS_WARNING, "rest: what is sent to %s is not encrypted, the token included",
                  link->place);
  }
  curl_free (scheme), curl_free (host), curl_free (port), curl_free (user), curl_free (query);
  curl_url_cleanup (url);
  return status;
}

static bool
fill_link (struct mantis_link *link, const struct mantis_remote *remote)
{
  link->last = &link->first;
  link->url = strdup (remote->url);
  link->timer = evtimer_new (link->base, on_timer, link);
  link->multi = curl_multi_init ();
  if (!link->url || !link->timer || !link->multi || !link->failed || !link->place)
    return false;
  for (char *end = link->url + strlen (link->url); end > link->url && end[-1] == '/'; end--)
    end[-1] = '\0';
  curl_multi_setopt (link->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_multi_setopt (link->multi, CURLMOPT_SOCKETDATA, link);
  curl_multi_setopt (link->multi, CURLMOPT_TIMERFUNCTION, watch_clock);
  curl_multi_setopt (link->multi, CURLMOPT_TIMERDATA, link);
  curl_multi_setopt (link->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
  return true;
}

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
  made->base = base;
  status = reach_new (remote, "rest", &made->reach, error);
  if (status == MANTIS_OK)
    status = read_url (made, remote->url, remote->proxy, error);
  made->failed = evtimer_new (base, on_failed, made);
  if (status == MANTIS_OK && !fill_link (made, remote))
    status = mantis_fail (error, MANTIS_FAILED, "rest: no memory");
  if (status != MANTIS_OK) {
    link_free (made);
    return status;
  }
  if (!made->rest->warned)
    reach_mind (made->reach, "rest");
  ((struct rest *)self)->warned = true;
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
  exchange->link = link;
  exchange->answered = answered;
  exchange->context = context;
  exchange->serial = link->next_serial++;
  exchange->self = link->last;
  *link->last = exchange;
  link->last = &exchange->next;
  if (exchange_prepare (exchange, request) &&
      curl_multi_add_handle (link->multi, exchange->easy) == CURLM_OK)
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
