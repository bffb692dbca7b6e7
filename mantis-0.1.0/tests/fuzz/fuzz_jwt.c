/* fuzz_jwt.c - texts of any kind as a token, as what a token says, and as a set of keys.
 *
 * The first byte says what the rest is: t a token; s a header and, in the next line, claims, which are then
 * signed with the right secret; k a JWK set.  The server knows a secret, and public keys for RS256, PS256
 * and ES256.
 *
 * What is checked: nothing crashes, what is refused says why, and no token is taken that the secret has not
 * signed, byte for byte.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../plugins/auth/jwt/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define SECRET "0123456789abcdef0123456789abcdef"

enum { MOST = 4096 };

/* The public keys are those of RFC 7515, appendices A.2 and A.3. */
#define MODULUS                                                                                    \
  "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"               \
  "PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0"               \
  "LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"               \
  "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"               \
  "PAcDTW9gb54h4FRWyuXpoQ"
static const char set[] =
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"alg\":\"HS256\","
    "\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"},"
    "{\"kty\":\"RSA\",\"kid\":\"r\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"" MODULUS "\"},"
    "{\"kty\":\"RSA\",\"kid\":\"p\",\"alg\":\"PS256\",\"e\":\"AQAB\",\"n\":\"" MODULUS "\"},"
    "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static struct jwt_keys keys;

static void
need (bool true_is)
{
  if (!true_is)
    abort ();
}

/* In the room at TO; its end. */
static char *
base64url (char *to, const void *bytes, size_t length)
{
  char *end = to + EVP_EncodeBlock ((unsigned char *)to, bytes, (int)length);

  while (end > to && end[-1] == '=')
    end--;
  *end = '\0';
  for (char *c = to; *c; c++)
    *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
  return end;
}

/* What stands behind the last point of a token that the secret has signed. */
static void
sign (const char *text, size_t length, char *signature)
{
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;

  HMAC (EVP_sha256 (), SECRET, sizeof SECRET - 1, (const unsigned char *)text, length, mac, &size);
  base64url (signature, mac, size);
}

static enum mantis_status
check_claims (const char *payload, size_t length, struct mantis_error *error)
{
  static const struct jwt_rules rules = {
      .audience = "office", .subject_claim = "sub", .leeway = 60000, .maximum_lifetime = 3600000};
  json_t *claims = jwt_object (payload, length);
  enum mantis_status status = MANTIS_DENIED;
  const char *subject = NULL;
  int64_t expires = -1;

  if (claims)
    status = jwt_check_claims (claims, &rules, INT64_C (1800000000000), &subject, &expires, error);
  else
    mantis_fail (error, MANTIS_DENIED, "no object");
  if (status == MANTIS_OK)
    need (jwt_subject_valid (subject, strlen (subject)) &&
          (expires == 0 || expires > INT64_C (1799999900000)));
  json_decref (claims);
  return status;
}

static enum mantis_status
try_token (const char *token)
{
  const char *point = strrchr (token, '.');
  struct mantis_error error = {.status = MANTIS_OK};
  char signature[2 * EVP_MAX_MD_SIZE], *payload = NULL;
  size_t length = 0;
  enum mantis_status status = jwt_verify (&keys, token, &payload, &length, &error);

  if (status == MANTIS_OK) {
    sign (token, (size_t)(point - token), signature);
    need (strcmp (point + 1, signature) == 0);
    status = check_claims (payload, length, &error);
  }
  need (status == MANTIS_OK || *error.text);
  free (payload);
  return status;
}

static void
try_signed (const char *text, size_t length)
{
  const char *line = memchr (text, '\n', length);
  size_t header = line ? (size_t)(line - text) : length;
  char *token, *end;

  if (length > MOST)
    return;
  need ((token = malloc (2 * MOST + 200)) != NULL);
  end = base64url (token, text, header);
  *end++ = '.';
  end = base64url (end, line ? line + 1 : "", line ? length - header - 1 : 0);
  sign (token, (size_t)(end - token), end + 1);
  *end = '.';
  try_token (token);
  free (token);
}

static void
try_set (const char *text, size_t length)
{
  struct mantis_error error = {.status = MANTIS_OK};
  struct jwt_keys found = {.count = 0};
  enum mantis_status status = jwt_add_set (&found, text, length, jwt_algorithm ("RS256"), &error);

  need (status == MANTIS_OK ? found.count > 0 : *error.text != '\0');
  jwt_keys_free (&found);
}

static void
begin (void)
{
  struct mantis_error error;

  need (jwt_add_set (&keys, set, sizeof set - 1, jwt_algorithm ("ES256"), &error) == MANTIS_OK &&
        keys.count == 4);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text;

  if (!keys.count)
    begin ();
  if (size == 0)
    return 0;
  need ((text = malloc (size)) != NULL); /* a NUL behind it */
  memcpy (text, data + 1, size - 1);
  text[size - 1] = '\0';
  if (data[0] == 't')
    try_token (text);
  else if (data[0] == 's')
    try_signed (text, size - 1);
  else if (data[0] == 'k')
    try_set (text, size - 1);
  free (text);
  return 0;
}
