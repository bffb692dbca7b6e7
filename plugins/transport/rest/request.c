/* request.c - a header block becomes a request, and what follows it its body.
 *
 * http_parser does the parsing.  What it lets pass although two readers could differ over it, and
 * what we do not serve, is refused here.  guard.c has seen the bytes before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- What http_parser reports ---------------------------------------------------------------- */

static int
on_field (http_parser *parser, const char *at, size_t length)
{
  struct request *request = parser->data;

  (void)length;
  if (request->in_body)
    return 0;
  if (request->field_count == MAX_FIELDS)
    return -1;
  request->fields[request->field_count++] = (struct field){.name = at, .value = ""};
  return 0;
}

static int
on_value (http_parser *parser, const char *at, size_t length)
{
  struct request *request = parser->data;

  if (length && !request->in_body && request->field_count)
    request->fields[request->field_count - 1].value = at;
  return 0;
}

static int
on_headers_complete (http_parser *parser)
{
  ((struct request *)parser->data)->in_body = true;
  return 0;
}

static int
on_body (http_parser *parser, const char *at, size_t length)
{
  struct request *request = parser->data;

  request->body_status = body_add (&request->body, at, length);
  return request->body_status != BODY_OK;
}

static int
on_message_complete (http_parser *parser)
{
  ((struct request *)parser->data)->complete = true;
  return 0;
}

static const http_parser_settings settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- The request line ------------------------------------------------------------------------ */

static const char not_a_request_line[] =
    "the request line is not METHOD, blank, target, blank, HTTP/1.1";

/* Cut the line at LINE into its parts.  http_parser takes more blanks and other versions. */
static bool
cut_request_line (struct request *request, char *line, struct refusal *refusal)
{
  char *end = strchr (line, '\r'), *target = strchr (line, ' '), *version;

  *end = '\0';
  if (!target || !(version = strchr (target + 1, ' ')) || version == target + 1)
    return refuse (refusal, 400, not_a_request_line);
  *target++ = *version++ = '\0';
  if (!is_token (line) || strncmp (version, "HTTP/", 5) != 0 || strlen (version) != 8 ||
      !strchr ("0123456789", version[5]) || version[6] != '.' || !strchr ("0123456789", version[7]))
    return refuse (refusal, 400, not_a_request_line);
  if (strcmp (version, "HTTP/1.1") != 0 && strcmp (version, "HTTP/1.0") != 0)
    return refuse (refusal, 505, "this server speaks HTTP/1.1");
  for (const char *c = target; *c; c++)
    if (*c <= 0x20 || *c >= 0x7f || *c == '#')
      return refuse (refusal, 400, "a character in the address that has to be percent-encoded");
  request->target = target;
  return true;
}

/* ---- Framing --------------------------------------------------------------------------------- */

/* Give each name and value its end, which http_parser only counted. */
static bool
cut_fields (struct request *request, struct refusal *refusal)
{
  for (size_t i = 0; i < request->field_count; i++) {
    struct field *field = &request->fields[i];
    char *name_end = (char *)(uintptr_t)field->name + strcspn (field->name, ":\r");
    char *end = (char *)(uintptr_t)field->value + strcspn (field->value, "\r");

    *name_end = '\0';
    if (!is_token (field->name))
      return refuse (refusal, 400, "the name of a header field is not one");
    if (!*field->value)
      continue; /* http_parser gave none: the text is a constant */
    while (end > field->value && (end[-1] == ' ' || end[-1] == '\t'))
      end--;
    *end = '\0';
  }
  return true;
}

const char *
request_field (const struct request *request, const char *name, bool *twice)
{
  const char *value = NULL;

  for (size_t i = 0; i < request->field_count; i++)
    if (strcasecmp (request->fields[i].name, name) == 0) {
      if (value)
        *twice = true;
      value = request->fields[i].value;
    }
  return value;
}

