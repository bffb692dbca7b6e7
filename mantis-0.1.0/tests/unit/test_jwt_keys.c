/* test_jwt_keys.c - where keys come from, which are refused, and the vectors of others (pitfall
 * O23).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt_rig.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static struct jwt_keys keys;

static void
begin (void)
{
  rig_begin ();
}

static void
end (void)
{
  jwt_keys_free (&keys);
  rig_end ();
}

static enum mantis_status
add_set (const char *text)
{
  struct mantis_error error = {0};
  enum mantis_status status =
      jwt_add_set (&keys, text, strlen (text), jwt_algorithm ("HS256"), &error);

  ck_assert_ptr_null (strstr (error.text, "MDEyMzQ1")); /* O27: no secret in a message */
  return status;
}

/* MANTIS_OK when the file of LENGTH bytes is taken as a secret. */
static enum mantis_status
take (const char *algorithm, const void *bytes, size_t length)
{
  return jwt_read_key_file (&keys, rig_write ("key", bytes, length), jwt_algorithm (algorithm),
                            false, NULL);
}

/* ---- key_file -----------------------------------------------------------------------------------
 */
START_TEST (a_secret_is_the_file_less_one_newline)
{
  static const char binary[32] = {0, 1, '\n', (char)0xff};

  ck_assert_int_eq (take ("HS256", SECRET "\n", 33), MANTIS_OK);
  ck_assert_uint_eq (cjose_jwk_get_keysize (keys.list[0].jwk, NULL), 256);
  ck_assert_int_eq (take ("HS256", SECRET "\n\n", 34), MANTIS_OK);
  ck_assert_uint_eq (cjose_jwk_get_keysize (keys.list[1].jwk, NULL), 264);
  ck_assert_int_eq (take ("HS256", binary, 32), MANTIS_OK);
  ck_assert_mem_eq (cjose_jwk_get_keydata (keys.list[2].jwk, NULL), binary, 32);
}
END_TEST

START_TEST (a_short_secret_is_refused)
{
  static const char zeros[64];

  ck_assert_int_eq (take ("HS256", SECRET, 31), MANTIS_INVALID);
  ck_assert_int_eq (take ("HS256", SECRET "\n", 32), MANTIS_OK);
  ck_assert_int_eq (take ("HS384", zeros, 47), MANTIS_INVALID);
  ck_assert_int_eq (take ("HS512", zeros, 63), MANTIS_INVALID);
  ck_assert_int_eq (take ("HS512", zeros, 64), MANTIS_OK);
  ck_assert_int_eq (take ("HS256", "", 0), MANTIS_INVALID);
}
END_TEST

START_TEST (a_missing_secret_is_made)
{
  const char *path = rig_path ("new.key");
  struct mantis_buf token = MANTIS_BUF_INIT;
  struct stat about;
  void *first = rig_new ("HS512", path), *second = rig_new ("HS512", path);

  umask (0);
  rig_start (first);
  ck_assert_int_eq (stat (path, &about), 0);
  ck_assert_uint_eq (about.st_mode & 07777, 0600);
  ck_assert_int_eq (about.st_size, 129);
  ck_assert_int_eq (about.st_nlink, 1); /* the draft is gone */
  rig_start (second);                   /* takes what is there */
  ck_assert_int_eq (rig_ops ()->issue (first, "alice", 60000, &token, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (second, token.bytes, NULL, NULL), MANTIS_OK);
  rig_free (first);
  rig_free (second);
  mantis_buf_free (&token);
}
END_TEST

START_TEST (a_secret_that_appeared_meanwhile_stays)
{
  const char *path = rig_write ("key", SECRET, 32);
  struct mantis_buf text = MANTIS_BUF_INIT;

  ck_assert_int_eq (jwt_create_secret (path, 32, NULL), MANTIS_OK);
  ck_assert_int_eq (jwt_read_file (path, true, &text, NULL), MANTIS_OK);
  ck_assert_str_eq (text.bytes, SECRET);
  mantis_buf_free (&text);
}
END_TEST

START_TEST (a_missing_private_key_is_not_made)
{
  struct mantis_error error = {0};
  void *self = rig_new ("RS256", rig_path ("none.pem"));

  ck_assert_int_ne (plugin_jwt.start (self, &error), MANTIS_OK);
  ck_assert_ptr_nonnull (strstr (error.text, "none.pem"));
  ck_assert_int_ne (access (rig_path ("none.pem"), F_OK), 0);
  rig_text (self, "key_file", NULL);
  ck_assert_int_eq (plugin_jwt.start (self, &error), MANTIS_INVALID);
  rig_text (self, "key_file", rig_folder);
  ck_assert_int_eq (plugin_jwt.start (self, &error), MANTIS_INVALID);
  free (self);
}
END_TEST

START_TEST (reload_takes_new_keys_and_keeps_old_ones_on_failure)
{
  const char *path = rig_write ("key", SECRET, 32);
  struct mantis_buf token = MANTIS_BUF_INIT;
  struct mantis_error error = {0};
  void *self = rig_new ("HS256", path);

  rig_start (self);
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 60000, &token, NULL), MANTIS_OK);
  rig_write ("key", "short", 5);
  ck_assert_int_eq (rig_ops ()->reload (self, &error), MANTIS_INVALID);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_OK);
  unlink (path); /* and none is made: that would lock out everyone */
  ck_assert_int_eq (rig_ops ()->reload (self, &error), MANTIS_ABSENT);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_OK);
  rig_write ("key", "another secret, as long as needed", 33);
  ck_assert_int_eq (rig_ops ()->reload (self, &error), MANTIS_OK);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_DENIED);
  rig_free (self);
  mantis_buf_free (&token);
}
END_TEST

