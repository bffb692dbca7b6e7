/* test_session.c - the plugin session without a server: what a login costs whom, how guessing is held up, what time does.
 *
 * Pitfall: O28 (a user that there is not is found out by the time that it takes).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "server_rig.h"

#include "../../plugins/auth/session/session.h"
#include "base/base.h"
#include "sync/keep.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct mantis_plugin plugin_session;
#define OPS ((const struct mantis_auth *)plugin_session.ops)
#define HOUR 3600000
#define DAY (24 * HOUR)

static struct session *own;
static struct mantis_keep keep;
static struct mantis_arena *arena;
static struct mantis_error error;
static int64_t now;

/* ---- In the place of OpenSSL's, which is slow: who asks for it is what counts ---- */

static size_t derived;
static uint64_t with[4];

int
EVP_PBE_scrypt (const char *pass, size_t passlen, const unsigned char *salt, size_t saltlen,
                uint64_t n, uint64_t r, uint64_t p, uint64_t maxmem, unsigned char *key,
                size_t keylen)
{
  unsigned char both[2000];

  derived++;
  with[0] = n, with[1] = r, with[2] = p, with[3] = maxmem;
  memcpy (both, pass, passlen);
  memcpy (both + passlen, salt, saltlen);
  return keylen == 32 && EVP_Digest (both, passlen + saltlen, key, NULL, EVP_sha256 (), NULL);
}

/* ---- Rig ---- */

static int64_t
clock_now (void)
{
  return now;
}