static bool
read_framing (struct request *request, struct refusal *refusal)
{
  bool twice = false, old = request->parser.http_minor == 0;
  const char *length = request_field (request, "Content-Length", &twice);
  const char *coding = request_field (request, "Transfer-Encoding", &twice);
  const char *host = request_field (request, "Host", &twice);

  if (twice)
    return refuse (refusal, 400, "Host, Content-Length or Transfer-Encoding stands there twice");
  if ((!host && !old) || (host && !is_host (host)))
    return refuse (refusal, 400, "a request needs one Host");
  if (length && coding)
    return refuse (refusal, 400, "both Content-Length and Transfer-Encoding");
  if (coding && old)
    return refuse (refusal, 400, "HTTP/1.0 has no Transfer-Encoding");
  if (coding && strcasecmp (coding, "chunked") != 0)
    return refuse (refusal, 501, "of Transfer-Encoding only \"chunked\" is understood");
  if (length && !content_length_of (length, &request->length))
    return refuse (refusal, 400, "Content-Length is not a number");
  request->chunked = coding != NULL;
  return true;
}

/* ---- Other fields ---------------------------------------------------------------------------- */

static bool
read_sender (struct request *request, struct refusal *refusal)
{
  bool twice = false;
  const char *authorization = request_field (request, "Authorization", &twice);

  request->node = request_field (request, "Mantis-Node", &twice);
  request->epoch = request_field (request, "Mantis-Epoch", &twice);
  request->revisions = request_field (request, "Mantis-Revision", &twice);
  if (twice)
    return refuse (
        refusal, 400,
        "Authorization, Mantis-Node, Mantis-Epoch or Mantis-Revision stands there twice");
  if ((request->node && !is_visible (request->node)) ||
      (request->epoch && !is_visible (request->epoch)) ||
      (request->revisions && *request->revisions && !is_visible (request->revisions)))
    return refuse (refusal, 400, "Mantis-Node, Mantis-Epoch or Mantis-Revision is not plain text");
  request->bearer = authorization ? bearer_of (authorization) : NULL;
  return true;
}

/* What the fields say about the body and about the answer. */
static bool
read_content (struct request *request, struct refusal *refusal)
{
  bool twice = false, body = request->chunked || request->length;
  const char *type = request_field (request, "Content-Type", &twice);
  const char *coding = request_field (request, "Content-Encoding", &twice);
  const char *expect = request_field (request, "Expect", &twice);

  if (twice)
    return refuse (refusal, 400, "Content-Type, Content-Encoding or Expect stands there twice");
  if (body && request->parser.method != HTTP_POST)
    return refuse (refusal, 400, "only POST carries a body here");
  if (type && request->parser.method == HTTP_POST && !media_type_is_taken (type))
    return refuse (refusal, 415, "Content-Type has to be application/json, in UTF-8");
  request->compressed =
      coding && (strcasecmp (coding, "gzip") == 0 || strcasecmp (coding, "x-gzip") == 0);
  if (coding && !request->compressed && strcasecmp (coding, "identity") != 0)
    return refuse (refusal, 415, "of Content-Encoding only gzip is understood");
  if (expect && strcasecmp (expect, "100-continue") != 0)
    return refuse (refusal, 417, "of Expect only 100-continue is understood");
  request->expects = expect && body && request->parser.http_minor > 0;
  for (size_t i = 0; i < request->field_count; i++)
    if (strcasecmp (request->fields[i].name, "Accept-Encoding") == 0)
      request->takes_gzip |= accepts_gzip (request->fields[i].value);
  return true;
}

