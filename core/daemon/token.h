/* token.h - the token that a client shows, read from its file whenever it may have changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_TOKEN_H
#define MANTIS_DAEMON_TOKEN_H

#include <mantis/host.h>

struct token {
  const char *file; /* NULL: nowhere to look */
  char *text;       /* NULL: there is none */
  unsigned number;  /* of the text: another one than before has another number */
  bool refused;     /* by the server, as it stands */
  bool told;        /* the log says what is missing */
  bool needless;    /* a certificate says who we are; a token goes beside it if there is one */
};

/* Look at the file again.  True: there is a token, and another one than before. */
bool token_read (struct token *token);
void token_refused (struct token *token, const char *server);
void token_free (struct token *token);

/* Write TEXT to FILE for its owner alone, in one step. */
enum mantis_status token_write (const char *file, const char *text, struct mantis_error *error);

#endif
