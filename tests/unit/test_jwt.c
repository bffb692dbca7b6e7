/* test_jwt.c - tokens and claims: what gets in, and that nothing else does (pitfalls O23, O27).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt_rig.h"

#include <pthread.h>
#include <time.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static void *self;

static void
begin (void)
{
  rig_begin ();
  self = rig_new ("HS256", rig_write ("key", SECRET "\n", strlen (SECRET) + 1));
  rig_start (self);
}

static void
end (void)
{
  rig_free (self);
  rig_end ();
}

/* TEXT with @ replaced by the present second plus OFFSET. */
static const char *
at (const char *text, long long offset)
{
  static char result[2048];
  const char *mark = strchr (text, '@');

  ck_assert_ptr_nonnull (mark);
  snprintf (result, sizeof result, "%.*s%lld%s", (int)(mark - text), text,
            (long long)time (NULL) + offset, mark + 1);
  return result;
}

static enum mantis_status
ask (const char *header, const char *payload)
{
  struct mantis_error error = {0};
  char *token = rig_sign (header, payload, SECRET);
  enum mantis_status status = rig_ask (self, token, NULL, &error);

  if (status)
    ck_assert_ptr_null (strstr (error.text, token));
  free (token);
  return status;
}

#define ACCEPTED(header, payload) ck_assert_int_eq (ask (header, payload), MANTIS_OK)
#define DENIED(header, payload) ck_assert_int_eq (ask (header, payload), MANTIS_DENIED)
#define GOOD at ("{\"sub\":\"alice\",\"exp\":@}", 600)

START_TEST (an_issued_token_is_accepted)
{
  struct mantis_buf token = MANTIS_BUF_INIT;
  struct mantis_credentials credentials = {.size = sizeof credentials};
  struct mantis_principal principal = {.size = sizeof principal};
  struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_error error = {0};
  json_t *claims;

  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 3600000, &token, &error), MANTIS_OK);
  credentials.bearer = token.bytes;
  ck_assert_int_eq (rig_ops ()->authenticate (self, &credentials, arena, &principal, &error),
                    MANTIS_OK);
  ck_assert_str_eq (principal.subject, "alice");
  ck_assert_int_gt (principal.expires, mantis_now () + 3500000);
  ck_assert_int_lt (principal.expires, mantis_now () + 3700000);
  claims = json_loads (principal.claims, 0, NULL);
  ck_assert_uint_eq (strlen (json_string_value (json_object_get (claims, "jti"))), 32);
  ck_assert (json_is_integer (json_object_get (claims, "iat")));
  json_decref (claims);
  mantis_buf_free (&token);
  mantis_arena_free (arena);
}
END_TEST

START_TEST (issue_refuses_what_would_not_be_accepted)
{
  struct mantis_buf token = MANTIS_BUF_INIT;
  char longest[258];

  memset (longest, 'x', sizeof longest);
  longest[256] = '\0';
  ck_assert_int_eq (rig_ops ()->issue (self, "", 60000, &token, NULL), MANTIS_INVALID);
  ck_assert_int_eq (rig_ops ()->issue (self, "a\nb", 60000, &token, NULL), MANTIS_INVALID);
  ck_assert_int_eq (rig_ops ()->issue (self, longest, 60000, &token, NULL), MANTIS_INVALID);
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 0, &token, NULL), MANTIS_INVALID);
  longest[255] = '\0';
  ck_assert_int_eq (rig_ops ()->issue (self, longest, 60000, &token, NULL), MANTIS_OK);
  mantis_buf_free (&token);
}
END_TEST

START_TEST (no_bearer_is_for_the_next_to_judge)
{
  ck_assert_int_eq (rig_ask (self, NULL, NULL, NULL), MANTIS_ABSENT);
}
END_TEST

START_TEST (headers_o23)
{
  ACCEPTED (HEADER, GOOD);
  ACCEPTED ("{\"alg\":\"HS256\"}", GOOD);
  ACCEPTED ("{\"typ\":\"at+JWT\",\"alg\":\"HS256\"}", GOOD);
  ACCEPTED ("{\"alg\":\"HS256\",\"kid\":\"any\"}", GOOD); /* the only key has no name */
  ACCEPTED ("{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1:1/\"}", GOOD); /* never followed */
  DENIED ("{\"alg\":\"none\"}", GOOD);
  DENIED ("{\"alg\":\"hs256\"}", GOOD);
  DENIED ("{\"alg\":\"HS256 \"}", GOOD);
  DENIED ("{\"alg\":\"HS512\"}", GOOD);
  DENIED ("{\"alg\":[\"HS256\"]}", GOOD);
  DENIED ("{\"typ\":\"JWT\"}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"typ\":\"JWE\"}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"typ\":1}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"kid\":1}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"kid\":null}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"crit\":[]}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"b64\":true}", GOOD);
  DENIED ("{\"alg\":\"HS256\",\"zip\":\"DEF\"}", GOOD);
  DENIED ("[\"HS256\"]", GOOD);
  DENIED ("{\"alg\":\"HS256\"} x", GOOD);
  DENIED ("{\"alg\":\"HS256\\u0000\"}", GOOD);
  DENIED ("", GOOD);
}
END_TEST

