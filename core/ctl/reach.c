/* reach.c - a message to the running mantisd, or the work done here where none runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

enum mantis_status
ctl_open (struct ctl *ctl, struct config **config, struct plugins **plugins,
          struct mantis_error *error)
{
  json_start ();
  if (options_config (&ctl->options, config, error) != MANTIS_OK)
    return error->status = MANTIS_INVALID; /* also when it cannot be read */
  (*config)->log_level = MANTIS_WARNING;   /* the words of the daemon, not ours */
  if ((*plugins = options_plugins (ctl->options.plugin_dir)))
    return MANTIS_OK;
  config_free (*config);
  return mantis_fail (error, MANTIS_FAILED, "no memory left");
}

/* ---- Without it --------------------------------------------------------------------------------
 */

/* Looking at a database must not make one. */
static bool
is_there (const char *database)
{
  return database[0] != '/' || access (database, F_OK) == 0;
}

static void
tell_alone (struct ctl *ctl, const struct mantis *node)
{
  if (!ctl->alone)
    fprintf (stderr, "mantisctl: no daemon is running: working on %s directly\n",
             node->place.database);
  ctl->alone = true;
}

/* Takes CONFIG and PLUGINS. */
static int
do_alone (struct ctl *ctl, struct config *config, struct plugins *plugins, const char *message,
          const char *argument, const char *table, json_t **whole, const json_t **reply)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED};
  struct mantis *node;
  enum mantis_status status = node_new (config, plugins, &node, &error);

  if (status != MANTIS_OK)
    return ctl_complain (&error);
  if (order_is_look (message)) {
    tell_alone (ctl, node);
    status = alone_look (node, message, argument, &buf, &error);
  } else if ((status = node_open (node, &error)) == MANTIS_OK) {
    tell_alone (ctl, node);
    status = alone_do (node, message, argument, table, &buf, &error);
  }
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
  else if (place.control && (fd = talk_open (place.control, &error)) >= 0) {
    result = talk (fd, isatty (STDERR_FILENO) ? place.control : NULL, message, argument, table,
                   whole, reply);
    close (fd);
  } else if (place.control && error.status != MANTIS_OK) {
    ctl_complain (&error);
    result = EXIT_UNREACHABLE;
  } else if (!exists)
    result = ctl_complain (&nowhere);
  else {
    place_free (&place);
    return do_alone (ctl, config, plugins, message, argument, table, whole, reply);
  }
  place_free (&place);
  plugins_free (plugins);
  config_free (config);
  return result;
}
