/* jwt - bearer tokens of RFC 7519, signed with keys from files.
 *
 * The key decides the algorithm, never the token (RFC 8725).  What a token's header offers besides
 * (jwk, jku, x5u, x5c) is not looked at: keys come from our own files alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <stdlib.h>
#include <string.h>

struct jwt {
  const char *algorithm;
  const char *key_file;
  const char *jwks_file;
  const char *issuer;
  const char *audience;
  const char *subject_claim;
  int64_t leeway;
  int64_t maximum_lifetime;
  pthread_rwlock_t lock; /* around keys: many read, reload() writes */
  struct jwt_keys keys;
  struct jwt_memory *memory; /* of tokens that KEYS found good; NULL: none */
};

#define ALGORITHMS "HS256|HS384|HS512|RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512"

static const struct mantis_option options[] = {
    MANTIS_CHOICE (struct jwt, algorithm, "HS256", ALGORITHMS,
                   "algorithm of key_file, and of keys in jwks_file that name none"),
    MANTIS_FILE (struct jwt, key_file, NULL,
                 "HMAC secret (made where there is none), or PEM public or private key"),
    MANTIS_FILE (struct jwt, jwks_file, NULL, "JWK set (RFC 7517)"),
    MANTIS_TEXT_OPTION (struct jwt, issuer, NULL, "what iss must be; unset: not looked at"),
    MANTIS_TEXT_OPTION (struct jwt, audience, NULL, "what aud must hold; unset: not looked at"),
    MANTIS_DURATION (struct jwt, leeway, "60s", 0, 300000, "by how much clocks may differ"),
    MANTIS_DURATION (struct jwt, maximum_lifetime, "0", 0, INT64_C (315360000000),
                     "refuse tokens made for longer; 0: any"),
    MANTIS_TEXT_OPTION (struct jwt, subject_claim, "sub", "claim that names the subject"),
    {.name = NULL},
};

/* Keys of both files; that of key_file comes first, so that it is the one that signs. */
static enum mantis_status
load (const struct jwt *self, bool may_create, struct jwt_keys *keys, struct mantis_error *error)
{
  const struct jwt_algorithm *algorithm = jwt_algorithm (self->algorithm);
  enum mantis_status status = MANTIS_OK;

  if (!algorithm)
    return mantis_fail (error, MANTIS_INVALID, "jwt: algorithm \"%s\" is not one of " ALGORITHMS,
                        self->algorithm ? self->algorithm : "");
  if (!self->key_file && !self->jwks_file)
    return mantis_fail (error, MANTIS_INVALID,
                        "jwt: no key: set key_file (a new secret is written there if there is "
                        "none) or jwks_file");
  if (self->key_file)
    status = jwt_read_key_file (keys, self->key_file, algorithm, may_create, error);
  if (!status && self->jwks_file)
    status = jwt_read_set (keys, self->jwks_file, algorithm, error);
  if (status)
    jwt_keys_free (keys);
  return status;
}