START_TEST (times_o23)
{
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"exp\":@.5}", 60));
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"exp\":@}", -30)); /* within the leeway */
  DENIED (HEADER, at ("{\"sub\":\"a\",\"exp\":@}", -61));
  DENIED (HEADER, "{\"sub\":\"a\"}");
  DENIED (HEADER, at ("{\"sub\":\"a\",\"exp\":\"@\"}", 600));
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":null}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":true}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":0}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":-1}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":1e400}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":1e300}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":9223372036854775807}");
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":9223372036854775808}");
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"exp\":4000000000,\"nbf\":@}", 30));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"exp\":4000000000,\"nbf\":@}", 120));
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":4000000000,\"nbf\":\"0\"}");
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"exp\":4000000000,\"iat\":@}", 30));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"exp\":4000000000,\"iat\":@}", 120));
  DENIED (HEADER, "{\"sub\":\"a\",\"exp\":4000000000,\"iat\":{}}");
}
END_TEST

START_TEST (a_lifetime_can_be_limited)
{
  struct mantis_buf token = MANTIS_BUF_INIT;

  rig_duration (self, "maximum_lifetime", 3600000);
  DENIED (HEADER, GOOD); /* no iat: nobody knows */
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iat\":@,\"exp\":4000000000}", 0));
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 3600001, &token, NULL), MANTIS_INVALID);
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 3600000, &token, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_OK);
  mantis_buf_free (&token);
}
END_TEST

START_TEST (issuer_and_audience_o23)
{
  struct mantis_buf token = MANTIS_BUF_INIT;

  rig_text (self, "issuer", "us");
  rig_text (self, "audience", "sync");
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"aud\":\"sync\",\"exp\":@}", 60));
  ACCEPTED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"aud\":[\"x\",\"sync\"],\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"aud\":\"sync\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us2\",\"aud\":\"sync\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":[\"us\"],\"aud\":\"sync\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"aud\":\"Sync\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"aud\":[],\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"a\",\"iss\":\"us\",\"aud\":{\"sync\":1},\"exp\":@}", 60));
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 60000, &token, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_OK);
  mantis_buf_free (&token);
}
END_TEST

START_TEST (subjects)
{
  char subject[256], *token = rig_sign (HEADER, at ("{\"user\":\"bob\",\"exp\":@}", 60), SECRET);

  DENIED (HEADER, at ("{\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":1,\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":[\"alice\"],\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"alice\\u0000admin\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"alice\\nadmin\",\"exp\":@}", 60));
  DENIED (HEADER, at ("{\"sub\":\"alice\",\"sub\":\"bob\",\"exp\":@}", 60));
  DENIED (HEADER, at ("[\"alice\",@]", 60));
  DENIED (HEADER, at ("{\"sub\":\"alice\",\"exp\":@,\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 60));
  ACCEPTED (HEADER, at ("{\"sub\":\"alice\",\"exp\":@,\"x\":\"[[[[[[[[[[[[[[[[[[[[[\\\"[\"}", 60));
  rig_text (self, "subject_claim", "user");
  ck_assert_int_eq (rig_ask (self, token, subject, NULL), MANTIS_OK);
  ck_assert_str_eq (subject, "bob");
  free (token);
}
END_TEST

/* The same bytes spelled otherwise are another token (RFC 7515, section 2). */
START_TEST (one_spelling_only)
{
  char *token = rig_sign (HEADER, GOOD, SECRET), *other = NULL;
  char *big = malloc (JWT_TOKEN_LIMIT + 3);
  static const char *const endings[] = {"=", "==", " ", "\n", ".", ".x", "A", "AA", "!"};
  size_t length = strlen (token);

  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    ck_assert_int_gt (asprintf (&other, "%s%s", token, endings[i]), 0);
    ck_assert_int_eq (rig_ask (self, other, NULL, NULL), MANTIS_DENIED);
    free (other);
  }
  for (size_t cut = 0; cut < length; cut++) { /* every shorter one */
    char *part = strndup (token, cut);

    ck_assert_int_eq (rig_ask (self, part, NULL, NULL),
                      strchr (part, '.') ? MANTIS_DENIED : MANTIS_ABSENT);
    free (part);
  }
  for (size_t i = 0; i < length; i++) { /* every letter changed */
    char was = token[i];

    token[i] = was == 'A' ? 'B' : 'A';
    ck_assert_int_eq (rig_ask (self, token, NULL, NULL), MANTIS_DENIED);
    token[i] = was;
  }
  token[length - 1]++; /* bits that decode to nothing */
  ck_assert_int_eq (rig_ask (self, token, NULL, NULL), MANTIS_DENIED);
  memset (big, '.', JWT_TOKEN_LIMIT + 2);
  big[JWT_TOKEN_LIMIT + 2] = '\0';
  ck_assert_int_eq (rig_ask (self, big, NULL, NULL), MANTIS_DENIED);
  free (big);
  free (token);
}
END_TEST

START_TEST (base64url_is_strict)
{
  static const char *const wrong[] = {"A", "AB=", "AB", "QQ==", "Q Q", "+/", "AAAAA", "QR"};
  unsigned char *bytes;
  size_t length;

  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    ck_assert_ptr_null (jwt_base64url (wrong[i], strlen (wrong[i]), &length));
  bytes = jwt_base64url ("-_8", 3, &length);
  ck_assert_uint_eq (length, 2);
  ck_assert_mem_eq (bytes, "\xfb\xff", 3);
  free (bytes);
  bytes = jwt_base64url ("", 0, &length);
  ck_assert_ptr_nonnull (bytes);
  ck_assert_uint_eq (length, 0);
  free (bytes);
}
END_TEST

/* A token that was found good is known again, but not when its time is over, not before it was, not by another
 * spelling, and not when there are other keys. */
START_TEST (a_good_token_is_known_again)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct jwt_memory *memory = jwt_memory_new ();
  const struct mantis_principal alice = {
      .size = sizeof alice, .subject = "alice", .claims = "{\"sub\":\"alice\"}", .expires = 5000};
  struct mantis_principal found = {.size = sizeof found};

  ck_assert (!jwt_memory_find (memory, "a.b.c", 2000, arena, &found));
  jwt_memory_note (memory, "a.b.c", 2000, &alice, strlen (alice.claims));
  for (int64_t now = 2000; now < 5000; now += 2999) {
    found = (struct mantis_principal){.size = sizeof found};
    ck_assert (jwt_memory_find (memory, "a.b.c", now, arena, &found));
    ck_assert_str_eq (found.subject, "alice");
    ck_assert_str_eq (found.claims, alice.claims);
    ck_assert_int_eq (found.expires, 5000);
  }
  ck_assert (!jwt_memory_find (memory, "a.b.c", 5000, arena, &found));
  ck_assert (!jwt_memory_find (memory, "a.b.c", 1999, arena, &found));
  ck_assert (!jwt_memory_find (memory, "a.b.d", 2000, arena, &found));
  jwt_memory_clear (memory);
  ck_assert (!jwt_memory_find (memory, "a.b.c", 2000, arena, &found));
  jwt_memory_free (memory);
  mantis_arena_free (arena);
}
END_TEST

