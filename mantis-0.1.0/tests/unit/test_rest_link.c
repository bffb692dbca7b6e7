/* test_rest_link.c - the client's side of the transport: against our own server, and against
 * servers that misbehave.
 *
 * Pitfalls: O27 (nothing secret in errors), O30 (the token goes to no other server), R44 (errors
 * that tell).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest_rig.h"

#include "../../plugins/transport/rest/rest.h"

#include <unistd.h>

#define COUNT(array) ((int)(sizeof array / sizeof *array))

static struct mantis_link *client;

/* ---- What came back -------------------------------------------------------------------------- */

struct reply {
  size_t count;
  int status;
  int64_t retry_after;
  char type[64], error[1000];
  struct mantis_buf body;
  enum { NOTHING, SEND_AGAIN, INTERRUPT, HANG_UP } then;
  struct reply *other;
};

static struct mantis_request hello = {.size = sizeof hello,
                                      .message = "hello",
                                      .body = "{}",
                                      .length = 2,
                                      .token = "s3cret",
                                      .timeout = 10000};

static void
on_reply (void *context, const struct mantis_answer *answer)
{
  struct reply *reply = context;

  reply->count++;
  reply->status = answer->status;
  reply->retry_after = answer->retry_after;
  keep (reply->type, sizeof reply->type, answer->type);
  keep (reply->error, sizeof reply->error, answer->error);
  mantis_buf_clear (&reply->body);
  mantis_buf_add (&reply->body, answer->body ? answer->body : "", answer->length);
  ck_assert_int_eq (answer->status == 0, answer->error != NULL);
  ck_assert_ptr_null (strstr (reply->error, "s3cret")); /* O27 */
  if (reply->then == SEND_AGAIN) {
    reply->then = NOTHING;
    OPS->send (client, &hello, on_reply, reply->other ? reply->other : reply);
  } else if (reply->then == INTERRUPT)
    OPS->interrupt (client);
  else if (reply->then == HANG_UP) {
    reply->then = NOTHING;
    OPS->hang_up (client);
    client = NULL;
  }
}

static void
dial (const char *url, const char *proxy)
{
  struct mantis_remote remote = {.size = sizeof remote, .url = url, .proxy = proxy};
  struct mantis_error error;

  if (OPS->dial (options, base, &remote, &client, &error) != MANTIS_OK)
    ck_abort_msg ("%s", error.text);
}

static void
dial_port (uint16_t where)
{
  char url[100];

  snprintf (url, sizeof url, "http://127.0.0.1:%d", where);
  dial (url, NULL);
}

static struct reply
call (const struct mantis_request *request)
{
  struct reply reply = {.count = 0};

  OPS->send (client, request, on_reply, &reply);
  ck_assert_uint_eq (reply.count, 0); /* not from within */
  WAIT_FOR (reply.count);
  mantis_buf_free (&reply.body);
  ck_assert_uint_eq (reply.count, 1);
  return reply;
}

static void
open_both (void)
{
  world_open ();
  world_listen ();
}

static void
close_both (void)
{
  if (client)
    OPS->hang_up (client);
  client = NULL;
  world_close ();
}

/* ---- A server of canned text ----------------------------------------------------------------- */

static struct {
  struct evconnlistener *acceptor;
  uint16_t port;
  const char *text;
  bool said;
  size_t accepted;
  struct mantis_buf got;
} canned;

static void
canned_flushed (struct bufferevent *bev, void *context)
{
  (void)context;
  if (canned.said) /* libevent also calls once before anything was written */
    bufferevent_free (bev);
}

static void
canned_read (struct bufferevent *bev, void *context)
{
  struct evbuffer *input = bufferevent_get_input (bev);
  size_t length = evbuffer_get_length (input);

  (void)context;
  mantis_buf_add (&canned.got, evbuffer_pullup (input, -1), length);
  evbuffer_drain (input, length);
  if (strstr (canned.got.bytes, "\r\n\r\n") && *canned.text) {
    bufferevent_write (bev, canned.text, strlen (canned.text));
    canned.said = true;
  }
}

static void
canned_event (struct bufferevent *bev, short what, void *context)
{
  (void)what, (void)context;
  bufferevent_free (bev);
}

static void
canned_accept (struct evconnlistener *acceptor, evutil_socket_t fd, struct sockaddr *address,
               int length, void *context)
{
  struct bufferevent *bev = bufferevent_socket_new (base, fd, BEV_OPT_CLOSE_ON_FREE);

  (void)acceptor, (void)address, (void)length, (void)context;
  canned.accepted++;
  bufferevent_setcb (bev, canned_read, canned_flushed, canned_event, NULL);
  bufferevent_enable (bev, EV_READ | EV_WRITE);
}

