/* response.c - the answer's head and body, as bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

void
response_date (struct mantis_buf *head)
{
  time_t now = (time_t)(mantis_now () / 1000);
  struct tm utc;
  char text[40];

  gmtime_r (&now, &utc);
  strftime (text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  mantis_buf_printf (head, "Date: %s\r\n", text);
}

static bool
add_head (struct evbuffer *out, const struct mantis_answer *answer, const struct manner *manner,
          size_t length, bool gzip)
{
  struct mantis_buf head = MANTIS_BUF_INIT;
  bool done;

  mantis_buf_printf (&head, "HTTP/1.1 %d %s\r\n", answer->status,
                     http_status_str ((enum http_status)answer->status));
  response_date (&head);
  if (answer->status != 204)
    mantis_buf_printf (&head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                       answer->type ? answer->type : "application/json", length);
  if (gzip)
    mantis_buf_text (&head, "Content-Encoding: gzip\r\n");
  mantis_buf_text (&head, "Cache-Control: no-store\r\n");
  if (answer->status == 401)
    mantis_buf_text (&head, "WWW-Authenticate: Bearer\r\n");
  if (manner->allow)
    mantis_buf_printf (&head, "Allow: %s\r\n", manner->allow);
  if (answer->retry_after > 0)
    mantis_buf_printf (&head, "Retry-After: %" PRId64 "\r\n", answer->retry_after);
  if (answer->cookie)
    browser_cookie (&head, answer);
  if (manner->origin)
    browser_share (&head, manner->origin);
  if (manner->fields)
    mantis_buf_text (&head, manner->fields);
  mantis_buf_printf (&head, "Connection: %s%s\r\n\r\n", answer->status == 426 ? "Upgrade, " : "",
                     manner->close ? "close" : "keep-alive");
  done = !head.failed && evbuffer_add (out, head.bytes, head.length) == 0;
  mantis_buf_free (&head);
  return done;
}

/* BYTES compressed, in a buffer of its own because its length stands before it; NULL: they are not worth it, or it
 * cannot be. */
static struct evbuffer *
compressed (const char *bytes, size_t length)
{
  struct evbuffer *body = length >= COMPRESS_FROM ? evbuffer_new () : NULL;

  if (body && gzip_into (body, bytes, length))
    return body;
  if (body)
    evbuffer_free (body);
  return NULL;
}

void
response_prepare (const struct mantis_request *message, const char *body, size_t length)
{
  struct request *request =
      (struct request *)((char *)(uintptr_t)message - offsetof (struct request, message));

  request->packed = compressed (body, length);
}

bool
response_write (struct evbuffer *out, const struct mantis_answer *answer,
                const struct manner *manner)
{
  bool wanted = manner->gzip && !manner->head_only;
  struct evbuffer *own =
      wanted && !manner->packed ? compressed (answer->body, answer->length) : NULL;
  struct evbuffer *small = wanted && manner->packed ? manner->packed : own;
  size_t length = small ? evbuffer_get_length (small) : answer->length;
  bool done = add_head (out, answer, manner, length, small != NULL);

  if (done && !manner->head_only && answer->status != 204 && length)
    done = small ? evbuffer_add_buffer (out, small) == 0
                 : evbuffer_add (out, answer->body, answer->length) == 0;
  if (own)
    evbuffer_free (own);
  return done;
}

/* What the transport itself has to say, as problem+json (RFC 9457). */
bool
response_refuse (struct evbuffer *out, const struct refusal *refusal, const struct manner *manner)
{
  struct mantis_buf body = MANTIS_BUF_INIT;
  const char *title = http_status_str ((enum http_status)refusal->status);
  struct mantis_answer answer = {
      .size = sizeof answer, .status = refusal->status, .type = "application/problem+json"};
  bool done;

  if (refusal->status == 503)
    answer.retry_after = 1;
  mantis_buf_text (&body, "{\"type\":\"about:blank\",\"title\":");
  mantis_buf_json (&body, title, strlen (title));
  mantis_buf_printf (&body, ",\"status\":%d,\"detail\":", refusal->status);
  mantis_buf_json (&body, refusal->detail ? refusal->detail : "",
                   refusal->detail ? strlen (refusal->detail) : 0);
  mantis_buf_char (&body, '}');
  answer.body = body.bytes;
  answer.length = body.length;
  done = !body.failed && response_write (out, &answer, manner);
  mantis_buf_free (&body);
  return done;
}