/* ---- PEM ----------------------------------------------------------------------------------------
 */
static EVP_PKEY *
generate (const char *algorithm)
{
  if (algorithm[0] != 'E')
    return EVP_RSA_gen (2048);
  return EVP_EC_gen (jwt_algorithm (algorithm)->curve);
}

static void
private_signs_and_public_checks (const char *algorithm)
{
  struct mantis_buf token = MANTIS_BUF_INIT, other = MANTIS_BUF_INIT;
  struct mantis_error error = {0};
  EVP_PKEY *pair = generate (algorithm);
  void *maker, *checker;

  rig_write_pem (pair, "private.pem", "public.pem");
  EVP_PKEY_free (pair);
  maker = rig_new (algorithm, rig_path ("private.pem"));
  checker = rig_new (algorithm, rig_path ("public.pem"));
  rig_start (maker);
  rig_start (checker);
  for (int i = 0; i < 20; i++) { /* r and s with zeros in front come now and then */
    mantis_buf_clear (&token);
    ck_assert_int_eq (rig_ops ()->issue (maker, "alice", 60000, &token, &error), MANTIS_OK);
    ck_assert_int_eq (rig_ask (maker, token.bytes, NULL, &error), MANTIS_OK);
    ck_assert_int_eq (rig_ask (checker, token.bytes, NULL, &error), MANTIS_OK);
  }
  ck_assert_int_eq (rig_ops ()->issue (checker, "alice", 60000, &other, &error), MANTIS_INVALID);
  token.bytes[token.length - 20] ^= 1;
  ck_assert_int_eq (rig_ask (checker, token.bytes, NULL, &error), MANTIS_DENIED);
  rig_free (maker);
  rig_free (checker);
  mantis_buf_free (&token);
}

static const char *const pairs[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                    "PS512", "ES256", "ES384", "ES512"};

START_TEST (pem_keys)
{
  private_signs_and_public_checks (pairs[_i]);
}
END_TEST

