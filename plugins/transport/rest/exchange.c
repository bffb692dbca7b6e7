/* exchange.c - one request of a client: from message to curl's options, and what came of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Address --------------------------------------------------------------------------------- */

/* A message may have a route to read (GET) and one to write (POST): a body tells which is meant. */
static const struct mantis_route *
route_for (const struct mantis_request *request)
{
  const struct mantis_route *found = NULL;

  for (const struct mantis_route *route = rest_routes; route->method; route++)
    if (strcmp (route->message, request->message) == 0 &&
        (!found || (request->length && strcmp (route->method, "POST") == 0)))
      found = route;
  return found;
}

static bool
fits_an_address (const char *argument, bool in_path)
{
  static const char unreserved[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~";

  if (in_path)
    return *argument && argument[strspn (argument, unreserved)] == '\0';
  return is_visible (argument) && !strpbrk (argument, " #");
}

static bool
add_address (struct mantis_buf *url, const struct exchange *exchange,
             const struct mantis_route *route, const char *argument)
{
  size_t fixed = strcspn (route->path, "{");
  bool in_path = route->path[fixed] == '{';

  mantis_buf_text (url, reach_url (exchange->link->reach));
  mantis_buf_add (url, route->path, fixed);
  if (!argument || !*argument)
    return !in_path;
  if (!fits_an_address (argument, in_path))
    return false;
  if (!in_path)
    mantis_buf_char (url, '?');
  mantis_buf_text (url, argument);
  return true;
}

/* ---- Header and body ------------------------------------------------------------------------- */

/* What goes into a header field must not end it. */
static bool
add_header (struct exchange *exchange, const char *name, const char *value)
{
  struct mantis_buf line = MANTIS_BUF_INIT;
  struct curl_slist *longer = NULL;

  if (!value)
    return true;
  if (*value && !is_visible (value)) {
    snprintf (exchange->failure, sizeof exchange->failure,
              "%s holds characters that a header cannot carry", name);
    return false;
  }
  mantis_buf_printf (&line, *value ? "%s: %s" : "%s;", name, value);
  if (!line.failed && (longer = curl_slist_append (exchange->headers, line.bytes)))
    exchange->headers = longer;
  mantis_buf_free (&line);
  return longer != NULL;
}

static bool
add_headers (struct exchange *exchange, const struct mantis_request *request)
{
  struct mantis_buf bearer = MANTIS_BUF_INIT;
  bool done = true;

  if (request->token) {
    mantis_buf_printf (&bearer, "Bearer %s", request->token);
    done = !bearer.failed && add_header (exchange, "Authorization", bearer.bytes);
    mantis_buf_free (&bearer);
  }
  return done && add_header (exchange, "Mantis-Node", request->node) &&
         add_header (exchange, "Mantis-Epoch", request->epoch) &&
         add_header (exchange, "Mantis-Revision", request->revisions)
         /* An answer is understood either way; on one machine it is not worth the work. */
         && (exchange->link->compress || add_header (exchange, "Accept-Encoding", "identity"));
}

/* The body as it is, or smaller.  It is sent without waiting for "100 Continue". */
static bool
add_body (struct exchange *exchange, const struct mantis_request *request)
{
  const char *body = request->body;
  size_t length = request->length;

  if (exchange->link->compress && length >= COMPRESS_FROM) {
    if (!(exchange->small = evbuffer_new ()) || !gzip_into (exchange->small, body, length) ||
        !add_header (exchange, "Content-Encoding", "gzip"))
      return false;
    length = evbuffer_get_length (exchange->small);
    body = (const char *)evbuffer_pullup (exchange->small, -1);
  }
  curl_easy_setopt (exchange->easy, CURLOPT_POST, 1L);
  curl_easy_setopt (exchange->easy, CURLOPT_POSTFIELDS, length ? body : "");
  curl_easy_setopt (exchange->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
  return body && add_header (exchange, "Content-Type", "application/json") &&
         curl_slist_append (exchange->headers, "Expect:");
}

static size_t
on_bytes (char *bytes, size_t size, size_t count, void *context)
{
  struct exchange *exchange = context;

  mantis_buf_add (&exchange->answer, bytes, size * count);
  return exchange->answer.failed ? 0 : size * count;
}

/* A head, of which there may be several, ends with an empty line: curl is content with one that breaks off before. */
static size_t
on_header (char *line, size_t size, size_t count, void *context)
{
  struct exchange *exchange = context;

  if (size * count > 5 && memcmp (line, "HTTP/", 5) == 0)
    exchange->has_head = false;
  else if (size * count <= 2 && (*line == '\r' || *line == '\n'))
    exchange->has_head = true;
  return size * count;
}

/* ---- Options --------------------------------------------------------------------------------- */

static void
set_options (struct exchange *exchange)
{
  const struct mantis_link *link = exchange->link;
  CURL *easy = exchange->easy;

  curl_easy_setopt (easy, CURLOPT_PRIVATE, exchange);
  curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, exchange->detail);
  curl_easy_setopt (easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (easy, CURLOPT_HEADERDATA, exchange);
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, exchange);
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (easy, CURLOPT_FOLLOWLOCATION, 0L); /* the token is for this server alone */
  curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt (easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, (long)link->rest->connect_timeout);
  curl_easy_setopt (easy, CURLOPT_TIMEOUT_MS, (long)exchange->timeout);
  curl_easy_setopt (easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt (easy, CURLOPT_BUFFERSIZE, (long)READ_AT_ONCE);
  curl_easy_setopt (easy, CURLOPT_USERAGENT, "mantis");
  reach_apply (link->reach, easy);
}

bool
exchange_prepare (struct exchange *exchange, const struct mantis_request *request)
{
  const struct mantis_route *route = route_for (request);
  struct mantis_buf url = MANTIS_BUF_INIT;
  bool done;

  snprintf (exchange->failure, sizeof exchange->failure, "no memory for a request");
  if (!route || !add_address (&url, exchange, route, request->argument)) {
    snprintf (exchange->failure, sizeof exchange->failure, "no address for message \"%s\"%s",
              request->message, request->argument ? " with this argument" : "");
    mantis_buf_free (&url);
    return false;
  }
  exchange->timeout = request->timeout;
  exchange->answer.limit = (size_t)exchange->link->rest->max_answer_bytes;
  done = !url.failed && (exchange->easy = curl_easy_init ());
  if (done) {
    set_options (exchange);
    done = curl_easy_setopt (exchange->easy, CURLOPT_URL, url.bytes) == CURLE_OK &&
           add_headers (exchange, request) &&
           (strcmp (route->method, "POST") != 0 || add_body (exchange, request));
    curl_easy_setopt (exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
  }
  mantis_buf_free (&url);
  return done;
}

/* ---- Result ---------------------------------------------------------------------------------- */

static void
describe (struct exchange *exchange, CURLcode result)
{
  const char *place = reach_place (exchange->link->reach);
  size_t room = sizeof exchange->failure;

  if (result == CURLE_OK)
    snprintf (exchange->failure, room, "the answer of %s broke off", place);
  else if (result == CURLE_WRITE_ERROR && exchange->answer.failed)
    snprintf (exchange->failure, room, "the answer of %s is larger than max_answer_bytes", place);
  else if (!reach_explain (exchange->link->reach, exchange->easy, result, exchange->detail,
                           exchange->failure, room))
    snprintf (exchange->failure, room, "no answer from %s within %" PRId64 " ms", place,
              exchange->timeout);
}

void
exchange_result (struct exchange *exchange, CURLcode result, struct mantis_answer *answer)
{
  curl_off_t retry_after = 0;
  char *type = NULL;
  long status = 0;

  if (result != CURLE_OK || !exchange->has_head) {
    describe (exchange, result);
    answer->error = exchange->failure;
    return;
  }
  curl_easy_getinfo (exchange->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo (exchange->easy, CURLINFO_CONTENT_TYPE, &type);
  curl_easy_getinfo (exchange->easy, CURLINFO_RETRY_AFTER, &retry_after);
  answer->status = (int)status;
  answer->type = type;
  answer->retry_after = retry_after;
  answer->body = exchange->answer.bytes ? exchange->answer.bytes : "";
  answer->length = exchange->answer.length;
}

void
exchange_free (struct exchange *exchange)
{
  if (exchange->easy)
    curl_easy_cleanup (exchange->easy);
  curl_slist_free_all (exchange->headers);
  if (exchange->small)
    evbuffer_free (exchange->small);
  mantis_buf_free (&exchange->answer);
  free (exchange);
}