#define OK(call)                                                                                   \
  do {                                                                                             \
    enum mantis_status status_ = (call);                                                           \
    ck_assert_msg (status_ == MANTIS_OK, "%s: status %d: %s", #call, status_, error.text);         \
  } while (0)

static void
set_up (void)
{
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  now = mantis_now ();
  clock_set (clock_now);
  arena = mantis_arena_new (0);
  own = calloc (1, sizeof *own);
  *own = (struct session){.lifetime = 30 * (int64_t)DAY,
                          .idle_timeout = 7 * (int64_t)DAY,
                          .cost = 15,
                          .failures = 3,
                          .failure_interval = 10000};
  OK (plugin_session.start (own, &error));
  keep = (struct mantis_keep){.store = &rig_store, .tables = session_tables};
  OK (mantis_keep_begin (&keep, true, &error));
  for (const struct mantis_table *const *t = session_tables; *t; t++)
    OK (rig_store.ops->create (rig_store.session, *t, &error));
  OK (mantis_keep_commit (&keep, &error));
}

static void
tear_down (void)
{
  plugin_session.stop (own);
  free (own);
  mantis_arena_free (arena);
  clock_set (NULL);
  rig_stop ();
}

static enum mantis_status
order (const char *what, const char *user, const char *password)
{
  const struct mantis_user_order wanted = {
      .size = sizeof wanted, .what = what, .user = user, .password = password};
  CLEANUP_BUF struct mantis_buf answer = MANTIS_BUF_INIT;

  return OPS->users (own, &keep, &wanted, &answer, &error);
}

static struct mantis_welcome welcome;

static enum mantis_status
try_from (const char *peer, const char *user, const char *password)
{
  const struct mantis_login login = {
      .size = sizeof login, .user = user, .password = password, .peer = peer};

  welcome = (struct mantis_welcome){.size = sizeof welcome};
  return OPS->login (own, &keep, &login, arena, &welcome, &error);
}

static enum mantis_status
known (const char *token)
{
  const struct mantis_credentials credentials = {.size = sizeof credentials, .bearer = token};
  struct mantis_principal principal = {.size = sizeof principal};

  return OPS->recognize (own, &keep, &credentials, arena, &principal, &error);
}

static void
tend (void)
{
  int64_t after = 0;

  OK (OPS->tend (own, &keep, &after, &error));
  ck_assert_int_gt (after, 0);
}

static size_t
count (const struct mantis_table *table)
{
  const mantis_row *rows;
  size_t found;
  bool end;

  OK (mantis_keep_begin (&keep, false, &error));
  OK (mantis_keep_scan (&keep, table, NULL, 100000, arena, &rows, &found, &end, &error));
  mantis_keep_rollback (&keep);
  return found;
}

/* ---- Equal work ---- */

START_TEST (a_stranger_costs_as_much_as_anybody)
{
  char reason[sizeof error.text];

  OK (order ("add", "alice", "correct horse"));
  OK (order ("add", "bob", "correct horse"));
  OK (order ("disable", "bob", NULL));
  derived = 0;
  ck_assert_int_eq (try_from ("192.0.2.1", "alice", "wrong horse"), MANTIS_DENIED);
  ck_assert_uint_eq (derived, 1);
  strcpy (reason, error.text);
  for (int i = 0; i < 4; i++) {
    static const char *const others[] = {"nobody", "bob", "", "no\nname"};
    with[0] = 0;
    own->failures = 100;
    own->limit.failures = 100;
    ck_assert_int_eq (try_from ("192.0.2.2", others[i], "correct horse"), MANTIS_DENIED);
    ck_assert_str_eq (error.text, reason);
    ck_assert_uint_eq (derived, (size_t)i + 2);
    ck_assert_uint_eq (with[0], 1 << 15);
    ck_assert_uint_eq (with[1], 8);
    ck_assert_uint_eq (with[2], 3);
    ck_assert_uint_ge (with[3], 128 * 8 << 15);
  }
}
END_TEST

START_TEST (what_is_stored_is_no_password_and_no_token)
{
  const mantis_row *rows;
  size_t found;
  bool end;

  OK (order ("add", "alice", "correct horse"));
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  ck_assert_uint_eq (strlen (welcome.token), 47);
  ck_assert_uint_eq (strspn (welcome.token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789-_"),
                     47);
  OK (mantis_keep_begin (&keep, false, &error));
  for (const struct mantis_table *const *t = session_tables; *t; t++) {
    OK (mantis_keep_scan (&keep, *t, NULL, 100, arena, &rows, &found, &end, &error));
    for (size_t c = 0; c < (*t)->column_count; c++) {
      ck_assert_ptr_null (strstr (text_of (&rows[0][c]), welcome.token + 4));
      ck_assert_ptr_null (strstr (text_of (&rows[0][c]), "correct horse"));
    }
  }
  mantis_keep_rollback (&keep);
}
END_TEST

START_TEST (another_cost_holds_from_the_next_login)
{
  OK (order ("add", "alice", "correct horse"));
  own->cost = 16;
  derived = 0;
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  ck_assert_uint_eq (derived, 2); /* looked at, and stored anew */
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  ck_assert_uint_eq (derived, 3);
  ck_assert_uint_eq (with[0], 1 << 16);
}
END_TEST

/* ---- Guessing ---- */

START_TEST (who_guesses_is_held_up_and_the_honest_are_not)
{
  OK (order ("add", "alice", "correct horse"));
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (try_from ("192.0.2.1", "alice", "guess"), MANTIS_DENIED);
  derived = 0;
  ck_assert_int_eq (try_from ("192.0.2.1", "alice", "guess"), MANTIS_BUSY);
  ck_assert_int_eq (welcome.retry_after, 10);
  ck_assert_int_eq (try_from ("192.0.2.1", "alice", "correct horse"), MANTIS_BUSY);
  ck_assert_int_eq (try_from ("192.0.2.1", "another", "guess"), MANTIS_BUSY);
  ck_assert_uint_eq (derived, 0); /* nothing is computed for him */
  for (int i = 0; i < 10; i++)
    OK (try_from ("192.0.2.2", "alice", "correct horse"));
  ck_assert_int_eq (try_from ("192.0.2.3", "alice", "guess"), MANTIS_DENIED);
  ck_assert_int_eq (try_from ("192.0.2.3", "alice", "guess"), MANTIS_BUSY);
  OK (order ("add", "bob", "correct horse"));
  OK (try_from ("192.0.2.3", "bob", "correct horse"));
  now += 10000;
  ck_assert_int_eq (try_from ("192.0.2.1", "alice", "guess"), MANTIS_DENIED);
  ck_assert_int_eq (try_from ("192.0.2.1", "alice", "guess"), MANTIS_BUSY);
  now += HOUR;
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
}
END_TEST

START_TEST (an_ipv6_network_is_one_address)
{
  char peer[64];

  for (int i = 0; i < 3; i++) {
    snprintf (peer, sizeof peer, "2001:db8:1:2::%x", i);
    ck_assert_int_eq (try_from (peer, "alice", "guess"), MANTIS_DENIED);
  }
  ck_assert_int_eq (try_from ("2001:db8:1:2:ffff::1", "bob", "guess"), MANTIS_BUSY);
  ck_assert_int_eq (try_from ("2001:db8:1:3::1", "bob", "guess"), MANTIS_DENIED);
}
END_TEST

START_TEST (many_addresses_take_no_more_room_and_free_nobody)
{
  struct limit *limit = &own->limit;
  struct attempt attempt;
  char peer[64];

  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (limit_try (limit, "192.0.2.1", "alice", &attempt), 0);
  for (int i = 0; i < 20000; i++) {
    snprintf (peer, sizeof peer, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
    limit_try (limit, peer, "somebody else", &attempt);
  }
  ck_assert_int_gt (limit_try (limit, "192.0.2.1", "alice", &attempt), 0);
}
END_TEST

/* ---- Time ---- */

START_TEST (a_session_ends_when_it_is_not_used)
{
  const char *token;

  OK (order ("add", "alice", "correct horse"));
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  token = welcome.token;
  for (int day = 0; day < 12; day++) { /* each day, and so it goes on */
    now += DAY;
    OK (known (token));
    tend ();
  }
  now += 7 * (int64_t)DAY - 1;
  OK (known (token));
  now += 2; /* it was not written down that it was used */
  ck_assert_int_eq (known (token), MANTIS_DENIED);
  tend (); /* ... but now */
  OK (known (token));
  now += 8 * (int64_t)DAY;
  ck_assert_int_eq (known (token), MANTIS_DENIED);
  tend ();
  ck_assert_uint_eq (count (&session_sessions), 0);
  ck_assert_uint_eq (count (&session_users), 1);
}
END_TEST

START_TEST (a_session_ends_however_often_it_is_used)
{
  const char *token;

  OK (order ("add", "alice", "correct horse"));
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  token = welcome.token;
  ck_assert_int_eq (welcome.expires, now + 30 * (int64_t)DAY);
  for (int day = 0; day < 29; day++) {
    now += DAY;
    OK (known (token));
    tend ();
  }
  now += DAY;
  ck_assert_int_eq (known (token), MANTIS_DENIED);
  tend ();
  ck_assert_uint_eq (count (&session_sessions), 0);
}
END_TEST

START_TEST (many_sessions_are_swept_page_by_page)
{
  OK (order ("add", "alice", "correct horse"));
  for (int i = 0; i < 1200; i++) {
    now += i == 600 ? 20 * (int64_t)DAY : 0;
    OK (try_from ("192.0.2.1", "alice", "correct horse"));
  }
  ck_assert_uint_eq (count (&session_sessions), 1200);
  tend ();
  ck_assert_uint_eq (count (&session_sessions), 600);
}
END_TEST

/* A use that comes late must not bring half a row back. */
START_TEST (a_session_that_has_ended_stays_so)
{
  const struct mantis_credentials *out;
  const char *token;

  OK (order ("add", "alice", "correct horse"));
  OK (try_from ("192.0.2.1", "alice", "correct horse"));
  token = welcome.token;
  now += DAY;
  OK (known (token));
  out = &(struct mantis_credentials){.size = sizeof *out, .cookie = token};
  OK (OPS->logout (own, &keep, out, &error));
  tend ();
  ck_assert_uint_eq (count (&session_sessions), 0);
  ck_assert_int_eq (known (token), MANTIS_DENIED);
}
END_TEST

START_TEST (names_and_passwords_have_bounds)
{
  char longest[1100];

  memset (longest, 'x', sizeof longest);
  longest[1025] = '\0';
  ck_assert_int_eq (order ("add", "alice", longest), MANTIS_INVALID);
  longest[1024] = '\0';
  OK (order ("add", "alice", longest));
  OK (try_from ("192.0.2.1", "alice", longest));
  ck_assert_int_eq (order ("add", "bob", "1234567"), MANTIS_INVALID);
  longest[129] = '\0';
  ck_assert_int_eq (order ("add", longest, "12345678"), MANTIS_INVALID);
  longest[128] = '\0';
  OK (order ("add", longest, "12345678"));
  ck_assert_int_eq (order ("add", "", "12345678"), MANTIS_INVALID);
  ck_assert_int_eq (order ("add", "a\tb", "12345678"), MANTIS_INVALID);
  ck_assert_int_eq (order ("add", "\xc3", "12345678"), MANTIS_INVALID);
  ck_assert_int_eq (order ("add", "\xed\xa0\x80", "12345678"), MANTIS_INVALID);
  ck_assert_int_eq (order ("add", "\xc0\x80", "12345678"), MANTIS_INVALID);
  OK (order ("add", "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80", "12345678"));
  ck_assert_int_eq (order ("sing", "alice", "12345678"), MANTIS_INVALID);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("session");
  TCase *cases = tcase_create ("session");
  SRunner *runner = srunner_create (suite);
  int failed;

  log_set_level (MANTIS_ERROR);
  tcase_add_checked_fixture (cases, set_up, tear_down);
  tcase_set_timeout (cases, 60);
  tcase_add_test (cases, a_stranger_costs_as_much_as_anybody);
  tcase_add_test (cases, what_is_stored_is_no_password_and_no_token);
  tcase_add_test (cases, another_cost_holds_from_the_next_login);
  tcase_add_test (cases, who_guesses_is_held_up_and_the_honest_are_not);
  tcase_add_test (cases, an_ipv6_network_is_one_address);
  tcase_add_test (cases, many_addresses_take_no_more_room_and_free_nobody);
  tcase_add_test (cases, a_session_ends_when_it_is_not_used);
  tcase_add_test (cases, a_session_ends_however_often_it_is_used);
  tcase_add_test (cases, many_sessions_are_swept_page_by_page);
  tcase_add_test (cases, a_session_that_has_ended_stays_so);
  tcase_add_test (cases, names_and_passwords_have_bounds);
  suite_add_tcase (suite, cases);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
