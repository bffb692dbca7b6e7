/* place.c - the files that a node keeps beside its database: its lock and its control socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/place.h"

#include "base/base.h"

#include <mantis/storage.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

/* One name for a file, whichever way leads there; it need not exist yet. */
static char *
real_name (const char *path)
{
  char *real = realpath (path, NULL), *folder, *name;
  const char *slash = strrchr (path, '/');
  struct mantis_buf buf = MANTIS_BUF_INIT;

  if (real)
    return real;
  if (!(folder = strndup (path, (size_t)(slash - path) + 1)))
    return NULL;
  real = realpath (folder, NULL);
  free (folder);
  if (!real)
    return strdup (path);
  mantis_buf_printf (&buf, "%s/%s", strcmp (real, "/") == 0 ? "" : real, slash + 1);
  name = mantis_buf_take (&buf, NULL);
  free (real);
  return name;
}

/* NAME.SUFFIX beside the database, or a name made from NAME in the state folder. */
static char *
beside (const struct config *config, const char *name, const char *suffix, bool hashed)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;

  if (!hashed)
    mantis_buf_printf (&buf, "%s.%s", name, suffix);
  else if (config->state_folder)
    mantis_buf_printf (&buf, "%s/%016llx.%s", config->state_folder,
                       (unsigned long long)hash_bytes (name, strlen (name), 0), suffix);
  else
    return NULL;
  return mantis_buf_take (&buf, NULL);
}

static bool
fits_a_socket (const char *path)
{
  return path && strlen (path) < sizeof ((struct sockaddr_un *)0)->sun_path;
}

enum mantis_status
place_find (const struct config *config, const struct instance *storage, struct place *place,
            struct mantis_error *error)
{
  const struct mantis_storage *ops = storage->ops;
  const char *database = ops->place ? ops->place (storage->self) : NULL;
  bool file = database && database[0] == '/', hashed;
  CLEANUP_FREE char *name =
      file ? real_name (database) : strdup (database ? database : storage->name);

  *place = (struct place){.database = database ? database : storage->name};
  if (!name)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  /* A database that is no file may have several servers, on one machine too: each has its own socket. */
  place->lock = !file && config->control_socket
                    ? beside (config, config->control_socket, "lock", false)
                    : beside (config, name, "lock", !file);
  hashed = !file || strlen (name) + sizeof ".control" > sizeof ((struct sockaddr_un *)0)->sun_path;
  place->control = config->control_socket ? strdup (config->control_socket)
                                          : beside (config, name, "control", hashed);
  if (hashed && place->control && !config->control_socket) {
    struct config folder = {.state_folder = config->state_folder, .needs_state_folder = true};
    if (config_make_state_folder (&folder, error) != MANTIS_OK)
      return error->status;
  }
  if (place->control && !fits_a_socket (place->control))
    return mantis_fail (error, MANTIS_INVALID,
                        "%s is too long for a socket: set \"control_socket\" to a shorter path",
                        place->control);
  return MANTIS_OK;
}

void
place_free (struct place *place)
{
  free (place->lock);
  free (place->control);
  *place = (struct place){0};
}

static enum mantis_status
taken (const struct place *place, int fd, struct mantis_error *error)
{
  char owner[32] = "";
  ssize_t length = read (fd, owner, sizeof owner - 1);

  owner[length > 0 ? length : 0] = '\0';
  owner[strspn (owner, "0123456789")] = '\0';
  return mantis_fail (
      error, MANTIS_BUSY,
      "%s is in use by another mantisd%s%s; stop that one, or use another database%s",
      place->database, *owner ? ", process " : "", owner,
      place->database[0] == '/' ? "" : " or another \"control_socket\"");
}

enum mantis_status
place_lock (const struct place *place, int *fd, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  *fd = -1;
  if (!place->lock)
    return MANTIS_OK;
  if ((*fd = open (place->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
    return mantis_fail (error, MANTIS_FAILED,
                        "cannot make %s, which keeps a second mantisd away: %s", place->lock,
                        strerror (errno));
  if (flock (*fd, LOCK_EX | LOCK_NB) == 0) {
    if (ftruncate (*fd, 0) == 0)
      dprintf (*fd, "%ld\n", (long)getpid ());
    return MANTIS_OK;
  }
  if (errno == EWOULDBLOCK)
    status = taken (place, *fd, error);
  else
    status =
        mantis_fail (error, MANTIS_FAILED, "cannot lock %s: %s", place->lock, strerror (errno));
  close (*fd);
  *fd = -1;
  return status;
}
