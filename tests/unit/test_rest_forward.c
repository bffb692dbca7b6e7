/* test_rest_forward.c - who called, where a proxy stands before the server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest_rig.h"

static void
setup (void)
{
  world_open ();
  world_listen ();
}

/* FIELDS come from 127.0.0.1. */
static const struct {
  const char *trusted, *fields, *caller;
} matrix[] = {
    /* Nobody is trusted, or another one: whatever is said is nothing. */
    {NULL, "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
    {"10.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
    {"127.0.0.2", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
    {"127.0.0.2/31", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
    {"::1", "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"},
    /* A proxy that says nothing called itself. */
    {"127.0.0.1", "", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: \r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n", "127.0.0.1"},
    /* One that is trusted. */
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
    {"127.0.0.0/8", "x-forwarded-for:192.0.2.1\r\n", "192.0.2.1"},
    {"127.0.0.0/31", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
    {"0.0.0.0/0", "X-Forwarded-For: 2001:DB8::0001\r\n", "2001:db8::1"},
    {"::ffff:127.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1"},
    {"127.0.0.1", "X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"},
    {"127.0.0.1", "X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"},
    /* What the caller had put there himself stands before what the proxy knows. */
    {"127.0.0.1", "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n", "192.0.2.1"},
    {"127.0.0.1", "X-Forwarded-For: 127.0.0.1,192.0.2.1\r\n", "192.0.2.1"},
    {"127.0.0.1", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
    /* A chain of proxies. */
    {"127.0.0.0/8", "X-Forwarded-For: 203.0.113.9, 192.0.2.1 ,\t127.0.0.7, 127.0.0.8\r\n",
     "192.0.2.1"},
    {"127.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\nHost2: x\r\nX-Forwarded-For: 127.0.0.7\r\n",
     "192.0.2.1"},
    {"127.0.0.0/8", "X-Forwarded-For: 127.0.0.9, 127.0.0.8\r\n", "127.0.0.9"},
    /* No address: the last who is known. */
    {"127.0.0.0/8", "X-Forwarded-For: 192.0.2.1, unknown, 127.0.0.7\r\n", "127.0.0.7"},
    {"127.0.0.1", "X-Forwarded-For: unknown\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1,\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1, , \r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 1\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.256\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: [192.0.2.1\r\n", "127.0.0.1"},
    {"127.0.0.1",
     "X-Forwarded-For: 192.0.2.1%0a, ::::::::::::::::::::::::::::::::::::::::::::::::::::1\r\n",
     "127.0.0.1"},
};

START_TEST (who_called)
{
  char text[600];

  if (matrix[_i].trusted)
    set_option ("trusted_proxies", matrix[_i].trusted);
  snprintf (text, sizeof text, "POST /sync/pull HTTP/1.1\r\n" AUTH "%sContent-Length: 2\r\n\r\n{}",
            matrix[_i].fields);
  ck_assert_int_eq (ask (text), 200);
  ck_assert_str_eq (core.last.credentials.peer, matrix[_i].caller);
}
END_TEST

/* On a connection that a proxy keeps, each request has its own. */
START_TEST (each_request_has_its_own_caller)
{
  struct peer *peer = peer_open ();
  char text[300];

  set_option ("trusted_proxies", "127.0.0.1");
  for (int i = 1; i < 4; i++) {
    char caller[20];
    snprintf (caller, sizeof caller, "192.0.2.%d", i);
    snprintf (text, sizeof text, "GET /sync/status HTTP/1.1\r\n" AUTH "X-Forwarded-For: %s\r\n\r\n",
              caller);
    ck_assert_int_eq (status_of (peer, text, strlen (text)), 200);
    ck_assert_str_eq (core.last.credentials.peer, caller);
  }
  ck_assert_int_eq (status_of (peer, GET ("/sync/status"), strlen (GET ("/sync/status"))), 200);
  ck_assert_str_eq (core.last.credentials.peer, "127.0.0.1");
  peer_close (peer);
}
END_TEST

START_TEST (what_is_no_network_is_refused_at_start)
{
  static const char *const bad[] = {"",
                                    "localhost",
                                    "10.0.0.0/33",
                                    "::/129",
                                    "10.0.0.0/",
                                    "10.0.0/8",
                                    "10.0.0.0/-1",
                                    "10.0.0.0/8x",
                                    "10.0.0.0/+8",
                                    "*",
                                    "10.0.0.1:80",
                                    "10.0.0.0/ 8",
                                    "10.0.0.0/0008"};
  struct mantis_listener *other = NULL;
  struct mantis_error error = {.text = ""};

  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_option ("trusted_proxies", bad[i]);
    ck_assert_msg (OPS->listen (options, base, SERVICE, &other, &error) == MANTIS_INVALID, "%s",
                   bad[i]);
    ck_assert_ptr_nonnull (strstr (error.text, "is no address and no network"));
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("rest: proxies");
  TCase *tests = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, setup, world_close);
  tcase_set_timeout (tests, 60);
  tcase_add_loop_test (tests, who_called, 0, (int)(sizeof matrix / sizeof *matrix));
  tcase_add_test (tests, each_request_has_its_own_caller);
  tcase_add_test (tests, what_is_no_network_is_refused_at_start);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
