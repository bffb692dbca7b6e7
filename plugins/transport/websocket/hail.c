/* hail.c - the handshake as a client: the request, and whether the answer is one.  RFC 6455, 4.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"

#include <event2/buffer.h>
#include <http_parser.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LARGEST_HEAD = 16 * 1024, LARGEST_BODY = 64 * 1024, KEY_BYTES = 16 };

/* Fields that count; one that stands there twice counts as wrong. */
enum { UPGRADE, CONNECTION, ACCEPT, PROTOCOL, EXTENSIONS, TYPE, RETRY_AFTER, FIELDS };
static const char *const names[FIELDS] = {
    [UPGRADE] = "Upgrade",
    [CONNECTION] = "Connection",
    [ACCEPT] = "Sec-WebSocket-Accept",
    [PROTOCOL] = "Sec-WebSocket-Protocol",
    [EXTENSIONS] = "Sec-WebSocket-Extensions",
    [TYPE] = "Content-Type",
    [RETRY_AFTER] = "Retry-After",
};

struct hail {
  http_parser parser;
  char key[2 * KEY_BYTES];
  struct mantis_buf head, body;
  struct mantis_buf name, values[FIELDS];
  unsigned seen[FIELDS];
  int field;     /* the present one; FIELDS: none that counts */
  bool in_value; /* of it */
  bool headed, complete;
};

void
hail_free (struct hail *hail)
{
  if (!hail)
    return;
  mantis_buf_free (&hail->head);
  mantis_buf_free (&hail->body);
  mantis_buf_free (&hail->name);
  for (int i = 0; i < FIELDS; i++)
    mantis_buf_free (&hail->values[i]);
  free (hail);
}

/* ---- The request ----------------------------------------------------------------------------- */

/* What goes into a header field must not end it. */
static bool
is_visible (const char *text)
{
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
      return false;
  return true;
}

/* Not on one machine, where it is not worth the work. */
static bool
is_compressing (const struct cable *cable)
{
  return cable->websocket->compress && !reach_is_here (cable->reach);
}

static bool
write_request (struct cable *cable, const struct hail *hail, const struct ask *ask)
{
  const char *host = strstr (reach_url (cable->reach), "://") + 3;
  int length = (int)strcspn (host, "/");

  return evbuffer_add_printf (cable->out,
                              "GET %s/sync/ws HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " SUBPROTOCOL
                              "\r\nUser-Agent: mantis\r\n",
                              host + length, length, host, hail->key) > 0 &&
         (!ask->token ||
          evbuffer_add_printf (cable->out, "Authorization: Bearer %s\r\n", ask->token) > 0) &&
         (!is_compressing (cable) ||
          evbuffer_add_printf (cable->out, "Sec-WebSocket-Extensions: %s\r\n", extension_offer) >
              0) &&
         (!ask->node || evbuffer_add_printf (cable->out, "Mantis-Node: %s\r\n", ask->node) > 0) &&
         evbuffer_add (cable->out, "\r\n", 2) == 0;
}

bool
hail_begin (struct cable *cable, const struct ask *ask)
{
  unsigned char bytes[KEY_BYTES];

  snprintf (cable->failure, sizeof cable->failure, "no memory for a handshake");
  if ((ask->token && !is_visible (ask->token)) || (ask->node && !is_visible (ask->node))) {
    snprintf (cable->failure, sizeof cable->failure,
              "the token holds characters that a header cannot carry");
    return false;
  }
  if (!(cable->hail = calloc (1, sizeof *cable->hail)) || RAND_bytes (bytes, sizeof bytes) != 1)
    return false;
  EVP_EncodeBlock ((unsigned char *)cable->hail->key, bytes, sizeof bytes);
  http_parser_init (&cable->hail->parser, HTTP_RESPONSE);
  cable->hail->parser.data = cable->hail;
  cable->hail->field = FIELDS;
  cable->hail->head.limit = LARGEST_HEAD;
  cable->hail->body.limit = LARGEST_BODY;
  return (!ask->node || (cable->node = strdup (ask->node))) &&
         (!ask->token || (cable->token = strdup (ask->token))) &&
         write_request (cable, cable->hail, ask);
}

/* ---- The answer, taken apart ----------------------------------------------------------------- */

static int
on_name (http_parser *parser, const char *bytes, size_t length)
{
  struct hail *hail = parser->data;

  if (hail->in_value)
    mantis_buf_clear (&hail->name);
  hail->in_value = false;
  mantis_buf_add (&hail->name, bytes, length);
  return hail->name.failed;
}

static int
on_value (http_parser *parser, const char *bytes, size_t length)
{
  struct hail *hail = parser->data;

  if (!hail->in_value) {
    hail->field = 0;
    while (hail->field < FIELDS &&
           (hail->name.length != strlen (names[hail->field]) ||
            strncasecmp (hail->name.bytes, names[hail->field], hail->name.length) != 0))
      hail->field++;
    if (hail->field < FIELDS)
      hail->seen[hail->field]++;
  }
  hail->in_value = true;
  if (hail->field == FIELDS)
    return 0;
  mantis_buf_add (&hail->values[hail->field], bytes, length);
  return hail->values[hail->field].failed;
}

static int
on_body (http_parser *parser, const char *bytes, size_t length)
{
  struct hail *hail = parser->data;

  mantis_buf_add (&hail->body, bytes, length);
  return hail->body.failed;
}

static int
on_complete (http_parser *parser)
{
  struct hail *hail = parser->data;

  hail->complete = true;
  return 0;
}

static const http_parser_settings settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

