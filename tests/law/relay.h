/* relay.h - what stands between the two sides of a transport, and may do harm to the bytes that it carries.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LAW_RELAY_H
#define MANTIS_LAW_RELAY_H

#include <stdbool.h>
#include <stddef.h>

enum harm {
  UNHARMED,
  CUT,   /* a beginning of it goes on, and the connection ends */
  STUCK, /* a beginning of it goes on, and nothing more; the connection stays until relay_calm() */
  ALTERED, /* some bytes are others, and then the connection ends */
  RUBBISH  /* all of them are */
};

struct relay {
  enum harm harm;
  bool upward;    /* to what the client sends, else to what the server does */
  size_t carried; /* times that bytes came by */
};
extern struct relay relay;

/* Stand before the listener at ADDRESS, whose room of SIZE is then where to dial.  False: that is no address known
 * here. */
bool relay_start (char *address, size_t size);

/* No harm from now on; what is stuck ends. */
void relay_calm (void);

/* A connection to where it listens; -1: that is no address known here. */
int knock (const char *address);

#endif