static void
canned_open (const char *text)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  socklen_t length = sizeof address;

  canned.text = text;
  canned.acceptor = evconnlistener_new_bind (base, canned_accept, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
                                             (struct sockaddr *)&address, sizeof address);
  getsockname (evconnlistener_get_fd (canned.acceptor), (struct sockaddr *)&address, &length);
  canned.port = ntohs (address.sin_port);
}

static void
canned_close (void)
{
  if (client)
    OPS->hang_up (client);
  client = NULL;
  for (int i = 0; i < 20; i++)
    event_base_loop (base, EVLOOP_NONBLOCK);
  if (canned.acceptor)
    evconnlistener_free (canned.acceptor);
  mantis_buf_free (&canned.got);
  memset (&canned, 0, sizeof canned);
  world_close ();
}

/* ---- Both sides together --------------------------------------------------------------------- */

static const struct {
  const char *message, *argument, *body;
} messages[] = {
    {"hello", NULL, "{\"a\":1}"},
    {"push", NULL, ""},
    {"pull", NULL, "{}"},
    {"schema", NULL, ""},
    {"status", NULL, ""},
    {"conflicts", NULL, ""},
    {"conflicts", "table=a%20b", ""},
    {"conflicts", "c-7", "{\"keep\":1}"},
    {"healthz", NULL, ""},
    {"readyz", NULL, ""},
    {"metrics", NULL, ""},
};

START_TEST (each_message_crosses)
{
  struct mantis_request request = hello;
  struct reply reply;

  dial_port (port);
  request.message = messages[_i].message;
  request.argument = messages[_i].argument;
  request.body = messages[_i].body;
  request.length = strlen (request.body);
  request.node = "n-1";
  request.epoch = "e-2";
  request.revisions = "todos=41, notes=7";
  core_says (200, "{\"b\":2}");
  reply = call (&request);
  ck_assert_int_eq (reply.status, 200);
  ck_assert_str_eq (reply.type, "application/json");
  ck_assert_str_eq (core.last.message, request.message);
  ck_assert_str_eq (core.argument, request.argument ? request.argument : "");
  ck_assert_str_eq (core.body, request.body);
  ck_assert_str_eq (core.last.node, "n-1");
  ck_assert_str_eq (core.last.epoch, "e-2");
  ck_assert_str_eq (core.last.revisions, "todos=41, notes=7");
  ck_assert_str_eq (core.last.credentials.bearer, "s3cret");
}
END_TEST

START_TEST (answers_come_back_as_given)
{
  struct reply reply;

  dial_port (port);
  core_says (503, "{\"title\":\"busy\"}");
  core.answer.type = "application/problem+json";
  core.answer.retry_after = 42;
  reply = call (&hello);
  ck_assert_int_eq (reply.status, 503);
  ck_assert_int_eq (reply.retry_after, 42);
  ck_assert_str_eq (reply.type, "application/problem+json");
}
END_TEST

START_TEST (large_bodies_cross)
{
  static const char *const compress[] = {"always", "never", "auto"};
  size_t length = 3000000;
  char *up = malloc (length + 1), *down = malloc (length + 1);
  struct mantis_request request = hello;
  struct reply reply = {.count = 0};

  for (size_t i = 0; i < length; i++) {
    up[i] = (char)('a' + i * i % 23);
    down[i] = (char)('A' + i * 7 % 26);
  }
  up[length] = down[length] = '\0';
  set_option ("compress", compress[_i]);
  dial_port (port);
  request.body = up;
  request.length = length;
  core_says (200, down);
  OPS->send (client, &request, on_reply, &reply);
  WAIT_FOR (reply.count);
  ck_assert_int_eq (reply.status, 200);
  ck_assert_uint_eq (core.length, length);
  ck_assert_mem_eq (core.body, up, length);
  ck_assert_uint_eq (reply.body.length, length);
  ck_assert_mem_eq (reply.body.bytes, down, length);
  mantis_buf_free (&reply.body);
  free (up), free (down);
}
END_TEST

START_TEST (a_connection_is_kept)
{
  dial_port (port);
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq (call (&hello).status, 200);
  ck_assert_uint_eq (listener->count, 1);
}
END_TEST

