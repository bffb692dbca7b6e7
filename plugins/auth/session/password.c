/* password.c - what is stored of a password, and whether another one is the same.
 *
 * scrypt (RFC 7914), by OpenSSL, in the form of the Password Hashing Competition:
 *
 *   $scrypt$ln=15,r=8,p=3$SALT$HASH        base64 without padding; memory: 128 * r * 2^ln bytes
 *
 * Each carries what it was made with, so that another cost holds from then on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 8, PARALLEL = 3, SALT_BYTES = 16, HASH_BYTES = 32, SLACK = 1024 * 1024 };
enum { SALT_TEXT = 22, HASH_TEXT = 43 };

struct made { /* with what */
  unsigned cost, block, parallel;
  unsigned char salt[SALT_BYTES];
  unsigned char hash[HASH_BYTES];
};

static enum mantis_status
derive (const char *password, struct made *made, unsigned char hash[HASH_BYTES],
        struct mantis_error *error)
{
  const uint64_t blocks = UINT64_C (1) << made->cost;
  const uint64_t memory = 128 * (uint64_t)made->block * (blocks + made->parallel + 2) + SLACK;

  if (EVP_PBE_scrypt (password, strlen (password), made->salt, sizeof made->salt, blocks,
                      made->block, made->parallel, memory, hash, HASH_BYTES) == 1)
    return MANTIS_OK;
  ERR_clear_error ();
  return mantis_fail (error, MANTIS_FULL, "no memory to look at a password (%llu bytes)",
                      (unsigned long long)memory);
}

static void
add_base64 (struct mantis_buf *buf, const unsigned char *bytes, size_t length)
{
  unsigned char text[HASH_BYTES * 2];
  size_t used = (size_t)EVP_EncodeBlock (text, bytes, (int)length);

  while (used && text[used - 1] == '=')
    used--;
  mantis_buf_add (buf, text, used);
}

/* LENGTH characters at TEXT into BYTES of COUNT. */
static bool
read_base64 (const char *text, size_t length, unsigned char *bytes, size_t count)
{
  unsigned char padded[HASH_TEXT + 4], out[HASH_BYTES + 3];
  size_t whole = (length + 3) / 4 * 4;

  memset (padded, '=', sizeof padded);
  memcpy (padded, text, length);
  if (EVP_DecodeBlock (out, padded, (int)whole) < (int)count)
    return false;
  memcpy (bytes, out, count);
  return true;
}

static bool
read_stored (const char *stored, struct made *made)
{
  int used = 0;

  return sscanf (stored, "$scrypt$ln=%2u,r=%2u,p=%2u$%n", &made->cost, &made->block,
                 &made->parallel, &used) == 3 &&
         used && made->cost >= 1 && made->cost <= 20 && made->block >= 1 && made->block <= 32 &&
         made->parallel >= 1 && made->parallel <= 16 &&
         strlen (stored + used) == SALT_TEXT + 1 + HASH_TEXT && stored[used + SALT_TEXT] == '$' &&
         read_base64 (stored + used, SALT_TEXT, made->salt, SALT_BYTES) &&
         read_base64 (stored + used + SALT_TEXT + 1, HASH_TEXT, made->hash, HASH_BYTES);
}

enum mantis_status
password_hash (const char *password, int64_t cost, struct mantis_buf *stored,
               struct mantis_error *error)
{
  struct made made = {.cost = (unsigned)cost, .block = BLOCK, .parallel = PARALLEL};
  enum mantis_status status;

  mantis_random (made.salt, sizeof made.salt);
  if ((status = derive (password, &made, made.hash, error)) != MANTIS_OK)
    return status;
  mantis_buf_printf (stored, "$scrypt$ln=%u,r=%u,p=%u$", made.cost, made.block, made.parallel);
  add_base64 (stored, made.salt, sizeof made.salt);
  mantis_buf_char (stored, '$');
  add_base64 (stored, made.hash, sizeof made.hash);
  return stored->failed ? mantis_fail (error, MANTIS_FULL, "no memory left") : MANTIS_OK;
}

enum mantis_status
password_check (const char *password, const char *stored, int64_t cost, bool *holds,
                struct mantis_error *error)
{
  struct made made = {.cost = (unsigned)cost, .block = BLOCK, .parallel = PARALLEL};
  bool known = stored && read_stored (stored, &made);
  unsigned char hash[HASH_BYTES];
  enum mantis_status status;

  if (!known)
    made = (struct made){.cost = (unsigned)cost, .block = BLOCK, .parallel = PARALLEL};
  status = derive (password, &made, hash, error);
  *holds = status == MANTIS_OK && CRYPTO_memcmp (hash, made.hash, sizeof hash) == 0 && known;
  OPENSSL_cleanse (hash, sizeof hash);
  return status;
}

bool
password_is_old (const char *stored, int64_t cost)
{
  struct made made;

  return !read_stored (stored, &made) || made.cost != (unsigned)cost || made.block != BLOCK ||
         made.parallel != PARALLEL;
}
