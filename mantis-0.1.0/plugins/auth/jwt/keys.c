/* keys.c - what a key must fulfil before it is trusted, whichever file it came from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LIMIT 100

static const struct jwt_algorithm algorithms[] = {
    {"HS256", JWT_HMAC, 32, NULL, 0, 0},
    {"HS384", JWT_HMAC, 48, NULL, 0, 0},
    {"HS512", JWT_HMAC, 64, NULL, 0, 0},
    {"RS256", JWT_RSA, 32, NULL, 0, 0},
    {"RS384", JWT_RSA, 48, NULL, 0, 0},
    {"RS512", JWT_RSA, 64, NULL, 0, 0},
    {"PS256", JWT_PSS, 32, NULL, 0, 0},
    {"PS384", JWT_PSS, 48, NULL, 0, 0},
    {"PS512", JWT_PSS, 64, NULL, 0, 0},
    {"ES256", JWT_ECDSA, 32, "P-256", NID_X9_62_prime256v1, 32},
    {"ES384", JWT_ECDSA, 48, "P-384", NID_secp384r1, 48},
    {"ES512", JWT_ECDSA, 64, "P-521", NID_secp521r1, 66},
};

const struct jwt_algorithm *
jwt_algorithm (const char *name)
{
  for (size_t i = 0; name && i < sizeof algorithms / sizeof *algorithms; i++)
    if (!strcmp (algorithms[i].name, name))
      return &algorithms[i];
  return NULL;
}

const struct jwt_algorithm *
jwt_algorithm_of_curve (const char *curve)
{
  for (size_t i = 0; curve && i < sizeof algorithms / sizeof *algorithms; i++)
    if (algorithms[i].curve && !strcmp (algorithms[i].curve, curve))
      return &algorithms[i];
  return NULL;
}

void
jwt_material_free (struct jwt_material *material)
{
  for (size_t i = 0; i < PART_COUNT; i++)
    if (material->part[i].bytes) {
      OPENSSL_cleanse (material->part[i].bytes, material->part[i].length);
      free (material->part[i].bytes);
    }
  memset (material, 0, sizeof *material);
}

void
jwt_keys_free (struct jwt_keys *keys)
{
  for (size_t i = 0; i < keys->count; i++) {
    cjose_jwk_release (keys->list[i].jwk);
    free (keys->list[i].kid);
  }
  free (keys->list);
  memset (keys, 0, sizeof *keys);
}

/* Without zeros in front, and as bits. */
static size_t
bits_of (const struct jwt_part *number)
{
  size_t i = 0, bits;

  while (i < number->length && !number->bytes[i])
    i++;
  if (i == number->length)
    return 0;
  bits = (number->length - i) * 8;
  for (unsigned char top = number->bytes[i]; !(top & 0x80); top = (unsigned char)(top << 1))
    bits--;
  return bits;
}

static enum mantis_status
make_hmac (struct jwt_key *key, const struct jwt_material *m, struct mantis_error *error)
{
  const struct jwt_part *secret = &m->part[PART_K];
  cjose_err problem = {.message = ""};

  if (secret->length < key->algorithm->hash)
    return mantis_fail (error, MANTIS_INVALID,
                        "the secret has %zu bytes, %s needs %zu at least (openssl rand -hex %zu "
                        "makes one)",
                        secret->length, key->algorithm->name, key->algorithm->hash,
                        key->algorithm->hash);
  key->jwk = cjose_jwk_create_oct_spec (secret->bytes, secret->length, &problem);
  key->signature = key->algorithm->hash;
  key->signs = true;
  return key->jwk ? MANTIS_OK
                  : mantis_fail (error, MANTIS_INVALID, "not a secret: %s", problem.message);
}

static enum mantis_status
make_rsa (struct jwt_key *key, const struct jwt_material *m, struct mantis_error *error)
{
  const struct jwt_part *p = m->part, *e = &p[PART_E];
  size_t bits = bits_of (&p[PART_N]);
  cjose_err problem = {.message = ""};
  cjose_jwk_rsa_keyspec spec = {0};

  if (bits < 2048 || bits > 16384)
    return mantis_fail (error, MANTIS_INVALID,
                        "an RSA key of %zu bits: 2048 to 16384 are accepted (RFC 7518)", bits);
  if (bits_of (e) < 2 || !(e->bytes[e->length - 1] & 1) ||
      !(p[PART_N].bytes[p[PART_N].length - 1] & 1))
    return mantis_fail (error, MANTIS_INVALID, "not an RSA key: modulus or exponent is impossible");
  spec.n = p[PART_N].bytes, spec.nlen = p[PART_N].length;
  spec.e = e->bytes, spec.elen = e->length;
  if (p[PART_D].length) {
    spec.d = p[PART_D].bytes, spec.dlen = p[PART_D].length;
    spec.p = p[PART_P].bytes, spec.plen = p[PART_P].length;
    spec.q = p[PART_Q].bytes, spec.qlen = p[PART_Q].length;
    spec.dp = p[PART_DP].bytes, spec.dplen = p[PART_DP].length;
    spec.dq = p[PART_DQ].bytes, spec.dqlen = p[PART_DQ].length;
    spec.qi = p[PART_QI].bytes, spec.qilen = p[PART_QI].length;
  }
  key->jwk = cjose_jwk_create_RSA_spec (&spec, &problem);
  key->signature = (bits + 7) / 8;
  key->signs = spec.dlen > 0;
  return key->jwk ? MANTIS_OK
                  : mantis_fail (error, MANTIS_INVALID, "not an RSA key: %s", problem.message);
}

