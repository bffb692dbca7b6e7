/* limit.c - how often may somebody be wrong?
 *
 * A bucket holds the tries that are left, for each address and for each user.  A try takes one of both,
 * and a right password gives them back.  Who guesses is held up by the bucket of his address, and where he
 * has many addresses by the user's.  The user himself is let through all the same: an address without a recent
 * failure may try once, whatever is left of the user's.
 *
 * A bucket is one number: when all would be forgiven.  There are so many, and no more: a new one takes the
 * place of the one among a few that has the least to forgive.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { TRIES = 8, NETWORK_BYTES = 8 /* of an IPv6 address: what one household has */ };

void
limit_start (struct limit *limit, int64_t failures, int64_t interval)
{
  *limit = (struct limit){.failures = failures, .interval = interval};
  mantis_random (limit->secret, sizeof limit->secret);
}

static uint64_t
key_of (const struct limit *limit, char kind, const void *bytes, size_t length)
{
  unsigned char digest[EVP_MAX_MD_SIZE] = {0};
  struct mantis_buf text = MANTIS_BUF_INIT;
  uint64_t key;

  mantis_buf_add (&text, limit->secret, sizeof limit->secret);
  mantis_buf_char (&text, kind);
  mantis_buf_add (&text, bytes, length);
  if (!text.failed)
    EVP_Digest (text.bytes, text.length, digest, NULL, EVP_sha256 (), NULL);
  mantis_buf_free (&text);
  memcpy (&key, digest, sizeof key);
  return key | 1;
}

static uint64_t
key_of_peer (const struct limit *limit, const char *peer)
{
  unsigned char address[16];

  if (inet_pton (AF_INET6, peer, address) == 1)
    return key_of (limit, 'a', address, NETWORK_BYTES);
  return key_of (limit, 'a', peer, strlen (peer));
}

static struct bucket *
bucket_of (struct limit *limit, uint64_t key)
{
  struct bucket *least = NULL;

  for (size_t i = 0; i < TRIES; i++) {
    struct bucket *bucket = &limit->buckets[((key >> 1) + i) % BUCKETS];
    if (bucket->key == key)
      return bucket;
    if (!least || bucket->full < least->full)
      least = bucket;
  }
  *least = (struct bucket){.key = key};
  return least;
}

/* 0: there is a try left in BUCKET; else the milliseconds until there is one. */
static int64_t
wait_of (const struct limit *limit, const struct bucket *bucket, int64_t now)
{
  int64_t over = bucket->full - now - (limit->failures - 1) * limit->interval;

  return over > 0 ? over : 0;
}

/* The key where a try was taken; 0: there was none left. */
static uint64_t
take (const struct limit *limit, struct bucket *bucket, int64_t now)
{
  if (wait_of (limit, bucket, now))
    return 0;
  bucket->full = (bucket->full > now ? bucket->full : now) + limit->interval;
  return bucket->key;
}

int64_t
limit_try (struct limit *limit, const char *peer, const char *user, struct attempt *attempt)
{
  int64_t now = mantis_monotonic () / 1000, wait;
  uint64_t of_address = key_of_peer (limit, peer);
  uint64_t of_user = key_of (limit, 'u', user, strlen (user));

  *attempt = (struct attempt){.address = 0};
  if ((wait = wait_of (limit, bucket_of (limit, of_address), now)))
    return wait;
  if (bucket_of (limit, of_address)->full > now &&
      (wait = wait_of (limit, bucket_of (limit, of_user), now)))
    return wait;
  attempt->user = take (limit, bucket_of (limit, of_user), now);
  attempt->address = take (limit, bucket_of (limit, of_address), now);
  return 0;
}

void
limit_forgive (struct limit *limit, const struct attempt *attempt)
{
  if (attempt->address)
    bucket_of (limit, attempt->address)->full -= limit->interval;
  if (attempt->user)
    bucket_of (limit, attempt->user)->full -= limit->interval;
}
