/* test_rest_life.c - the server's side of the transport over time: slow, silent, greedy and leaving
 * peers, limits, draining, closing, listening.
 *
 * Pitfalls: O29 (limits hold, others are served), O21 (an orderly end).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest_rig.h"

#include "../../plugins/transport/rest/rest.h"

#define PUSH POST ("", 2, "{}")
#define COUNT(array) ((int)(sizeof array / sizeof *array))

static size_t
connections (void)
{
  return listener->count;
}

static bool
has_head (const struct peer *peer)
{
  return peer->count > 0;
}

/* ---- One after the other --------------------------------------------------------------------- */

START_TEST (pipelined_requests_are_answered_in_order)
{
  struct peer *peer;

  world_listen ();
  core.play = HELD;
  peer = peer_open ();
  peer_say (peer, PUSH GET ("/sync/status") PUSH GET ("/no") GET ("/healthz"));
  WAIT_FOR (core.submitted == 1);
  for (int i = 0; i < 20; i++)
    event_base_loop (base, EVLOOP_NONBLOCK);
  ck_assert_uint_eq (core.submitted, 1); /* the others wait in the peer's memory, or ours by 4 kB */
  for (size_t i = 0; i < 4; i++) {
    WAIT_FOR (core.submitted == i + 1);
    core_says (200 + (int)i, "{}");
    core_answer (i);
  }
  WAIT_FOR (peer->count == 5);
  ck_assert_int_eq (peer->status[0], 200);
  ck_assert_int_eq (peer->status[1], 201);
  ck_assert_int_eq (peer->status[2], 202);
  ck_assert_int_eq (peer->status[3], 404);
  ck_assert_int_eq (peer->status[4], 203);
  peer_close (peer);
}
END_TEST