START_TEST (several_may_be_under_way)
{
  struct mantis_request pull = hello;
  struct reply waiting = {.count = 0};

  dial_port (port);
  core.play = HELD;
  pull.message = "pull";
  OPS->send (client, &pull, on_reply, &waiting);
  WAIT_FOR (core.submitted == 1);
  core.play = AT_ONCE;
  ck_assert_int_eq (call (&hello).status, 200); /* a push overtakes the long poll */
  ck_assert_uint_eq (waiting.count, 0);
  core_answer (0);
  WAIT_FOR (waiting.count);
  mantis_buf_free (&waiting.body);
}
END_TEST

/* ---- Giving up ------------------------------------------------------------------------------- */

START_TEST (interrupt_answers_all)
{
  struct reply replies[3] = {{.count = 0}}, after = {.count = 0};

  dial_port (port);
  core.play = HELD;
  replies[0].then = SEND_AGAIN; /* what is sent in reply stays */
  replies[0].other = &after;
  replies[1].then = _i ? INTERRUPT : NOTHING;
  for (int i = 0; i < 3; i++)
    OPS->send (client, &hello, on_reply, &replies[i]);
  WAIT_FOR (core.submitted == 3);
  OPS->interrupt (client);
  for (int i = 0; i < 3; i++) {
    ck_assert_uint_eq (replies[i].count, 1);
    ck_assert_int_eq (replies[i].status, 0);
    ck_assert_str_eq (replies[i].error, "given up");
    mantis_buf_free (&replies[i].body);
  }
  WAIT_FOR (core.cancelled == 3); /* and the server hears of it */
  core.play = AT_ONCE;
  if (_i == 0) {
    WAIT_FOR (core.submitted == 4);
    core_answer_all ();
    WAIT_FOR (after.count == 1);
    ck_assert_int_eq (after.status, 200);
  } else
    ck_assert_int_eq (after.status, 0);
  mantis_buf_free (&after.body);
}
END_TEST

START_TEST (hang_up_from_within_an_answer)
{
  struct reply first = {.then = HANG_UP}, second = {.count = 0};

  dial_port (port);
  core.play = SOON;
  OPS->send (client, &hello, on_reply, &first);
  OPS->send (client, &hello, on_reply, &second);
  WAIT_FOR (first.count && second.count);
  ck_assert_ptr_null (client);
  ck_assert_int_eq (first.status, 200);
  mantis_buf_free (&first.body), mantis_buf_free (&second.body);
}
END_TEST

/* ---- Servers that are not there, or not what they should be ---------------------------------- */

START_TEST (no_server)
{
  struct reply reply;
  char wanted[100];

  canned_open ("");
  evconnlistener_free (canned.acceptor); /* a port that is certainly closed */
  canned.acceptor = NULL;
  dial_port (canned.port);
  snprintf (wanted, sizeof wanted, "cannot connect to 127.0.0.1:%d: Connection refused", canned.port);
  reply = call (&hello);
  ck_assert_int_eq (reply.status, 0);
  ck_assert_str_eq (reply.error, wanted);
}
END_TEST

START_TEST (a_silent_server_is_given_up)
{
  struct mantis_request request = hello;
  struct reply reply;

  canned_open ("");
  dial_port (canned.port);
  request.timeout = 100;
  reply = call (&request);
  ck_assert_int_eq (reply.status, 0);
  ck_assert_msg (strstr (reply.error, "no answer from 127.0.0.1:") != NULL, "%s", reply.error);
}
END_TEST