/* More tokens than it has places for: each is who it says it is. */
START_TEST (many_tokens_are_told_apart)
{
  char subject[256], name[32], *tokens[3000];

  for (int i = 0; i < 3000; i++) {
    snprintf (name, sizeof name, "{\"sub\":\"s%d\",\"exp\":@}", i);
    tokens[i] = rig_sign (HEADER, at (name, 600), SECRET);
  }
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 3000; i++) {
      snprintf (name, sizeof name, "s%d", i);
      ck_assert_int_eq (rig_ask (self, tokens[i], subject, NULL), MANTIS_OK);
      ck_assert_str_eq (subject, name);
      ck_assert_int_eq (rig_ask (self, tokens[i], subject, NULL), MANTIS_OK);
      ck_assert_str_eq (subject, name);
    }
  for (int i = 0; i < 3000; i++)
    free (tokens[i]);
}
END_TEST

static void *
ask_often (void *token)
{
  for (int i = 0; i < 2000; i++)
    if (rig_ask (self, token, NULL, NULL))
      return token;
  return NULL;
}

START_TEST (keys_may_be_read_again_while_others_ask)
{
  char *token = rig_sign (HEADER, GOOD, SECRET);
  pthread_t threads[4];
  void *failed;

  for (int i = 0; i < 4; i++)
    pthread_create (&threads[i], NULL, ask_often, token);
  for (int i = 0; i < 200; i++)
    ck_assert_int_eq (rig_ops ()->reload (self, NULL), MANTIS_OK);
  for (int i = 0; i < 4; i++) {
    pthread_join (threads[i], &failed);
    ck_assert_ptr_null (failed);
  }
  free (token);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("jwt");
  TCase *tests = tcase_create ("tokens");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, begin, end);
  tcase_add_test (tests, an_issued_token_is_accepted);
  tcase_add_test (tests, issue_refuses_what_would_not_be_accepted);
  tcase_add_test (tests, no_bearer_is_for_the_next_to_judge);
  tcase_add_test (tests, headers_o23);
  tcase_add_test (tests, times_o23);
  tcase_add_test (tests, a_lifetime_can_be_limited);
  tcase_add_test (tests, issuer_and_audience_o23);
  tcase_add_test (tests, subjects);
  tcase_add_test (tests, one_spelling_only);
  tcase_add_test (tests, base64url_is_strict);
  tcase_add_test (tests, a_good_token_is_known_again);
  tcase_add_test (tests, many_tokens_are_told_apart);
  tcase_add_test (tests, keys_may_be_read_again_while_others_ask);
  tcase_set_timeout (tests, 60);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
