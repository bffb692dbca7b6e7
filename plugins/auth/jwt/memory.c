/* memory.c - tokens that were found good: to check a signature takes a hundred times as long as to know it again.
 *
 * A client shows the same token with each message.  What is kept is a digest, the subject and the claims, never the token;
 * only who holds a good one gets a place, and takes that of another whose digest ends alike.  Whatever depends on the
 * clock is looked at each time.  New keys empty it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 1024, DIGEST = 32, LONGEST = 2048 /* bytes of a token that gets a place */ };

struct known {
  unsigned char digest[DIGEST];
  char *subject, *claims; /* NULL: the place is free */
  size_t length;
  int64_t since, expires; /* when it was found good, and until when it is */
};

struct jwt_memory {
  pthread_mutex_t lock;
  struct known places[PLACES];
};

struct jwt_memory *
jwt_memory_new (void)
{
  struct jwt_memory *memory = calloc (1, sizeof *memory);

  if (memory)
    pthread_mutex_init (&memory->lock, NULL);
  return memory;
}

static void
forget (struct known *known)
{
  free (known->subject);
  free (known->claims);
  *known = (struct known){.subject = NULL};
}

void
jwt_memory_clear (struct jwt_memory *memory)
{
  pthread_mutex_lock (&memory->lock);
  for (size_t i = 0; i < PLACES; i++)
    forget (&memory->places[i]);
  pthread_mutex_unlock (&memory->lock);
}

void
jwt_memory_free (struct jwt_memory *memory)
{
  if (!memory)
    return;
  jwt_memory_clear (memory);
  pthread_mutex_destroy (&memory->lock);
  free (memory);
}

/* The place that TOKEN has or would have; NULL: none. */
static struct known *
place_of (struct jwt_memory *memory, const char *token, unsigned char *digest)
{
  size_t length = strlen (token);

  if (length > LONGEST || !EVP_Digest (token, length, digest, NULL, EVP_sha256 (), NULL))
    return NULL;
  return &memory->places[(digest[0] | digest[1] << 8) % PLACES];
}

bool
jwt_memory_find (struct jwt_memory *memory, const char *token, int64_t now,
                 struct mantis_arena *arena, struct mantis_principal *principal)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  struct known *known = place_of (memory, token, digest);
  bool found = false;

  if (!known)
    return false;
  pthread_mutex_lock (&memory->lock);
  /* A clock that was set back may be before the token's beginning. */
  if (known->subject && memcmp (known->digest, digest, DIGEST) == 0 && now >= known->since &&
      now < known->expires) {
    principal->subject = mantis_arena_strdup (arena, known->subject);
    principal->claims = mantis_arena_copy (arena, known->claims, known->length);
    principal->expires = known->expires;
    found = principal->subject && principal->claims;
  }
  pthread_mutex_unlock (&memory->lock);
  return found;
}

void
jwt_memory_note (struct jwt_memory *memory, const char *token, int64_t now,
                 const struct mantis_principal *principal, size_t length)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  struct known *known = place_of (memory, token, digest), fresh;

  if (!known)
    return;
  fresh = (struct known){.subject = strdup (principal->subject),
                         .claims = malloc (length + 1),
                         .length = length,
                         .since = now,
                         .expires = principal->expires};
  memcpy (fresh.digest, digest, DIGEST);
  if (!fresh.subject || !fresh.claims) {
    forget (&fresh);
    return;
  }
  memcpy (fresh.claims, principal->claims, length + 1);
  pthread_mutex_lock (&memory->lock);
  forget (known);
  *known = fresh;
  pthread_mutex_unlock (&memory->lock);
}
