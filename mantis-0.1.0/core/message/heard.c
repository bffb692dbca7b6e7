/* heard.c - how far each node has come, as of its last pull.
 *
 * In memory: a pull reads, and to have each of them write would wake all that wait for a commit.  A push
 * and a hello, which write the node's row anyway, take it along.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"

#include <string.h>

enum { TRIES = 8 };

/* The place of NODE; one that has none yet gets an empty one, or that of the node longest unheard of. */
static struct heard_node *
place_of (struct heard *heard, const char *node, bool make)
{
  uint64_t hash = hash_bytes (node, strlen (node), 0);
  struct heard_node *free_place = NULL;

  hash += hash == 0;
  for (size_t i = 0; i < TRIES; i++) {
    struct heard_node *place = &heard->places[(hash + i) % COUNT_OF (heard->places)];
    if (place->node == hash)
      return place;
    if (!free_place || place->at < free_place->at)
      free_place = place;
  }
  if (!make)
    return NULL;
  *free_place = (struct heard_node){.node = hash};
  return free_place;
}

void
heard_note (struct heard *heard, const char *node, int64_t rev)
{
  struct heard_node *place;

  pthread_mutex_lock (&heard->lock);
  place = place_of (heard, node, true);
  place->rev = rev;
  place->at = mantis_now ();
  pthread_mutex_unlock (&heard->lock);
}

bool
heard_find (struct heard *heard, const char *node, int64_t *rev, int64_t *at)
{
  const struct heard_node *place;

  pthread_mutex_lock (&heard->lock);
  if ((place = place_of (heard, node, false))) {
    *rev = place->rev;
    *at = place->at;
  }
  pthread_mutex_unlock (&heard->lock);
  return place != NULL;
}