START_TEST (connection_close_and_http_1_0)
{
  static const char *const texts[] = {
      "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      "GET /healthz HTTP/1.0\r\n\r\n"};
  struct peer *peer;

  world_listen ();
  for (size_t i = 0; i < 2; i++) {
    peer = peer_open ();
    ck_assert_int_eq (status_of (peer, texts[i], strlen (texts[i])), 200);
    ck_assert_str_eq (header_of (peer, "Connection"), "close");
    WAIT_FOR (peer->closed);
    peer_close (peer);
  }
  peer = peer_open ();
  peer_say (peer, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET ("/healthz"));
  WAIT_FOR (peer->count == 2);
  peer_close (peer);
}
END_TEST

/* ---- Peers that leave ------------------------------------------------------------------------ */

START_TEST (a_peer_that_leaves_cancels_its_request)
{
  struct linger hard = {.l_onoff = 1};

  world_listen ();
  core.play = HELD;
  core.cancel_answers = _i & 1;
  struct peer *peer = peer_open ();
  peer_say (peer, "POST /sync/pull HTTP/1.1\r\n" AUTH "Content-Length: 2\r\n\r\n{}");
  WAIT_FOR (core.submitted == 1);
  if (_i & 2) /* a reset instead of an orderly end */
    setsockopt (bufferevent_getfd (peer->bev), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  peer_close (peer);
  WAIT_FOR (core.cancelled == 1);
  if (!core.cancel_answers) {
    for (int i = 0; i < 20; i++)
      event_base_loop (base, EVLOOP_NONBLOCK);
    ck_assert_str_eq (core.held[0].request->body,
                      "{}"); /* still alive: the core has not answered */
    core_answer (0);
  }
  WAIT_FOR (connections () == 0);
  ck_assert_uint_eq (core.cancelled, 1);
}
END_TEST

START_TEST (a_peer_that_sends_no_more_still_gets_its_answers)
{
  struct peer *peer;

  world_listen ();
  core.play = SOON;
  peer = peer_open ();
  WAIT_FOR (connections () == 1);
  peer_say (peer, GET ("/healthz") GET ("/healthz") "GET /heal");
  WAIT_FOR (evbuffer_get_length (bufferevent_get_output (peer->bev)) == 0);
  shutdown (bufferevent_getfd (peer->bev), SHUT_WR);
  WAIT_FOR (peer->closed);
  ck_assert_uint_eq (peer->count, 2);
  peer_close (peer);
  WAIT_FOR (connections () == 0);
}
END_TEST

START_TEST (a_peer_that_does_not_read_is_dropped)
{
  size_t length = 32 << 20;
  char *text = malloc (length + 1);
  struct peer *peer;

  memset (text, 'x', length);
  text[length] = '\0';
  set_option ("write_timeout", "200ms");
  world_listen ();
  core_says (200, text);
  peer = peer_open ();
  bufferevent_disable (peer->bev, EV_READ);
  peer_say (peer, PUSH PUSH PUSH);
  WAIT_FOR (core.submitted == 1);
  WAIT_FOR (connections () == 0);
  ck_assert_uint_eq (core.submitted, 1);
  peer_close (peer);
  free (text);
}
END_TEST

/* ---- Slow peers ------------------------------------------------------------------------------ */

static const struct {
  const char *text;
  int status; /* 0: closed in silence */
} slow[] = {
    {"", 0},
    {"GET /healthz HTTP/1.1\r\nHost", 408},
    {"POST /sync/push HTTP/1.1\r\n" AUTH "Content-Length: 100\r\n\r\n{", 408},
    {"POST /sync/push HTTP/1.1\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n10\r\n{", 408},
};

START_TEST (who_stalls_is_dropped)
{
  set_option ("header_timeout", "50ms");
  world_listen ();
  struct peer *peer = peer_open ();
  peer_say (peer, slow[_i].text);
  WAIT_FOR (peer->closed);
  ck_assert_int_eq (has_head (peer) ? peer->status[0] : 0, slow[_i].status);
  peer_close (peer);
}
END_TEST

START_TEST (a_body_has_a_deadline)
{
  char body[2000]; /* more than the least progress, less than buys a second */
  int64_t began = mantis_monotonic ();
  struct peer *peer;

  set_option ("header_timeout", "1000s"); /* not for want of progress */
  set_option ("body_timeout", "100ms");
  world_listen ();
  memset (body, ' ', sizeof body);
  peer = peer_open ();
  peer_say (peer, POST ("", 100000, ""));
  ck_assert_int_eq (status_of (peer, body, sizeof body), 408);
  peer_close (peer);
  ck_assert_int_ge (mantis_monotonic () - began, 99000);
}
END_TEST

START_TEST (an_idle_connection_is_closed)
{
  set_option ("idle_timeout", "50ms");
  world_listen ();
  struct peer *peer = peer_open ();
  ck_assert_int_eq (status_of (peer, PUSH, strlen (PUSH)), 200);
  WAIT_FOR (peer->closed);
  ck_assert_uint_eq (peer->count, 1);
  peer_close (peer);
  WAIT_FOR (connections () == 0);
}
END_TEST

/* ---- Greedy peers ---------------------------------------------------------------------------- */

START_TEST (connections_are_limited)
{
  struct peer *first, *second, *third;

  set_option ("max_connections", "2");
  world_listen ();
  first = peer_open ();
  second = peer_open ();
  core.play = HELD;
  peer_say (first, PUSH);
  peer_say (second, PUSH);
  WAIT_FOR (core.submitted == 2); /* they wait for their answers: nobody makes room */
  third = peer_open ();
  WAIT_FOR (third->closed);
  ck_assert_int_eq (third->status[0], 503);
  ck_assert_str_eq (header_of (third, "Retry-After"), "1");
  core_answer_all ();
  WAIT_FOR (first->count == 1 && second->count == 1);
  core.play = AT_ONCE;
  ck_assert_int_eq (status_of (first, PUSH, strlen (PUSH)), 200);
  peer_close (first), peer_close (third);
  WAIT_FOR (connections () == 1);
  ck_assert_int_eq (ask (PUSH), 200);
  peer_close (second);
}
END_TEST

/* The oldest of those that are only kept makes room for who comes anew; who has begun a request stays. */
START_TEST (idle_connections_make_room)
{
  struct peer *peers[4], *fresh;

  set_option ("max_connections", "4");
  world_listen ();
  for (int i = 0; i < 4; i++) {
    peers[i] = peer_open ();
    ck_assert_int_eq (status_of (peers[i], PUSH, strlen (PUSH)), 200);
  }
  ck_assert_int_eq (status_of (peers[0], PUSH, strlen (PUSH)), 200); /* now 1 is the oldest */
  core.play = HELD;
  peer_say (peers[2], PUSH);
  WAIT_FOR (core.submitted == 6);
  core.play = AT_ONCE;
  peer_say (peers[3], "POST /sync");
  fresh = peer_open ();
  ck_assert_int_eq (status_of (fresh, PUSH, strlen (PUSH)), 200);
  WAIT_FOR (peers[1]->closed);
  ck_assert (!peers[0]->closed && !peers[2]->closed && !peers[3]->closed);
  peer_close (fresh);
  fresh = peer_open ();
  ck_assert_int_eq (status_of (fresh, PUSH, strlen (PUSH)), 200);
  core_answer_all ();
  WAIT_FOR (peers[2]->count == 2);
  peer_say (peers[3], strchr (PUSH, '/') + strlen ("/sync"));
  WAIT_FOR (peers[3]->count == 2);
  peer_close (fresh);
  for (int i = 0; i < 4; i++)
    peer_close (peers[i]);
  WAIT_FOR (connections () == 0);
}
END_TEST

/* However many come: each hears a word. */
START_TEST (a_crowd_is_told_that_there_is_no_room)
{
  struct peer *crowd[MOST + 20];
  size_t told = 0;

  set_option ("max_connections", "1");
  world_listen ();
  core.play = HELD;
  crowd[0] = peer_open ();
  peer_say (crowd[0], PUSH);
  WAIT_FOR (core.submitted == 1);
  for (size_t i = 1; i < MOST + 20; i++)
    crowd[i] = peer_open ();
  for (size_t i = 1; i < MOST + 20; i++) {
    WAIT_FOR (crowd[i]->closed);
    told += crowd[i]->count == 1 && crowd[i]->status[0] == 503 &&
            strcmp (header_of (crowd[i], "Retry-After"), "1") == 0;
  }
  ck_assert_uint_eq (told, MOST + 19);
  core_answer_all ();
  WAIT_FOR (crowd[0]->count == 1);
  for (size_t i = 0; i < MOST + 20; i++)
    peer_close (crowd[i]);
}
END_TEST

START_TEST (bodies_in_hand_are_limited)
{
  char *body = calloc (1, 30000), head[200];
  struct peer *first, *second;
  size_t length = (size_t)snprintf (
      head, sizeof head, "POST /sync/push HTTP/1.1\r\n" AUTH "Content-Length: 30000\r\n\r\n");

  set_option ("max_buffered_bytes", "50000");
  world_listen ();
  core.play = HELD;
  first = peer_open (), second = peer_open ();
  peer_send (first, head, length), peer_send (first, body, 30000);
  WAIT_FOR (core.submitted == 1);
  peer_send (second, head, length);
  ck_assert_int_eq (status_of (second, body, 30000), 503);
  core_answer (0);
  WAIT_FOR (has_head (first));
  ck_assert_uint_eq (listener->budget.used, 0);
  peer_close (first), peer_close (second);
  free (body);
}
END_TEST

/* A connection that waits keeps nothing of what it carried. */
START_TEST (an_idle_connection_costs_little)
{
  char *body = calloc (1, 200000);
  struct peer *peer;

  world_listen ();
  peer = peer_open ();
  peer_say (peer, "POST /sync/push HTTP/1.1\r\n" AUTH "Content-Length: 200000\r\n\r\n");
  ck_assert_int_eq (status_of (peer, body, 200000), 200);
  WAIT_FOR (listener->budget.used == 0);
  ck_assert_uint_eq (connections (), 1);
  peer_close (peer);
  free (body);
}
END_TEST

/* ---- The end --------------------------------------------------------------------------------- */

START_TEST (draining_lets_requests_finish)
{
  struct peer *idle, *busy, *half;

  world_listen ();
  core.play = HELD;
  idle = peer_open (), busy = peer_open (), half = peer_open ();
  WAIT_FOR (connections () == 3);
  peer_say (busy, PUSH GET ("/healthz"));
  peer_say (half, "POST /sync/push HTTP/1.1\r\n" AUTH);
  WAIT_FOR (core.submitted == 1);
  for (int i = 0; i < 20; i++)
    event_base_loop (base, EVLOOP_NONBLOCK);
  OPS->drain (listener);
  WAIT_FOR (idle->closed);
  ck_assert_int_eq (ask (PUSH), 0); /* nobody listens any more */
  peer_say (half, "Content-Length: 2\r\n\r\n{}");
  WAIT_FOR (core.submitted == 2);
  core_answer (0), core_answer (1);
  WAIT_FOR (busy->closed && half->closed);
  ck_assert_uint_eq (busy->count, 1);
  ck_assert_str_eq (header_of (busy, "Connection"), "close");
  ck_assert_int_eq (half->status[0], 200);
  peer_close (idle), peer_close (busy), peer_close (half);
  WAIT_FOR (connections () == 0);
}
END_TEST

START_TEST (closing_drops_answers)
{
  struct peer *peers[3];

  world_listen ();
  core.play = HELD;
  core.cancel_answers = _i == 0;
  for (int i = 0; i < 3; i++)
    peer_say (peers[i] = peer_open (), i == 2 ? "GET /h" : PUSH);
  WAIT_FOR (core.submitted == 2 && connections () == 3);
  OPS->close (listener);
  listener = NULL;
  ck_assert_uint_eq (core.cancelled, 2);
  WAIT_FOR (peers[0]->closed && peers[1]->closed && peers[2]->closed);
  core_answer_all (); /* late: harmless */
  for (int i = 0; i < 3; i++) {
    ck_assert_uint_eq (peers[i]->count, 0);
    peer_close (peers[i]);
  }
}
END_TEST

/* ---- Listening ------------------------------------------------------------------------------- */

static const struct {
  const char *address, *insecure;
  enum mantis_status status;
  const char *says;
} addresses[] = {
    {"127.0.0.1:0", "false", MANTIS_OK, ""},
    {"localhost:0", "false", MANTIS_OK, ""},
    {"127.9.9.9:0", "false", MANTIS_OK, ""},
    {"0.0.0.0:0", "true", MANTIS_OK, ""},
    {"0.0.0.0:0", "false", MANTIS_INVALID, "\"insecure\": true"},
    {":0", "false", MANTIS_INVALID, "not encrypted"},
    {"*:0", "false", MANTIS_INVALID, "not encrypted"},
    {"[::]:0", "false", MANTIS_INVALID, "not encrypted"},
    {"127.0.0.1", "false", MANTIS_INVALID, "HOST:PORT"},
    {"127.0.0.1:", "false", MANTIS_INVALID, "HOST:PORT"},
    {"127.0.0.1:http", "false", MANTIS_INVALID, "HOST:PORT"},
    {"127.0.0.1:65536", "false", MANTIS_INVALID, "HOST:PORT"},
    {"::1:80", "false", MANTIS_INVALID, "HOST:PORT"},
    {"[::1:80", "false", MANTIS_INVALID, "HOST:PORT"},
    {"", "false", MANTIS_INVALID, "HOST:PORT"},
    {"203.0.113.1:0", "true", MANTIS_FAILED, "cannot listen"},
};

START_TEST (where_it_listens)
{
  struct mantis_error error = {.text = ""};
  enum mantis_status status;

  set_option ("address", addresses[_i].address);
  set_option ("insecure", addresses[_i].insecure);
  status = OPS->listen (options, base, SERVICE, &listener, &error);
  ck_assert_msg (status == addresses[_i].status, "%d: %s", status, error.text);
  ck_assert_ptr_nonnull (strstr (error.text, addresses[_i].says));
  if (status == MANTIS_OK)
    ck_assert_ptr_null (strstr (OPS->address (listener), ":0"));
}
END_TEST

START_TEST (an_address_in_use_is_an_error)
{
  struct mantis_listener *second = NULL;
  struct mantis_error error;

  world_listen ();
  set_option ("address", OPS->address (listener));
  ck_assert_int_eq (OPS->listen (options, base, SERVICE, &second, &error), MANTIS_FAILED);
  ck_assert_ptr_nonnull (strstr (error.text, "in use"));
  ck_assert_ptr_null (second);
}
END_TEST

START_TEST (ipv6)
{
  struct mantis_error error;

  set_option ("address", "[::1]:0");
  if (OPS->listen (options, base, SERVICE, &listener, &error) == MANTIS_OK)
    ck_assert_int_eq (strncmp (OPS->address (listener), "[::1]:", 6), 0);
  else /* a machine without IPv6 */
    ck_assert_ptr_nonnull (strstr (error.text, "[::1]:0"));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("rest: connections");
  TCase *tests = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, world_open, world_close);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, pipelined_requests_are_answered_in_order);
  tcase_add_test (tests, connection_close_and_http_1_0);
  tcase_add_loop_test (tests, a_peer_that_leaves_cancels_its_request, 0, 4);
  tcase_add_test (tests, a_peer_that_sends_no_more_still_gets_its_answers);
  tcase_add_test (tests, a_peer_that_does_not_read_is_dropped);
  tcase_add_loop_test (tests, who_stalls_is_dropped, 0, COUNT (slow));
  tcase_add_test (tests, a_body_has_a_deadline);
  tcase_add_test (tests, an_idle_connection_is_closed);
  tcase_add_test (tests, connections_are_limited);
  tcase_add_test (tests, idle_connections_make_room);
  tcase_add_test (tests, a_crowd_is_told_that_there_is_no_room);
  tcase_add_test (tests, bodies_in_hand_are_limited);
  tcase_add_test (tests, an_idle_connection_costs_little);
  tcase_add_test (tests, draining_lets_requests_finish);
  tcase_add_loop_test (tests, closing_drops_answers, 0, 2);
  tcase_add_loop_test (tests, where_it_listens, 0, COUNT (addresses));
  tcase_add_test (tests, an_address_in_use_is_an_error);
  tcase_add_test (tests, ipv6);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
