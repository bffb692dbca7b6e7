/* clock.c - time and chance, the system's or the simulation's; and hashing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static int64_t (*now_source) (void);
static void (*random_source) (void *bytes, size_t length);

void
clock_set (int64_t (*now) (void))
{
  now_source = now;
}

void
random_set (void (*random) (void *bytes, size_t length))
{
  random_source = random;
}

int64_t
mantis_now (void)
{
  struct timespec now;

  if (now_source)
    return now_source ();
  clock_gettime (CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
mantis_monotonic (void)
{
  struct timespec now;

  if (now_source)
    return now_source () * 1000;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
mantis_random (void *bytes, size_t length)
{
  if (random_source)
    random_source (bytes, length);
  else if (RAND_bytes (bytes, (int)length) != 1) {
    mantis_log (MANTIS_ERROR, "the system gives no random numbers: cannot go on");
    abort ();
  }
}

void
random_hex (char *text, size_t length)
{
  static const char digits[] = "0123456789abcdef";

  mantis_random (text, length);
  for (size_t i = 0; i < length; i++)
    text[i] = digits[(unsigned char)text[i] & 15];
  text[length] = '\0';
}

uint64_t
hash_bytes (const void *bytes, size_t length, uint64_t seed)
{
  return XXH64 (bytes, length, seed);
}