static const char *
value_of (const struct hail *hail, int field)
{
  return hail->seen[field] == 1 && hail->values[field].bytes ? hail->values[field].bytes : "";
}

/* Up to the empty line.  Nothing of what may follow 101 goes to the parser: it is no HTTP. */
static size_t
take_head (struct hail *hail, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    mantis_buf_char (&hail->head, bytes[i]);
    if (hail->head.failed)
      return i;
    if (hail->head.length >= 4 &&
        memcmp (hail->head.bytes + hail->head.length - 4, "\r\n\r\n", 4) == 0) {
      hail->headed = true;
      return i + 1;
    }
  }
  return length;
}

/* ---- What it means --------------------------------------------------------------------------- */

static enum hail_verdict refuse (struct cable *cable, struct mantis_answer *answer,
                                 const char *format, ...) __attribute__ ((format (printf, 3, 4)));

/* The way is not fit for WebSocket, as far as can be seen from here. */
static enum hail_verdict
refuse (struct cable *cable, struct mantis_answer *answer, const char *format, ...)
{
  const char *place = reach_place (cable->reach);
  char text[256];
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (text, sizeof text, format, arguments);
  va_end (arguments);
  snprintf (cable->failure, sizeof cable->failure, "no WebSocket with %s: %s", place, text);
  *answer = (struct mantis_answer){.size = sizeof *answer, .error = cable->failure, .unfit = true};
  return HAIL_REFUSED;
}

static enum hail_verdict
weigh_welcome (struct cable *cable, struct deflate *deflate, struct mantis_answer *answer)
{
  const struct hail *hail = cable->hail;
  char expected[LONGEST_DIGEST];

  if (!handshake_digest (hail->key, expected, sizeof expected))
    return refuse (cable, answer, "no SHA-1 here");
  if (strcasecmp (value_of (hail, UPGRADE), "websocket") != 0 ||
      !handshake_list_has (value_of (hail, CONNECTION), "upgrade"))
    return refuse (cable, answer, "101, but the connection is not upgraded to WebSocket");
  if (strcmp (value_of (hail, ACCEPT), expected) != 0)
    return refuse (cable, answer, "Sec-WebSocket-Accept does not fit our key");
  if (strcmp (value_of (hail, PROTOCOL), SUBPROTOCOL) != 0)
    return refuse (cable, answer, "the subprotocol is not " SUBPROTOCOL);
  if (hail->seen[EXTENSIONS] && (!is_compressing (cable) || hail->seen[EXTENSIONS] > 1 ||
                                 !extension_agreed (value_of (hail, EXTENSIONS), deflate)))
    return refuse (cable, answer, "an extension that was not offered so");
  return HAIL_WELCOME;
}

/* A refusal of the server's own counts as over REST; anything else may be somebody's on the way. */
static enum hail_verdict
weigh_refusal (struct cable *cable, struct mantis_answer *answer)
{
  const struct hail *hail = cable->hail;
  int status = (int)hail->parser.status_code;
  bool own = strncasecmp (value_of (hail, TYPE), "application/problem+json", 24) == 0;

  if (status != 401 && !(own && (status == 403 || status == 429 || status == 503)))
    return refuse (cable, answer, "the handshake is answered %d%s", status,
                   status == 404 ? " (is there a plugin websocket?)" : "");
  *answer = (struct mantis_answer){.size = sizeof *answer,
                                   .status = status,
                                   .type = own ? "application/problem+json" : "text/plain",
                                   .body = hail->body.bytes ? hail->body.bytes : "",
                                   .length = hail->body.length,
                                   .retry_after = strtol (value_of (hail, RETRY_AFTER), NULL, 10)};
  return HAIL_REFUSED;
}

static enum hail_verdict
feed_head (struct cable *cable, const char *bytes, size_t length, size_t *used,
           struct deflate *deflate, struct mantis_answer *answer)
{
  struct hail *hail = cable->hail;

  *used = take_head (hail, bytes, length);
  if (hail->head.failed)
    return refuse (cable, answer, "the answer to the handshake is larger than %d bytes",
                   LARGEST_HEAD);
  if (!hail->headed)
    return HAIL_MORE;
  http_parser_execute (&hail->parser, &settings, hail->head.bytes, hail->head.length);
  if (HTTP_PARSER_ERRNO (&hail->parser) != HPE_OK || hail->parser.status_code == 0)
    return refuse (cable, answer, "the answer to the handshake is not HTTP");
  if (hail->parser.status_code == 101)
    return weigh_welcome (cable, deflate, answer);
  return hail->complete ? weigh_refusal (cable, answer) : HAIL_MORE;
}

enum hail_verdict
hail_feed (struct cable *cable, const char *bytes, size_t length, size_t *used,
           struct deflate *deflate, struct mantis_answer *answer)
{
  struct hail *hail = cable->hail;
  bool ended = length == 0;

  *used = 0;
  if (!hail->headed) {
    enum hail_verdict verdict = HAIL_MORE;
    if (ended)
      return refuse (cable, answer,
                     "the connection is closed instead of an answer to the handshake");
    verdict = feed_head (cable, bytes, length, used, deflate, answer);
    if (verdict != HAIL_MORE || !hail->headed)
      return verdict;
  }
  if (*used < length)
    http_parser_execute (&hail->parser, &settings, bytes + *used, length - *used);
  *used = length;
  if (hail->complete || ended || HTTP_PARSER_ERRNO (&hail->parser) != HPE_OK)
    return weigh_refusal (cable, answer);
  return HAIL_MORE;
}
