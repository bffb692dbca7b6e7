/* jwt.h - what the files of this plugin share: algorithms, keys, and a token taken apart.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_JWT_H
#define MANTIS_JWT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf, mkostemp, the kind of a rwlock */
#endif

#include <mantis/auth.h>

#include <cjose/cjose.h>
#include <jansson.h>
#include <pthread.h>

/* ---- Algorithms (RFC 7518, section 3.1) ---------------------------------------------------------
 */
enum jwt_family { JWT_HMAC, JWT_RSA, JWT_PSS, JWT_ECDSA };

struct jwt_algorithm {
  const char *name;
  enum jwt_family family;
  size_t hash;       /* bytes of the hash: an HMAC secret is at least as long */
  const char *curve; /* of ECDSA: name in a JWK */
  int curve_id;      /* of ECDSA: OpenSSL's number */
  size_t coordinate; /* of ECDSA: bytes of a coordinate, and of r and s each */
};

/* NULL when NAME is none of HS, RS, PS and ES with 256, 384 and 512. */
const struct jwt_algorithm *jwt_algorithm (const char *name);
const struct jwt_algorithm *jwt_algorithm_of_curve (const char *curve);

/* STATUS; where it is not MANTIS_OK, ERROR (may be NULL) also says where. */
#define jwt_inside(error, status, ...)                                                             \
  ((status) && (error) ? mantis_fail_in ((error), __VA_ARGS__) : (status))

/* ---- Keys ---------------------------------------------------------------------------------------
 */
struct jwt_key {
  cjose_jwk_t *jwk;
  char *kid;                             /* NULL: none */
  const struct jwt_algorithm *algorithm; /* the only one that this key is used with */
  size_t signature;                      /* length of its signatures, in bytes */
  bool signs;                            /* the secret half is there too */
};

struct jwt_keys {
  struct jwt_key *list;
  size_t count;
};

/* Numbers as big-endian bytes, before they become a key.  A length of 0: not given. */
struct jwt_part {
  unsigned char *bytes;
  size_t length;
};
enum jwt_part_name {
  PART_N,
  PART_E,
  PART_D,
  PART_P,
  PART_Q,
  PART_DP,
  PART_DQ,
  PART_QI,
  PART_X,
  PART_Y,
  PART_K,
  PART_COUNT
};
struct jwt_material {
  struct jwt_part part[PART_COUNT];
};

void jwt_material_free (struct jwt_material *material);

/* Check MATERIAL and add the key that it makes.  KID may be NULL. */
enum mantis_status jwt_keys_add (struct jwt_keys *keys, const struct jwt_material *material,
                                 const struct jwt_algorithm *algorithm, const char *kid,
                                 struct mantis_error *error);
void jwt_keys_free (struct jwt_keys *keys);

/* The key of an HMAC secret's or a PEM file.  MAY_CREATE: make a secret where there is no file. */
enum mantis_status jwt_read_key_file (struct jwt_keys *keys, const char *path,
                                      const struct jwt_algorithm *algorithm, bool may_create,
                                      struct mantis_error *error);
/* The keys of a JWK set (RFC 7517).  ALGORITHM is for keys that do not say theirs. */
enum mantis_status jwt_read_set (struct jwt_keys *keys, const char *path,
                                 const struct jwt_algorithm *algorithm, struct mantis_error *error);
enum mantis_status jwt_add_set (struct jwt_keys *keys, const char *text, size_t length,
                                const struct jwt_algorithm *algorithm, struct mantis_error *error);

/* ---- Files --------------------------------------------------------------------------------------
 */

/* All of a file of at most 1 MB.  MANTIS_ABSENT: there is none. */
enum mantis_status jwt_read_file (const char *path, bool secret, struct mantis_buf *text,
                                  struct mantis_error *error);
/* A new secret of 2 * HASH hexadecimal digits, mode 0600; one that appeared meanwhile stays. */
enum mantis_status jwt_create_secret (const char *path, size_t hash, struct mantis_error *error);

/* ---- Tokens -------------------------------------------------------------------------------------
 */

/* Exactly RFC 4648 section 5 without padding, unused bits zero.  NULL with *LENGTH 0: it is not;
 * else malloc'ed, with a NUL behind. */
unsigned char *jwt_base64url (const char *text, size_t size, size_t *length);

#define JWT_TOKEN_LIMIT 8192

/* MANTIS_OK when TOKEN is signed by one of KEYS with that key's algorithm: *PAYLOAD is malloc'ed.
 */
enum mantis_status jwt_verify (const struct jwt_keys *keys, const char *token, char **payload,
                               size_t *length, struct mantis_error *error);

/* JSON object of a token: no duplicate keys, not deep.  NULL: it is not. */
json_t *jwt_object (const char *text, size_t length);

/* What claims must fulfil. */
struct jwt_rules {
  const char *issuer, *audience, *subject_claim; /* the first two may be NULL: not looked at */
  int64_t leeway, maximum_lifetime;              /* milliseconds; maximum 0: any */
};
/* *SUBJECT belongs to CLAIMS, *EXPIRES is in milliseconds. */
enum mantis_status jwt_check_claims (const json_t *claims, const struct jwt_rules *rules,
                                     int64_t now, const char **subject, int64_t *expires,
                                     struct mantis_error *error);
bool jwt_subject_valid (const char *subject, size_t length);

/* ---- Tokens that were found good (memory.c) -----------------------------------------------------
 */
struct jwt_memory;

struct jwt_memory *jwt_memory_new (void); /* NULL: no memory */
void jwt_memory_free (struct jwt_memory *memory);
void jwt_memory_clear (struct jwt_memory *memory);
/* Is TOKEN known, and good NOW?  Then PRINCIPAL is filled, its texts in ARENA. */
bool jwt_memory_find (struct jwt_memory *memory, const char *token, int64_t now,
                      struct mantis_arena *arena, struct mantis_principal *principal);
/* TOKEN was found good NOW.  LENGTH is that of the claims. */
void jwt_memory_note (struct jwt_memory *memory, const char *token, int64_t now,
                      const struct mantis_principal *principal, size_t length);

#endif
