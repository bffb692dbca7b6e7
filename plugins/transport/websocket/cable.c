/* cable.c - the one connection of a client: made by libcurl, led through its states, and its end.
 *
 * Who waits is told in one place, cable_settle(), or by cable_leave(); never from within a call of
 * the core.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LEAVE_MS = 1000,     /* for the server to close, after our close frame */
  SHORT_MS = 10000,    /* a connection that is cut so soon ... */
  SHORT_LIVES = 3,     /* ... so often in a row: something on the way does not bear it */
  SLOWEST = 4096,      /* bytes a second for which a message is given time beyond the timeout */
  ROOM_IN = 64 * 1024, /* waits to be looked at: no more is read */
  MOST_AT_ONCE = 16 * CHUNK /* bytes that are read before others have their turn */
};

static int64_t
now_ms (void)
{
  return mantis_monotonic () / 1000;
}

/* ---- What those hear who wait ---------------------------------------------------------------- */

static struct mantis_answer failed (struct cable *cable, bool unfit, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

static struct mantis_answer
failed (struct cable *cable, bool unfit, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (cable->failure, sizeof cable->failure, format, arguments);
  va_end (arguments);
  return (struct mantis_answer){
      .size = sizeof (struct mantis_answer), .error = cable->failure, .unfit = unfit};
}

/* In cable->failure, as a server would say it. */
static struct mantis_answer
problem (struct cable *cable, int status, const char *detail)
{
  snprintf (cable->failure, sizeof cable->failure,
            "{\"type\":\"about:blank\",\"title\":\"WebSocket closed\",\"status\":%d,"
            "\"detail\":\"%s\"%s}",
            status, detail, status == 403 ? ",\"code\":\"disabled\"" : "");
  return (struct mantis_answer){.size = sizeof (struct mantis_answer),
                                .status = status,
                                .type = "application/problem+json",
                                .body = cable->failure,
                                .length = strlen (cable->failure),
                                .retry_after = status == 503};
}

/* ---- End of a connection --------------------------------------------------------------------- */

static void
close_connection (struct cable *cable)
{
  if (cable->state >= CABLE_HAILING) {
    event_del (&cable->readable);
    event_del (&cable->writable);
  }
  if (cable->state >= CABLE_UP)
    frames_free (&cable->frames);
  while (cable->letters)
    letter_free (cable->letters);
  hail_free (cable->hail);
  if (cable->easy) {
    curl_multi_remove_handle (cable->multi.handle, cable->easy);
    curl_easy_cleanup (cable->easy);
  }
  evbuffer_drain (cable->in, evbuffer_get_length (cable->in));
  evbuffer_drain (cable->out, evbuffer_get_length (cable->out));
  free (cable->node);
  free (cable->token);

  cable->hail = NULL;
  cable->easy = NULL;
  cable->node = cable->token = NULL;
  cable->chunk_at = cable->chunk_length = 0;
  cable->coming = cable->proved = cable->refused = cable->eof = cable->cut = false;
  cable->clogged = false;
  cable->closed = 0;
  cable->state = CABLE_DOWN;
}

/* Who sent something since the connection left, or has not got his message on it yet, keeps waiting
 * for the next one. */
void
cable_drop (struct cable *cable, const struct mantis_answer *answer)
{
  bool given = cable->state >= CABLE_UP;
  struct hail *hail = cable->hail; /* ANSWER may borrow from it */

  cable->hail = NULL;
  close_connection (cable);
  asks_end (cable, given, answer);
  hail_free (hail);
}

void
cable_leave (struct cable *cable, uint16_t code, const char *why,
             const struct mantis_answer *answer)
{
  if (cable->state != CABLE_UP)
    return;
  mantis_log (MANTIS_DEBUG, "websocket: leaving %s: %d %s", reach_place (cable->reach), code, why);
  frames_close (&cable->frames, code, why);
  cable->coming = false;
  cable->state = CABLE_LEAVING;
  cable->deadline = now_ms () + LEAVE_MS;
  asks_end (cable, true, answer);
}

void
cable_blame (struct cable *cable, uint16_t code, const char *what)
{
  struct mantis_answer answer = failed (cable, true, "%s does not speak WebSocket as it should: %s",
                                        reach_place (cable->reach), what);

  cable_leave (cable, code, what, &answer);
}

/* ---- Bytes out ------------------------------------------------------------------------------- */

/* False: the connection is lost. */
static bool
flush (struct cable *cable)
{
  for (;;) {
    size_t sent = 0;
    CURLcode result;
    if (cable->chunk_at == cable->chunk_length) {
      int got = evbuffer_remove (cable->out, cable->chunk, sizeof cable->chunk);
      cable->chunk_at = 0;
      cable->chunk_length = got > 0 ? (size_t)got : 0;
      if (got <= 0)
        return true;
    }
    result = curl_easy_send (cable->easy, cable->chunk + cable->chunk_at,
                             cable->chunk_length - cable->chunk_at, &sent);
    if (result == CURLE_AGAIN)
      return event_add (&cable->writable, NULL) == 0;
    if (result != CURLE_OK)
      return false;
    cable->chunk_at += sent;
  }
}

/* Send what waits, as far as there is room. */
static void
pump (struct cable *cable)
{
  bool framed = cable->state >= CABLE_UP;

  if (cable->state < CABLE_HAILING)
    return;
  do {
    if (framed)
      letters_send (cable);
    cable->eof |= !flush (cable) || (framed && cable->frames.failed);
  } while (!cable->eof && cable->chunk_at == cable->chunk_length && cable->letters && framed &&
           !cable->frames.closing);
}

/* ---- Bytes in -------------------------------------------------------------------------------- */

static void
begin_frames (struct cable *cable, struct deflate deflate)
{
  int64_t now = now_ms ();

  hail_free (cable->hail);
  cable->hail = NULL;
  hear_begin (cable, deflate);
  cable->state = CABLE_UP;
  cable->up_at = now;
  cable->next_ping = now + cable->websocket->ping_interval;
  cable->deadline = now + cable->websocket->connect_timeout;
  frames_ping (&cable->frames); /* its answer proves that frames get through */
  mantis_log (MANTIS_DEBUG, "websocket: connected with %s%s", reach_place (cable->reach),
              deflate.out ? ", compressed" : "");
}

static void
take_bytes (struct cable *cable, const char *bytes, size_t length)
{
  struct deflate deflate = {.in = false};
  size_t used = 0;

  if (cable->state == CABLE_HAILING) {
    struct mantis_answer answer = {.size = sizeof answer};
    enum hail_verdict verdict = hail_feed (cable, bytes, length, &used, &deflate, &answer);
    if (verdict == HAIL_REFUSED)
      cable_drop (cable, &answer);
    else if (verdict == HAIL_WELCOME)
      begin_frames (cable, deflate);
  }
  if (cable->state == CABLE_UP) {
    evbuffer_add (cable->in, bytes + used, length - used);
    hear (cable);
  }
}

static bool
has_room (const struct cable *cable)
{
  return evbuffer_get_length (cable->in) < ROOM_IN;
}

static void
on_readable (evutil_socket_t fd, short what, void *context)
{
  struct cable *cable = context;
  size_t total = 0;

  (void)fd, (void)what;
  cable->busy++;
  while (cable->state >= CABLE_HAILING && !cable->eof && has_room (cable) && total < MOST_AT_ONCE) {
    char bytes[CHUNK];
    size_t got = 0;
    CURLcode result = curl_easy_recv (cable->easy, bytes, sizeof bytes, &got);
    if (result == CURLE_AGAIN)
      break;
    cable->eof = result != CURLE_OK || got == 0;
    if (got)
      take_bytes (cable, bytes, got);
    total += got;
  }
  if (total >= MOST_AT_ONCE && cable->state >= CABLE_HAILING)
    event_active (&cable->readable, EV_READ, 1); /* TLS may hold bytes of which no socket tells */
  cable->clogged = cable->state == CABLE_UP && !has_room (cable);
  if (cable->clogged)
    event_del (&cable->readable);
  cable->busy--;
  cable_settle (cable);
}

static void
on_writable (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  cable_settle (context);
}

/* Look at what had to wait while too much waited to be sent. */
static void
unclog (struct cable *cable)
{
  while (cable->state == CABLE_UP && !cable->eof && !cable->frames.ended &&
         evbuffer_get_length (cable->in) && !frames_are_full (&cable->frames)) {
    hear (cable);
    pump (cable);
  }
  if (!cable->clogged || cable->state != CABLE_UP || !has_room (cable))
    return;
  cable->clogged = false;
  event_add (&cable->readable, NULL);
  event_active (&cable->readable, EV_READ, 1);
}

/* ---- Making it ------------------------------------------------------------------------------- */

/* Did a proxy refuse what a request of HTTP does not need? */
static bool
tunnel_refused (const struct cable *cable)
{
  long code = 0;

  curl_easy_getinfo (cable->easy, CURLINFO_HTTP_CONNECTCODE, &code);
  return code != 0 && code / 100 != 2 && !reach_is_secure (cable->reach);
}

static void
connect_failed (struct cable *cable, CURLcode result)
{
  struct mantis_answer answer;
  char text[sizeof cable->failure];

  if (!reach_explain (cable->reach, cable->easy, result, cable->detail, text, sizeof text))
    snprintf (text, sizeof text, "no connection with %s within %" PRId64 " ms",
              reach_place (cable->reach), cable->websocket->connect_timeout);
  answer = failed (cable, tunnel_refused (cable), "%s", text);
  cable_drop (cable, &answer);
}

/* Its credentials are the newest, too. */
static const struct ask *
newest_ask (const struct cable *cable)
{
  const struct ask *ask = cable->first;

  while (ask->next)
    ask = ask->next;
  return ask;
}

static void
connected (struct cable *cable)
{
  curl_socket_t fd = CURL_SOCKET_BAD;
  struct mantis_answer answer;

  curl_easy_getinfo (cable->easy, CURLINFO_ACTIVESOCKET, &fd);
  if (fd == CURL_SOCKET_BAD || !hail_begin (cable, newest_ask (cable))) {
    if (fd == CURL_SOCKET_BAD)
      snprintf (cable->failure, sizeof cable->failure, "libcurl gives no socket");
    answer = (struct mantis_answer){.size = sizeof answer, .error = cable->failure};
    cable_drop (cable, &answer);
    return;
  }
  event_assign (&cable->readable, cable->base, fd, EV_READ | EV_PERSIST, on_readable, cable);
  event_assign (&cable->writable, cable->base, fd, EV_WRITE, on_writable, cable);
  event_add (&cable->readable, NULL);
  cable->state = CABLE_HAILING;
  cable->deadline = now_ms () + cable->websocket->connect_timeout;
}

static void
on_moved (void *context)
{
  struct cable *cable = context;
  CURLMsg *message;
  int left;

  cable->busy++;
  while ((message = curl_multi_info_read (cable->multi.handle, &left)))
    if (message->msg == CURLMSG_DONE && cable->state == CABLE_DIALLING) {
      if (!cable->first) /* nobody waits any more */
        close_connection (cable);
      else if (message->data.result == CURLE_OK)
        connected (cable);
      else
        connect_failed (cable, message->data.result);
    }
  cable->busy--;
  cable_settle (cable);
}

/* The bare connection: through proxies in a tunnel, as what follows is no HTTP that they know. */
static bool
set_options (struct cable *cable)
{
  CURL *easy = cable->easy;

  curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, cable->detail);
  curl_easy_setopt (easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt (easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, (long)cable->websocket->connect_timeout);
  curl_easy_setopt (easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt (easy, CURLOPT_USERAGENT, "mantis");
  reach_apply (cable->reach, easy);
  return curl_easy_setopt (easy, CURLOPT_URL, reach_url (cable->reach)) == CURLE_OK;
}

static void
dial (struct cable *cable)
{
  if (!cable->websocket->warned)
    reach_mind (cable->reach, "websocket");
  cable->websocket->warned = true;
  cable->detail[0] = '\0';
  cable->state = CABLE_DIALLING;
  if (!(cable->easy = curl_easy_init ()) || !set_options (cable) ||
      curl_multi_add_handle (cable->multi.handle, cable->easy) != CURLM_OK) {
    struct mantis_answer answer = failed (cable, false, "no memory for a connection");
    cable_drop (cable, &answer);
  }
}

/* ---- What became of it ----------------------------------------------------------------------- */

/* The largest of those that the server was sent. */
static struct ask *
largest_ask (const struct cable *cable)
{
  struct ask *largest = NULL;

  for (struct ask *ask = cable->first; ask; ask = ask->next)
    if (ask->given && (!largest || ask->length > largest->length))
      largest = ask;
  return largest;
}

/* The connection ends for its credentials.  Who came with newer ones goes with the next one. */
static void
spare_renewed (struct cable *cable)
{
  for (struct ask *ask = cable->first; ask; ask = ask->next)
    if (ask->token && (!cable->token || strcmp (ask->token, cable->token) != 0))
      ask->given = false;
}

/* The server said why. */
static void
end_closed (struct cable *cable)
{
  const char *place = reach_place (cable->reach);
  int code = cable->closed;
  struct mantis_answer answer;

  mantis_log (MANTIS_DEBUG, "websocket: %s closes: %d %s", place, code, cable->reason);
  if (code == CLOSE_UNAUTHORIZED) {
    spare_renewed (cable);
    answer = problem (cable, 401, "the credentials have expired");
  } else if (code == CLOSE_FORBIDDEN)
    answer = problem (cable, 403, "this node is disabled by the server");
  else if (code == CLOSE_TRY_AGAIN)
    answer = problem (cable, 503, "too much at once");
  else {
    if (code == WSLAY_CODE_MESSAGE_TOO_BIG && largest_ask (cable)) {
      answer = problem (cable, 413, "the message is too large");
      ask_end (largest_ask (cable), &answer);
    }
    answer =
        failed (cable,
                code == WSLAY_CODE_PROTOCOL_ERROR || code == WSLAY_CODE_UNSUPPORTED_DATA ||
                    code == WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA,
                "%s %s (%d%s%s)", place,
                code == WSLAY_CODE_GOING_AWAY || code == CLOSE_RESTART ? "stops"
                                                                       : "has closed the WebSocket",
                code, *cable->reason ? " " : "", cable->reason);
  }
  cable_drop (cable, &answer);
}

/* It did not. */
static void
end_cut (struct cable *cable)
{
  bool soon = now_ms () - cable->up_at < SHORT_MS, proved = cable->proved;
  struct mantis_answer answer;

  cable->short_lives = soon ? cable->short_lives + 1 : 0;
  answer = failed (cable, !proved || cable->short_lives >= SHORT_LIVES,
                   proved ? "the connection with %s was cut"
                          : "the connection with %s was cut as soon as it was a WebSocket",
                   reach_place (cable->reach));
  cable_drop (cable, &answer);
}

static void
end_hail (struct cable *cable)
{
  struct mantis_answer answer = {.size = sizeof answer};
  struct deflate deflate;
  size_t used;

  hail_feed (cable, NULL, 0, &used, &deflate, &answer);
  cable_drop (cable, &answer);
}

/* Is it over? */
static void
mind_end (struct cable *cable)
{
  struct mantis_answer none = {.size = sizeof none, .error = "the connection was given up"};

  if (cable->state == CABLE_UP && cable->closed)
    end_closed (cable);
  else if (cable->state == CABLE_UP && cable->cut)
    cable_drop (cable, &none);
  else if (cable->state == CABLE_UP && cable->eof)
    end_cut (cable);
  else if (cable->state == CABLE_HAILING && cable->eof)
    end_hail (cable);
  else if (cable->state == CABLE_LEAVING && cable->eof)
    cable_drop (cable, &none);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void
end_late (struct cable *cable, int64_t now)
{
  struct ask *ask = cable->first;

  while (ask) {
    struct mantis_answer answer;
    if (ask->deadline > now) {
      ask = ask->next;
      continue;
    }
    answer = failed (cable, false, "no answer from %s within %" PRId64 " ms",
                     reach_place (cable->reach), ask->timeout);
    ask_end (ask, &answer);
    ask = cable->first;
  }
}

static int64_t
message_deadline (const struct cable *cable)
{
  return cable->began + cable->websocket->message_timeout +
         (int64_t)(cable->frames.received / SLOWEST) * 1000;
}

static void
ping (struct cable *cable, int64_t now)
{
  struct mantis_answer answer;

  cable->next_ping = now + cable->websocket->ping_interval;
  if (!cable->frames.heard) {
    answer = failed (cable, false, "%s is silent: a ping was not answered within %" PRId64 " ms",
                     reach_place (cable->reach), cable->websocket->ping_interval);
    cable_drop (cable, &answer);
    return;
  }
  cable->frames.heard = false;
  frames_ping (&cable->frames);
}

static void
mind_up (struct cable *cable, int64_t now)
{
  const char *place = reach_place (cable->reach);
  struct mantis_answer answer;

  if (!cable->proved && cable->deadline <= now) {
    answer = failed (cable, true, "nothing comes through the WebSocket with %s", place);
    cable_drop (cable, &answer);
  } else if (cable->coming && message_deadline (cable) <= now) {
    answer = failed (cable, false, "an answer of %s comes too slowly", place);
    cable_leave (cable, WSLAY_CODE_POLICY_VIOLATION, "the message came too slowly", &answer);
  } else if (cable->next_ping <= now)
    ping (cable, now);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct cable *cable = context;
  int64_t now = now_ms ();
  struct mantis_answer answer;

  (void)fd, (void)what;
  cable->busy++;
  end_late (cable, now);
  if (cable->state == CABLE_UP)
    mind_up (cable, now);
  else if (cable->state == CABLE_HAILING && cable->deadline <= now) {
    answer = failed (cable, true, "%s does not answer the handshake of WebSocket",
                     reach_place (cable->reach));
    cable_drop (cable, &answer);
  } else if (cable->state == CABLE_LEAVING && cable->deadline <= now)
    cable->eof = true;
  cable->busy--;
  cable_settle (cable);
}

static int64_t
soonest (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

static void
set_timer (struct cable *cable)
{
  int64_t at = INT64_MAX, after;
  struct timeval wait;

  for (const struct ask *ask = cable->first; ask; ask = ask->next)
    at = soonest (at, ask->deadline);
  if (cable->state == CABLE_HAILING || cable->state == CABLE_LEAVING ||
      (cable->state == CABLE_UP && !cable->proved))
    at = soonest (at, cable->deadline);
  if (cable->state == CABLE_UP)
    at = soonest (at, cable->next_ping);
  if (cable->coming)
    at = soonest (at, message_deadline (cable));
  if (at == INT64_MAX) {
    event_del (&cable->timer);
    return;
  }
  after = at - now_ms ();
  after = after < 0 ? 0 : after + 1;
  wait = (struct timeval){.tv_sec = after / 1000, .tv_usec = after % 1000 * 1000};
  event_add (&cable->timer, &wait);
}

void
cable_wake (struct cable *cable)
{
  event_active (&cable->timer, EV_TIMEOUT, 1);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void
post_all (struct cable *cable)
{
  for (struct ask *ask = cable->first; ask; ask = ask->next)
    if (!ask->given && !letter_post (cable, ask)) {
      struct mantis_answer answer = failed (cable, false, "no memory for a request");
      ask_end (ask, &answer);
      return; /* the list may be another now; the rest comes with the next event */
    }
}

/* Has the newest message other credentials than the connection?  Who it is, is said in the handshake alone. */
static bool
is_renewed (const struct cable *cable)
{
  const struct ask *newest = cable->first ? newest_ask (cable) : NULL;

  return newest && !newest->given && newest->token &&
         (!cable->token || strcmp (newest->token, cable->token) != 0);
}

/* Go, and say with the next connection all that waits on this one: the same message twice is once. */
static void
renew (struct cable *cable)
{
  struct mantis_answer none = {.size = sizeof none, .error = "the connection was given up"};

  for (struct ask *ask = cable->first; ask; ask = ask->next)
    ask->given &= ask->heard;
  cable_leave (cable, WSLAY_CODE_NORMAL_CLOSURE, "other credentials", &none);
}

void
cable_settle (struct cable *cable)
{
  if (cable->busy)
    return;
  cable->busy++;
  if (cable->state == CABLE_UP && cable->refused) {
    struct mantis_answer answer;
    spare_renewed (cable);
    answer = problem (cable, 401, "the credentials have expired");
    cable_leave (cable, WSLAY_CODE_NORMAL_CLOSURE, "other credentials", &answer);
  }
  if (cable->state == CABLE_UP && is_renewed (cable))
    renew (cable);
  if (cable->state == CABLE_UP)
    post_all (cable);
  pump (cable);
  unclog (cable);
  mind_end (cable);
  if (cable->state == CABLE_DOWN && cable->first && cable->links)
    dial (cable);
  set_timer (cable);
  cable->busy--;
  if (!cable->links)
    cable_free (cable);
}

bool
cable_begin (struct cable *cable)
{
  cable->next_id = 1;
  cable->last_letter = &cable->letters;
  evtimer_assign (&cable->timer, cable->base, on_timer, cable);
  cable->in = evbuffer_new ();
  cable->out = evbuffer_new ();
  return multi_begin (&cable->multi, cable->base, on_moved, cable) && cable->in && cable->out;
}

void
cable_free (struct cable *cable)
{
  if (cable->state == CABLE_UP) {
    frames_close (&cable->frames, WSLAY_CODE_NORMAL_CLOSURE, "");
    pump (cable);
  }
  if (cable->in && cable->out)
    close_connection (cable);
  event_del (&cable->timer);
  multi_end (&cable->multi);
  if (cable->in)
    evbuffer_free (cable->in);
  if (cable->out)
    evbuffer_free (cable->out);
  reach_free (cable->reach);
  *cable->self = cable->next;
  if (cable->next)
    cable->next->self = cable->self;
  free (cable);
}
