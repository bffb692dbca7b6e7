/* reach.c - a message to the running mantisd, or the work done here where none runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LARGEST_ANSWER = 256 * 1024 * 1024 };

enum mantis_status
ctl_open (struct ctl *ctl, struct config **config, struct plugins **plugins,
          struct mantis_error *error)
{
  json_start ();
  if (options_config (&ctl->options, config, error) != MANTIS_OK)
    return error->status = MANTIS_INVALID; /* also when it cannot be read */
  (*config)->log_level = MANTIS_WARNING; /* the words of the daemon, not ours */
  if ((*plugins = options_plugins (ctl->options.plugin_dir)))
    return MANTIS_OK;
  config_free (*config);
  return mantis_fail (error, MANTIS_FAILED, "no memory left");
}

/* ---- By way of the daemon ----------------------------------------------------------------------
 */

/* The daemon's socket, -1: there is no daemon, or ERROR. */
static int
connect_to (const char *path, struct mantis_error *error)
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

static bool
read_line (int fd, struct mantis_buf *line)
{
  line->limit = LARGEST_ANSWER;
  while (!line->length || line->bytes[line->length - 1] != '\n') {
    char *room = mantis_buf_reserve (line, 65536);
    ssize_t length = room ? read (fd, room, 65536) : -1;
    if (length < 0 && errno == EINTR && room)
      continue;
    if (length <= 0)
      return false;
    line->length += (size_t)length;
  }
  return true;
}

static int
talk (int fd, const char *message, const char *argument, const char *table, json_t **whole,
      const json_t **reply)
{
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED};
  const char *why;

  if (!send_line (fd, message, argument, table) || !read_line (fd, &line)) {
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

/* ---- Without it --------------------------------------------------------------------------------
 */

/* Looking at a database must not make one. */
static bool
is_there (const char *database)
{
  return database[0] != '/' || access (database, F_OK) == 0;
}

/* Takes CONFIG and PLUGINS. */
static int
do_alone (struct config *config, struct plugins *plugins, const char *message, const char *argument,
          const char *table, json_t **whole, const json_t **reply)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED};
  struct mantis *node;
  enum mantis_status status = node_new (config, plugins, &node, &error);

  if (status != MANTIS_OK)
    return ctl_complain (&error);
  fprintf (stderr, "mantisctl: no daemon is running: working on %s directly\n",
           node->place.database);
  status = alone_do (node, message, argument, table, &buf, &error);
  mantis_close (node);
  if (status == MANTIS_OK && buf.failed)
    status = mantis_fail (&error, MANTIS_FAILED, "no memory left");
  if (status == MANTIS_OK && !(*whole = json_read (buf.bytes, buf.length, &error)))
    status = error.status;
  *reply = *whole;
  return status == MANTIS_OK ? EXIT_CLEAN : ctl_complain (&error);
}

/* Where is the daemon, and which database would it be? */
static enum mantis_status
find_place (const struct config *config, struct plugins *plugins, struct place *place, bool *exists,
            struct mantis_error *error)
{
  struct instance *storage = NULL;
  enum mantis_status status = config_open_plugins (config, plugins, error);

  if (status == MANTIS_OK)
    status = instance_new (plugins, config->storage, &storage, error);
  if (status == MANTIS_OK)
    status = place_find (config, storage, place, error);
  if (status == MANTIS_OK && !(*exists = is_there (place->database)))
    mantis_fail (error, MANTIS_FAILED, "there is no database %s yet: start mantisd",
                 place->database);
  instance_free (storage);
  return status;
}

int
ctl_ask (struct ctl *ctl, const char *message, const char *argument, const char *table,
         json_t **whole, const json_t **reply)
{
  struct mantis_error error = {.status = MANTIS_FAILED}, nowhere = {.status = MANTIS_FAILED};
  struct place place = {0};
  struct plugins *plugins;
  struct config *config;
  bool exists = false;
  int fd = -1, result;

  *whole = NULL;
  *reply = NULL;
  if (ctl_open (ctl, &config, &plugins, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (find_place (config, plugins, &place, &exists, &nowhere) != MANTIS_OK)
    result = ctl_complain (&nowhere);
  else if (place.control && (fd = connect_to (place.control, &error)) >= 0) {
    result = talk (fd, message, argument, table, whole, reply);
    close (fd);
  } else if (place.control && error.status != MANTIS_OK) {
    ctl_complain (&error);
    result = EXIT_UNREACHABLE;
  } else if (!exists)
    result = ctl_complain (&nowhere);
  else {
    place_free (&place);
    return do_alone (config, plugins, message, argument, table, whole, reply);
  }
  place_free (&place);
  plugins_free (plugins);
  config_free (config);
  return result;
}
