/* test_rest_browser.c - what browsers add to a request: cookies count only with the Origin of a page of
 * ours, pages of allowed_origins may read, a token is a subprotocol and never stands in an address.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest_rig.h"

static void
setup (void)
{
  world_open ();
  set_option ("allowed_origins", "https://app.example.org");
  world_listen ();
}

#define HOST "Host: office.example.org:8080\r\n"
#define COOKIE "Cookie: theme=dark; __Host-mantis=mst_abc; x=y\r\n"
#define OURS "Origin: http://office.example.org:8080\r\n"
#define PROXIED "Origin: https://Office.example.org:8080\r\n"
#define LISTED "Origin: https://app.example.org\r\n"
#define FOREIGN "Origin: https://evil.example\r\n"
#define BEARER "Authorization: Bearer t\r\n"
#define HANDSHAKE                                                                                  \
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "  \
  "AQIDBAUGBwgJCgsMDQ4PEA==\r\n"

/* WebSocket is not here: a handshake that gets so far is answered 404 by the one who takes over. */
enum { TAKER = 404 };

static const struct {
  const char *line, *fields;
  int status;
} matrix[] = {
    {"POST /sync/push", COOKIE OURS, 200},
    {"POST /sync/push", COOKIE PROXIED, 200},
    {"POST /sync/push", COOKIE LISTED, 200},
    {"POST /sync/push", COOKIE, 403},
    {"POST /sync/push", COOKIE FOREIGN, 403},
    {"POST /sync/push", COOKIE "Origin: null\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: http://office.example.org\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: http://office.example.org:80801\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: http://evil.office.example.org:8080\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: ftp://office.example.org:8080\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: https://app.example.org.evil.example\r\n", 403},
    {"POST /sync/push", COOKIE "Origin: https://app.example.or\r\n", 403},
    {"POST /sync/push", COOKIE "Origin:\r\n", 403},
    {"POST /sync/push", COOKIE OURS OURS, 400},
    {"POST /sync/push", COOKIE COOKIE OURS, 400},
    {"POST /sync/push", "Cookie: __Host-mantis=a; __Host-mantis=b\r\n" OURS, 400},
    {"POST /sync/push", "Cookie: __Host-mantis=\r\n" OURS, 401},
    {"POST /sync/push", "Cookie: mantis=mst_abc; x__Host-mantis=a\r\n" OURS, 401},
    {"POST /sync/push", BEARER, 200},
    {"POST /sync/push", BEARER COOKIE, 200},
    {"POST /sync/push", BEARER FOREIGN, 200},
    {"POST /auth/logout", COOKIE OURS, 200},
    {"POST /auth/logout", COOKIE, 403},
    {"GET /sync/status", COOKIE, 200},
    {"GET /sync/status", COOKIE OURS, 200},
    {"GET /sync/status", COOKIE FOREIGN, 403},
    {"POST /auth/login", "", 200},
    {"POST /auth/login", OURS, 200},
    {"POST /auth/login", LISTED, 200},
    {"POST /auth/login", FOREIGN, 403},
    {"GET /healthz", FOREIGN, 200},
    {"GET /sync/ws", HANDSHAKE COOKIE OURS, TAKER},
    {"GET /sync/ws", HANDSHAKE COOKIE LISTED, TAKER},
    {"GET /sync/ws", HANDSHAKE COOKIE, 403},
    {"GET /sync/ws", HANDSHAKE COOKIE FOREIGN, 403},
    {"GET /sync/ws", HANDSHAKE BEARER, TAKER},
    {"GET /sync/ws", HANDSHAKE, 401},
    {"GET /sync/ws", HANDSHAKE "Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.t0\r\n", TAKER},
    {"GET /sync/ws", HANDSHAKE FOREIGN "Sec-WebSocket-Protocol: mantis.bearer.t0,mantis.v1\r\n",
     TAKER},
    {"GET /sync/ws", HANDSHAKE "Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.\r\n", 400},
    {"GET /sync/ws", HANDSHAKE "Sec-WebSocket-Protocol: mantis.bearer.a, mantis.bearer.b\r\n", 400},
    {"GET /sync/ws", HANDSHAKE BEARER "Sec-WebSocket-Protocol: mantis.bearer.a\r\n", 400},
    {"POST /sync/push", "Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.t0\r\n", 401},
    {"GET /sync/ws?token=t", HANDSHAKE BEARER, 400},
    {"GET /sync/ws?access_token=t", HANDSHAKE, 400},
    {"GET /sync/conflicts?table=notes&Access_Token=t", BEARER, 400},
    {"GET /sync/conflicts?table=token", BEARER, 200},
    {"GET /sync/conflicts?tokens=1", BEARER, 200},
    {"GET /healthz?token=t", "", 400},
};

static int
ask_as (const char *line, const char *fields, struct peer *peer)
{
  char text[1000];

  snprintf (text, sizeof text, "%s HTTP/1.1\r\n" HOST "%s\r\n", line, fields);
  return status_of (peer, text, strlen (text));
}

START_TEST (a_cookie_needs_a_page_of_ours)
{
  struct peer *peer = peer_open ();
  size_t before = core.submitted;
  int status = ask_as (matrix[_i].line, matrix[_i].fields, peer);

  ck_assert_msg (status == matrix[_i].status, "%s: %d instead of %d", matrix[_i].line, status,
                 matrix[_i].status);
  ck_assert_uint_eq (core.submitted - before, status == 200);
  ck_assert_msg (!strstr (peer->head, "t0") && !strstr (peer->head, "mst_abc"), "%s", peer->head);
  peer_close (peer);
}
END_TEST