START_TEST (the_key_fixes_the_algorithm_o23)
{
  struct mantis_buf token = MANTIS_BUF_INIT;
  struct mantis_buf pem = MANTIS_BUF_INIT;
  EVP_PKEY *pair = generate ("RS256");
  void *maker, *checker;
  char *forged;

  rig_write_pem (pair, "private.pem", "public.pem");
  EVP_PKEY_free (pair);
  maker = rig_new ("PS256", rig_path ("private.pem"));
  checker = rig_new ("RS256", rig_path ("public.pem"));
  rig_start (maker);
  rig_start (checker);
  ck_assert_int_eq (rig_ops ()->issue (maker, "alice", 60000, &token, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (checker, token.bytes, NULL, NULL), MANTIS_DENIED);
  ck_assert_int_eq (jwt_read_file (rig_path ("public.pem"), false, &pem, NULL), MANTIS_OK);
  forged = rig_sign ("{\"alg\":\"HS256\"}", "{\"sub\":\"a\",\"exp\":4000000000}", pem.bytes);
  ck_assert_int_eq (rig_ask (checker, forged, NULL, NULL), MANTIS_DENIED);
  free (forged);
  rig_free (maker);
  rig_free (checker);
  mantis_buf_free (&token);
  mantis_buf_free (&pem);
}
END_TEST

START_TEST (unfit_pem_keys_are_refused)
{
  char passphrase[] = "pass";
  EVP_PKEY *weak = EVP_RSA_gen (1024), *curve = EVP_EC_gen ("P-256");
  FILE *file = fopen (rig_path ("locked.pem"), "w");

  ck_assert_int_eq (
      PEM_write_PrivateKey (file, curve, EVP_aes_128_cbc (), NULL, 0, NULL, passphrase), 1);
  fclose (file);
  rig_write_pem (weak, "weak.pem", "weak-public.pem");
  rig_write_pem (curve, "curve.pem", "curve-public.pem");
  EVP_PKEY_free (weak);
  EVP_PKEY_free (curve);
  static const struct {
    const char *algorithm, *file;
  } cases[] = {{"RS256", "weak.pem"},  {"PS512", "weak-public.pem"}, {"RS256", "curve.pem"},
               {"ES384", "curve.pem"}, {"ES256", "weak.pem"},        {"ES256", "locked.pem"},
               {"HS256", "curve.pem"}, {"HS256", "curve-public.pem"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_int_eq (jwt_read_key_file (&keys, rig_path (cases[i].file),
                                         jwt_algorithm (cases[i].algorithm), true, NULL),
                      MANTIS_INVALID);
  ck_assert_uint_eq (keys.count, 0);
}
END_TEST

/* ---- JWK sets -----------------------------------------------------------------------------------
 */
#define OCT "\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\""
#define HEAD(kid) "{\"alg\":\"HS256\",\"kid\":\"" kid "\"}"
#define CLAIMS "{\"sub\":\"alice\",\"exp\":4000000000}"

START_TEST (the_named_key_is_taken)
{
  const char *set =
      "{\"keys\":[{" OCT ",\"kid\":\"a\",\"alg\":\"HS256\"},"
      "{\"kty\":\"oct\",\"k\":\"YW5vdGhlciBzZWNyZXQsIGFzIGxvbmcgYXMgbmVlZGVk\",\"kid\":\"b\"}]}";
  struct mantis_buf token = MANTIS_BUF_INIT;
  char *a = rig_sign (HEAD ("a"), CLAIMS, SECRET), *b = rig_sign (HEAD ("b"), CLAIMS, SECRET);
  char *c = rig_sign (HEAD ("c"), CLAIMS, SECRET);
  char *none = rig_sign ("{\"alg\":\"HS256\"}", CLAIMS, SECRET);
  void *self = rig_new ("HS256", NULL);

  rig_text (self, "jwks_file", rig_write ("set.json", set, strlen (set)));
  rig_start (self);
  ck_assert_int_eq (rig_ask (self, a, NULL, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (self, b, NULL, NULL), MANTIS_DENIED);
  ck_assert_int_eq (rig_ask (self, c, NULL, NULL), MANTIS_DENIED);
  ck_assert_int_eq (rig_ask (self, none, NULL, NULL), MANTIS_DENIED); /* two come into question */
  ck_assert_int_eq (rig_ops ()->issue (self, "alice", 60000, &token, NULL), MANTIS_OK);
  ck_assert_int_eq (rig_ask (self, token.bytes, NULL, NULL), MANTIS_OK); /* it carries its kid */
  rig_free (self);
  mantis_buf_free (&token);
  free (a), free (b), free (c), free (none);
}
END_TEST

START_TEST (foreign_keys_are_passed_over)
{
  ck_assert_int_eq (add_set ("{\"keys\":[{" OCT
                             ",\"use\":\"enc\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\"},"
                             "{\"kty\":\"EC\",\"crv\":\"secp256k1\"},{" OCT ",\"alg\":\"A256KW\"},"
                             "{" OCT ",\"key_ops\":[\"encrypt\"]},{" OCT ",\"alg\":\"RS256\"},"
                             "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"},{}," /* no alg: HS256 */
                             "{" OCT ",\"use\":\"sig\",\"key_ops\":[\"verify\"]}]}"),
                    MANTIS_OK);
  ck_assert_uint_eq (keys.count, 1);
}
END_TEST

START_TEST (broken_sets_are_refused)
{
  static const char *const sets[] = {
      "",
      "{",
      "[]",
      "{}",
      "{\"keys\":{}}",
      "{\"keys\":[]}",
      "{\"keys\":[1]}",
      "{\"keys\":[{" OCT ",\"use\":\"enc\"}]}",                       /* none is left */
      "{\"keys\":[{" OCT ",\"kid\":\"a\"},{" OCT ",\"kid\":\"a\"}]}", /* one name, two keys */
      "{\"keys\":[{" OCT ",\"kid\":1}]}",
      "{\"keys\":[{" OCT ",\"alg\":\"HS384\"}]}", /* too short for it */
      "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}",
      "{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}]}",
      "{\"keys\":[{\"kty\":\"oct\"}]}",
      "{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
      "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
      "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}", /* not on the curve */
  };

  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    ck_assert_msg (add_set (sets[i]) == MANTIS_INVALID, "%s", sets[i]);
    jwt_keys_free (&keys);
  }
}
END_TEST

/* ---- The vectors of others ----------------------------------------------------------------------
 */
static json_t *
vectors (const char *name)
{
  const char *top = getenv ("srcdir") ? getenv ("srcdir") : ".";
  char command[512];
  json_t *all = NULL;
  FILE *pipe;

  snprintf (command, sizeof command,
            "f='%s/../shared/conformance/jwt/%s'; test -r \"$f\" && exec xz -dc \"$f\"", top, name);
  pipe = popen (command, "r");
  if (pipe) {
    all = json_loadf (pipe, 0, NULL);
    pclose (pipe);
  }
  if (!all)
    printf ("SKIP: %s/../shared/conformance/jwt/%s is not there\n", top, name);
  return all;
}

/* The group's key or keys.  False: none is for us, so nothing that it signed can be accepted. */
static bool
load_group (const json_t *group)
{
  json_t *key = json_object_get (group, "public");
  json_t *set;
  char *text;
  bool loaded;

  if (!key)
    key = json_object_get (group, "private");
  set = json_object_get (key, "keys") ? json_incref (key) : json_pack ("{s:[O]}", "keys", key);
  text = json_dumps (set, 0);
  loaded = !jwt_add_set (&keys, text, strlen (text), jwt_algorithm ("HS256"), NULL);
  free (text);
  json_decref (set);
  return loaded;
}

/* VALID, but for the tests named in OTHERWISE, which ends with 0. */
static bool
expected (int id, bool valid, const int *otherwise)
{
  for (; *otherwise; otherwise++)
    if (*otherwise == id)
      return !valid;
  return valid;
}

static void
check_vectors (const char *name, const int *otherwise)
{
  json_t *all = vectors (name), *group, *test;
  size_t i, j, accepted = 0, refused = 0;

  json_array_foreach (json_object_get (all, "testGroups"), i, group)
  {
    bool loaded = load_group (group);

    json_array_foreach (json_object_get (group, "tests"), j, test)
    {
      const char *token = json_string_value (json_object_get (test, "jws"));
      int id = (int)json_integer_value (json_object_get (test, "tcId"));
      bool valid = !strcmp (json_string_value (json_object_get (test, "result")), "valid");
      char *payload = NULL;
      size_t length;
      bool holds = loaded && token && !jwt_verify (&keys, token, &payload, &length, NULL);

      free (payload);
      accepted += holds;
      refused += !holds;
      if (loaded || !valid)
        ck_assert_msg (holds == expected (id, valid, otherwise), "tcId %d %s", id,
                       json_string_value (json_object_get (test, "comment")));
    }
    jwt_keys_free (&keys);
  }
  if (all)
    printf ("%s: %zu accepted, %zu refused\n", name, accepted, refused);
  json_decref (all);
}

/* Valid there, not here: the key is PS256 and the token says PS384 (346, 350), the base64url holds
 * a '?' (372, 373).  Invalid there: 367 and 370 are the very bytes of the valid 357.  Of keys that
 * are not for us (ES521 is no algorithm, a key for encryption) no signature holds. */
START_TEST (wycheproof_signatures)
{
  check_vectors ("wycheproof_json_web_signature_test.json.xz",
                 (const int[]){346, 350, 367, 370, 372, 373, 0});
}
END_TEST

/* Invalid there: a set with secrets beside public keys (1), where pinning is what makes it safe;
 * and a key from a generator whose keys can be factored (7), which we do not look for. */
START_TEST (wycheproof_keys)
{
  check_vectors ("wycheproof_json_web_key_test.json.xz", (const int[]){1, 7, 0});
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("jwt_keys");
  TCase *tests = tcase_create ("keys");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, begin, end);
  tcase_add_test (tests, a_secret_is_the_file_less_one_newline);
  tcase_add_test (tests, a_short_secret_is_refused);
  tcase_add_test (tests, a_missing_secret_is_made);
  tcase_add_test (tests, a_secret_that_appeared_meanwhile_stays);
  tcase_add_test (tests, a_missing_private_key_is_not_made);
  tcase_add_test (tests, reload_takes_new_keys_and_keeps_old_ones_on_failure);
  tcase_add_loop_test (tests, pem_keys, 0, sizeof pairs / sizeof *pairs);
  tcase_add_test (tests, the_key_fixes_the_algorithm_o23);
  tcase_add_test (tests, unfit_pem_keys_are_refused);
  tcase_add_test (tests, the_named_key_is_taken);
  tcase_add_test (tests, foreign_keys_are_passed_over);
  tcase_add_test (tests, broken_sets_are_refused);
  tcase_add_test (tests, wycheproof_signatures);
  tcase_add_test (tests, wycheproof_keys);
  tcase_set_timeout (tests, 120);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