static const struct {
  const char *text;
  int status;
  const char *error;
} servers[] = {
    {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/steal\r\nContent-Length: 0\r\n\r\n", 302,
     ""},
    {"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 429, ""},
    {"HTTP/1.1 200 OK\r\n\r\n{}", 200, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", 0, "talking to"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 0, "talking to"},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0, "talking to"},
    {"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 0, "talking to"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890"
     "1234567890123456789012345",
     0, "max_answer_bytes"},
    {"", 0, "no answer"},
};

START_TEST (strange_servers)
{
  struct mantis_request request = hello;
  struct reply reply;

  canned_open (servers[_i].text);
  set_option ("max_answer_bytes", "1k");
  dial_port (canned.port);
  request.timeout = *servers[_i].text ? 10000 : 100;
  reply = call (&request);
  ck_assert_int_eq (reply.status, servers[_i].status);
  ck_assert_msg (strstr (reply.error, servers[_i].error) != NULL, "%s", reply.error);
  ck_assert_uint_eq (canned.accepted, 1); /* O30: a redirection is not followed */
}
END_TEST

START_TEST (what_is_sent_is_http)
{
  char url[100];

  canned_open ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  set_option ("compress", "always");
  snprintf (url, sizeof url, "http://127.0.0.1:%d/base//", canned.port);
  dial (url, NULL);
  ck_assert_int_eq (call (&hello).status, 200);
  ck_assert_ptr_nonnull (strstr (canned.got.bytes, "POST /base/sync/hello HTTP/1.1\r\n"));
  ck_assert_ptr_nonnull (strstr (canned.got.bytes, "\r\nAuthorization: Bearer s3cret\r\n"));
  ck_assert_ptr_nonnull (strstr (canned.got.bytes, "\r\nContent-Type: application/json\r\n"));
  ck_assert_ptr_nonnull (strstr (canned.got.bytes, "\r\nAccept-Encoding: gzip\r\n"));
  ck_assert_ptr_null (strstr (canned.got.bytes, "Mantis-"));
  ck_assert_ptr_null (strstr (canned.got.bytes, "Expect"));
}
END_TEST

/* The proxy that the configuration names is used, the environment's is not. */
START_TEST (proxies)
{
  char proxy[100];

  canned_open ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  snprintf (proxy, sizeof proxy, "http://127.0.0.1:%d", canned.port);
  setenv ("http_proxy", proxy, 1);
  dial ("http://127.0.0.1:9", NULL);
  ck_assert_int_eq (call (&hello).status, 0);
  ck_assert_uint_eq (canned.accepted, 0);
  OPS->hang_up (client);
  unsetenv ("http_proxy");
  dial ("http://server.invalid:81", proxy);
  ck_assert_int_eq (call (&hello).status, 200);
  ck_assert_ptr_nonnull (
      strstr (canned.got.bytes, "POST http://server.invalid:81/sync/hello HTTP/1.1"));
}
END_TEST

/* ---- Requests that cannot be sent ------------------------------------------------------------ */

static const struct mantis_request impossible[] = {
    {.message = "hello", .token = "s3cret\r\nX: y"},
    {.message = "hello", .node = "a\nb"},
    {.message = "hello", .revisions = "\xc3\xa9=1"},
    {.message = "frob"},
    {.message = "conflicts", .argument = "a/../b", .body = "{}", .length = 2},
    {.message = "conflicts", .argument = "a b"},
    {.message = "conflicts", .argument = "a\r\nX: y"},
    {.message = "conflicts", .argument = "", .body = "{}", .length = 2},
};

START_TEST (what_would_break_the_header_is_not_sent)
{
  struct mantis_request request = impossible[_i];

  if (!request.body)
    request.body = "";
  request.timeout = 1000;
  canned_open ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  dial_port (canned.port);
  ck_assert_int_eq (call (&request).status, 0);
  ck_assert_uint_eq (canned.accepted, 0);
  ck_assert_int_eq (call (&hello).status, 200);
}
END_TEST

static const char *const urls[] = {"",
                                   "server",
                                   "ftp://server",
                                   "file:///etc/passwd",
                                   "http://",
                                   "http://user:pass@server",
                                   "http://server/?token=x",
                                   "http://server:99999",
                                   "http://ser ver"};

START_TEST (urls_that_are_none)
{
  struct mantis_remote remote = {.size = sizeof remote, .url = urls[_i]};
  struct mantis_error error;

  ck_assert_int_eq (OPS->dial (options, base, &remote, &client, &error), MANTIS_INVALID);
  ck_assert_ptr_null (strstr (error.text, "pass@"));
  ck_assert_ptr_null (client);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("rest: client");
  TCase *both = tcase_create ("with our server"), *alone = tcase_create ("with others");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (both, open_both, close_both);
  tcase_set_timeout (both, 60);
  tcase_add_loop_test (both, each_message_crosses, 0, COUNT (messages));
  tcase_add_test (both, answers_come_back_as_given);
  tcase_add_loop_test (both, large_bodies_cross, 0, 3);
  tcase_add_test (both, a_connection_is_kept);
  tcase_add_test (both, several_may_be_under_way);
  tcase_add_loop_test (both, interrupt_answers_all, 0, 2);
  tcase_add_test (both, hang_up_from_within_an_answer);
  suite_add_tcase (suite, both);
  tcase_add_checked_fixture (alone, world_open, canned_close);
  tcase_set_timeout (alone, 60);
  tcase_add_test (alone, no_server);
  tcase_add_test (alone, a_silent_server_is_given_up);
  tcase_add_loop_test (alone, strange_servers, 0, COUNT (servers));
  tcase_add_test (alone, what_is_sent_is_http);
  tcase_add_test (alone, proxies);
  tcase_add_loop_test (alone, what_would_break_the_header_is_not_sent, 0, COUNT (impossible));
  tcase_add_loop_test (alone, urls_that_are_none, 0, COUNT (urls));
  suite_add_tcase (suite, alone);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