static enum mantis_status
start (void *data, struct mantis_error *error)
{
  struct jwt *self = data;
  pthread_rwlockattr_t attributes;
  enum mantis_status status;

  if (!self->subject_claim || !*self->subject_claim)
    return mantis_fail (error, MANTIS_INVALID, "jwt: subject_claim is empty");
  status = load (self, true, &self->keys, error);
  if (status)
    return status;
  /* Without this a busy server's readers would keep reload() out for ever. */
  pthread_rwlockattr_init (&attributes);
  pthread_rwlockattr_setkind_np (&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init (&self->lock, &attributes);
  pthread_rwlockattr_destroy (&attributes);
  self->memory = jwt_memory_new ();
  return MANTIS_OK;
}

static void
stop (void *data)
{
  struct jwt *self = data;

  jwt_memory_free (self->memory);
  jwt_keys_free (&self->keys);
  pthread_rwlock_destroy (&self->lock);
}

static enum mantis_status
reload (void *data, struct mantis_error *error)
{
  struct jwt *self = data;
  struct jwt_keys fresh = {NULL, 0}, old;
  enum mantis_status status = load (self, false, &fresh, error);

  if (status)
    return status;
  pthread_rwlock_wrlock (&self->lock);
  old = self->keys;
  self->keys = fresh;
  if (self->memory)
    jwt_memory_clear (self->memory);
  pthread_rwlock_unlock (&self->lock);
  jwt_keys_free (&old);
  return MANTIS_OK;
}

static struct jwt_rules
rules_of (const struct jwt *self)
{
  return (struct jwt_rules){.issuer = self->issuer,
                            .audience = self->audience,
                            .subject_claim = self->subject_claim,
                            .leeway = self->leeway,
                            .maximum_lifetime = self->maximum_lifetime};
}

/* What TOKEN says, if it is good.  *LENGTH is that of the claims. */
static enum mantis_status
read_token (const struct jwt *self, const char *token, int64_t now, struct mantis_arena *arena,
            struct mantis_principal *principal, size_t *length, struct mantis_error *error)
{
  struct jwt_rules rules = rules_of (self);
  const char *subject = NULL;
  char *payload = NULL;
  json_t *claims = NULL;
  enum mantis_status status = jwt_verify (&self->keys, token, &payload, length, error);

  if (status)
    return status;
  claims = jwt_object (payload, *length);
  if (claims)
    status = jwt_check_claims (claims, &rules, now, &subject, &principal->expires, error);
  else
    status = mantis_fail (error, MANTIS_DENIED, "the token's claims are not a JSON object");
  if (!status) {
    principal->subject = mantis_arena_strdup (arena, subject);
    principal->claims = mantis_arena_copy (arena, payload, *length);
    if (!principal->subject || !principal->claims)
      status = mantis_fail (error, MANTIS_FULL, "no memory for the token's claims");
  }
  json_decref (claims);
  free (payload);
  return status;
}

static enum mantis_status
authenticate (void *data, const struct mantis_credentials *credentials, struct mantis_arena *arena,
              struct mantis_principal *principal, struct mantis_error *error)
{
  struct jwt *self = data;
  const char *token = credentials->bearer;
  enum mantis_status status = MANTIS_OK;
  int64_t now = mantis_now ();
  size_t length;

  if (!token)
    return mantis_fail (error, MANTIS_ABSENT, "no bearer token");
  if (!strchr (token, '.')) /* it may be another authentication's */
    return mantis_fail (error, MANTIS_ABSENT, "the token does not have three parts");
  /* Held to the end: what old keys found good is not noted behind the back of a reload(). */
  pthread_rwlock_rdlock (&self->lock);
  if (!self->memory || !jwt_memory_find (self->memory, token, now, arena, principal)) {
    status = read_token (self, token, now, arena, principal, &length, error);
    if (!status && self->memory)
      jwt_memory_note (self->memory, token, now, principal, length);
  }
  pthread_rwlock_unlock (&self->lock);
  return status;
}

static void
add_member (struct mantis_buf *buf, const char *name, const char *value)
{
  mantis_buf_char (buf, buf->length ? ',' : '{');
  mantis_buf_json (buf, name, strlen (name));
  mantis_buf_char (buf, ':');
  mantis_buf_json (buf, value, strlen (value));
}

static void
add_claims (const struct jwt *self, const char *subject, int64_t lifetime, struct mantis_buf *buf)
{
  unsigned char chance[16];
  char jti[2 * sizeof chance + 1];
  int64_t now = mantis_now ();

  mantis_random (chance, sizeof chance);
  for (size_t i = 0; i < sizeof chance; i++) {
    jti[2 * i] = "0123456789abcdef"[chance[i] >> 4];
    jti[2 * i + 1] = "0123456789abcdef"[chance[i] & 15];
  }
  jti[2 * sizeof chance] = '\0';
  add_member (buf, self->subject_claim, subject);
  if (self->issuer)
    add_member (buf, "iss", self->issuer);
  if (self->audience)
    add_member (buf, "aud", self->audience);
  add_member (buf, "jti", jti);
  mantis_buf_printf (buf, ",\"iat\":%lld,\"exp\":%lld}", (long long)(now / 1000),
                     (long long)(now / 1000 + (lifetime + 999) / 1000));
}

static enum mantis_status
sign (const struct jwt_key *key, const struct mantis_buf *claims, struct mantis_buf *token,
      struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  cjose_err problem = {.message = "no memory"};
  cjose_header_t *header = cjose_header_new (&problem);
  cjose_jws_t *jws = NULL;
  const char *text = NULL;

  if (header && cjose_header_set (header, "alg", key->algorithm->name, &problem) &&
      cjose_header_set (header, "typ", "JWT", &problem) &&
      (!key->kid || cjose_header_set (header, "kid", key->kid, &problem)))
    jws =
        cjose_jws_sign (key->jwk, header, (const uint8_t *)claims->bytes, claims->length, &problem);
  if (jws && cjose_jws_export (jws, &text, &problem))
    mantis_buf_text (token, text);
  else
    status = mantis_fail (error, MANTIS_FAILED, "jwt: cannot sign: %s", problem.message);
  cjose_jws_release (jws);
  cjose_header_release (header);
  return status;
}

static enum mantis_status
issue (void *data, const char *subject, int64_t lifetime, struct mantis_buf *token,
       struct mantis_error *error)
{
  struct jwt *self = data;
  struct mantis_buf claims = MANTIS_BUF_INIT;
  const struct jwt_key *key = NULL;
  enum mantis_status status;

  if (!jwt_subject_valid (subject, strlen (subject)))
    return mantis_fail (error, MANTIS_INVALID,
                        "a subject has 1 to 255 bytes and no control characters");
  if (lifetime < 1000 || lifetime > INT64_C (3153600000000))
    return mantis_fail (error, MANTIS_INVALID, "a token lives from 1 second to 100 years");
  if (self->maximum_lifetime && lifetime > self->maximum_lifetime)
    return mantis_fail (error, MANTIS_INVALID,
                        "the lifetime is above maximum_lifetime (%lld seconds)",
                        (long long)(self->maximum_lifetime / 1000));
  add_claims (self, subject, lifetime, &claims);
  pthread_rwlock_rdlock (&self->lock);
  for (size_t i = 0; i < self->keys.count && !key; i++)
    if (self->keys.list[i].signs)
      key = &self->keys.list[i];
  if (!key)
    status = mantis_fail (error, MANTIS_INVALID,
                          "jwt: only public keys are configured: tokens are made where the private "
                          "key is");
  else if (claims.failed)
    status = mantis_fail (error, MANTIS_FULL, "jwt: no memory for the token");
  else
    status = sign (key, &claims, token, error);
  pthread_rwlock_unlock (&self->lock);
  mantis_buf_free (&claims);
  if (!status && token->failed)
    status = mantis_fail (error, MANTIS_FULL, "jwt: no memory for the token");
  return status;
}

static const struct mantis_auth ops = {
    .size = sizeof ops, .authenticate = authenticate, .issue = issue, .reload = reload};

MANTIS_AUTH_PLUGIN (jwt, &ops, .summary = "bearer tokens of RFC 7519",
                    .self_size = sizeof (struct jwt), .options = options,
                    .threads = MANTIS_PARALLEL, .start = start, .stop = stop);
