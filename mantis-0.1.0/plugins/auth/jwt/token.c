/* token.c - a token taken apart, its signature checked.
 *
 * Everything that a peer can spell in two ways is refused before the JOSE library sees it: the
 * library decodes more leniently than RFC 7515 and 4648 allow, and does not look at the length of a
 * signature.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_LIMIT 16

static int
digit (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

unsigned char *
jwt_base64url (const char *text, size_t size, size_t *length)
{
  unsigned char *bytes = size % 4 == 1 ? NULL : malloc (size / 4 * 3 + 3);
  uint32_t bits = 0;
  size_t count = 0;
  unsigned have = 0;

  *length = 0;
  if (!bytes)
    return NULL;
  for (size_t i = 0; i < size; i++) {
    int value = digit (text[i]);

    if (value < 0) {
      free (bytes);
      return NULL;
    }
    bits = bits << 6 | (uint32_t)value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      bytes[count++] = (unsigned char)(bits >> have);
      bits &= (1u << have) - 1;
    }
  }
  if (bits) { /* two spellings of the same bytes */
    free (bytes);
    return NULL;
  }
  bytes[count] = '\0';
  *length = count;
  return bytes;
}

static bool
too_deep (const char *text, size_t length)
{
  bool quoted = false;
  int depth = 0;

  for (size_t i = 0; i < length; i++) {
    char c = text[i];

    if (quoted) {
      if (c == '\\')
        i++;
      else if (c == '"')
        quoted = false;
    } else if (c == '"')
      quoted = true;
    else if ((c == '{' || c == '[') && ++depth > DEPTH_LIMIT)
      return true;
    else if (c == '}' || c == ']')
      depth--;
  }
  return false;
}

json_t *
jwt_object (const char *text, size_t length)
{
  json_t *object =
      too_deep (text, length) ? NULL : json_loadb (text, length, JSON_REJECT_DUPLICATES, NULL);

  if (!json_is_object (object)) {
    json_decref (object);
    return NULL;
  }
  return object;
}

/* ---- The header ---------------------------------------------------------------------------------
 */

/* The key that a token of HEADER must be signed with, or NULL.
 *
 * A token that names a key gets that one; where all there is is one key without a name, the name
 * does not matter.  A token that names none gets the only key that comes into question. */
static const struct jwt_key *
choose (const struct jwt_keys *keys, const char *kid, const char *algorithm)
{
  const struct jwt_key *found = NULL, *unnamed = NULL;
  size_t matches = 0, unnamed_matches = 0;

  if (kid && keys->count == 1 && !keys->list[0].kid)
    return &keys->list[0];
  for (size_t i = 0; i < keys->count; i++) {
    const struct jwt_key *key = &keys->list[i];

    if (kid && key->kid && !strcmp (kid, key->kid))
      return key;
    if (kid || strcmp (key->algorithm->name, algorithm))
      continue;
    matches++;
    found = key;
    if (!key->kid) {
      unnamed_matches++;
      unnamed = key;
    }
  }
  if (unnamed_matches == 1)
    return unnamed;
  return matches == 1 ? found : NULL;
}

static enum mantis_status
check_header (const struct jwt_keys *keys, const json_t *header, const struct jwt_key **key,
              struct mantis_error *error)
{
  static const char *const refused[] = {"crit", "b64", "zip"};
  const json_t *kid = json_object_get (header, "kid"), *type = json_object_get (header, "typ");
  const char *algorithm = json_string_value (json_object_get (header, "alg"));

  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (json_object_get (header, refused[i]))
      return mantis_fail (error, MANTIS_DENIED, "the token's header has \"%s\": not supported",
                          refused[i]);
  if (!algorithm)
    return mantis_fail (error, MANTIS_DENIED, "the token's header names no algorithm");
  if (kid && !json_is_string (kid))
    return mantis_fail (error, MANTIS_DENIED, "the token's \"kid\" is not a string");
  if (type && (!json_is_string (type) || (strcasecmp (json_string_value (type), "JWT") &&
                                          strcasecmp (json_string_value (type), "at+jwt"))))
    return mantis_fail (error, MANTIS_DENIED, "the token's \"typ\" is not JWT");
  *key = choose (keys, json_string_value (kid), algorithm);
  if (!*key)
    return mantis_fail (error, MANTIS_DENIED,
                        kid ? "the token names a key that is not known here"
                            : "the token names no key (\"kid\"), and its algorithm does not tell "
                              "which one is meant");
  if (strcmp ((*key)->algorithm->name, algorithm))
    return mantis_fail (error, MANTIS_DENIED, "the token's algorithm is not that of the key");
  return MANTIS_OK;
}

/* ---- The signature ------------------------------------------------------------------------------
 */

/* r and s must be numbers from 1 on; that they are below the group's order is OpenSSL's to check.
 */
static bool
half_is_zero (const unsigned char *signature, size_t length)
{
  unsigned char r = 0, s = 0;

  for (size_t i = 0; i < length / 2; i++) {
    r |= signature[i];
    s |= signature[length / 2 + i];
  }
  return !r || !s;
}

static bool
signature_holds (const struct jwt_key *key, const char *token, size_t size,
                 const unsigned char *signature, size_t length)
{
  cjose_jws_t *jws;
  cjose_err problem;
  bool holds;

  if (length != key->signature ||
      (key->algorithm->family == JWT_ECDSA && half_is_zero (signature, length)))
    return false;
  jws = cjose_jws_import (token, size, &problem);
  holds = jws && cjose_jws_verify (jws, key->jwk, &problem);
  cjose_jws_release (jws);
  ERR_clear_error ();
  return holds;
}

enum mantis_status
jwt_verify (const struct jwt_keys *keys, const char *token, char **payload, size_t *length,
            struct mantis_error *error)
{
  size_t size = strnlen (token, JWT_TOKEN_LIMIT + 1), header_length, signature_length;
  const char *first = memchr (token, '.', size), *second = NULL;
  const struct jwt_key *key = NULL;
  unsigned char *head, *body, *signature;
  json_t *header = NULL;
  enum mantis_status status;

  if (size > JWT_TOKEN_LIMIT)
    return mantis_fail (error, MANTIS_DENIED, "the token is longer than %d bytes", JWT_TOKEN_LIMIT);
  if (first)
    second = memchr (first + 1, '.', size - (size_t)(first + 1 - token));
  if (!second || memchr (second + 1, '.', size - (size_t)(second + 1 - token)))
    return mantis_fail (error, MANTIS_DENIED, "the token does not have three parts");
  head = jwt_base64url (token, (size_t)(first - token), &header_length);
  body = jwt_base64url (first + 1, (size_t)(second - first - 1), length);
  signature = jwt_base64url (second + 1, size - (size_t)(second + 1 - token), &signature_length);
  if (!head || !body || !signature)
    status = mantis_fail (error, MANTIS_DENIED, "the token is not base64url without padding");
  else if (!(header = jwt_object ((const char *)head, header_length)))
    status = mantis_fail (error, MANTIS_DENIED, "the token's header is not a JSON object");
  else
    status = check_header (keys, header, &key, error);
  if (!status && !signature_holds (key, token, size, signature, signature_length))
    status = mantis_fail (error, MANTIS_DENIED, "the token's signature does not hold");
  json_decref (header);
  free (head);
  free (signature);
  if (status) {
    free (body);
    body = NULL;
  }
  *payload = (char *)body;
  return status;
}