START_TEST (the_core_hears_of_one_of_them)
{
  struct peer *peer = peer_open ();

  ask_as ("POST /sync/push", COOKIE OURS, peer);
  ck_assert_str_eq (core.last.credentials.cookie, "mst_abc");
  ck_assert_ptr_null (core.last.credentials.bearer);
  ask_as ("POST /sync/push", COOKIE BEARER, peer);
  ck_assert_ptr_null (core.last.credentials.cookie);
  ck_assert_str_eq (core.last.credentials.bearer, "t");
  peer_close (peer);
}
END_TEST

#define PREFLIGHT "Access-Control-Request-Method: POST\r\n"

START_TEST (listed_pages_may_read)
{
  struct peer *peer = peer_open ();

  ck_assert_int_eq (ask_as ("OPTIONS /sync/push", LISTED PREFLIGHT, peer), 204);
  ck_assert_str_eq (header_of (peer, "Access-Control-Allow-Origin"), "https://app.example.org");
  ck_assert_ptr_nonnull (
      strstr (header_of (peer, "Access-Control-Allow-Headers"), "Authorization"));
  ck_assert_ptr_nonnull (strstr (header_of (peer, "Access-Control-Allow-Methods"), "POST"));
  ck_assert_str_eq (header_of (peer, "Connection"), "keep-alive");
  ck_assert_int_eq (ask_as ("POST /sync/push", LISTED BEARER, peer), 200);
  ck_assert_str_eq (header_of (peer, "Access-Control-Allow-Origin"), "https://app.example.org");
  ck_assert_str_eq (header_of (peer, "Access-Control-Allow-Credentials"), "true");
  ck_assert_str_eq (header_of (peer, "Vary"), "Origin");
  ck_assert_int_eq (ask_as ("POST /sync/push", LISTED, peer), 401); /* refusals, too */
  ck_assert_str_eq (header_of (peer, "Access-Control-Allow-Origin"), "https://app.example.org");
  peer_close (peer);
}
END_TEST

START_TEST (others_may_not)
{
  static const char *const fields[] = {FOREIGN PREFLIGHT BEARER, FOREIGN BEARER, OURS BEARER,
                                       BEARER, "Origin: null\r\n" BEARER};
  struct peer *peer = peer_open ();

  ck_assert_int_eq (ask_as ("OPTIONS /sync/push", FOREIGN PREFLIGHT, peer), 401);
  ck_assert_ptr_null (header_of (peer, "Access-Control-Allow-Origin"));
  ck_assert_int_eq (ask_as ("OPTIONS /sync/push", LISTED, peer), 401);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    ask_as (i ? "POST /sync/push" : "OPTIONS /sync/push", fields[i], peer);
    ck_assert_ptr_null (header_of (peer, "Access-Control-Allow-Origin"));
    ck_assert_ptr_null (header_of (peer, "Access-Control-Allow-Methods"));
  }
  peer_close (peer);
}
END_TEST

START_TEST (a_session_comes_and_goes_as_a_cookie)
{
  struct peer *peer = peer_open ();

  core.answer.cookie = "mst_new";
  core.answer.cookie_lifetime = 3600;
  ck_assert_int_eq (ask_as ("POST /auth/login", OURS, peer), 200);
  ck_assert_str_eq (header_of (peer, "Set-Cookie"), "__Host-mantis=mst_new; Path=/; Secure; "
                                                    "HttpOnly; SameSite=Strict; Max-Age=3600");
  core.answer.cookie = "";
  ck_assert_int_eq (ask_as ("POST /auth/logout", OURS COOKIE, peer), 200);
  ck_assert_str_eq (header_of (peer, "Set-Cookie"),
                    "__Host-mantis=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
  core.answer.cookie = NULL;
  ask_as ("POST /sync/push", OURS COOKIE, peer);
  ck_assert_ptr_null (header_of (peer, "Set-Cookie"));
  peer_close (peer);
}
END_TEST

START_TEST (what_is_no_origin_is_refused_at_start)
{
  static const char *const bad[] = {
      "*",    "https://*.example.org", "app.example.org",  "https://app.example.org/", "https://",
      "null", "https://a b",           "https://user@host"};
  struct mantis_listener *other = NULL;
  struct mantis_error error = {.text = ""};

  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_option ("allowed_origins", bad[i]);
    ck_assert_int_eq (OPS->listen (options, base, SERVICE, &other, &error), MANTIS_INVALID);
    ck_assert_ptr_nonnull (strstr (error.text, "is no origin"));
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("rest: browsers");
  TCase *tests = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, setup, world_close);
  tcase_set_timeout (tests, 60);
  tcase_add_loop_test (tests, a_cookie_needs_a_page_of_ours, 0,
                       (int)(sizeof matrix / sizeof *matrix));
  tcase_add_test (tests, the_core_hears_of_one_of_them);
  tcase_add_test (tests, listed_pages_may_read);
  tcase_add_test (tests, others_may_not);
  tcase_add_test (tests, a_session_comes_and_goes_as_a_cookie);
  tcase_add_test (tests, what_is_no_origin_is_refused_at_start);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
