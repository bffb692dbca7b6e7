/* talk.c - a message to a running mantisd, over its socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LARGEST_ANSWER = 256 * 1024 * 1024 };

int
talk_open (const char *path, struct mantis_error *error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *error = (struct mantis_error){.status = MANTIS_OK};
  snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
  if (fd >= 0 && connect (fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  if (fd < 0 || (errno != ENOENT && errno != ECONNREFUSED))
    mantis_fail (error, MANTIS_FAILED, "cannot reach mantisd at %s: %s", path, strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static bool
send_line (int fd, const char *message, const char *argument, const char *table)
{
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;

  mantis_buf_text (&line, "{\"message\":");
  mantis_buf_json (&line, message, strlen (message));
  if (argument) {
    mantis_buf_text (&line, ",\"argument\":");
    mantis_buf_json (&line, argument, strlen (argument));
  }
  if (table) {
    mantis_buf_text (&line, ",\"table\":");
    mantis_buf_json (&line, table, strlen (table));
  }
  mantis_buf_text (&line, "}\n");
  return !line.failed && send (fd, line.bytes, line.length, MSG_NOSIGNAL) == (ssize_t)line.length;
}

/* Somebody at a terminal hears each second how long it will still be. */
static void
show_progress (const char *path)
{
  struct mantis_error error;
  const json_t *status = NULL;
  json_t *whole = NULL;
  int fd = talk_open (path, &error);

  if (fd < 0)
    return;
  if (talk (fd, NULL, "status", NULL, NULL, &whole, &status) == EXIT_CLEAN)
    fprintf (stderr, "%lld rows wait here, at revision %lld of the server\n",
             (long long)json_integer_value (json_object_get (status, "waiting")),
             (long long)json_integer_value (json_object_get (status, "rev")));
  json_decref (whole);
  close (fd);
}

/* PATH: show progress there while the answer is not yet there; NULL: do not. */
static bool
read_line (int fd, const char *path, struct mantis_buf *line)
{
  struct pollfd ready = {.fd = fd, .events = POLLIN};

  line->limit = LARGEST_ANSWER;
  while (!line->length || line->bytes[line->length - 1] != '\n') {
    char *room;
    ssize_t length;
    if (path && poll (&ready, 1, 1000) == 0) {
      show_progress (path);
      continue;
    }
    room = mantis_buf_reserve (line, 65536);
    length = room ? read (fd, room, 65536) : -1;
    if (length < 0 && errno == EINTR && room)
      continue;
    if (length <= 0)
      return false;
    line->length += (size_t)length;
  }
  return true;
}

int
talk (int fd, const char *path, const char *message, const char *argument, const char *table,
      json_t **whole, const json_t **reply)
{
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED};
  const char *why;

  if (!send_line (fd, message, argument, table) || !read_line (fd, path, &line)) {
    fprintf (stderr, "mantisctl: mantisd hung up without an answer; its log says why\n");
    return EXIT_UNREACHABLE;
  }
  if (!(*whole = json_read (line.bytes, line.length, &error)))
    return ctl_complain (&error);
  if (json_is_true (json_object_get (*whole, "ok"))) {
    *reply = json_object_get (*whole, "answer");
    return EXIT_CLEAN;
  }
  why = json_string_value (json_object_get (*whole, "error"));
  error.status = MANTIS_FAILED;
  mantis_fail (&error, MANTIS_FAILED, "%s", why ? why : "mantisd refuses, and does not say why");
  return ctl_complain (&error);
}
