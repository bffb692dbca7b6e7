/* line - messages over a Unix socket.
 *
 * An example of a transport that is kept outside Mantis's tree: docs/write-a-transport.md explains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "line.h"

#include <string.h>

static const struct mantis_option options[] = {
  MANTIS_FILE (struct line, path, "mantis.socket", "the socket; who may open it may talk to the server"),
  MANTIS_SIZE (struct line, largest, "64M", 1024, 1 << 30, "the largest body that is taken"),
  { .name = NULL },
};

enum mantis_status
line_address (const struct line *line, struct sockaddr_un *address, struct mantis_error *error)
{
  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  if (strlen (line->path) >= sizeof address->sun_path)
    return mantis_fail (error, MANTIS_INVALID, "the path of a socket has at most %zu letters: %s",
                        sizeof address->sun_path - 1, line->path);
  strcpy (address->sun_path, line->path);
  return MANTIS_OK;
}

static const struct mantis_transport ops = {
  .size = sizeof ops,
  .listen = line_listen,
  .drain = line_drain,
  .close = line_close,
  .address = line_listens_on,
  .dial = line_dial,
  .send = line_send,
  .interrupt = line_interrupt,
  .hang_up = line_hang_up,
};

MANTIS_TRANSPORT_PLUGIN (line, &ops, .summary = "messages over a Unix socket", .version = "1.0",
                         .self_size = sizeof (struct line), .options = options);
