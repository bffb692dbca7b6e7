/* test_ws_call.c - a message over a WebSocket is handed to the core, which has its answer compressed on another thread.
 *
 * The core, and the connection around the frames, are the test's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../plugins/transport/websocket/websocket.h"

#include <check.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 5000, LIMIT = 1 << 20 };

static struct websocket websocket = {.max_requests = 4};
static struct mantis_guest guest;
static struct frames device; /* the other end */
static struct budget budget = {.limit = LIMIT};
static const struct mantis_request *request; /* that the core has */
static mantis_answered answered;
static void *context;
static char heard[2 * LENGTH];

uint64_t
mantis_service_submit (struct mantis_service *service, const struct mantis_request *submitted,
                       mantis_answered done, void *whose)
{
  (void)service;
  request = submitted;
  answered = done;
  context = whose;
  return 1;
}

void
mantis_service_cancel (struct mantis_service *service, uint64_t ticket)
{
  (void)service, (void)ticket;
}

void
guest_settle (struct mantis_guest *settled)
{
  (void)settled;
}

void
guest_leave (struct mantis_guest *left, uint16_t code, const char *why)
{
  (void)left;
  ck_abort_msg ("%d %s", code, why);
}

static void
on_message (void *of, enum wslay_opcode opcode)
{
  ck_assert_int_eq (opcode, WSLAY_TEXT_FRAME);
  call_begin (of);
}

static void
on_answer (void *of, enum wslay_opcode opcode)
{
  (void)of;
  ck_assert_int_eq (opcode, WSLAY_TEXT_FRAME);
  snprintf (heard, sizeof heard, "%.*s", (int)device.message.length, device.message.text);
}

static void
begin (struct frames *frames, struct evbuffer *input, struct evbuffer *output, bool client,
       bool deflate)
{
  *frames = (struct frames){.input = input,
                            .output = output,
                            .arrived = client ? on_answer : on_message,
                            .context = &guest,
                            .client = client,
                            .message = {.limit = LIMIT, .budget = &budget}};
  if (deflate)
    frames->deflate = (struct deflate){.out = 15, .in = true};
}

static void
meet (bool deflate)
{
  struct evbuffer *up = evbuffer_new (), *down = evbuffer_new ();

  websocket.budget.limit = LIMIT;
  guest =
      (struct mantis_guest){.websocket = &websocket, .connection = (struct bufferevent *)&guest};
  begin (&guest.frames, up, down, false, deflate);
  begin (&device, down, up, true, deflate);
  guest.frames.message.budget = &websocket.budget;
  *heard = '\0';
}

static void
part (void)
{
  evbuffer_free (device.input);
  evbuffer_free (device.output);
  frames_free (&guest.frames);
  frames_free (&device);
  ck_assert_uint_eq (websocket.budget.used, 0);
  ck_assert_uint_eq (guest.count, 0);
}

static void
ask (void)
{
  static const char text[] = "{\"type\":\"pull\",\"id\":7,\"body\":{}}";

  frames_send_text (&device, text, strlen (text));
  ck_assert_int_eq (frames_run (&guest.frames).code, 0);
  ck_assert_str_eq (request->message, "pull");
}

/* What the device hears; how many bytes that took. */
static size_t
answer (struct mantis_answer what)
{
  size_t length;

  what.size = sizeof what;
  what.length = strlen (what.body);
  answered (context, &what);
  length = evbuffer_get_length (device.input);
  ck_assert_int_eq (frames_run (&device).code, 0);
  return length;
}

static const char *
body_of (char c)
{
  static char bodies[2][LENGTH + 3];
  char *body = bodies[c == 'e'];

  memset (body, c, LENGTH + 2);
  body[0] = body[LENGTH + 1] = '"';
  return body;
}

static void
expect (const char *start, char c)
{
  ck_assert_msg (strncmp (heard, start, strlen (start)) == 0, "%.80s", heard);
  ck_assert_int_eq (heard[strlen (start) + LENGTH / 2], c);
  ck_assert_str_eq (heard + strlen (heard) - 2, "\"}");
}

START_TEST (what_was_compressed_beforehand_is_sent)
{
  meet (true);
  ask ();
  ck_assert_ptr_nonnull (request->prepare);
  request->prepare (request, body_of ('e'), LENGTH + 2);
  ck_assert_uint_lt (
      answer ((struct mantis_answer){.status = 200, .body = body_of ('l'), .prepared = true}), 200);
  expect ("{\"type\":\"pull\",\"id\":7,\"status\":200,\"body\":\"", 'e');
  part ();
}
END_TEST

/* The answer became another one, or is none of those that were expected. */
START_TEST (what_was_compressed_for_another_answer_is_not)
{
  static const char busy[] =
      "{\"type\":\"error\",\"id\":7,\"status\":503,\"retry_after\":1,\"body\":\"",
                    good[] = "{\"type\":\"pull\",\"id\":7,\"status\":200,\"body\":\"";
  const struct mantis_answer others[] = {
      {.status = 503, .retry_after = 1, .type = "application/problem+json"},
      {.status = 503, .retry_after = 1, .type = "application/problem+json", .prepared = true},
      {.status = 200},
      {.status = 200, .type = "text/plain", .prepared = true},
  };

  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    struct mantis_answer other = others[i];
    meet (true);
    ask ();
    request->prepare (request, body_of ('e'), LENGTH + 2);
    other.body = body_of ('l');
    ck_assert_uint_lt (answer (other), 200);
    if (i < 3)
      expect (other.status == 200 ? good : busy, 'l');
    ck_assert_ptr_null (strchr (heard + 60, 'e'));
    part ();
  }
}
END_TEST

START_TEST (what_is_short_or_plain_is_not_compressed)
{
  meet (true);
  ask ();
  request->prepare (request, "{}", 2);
  answer ((struct mantis_answer){.status = 200, .body = "{}", .prepared = true});
  ck_assert_str_eq (heard, "{\"type\":\"pull\",\"id\":7,\"status\":200,\"body\":{}}");
  part ();
  meet (false);
  ask ();
  ck_assert_ptr_null (request->prepare);
  ck_assert_uint_gt (answer ((struct mantis_answer){.status = 200, .body = body_of ('l')}), LENGTH);
  part ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("websocket: calls");
  TCase *tests = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_test (tests, what_was_compressed_beforehand_is_sent);
  tcase_add_test (tests, what_was_compressed_for_another_answer_is_not);
  tcase_add_test (tests, what_is_short_or_plain_is_not_compressed);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