static const char *
no_body (enum body_status status)
{
  switch (status) {
  case BODY_TOO_LARGE:
    return "the body is larger than max_body_bytes of this server; send less at once";
  case BODY_NO_ROOM:
    return "too many large requests at once; try again";
  default:
    return "the body is not whole and correct gzip";
  }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static bool
run_parser (struct request *request, const char *bytes, size_t length, struct refusal *refusal)
{
  enum http_errno result;

  http_parser_init (&request->parser, HTTP_REQUEST);
  request->parser.data = request;
  http_parser_execute (&request->parser, &settings, bytes, length);
  result = HTTP_PARSER_ERRNO (&request->parser);
  if (result == HPE_CB_header_field)
    return refuse (refusal, 431, "too many header fields");
  if (result == HPE_INVALID_METHOD)
    return refuse (refusal, 501, "this method is not known");
  if (result != HPE_OK)
    return refuse (refusal, 400, http_errno_description (result));
  if (!request->in_body)
    return refuse (refusal, 400, "the header is not complete");
  return true;
}

bool
request_parse (struct request *request, const char *bytes, size_t length, const struct rest *rest,
               struct refusal *refusal)
{
  memcpy (request->head, bytes, length);
  request->head[length] = '\0';
  if (!(request->fields = calloc (MAX_FIELDS, sizeof *request->fields)))
    return refuse (refusal, BODY_NO_ROOM, no_body (BODY_NO_ROOM));
  request->close = true; /* until the framing is certain, what follows could be read in two ways */
  if (!cut_request_line (request, request->head, refusal) ||
      !run_parser (request, bytes, length, refusal))
    return false;
  for (size_t i = 0; i < request->field_count; i++) { /* from the borrowed bytes into our copy */
    struct field *field = &request->fields[i];
    field->name = request->head + (field->name - bytes);
    if (*field->value)
      field->value = request->head + (field->value - bytes);
  }
  if (!cut_fields (request, refusal) || !read_framing (request, refusal))
    return false;
  request->close = !http_should_keep_alive (&request->parser) || request->chunked ||
                   request->length || request->parser.method == HTTP_CONNECT;
  if (!read_sender (request, refusal) || !browser_read (request, rest, refusal) ||
      !route_find (request, rest, refusal) || !read_content (request, refusal))
    return false;
  if (request->length > (uint64_t)rest->max_body_bytes)
    return refuse (refusal, BODY_TOO_LARGE, no_body (BODY_TOO_LARGE));
  request->body.limit = (size_t)rest->max_body_bytes;
  if (body_begin (&request->body, request->compressed) != BODY_OK)
    return refuse (refusal, BODY_NO_ROOM, no_body (BODY_NO_ROOM));
  request->close = !http_should_keep_alive (&request->parser);
  return true;
}

/* How many of LENGTH bytes are the body's, by our own count. */
static enum verdict
measure (struct request *request, const char *bytes, size_t length, size_t *used)
{
  uint64_t left = request->length - request->received;

  if (request->chunked)
    return guard_chunks (&request->chunks, bytes, length, used);
  *used = left < length ? (size_t)left : length;
  return *used == left ? GUARD_DONE : GUARD_MORE;
}

bool
request_feed (struct request *request, const char *bytes, size_t length, size_t *used,
              struct refusal *refusal)
{
  enum verdict verdict = measure (request, bytes, length, used);
  enum http_errno result;

  request->close = true; /* unless all goes well */
  if (verdict == GUARD_BAD)
    return refuse (refusal, 400, request->chunks.why);
  request->received += *used;
  if (*used)
    http_parser_execute (&request->parser, &settings, bytes, *used);
  result = HTTP_PARSER_ERRNO (&request->parser);
  if (request->body_status)
    return refuse (refusal, (int)request->body_status, no_body (request->body_status));
  if (result != HPE_OK || request->complete != (verdict == GUARD_DONE))
    return refuse (refusal, 400,
                   result ? http_errno_description (result)
                          : "the body does not end where it should");
  if (request->complete && (request->body_status = body_end (&request->body)))
    return refuse (refusal, (int)request->body_status, no_body (request->body_status));
  request->close = !http_should_keep_alive (&request->parser);
  return true;
}

void
request_lighten (struct request *request)
{
  free (request->fields);
  request->fields = NULL;
  request->field_count = 0;
}

void
request_free (struct request *request)
{
  if (request) {
    request_lighten (request);
    body_free (&request->body);
    free (request->spoken);
    free (request->caller);
    if (request->packed)
      evbuffer_free (request->packed);
    free (request);
  }
}