static enum mantis_status
make_ecdsa (struct jwt_key *key, const struct jwt_material *m, struct mantis_error *error)
{
  const struct jwt_part *x = &m->part[PART_X], *y = &m->part[PART_Y], *d = &m->part[PART_D];
  cjose_err problem = {.message = ""};
  cjose_jwk_ec_keyspec spec = {.crv = (cjose_jwk_ec_curve)key->algorithm->curve_id};

  if (x->length != key->algorithm->coordinate || y->length != key->algorithm->coordinate)
    return mantis_fail (error, MANTIS_INVALID, "not a key on %s: a coordinate has %zu bytes",
                        key->algorithm->curve, key->algorithm->coordinate);
  spec.x = x->bytes, spec.xlen = x->length;
  spec.y = y->bytes, spec.ylen = y->length;
  if (d->length)
    spec.d = d->bytes, spec.dlen = d->length;
  key->jwk = cjose_jwk_create_EC_spec (&spec, &problem);
  key->signature = 2 * key->algorithm->coordinate;
  key->signs = d->length > 0;
  return key->jwk ? MANTIS_OK
                  : mantis_fail (error, MANTIS_INVALID, "not a key on %s: %s",
                                 key->algorithm->curve, problem.message);
}

/* Do the two halves of a private key belong together?  Else tokens would be made that nobody
 * accepts. */
static bool
halves_match (const struct jwt_key *key)
{
  static const uint8_t sample[] = "mantis";
  cjose_err problem;
  cjose_header_t *header = cjose_header_new (&problem);
  cjose_jws_t *made = NULL, *read = NULL;
  const char *text = NULL;
  bool match;

  if (header && cjose_header_set (header, "alg", key->algorithm->name, &problem))
    made = cjose_jws_sign (key->jwk, header, sample, sizeof sample - 1, &problem);
  if (made && cjose_jws_export (made, &text, &problem))
    read = cjose_jws_import (text, strlen (text), &problem);
  match = read && cjose_jws_verify (read, key->jwk, &problem);
  cjose_jws_release (read);
  cjose_jws_release (made);
  cjose_header_release (header);
  ERR_clear_error ();
  return match;
}

enum mantis_status
jwt_keys_add (struct jwt_keys *keys, const struct jwt_material *material,
              const struct jwt_algorithm *algorithm, const char *kid, struct mantis_error *error)
{
  struct jwt_key key = {.algorithm = algorithm}, *list;
  enum mantis_status status;

  for (size_t i = 0; kid && i < keys->count; i++)
    if (keys->list[i].kid && !strcmp (keys->list[i].kid, kid))
      return mantis_fail (error, MANTIS_INVALID, "two keys are called \"%.100s\"", kid);
  if (keys->count == KEY_LIMIT)
    return mantis_fail (error, MANTIS_INVALID, "more than %d keys", KEY_LIMIT);
  list = realloc (keys->list, (keys->count + 1) * sizeof *list);
  if (!list)
    return mantis_fail (error, MANTIS_FULL, "no memory for a key");
  keys->list = list;
  if (algorithm->family == JWT_HMAC)
    status = make_hmac (&key, material, error);
  else if (algorithm->family == JWT_ECDSA)
    status = make_ecdsa (&key, material, error);
  else
    status = make_rsa (&key, material, error);
  ERR_clear_error ();
  if (!status && key.signs && !halves_match (&key))
    status = mantis_fail (error, MANTIS_INVALID,
                          "the private half of the key does not belong to its public half");
  if (!status && kid && !(key.kid = strdup (kid)))
    status = mantis_fail (error, MANTIS_FULL, "no memory for a key");
  if (status)
    cjose_jwk_release (key.jwk);
  else
    keys->list[keys->count++] = key;
  return status;
}
