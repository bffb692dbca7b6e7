/* daemon.c - mantisd: from its command line to its exit status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/daemon.h"

#include "daemon/node.h"
#include "daemon/options.h"

#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Microseconds between tries to open a locked database, or one that is away, at least, and as much again by
 * chance.  How often a database's server is really asked is for its storage to decide. */
enum { OPEN_PAUSE = 50 * 1000 };
enum { LAST_SECONDS = 10 }; /* more than a server's drain takes */

struct daemon {
  struct options options;
  struct mantis *node;
  struct event *term, *interrupt, *hangup;
};

/* A database that hangs keeps nobody from leaving: what it was asked to do is as lost as in a power cut. */
static void
on_overtime (int number)
{
  static const char text[] = "mantisd: what was begun does not end: leaving without it\n";

  (void)number;
  (void)!write (STDERR_FILENO, text, sizeof text - 1);
  _exit (EXIT_FAILED);
}

static void
on_stop (evutil_socket_t number, short what, void *context)
{
  struct daemon *daemon = context;

  (void)number, (void)what;
  alarm (LAST_SECONDS);
  mantis_stop (daemon->node);
}

static void
on_hangup (evutil_socket_t number, short what, void *context)
{
  struct daemon *daemon = context;
  struct mantis_error error;
  struct config *fresh;

  (void)number, (void)what;
  if (options_config (&daemon->options, &fresh, &error) == MANTIS_OK)
    node_reload (daemon->node, fresh);
  else
    node_reload_failed (daemon->node, &error);
}

static enum mantis_status
take_signals (struct daemon *daemon, struct mantis_error *error)
{
  struct event_base *base = loop_base (daemon->node->loop);

  daemon->term = evsignal_new (base, SIGTERM, on_stop, daemon);
  daemon->interrupt = evsignal_new (base, SIGINT, on_stop, daemon);
  daemon->hangup = evsignal_new (base, SIGHUP, on_hangup, daemon);
  if (daemon->term && daemon->interrupt && daemon->hangup && event_add (daemon->term, NULL) == 0 &&
      event_add (daemon->interrupt, NULL) == 0 && event_add (daemon->hangup, NULL) == 0)
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_FAILED, "cannot wait for signals");
}

static void
leave_signals (struct daemon *daemon)
{
  struct event *events[] = {daemon->term, daemon->interrupt, daemon->hangup};

  for (size_t i = 0; i < sizeof events / sizeof *events; i++)
    if (events[i])
      event_free (events[i]);
}

static int
complain (const struct mantis_error *error)
{
  mantis_log (MANTIS_ERROR, "%s", error->text);
  return error->status == MANTIS_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

static enum mantis_status
make_node (struct daemon *daemon, struct mantis_error *error)
{
  struct config *config;
  struct plugins *plugins;

  if (options_config (&daemon->options, &config, error) != MANTIS_OK)
    return error->status = MANTIS_INVALID; /* also when it cannot be read */
  if (!(plugins = options_plugins (daemon->options.plugin_dir))) {
    config_free (config);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  return node_new (config, plugins, &daemon->node, error);
}

/* An application may hold its lock for long, a database's server may start after this one: these are no
 * reasons to give up.  Each reason to wait is told once. */
static enum mantis_status
open_patiently (struct daemon *daemon, struct mantis_error *error)
{
  char told[sizeof error->text] = "";
  enum mantis_status status;
  unsigned chance;

  while (((status = node_open (daemon->node, error)) == MANTIS_BUSY || status == MANTIS_LOST) &&
         !daemon->options.once) {
    if (strcmp (told, error->text) != 0)
      mantis_log (MANTIS_WARNING, "%s: waiting for it", error->text);
    memcpy (told, error->text, sizeof told);
    mantis_random (&chance, sizeof chance);
    usleep (OPEN_PAUSE + chance % OPEN_PAUSE);
  }
  return status;
}

static int
work (struct daemon *daemon)
{
  struct mantis_error error = {0};
  enum mantis_status status = make_node (daemon, &error);

  if (status != MANTIS_OK)
    return complain (&error);
  if ((status = open_patiently (daemon, &error)) != MANTIS_OK) {
    mantis_close (daemon->node);
    return complain (&error);
  }
  daemon->node->once = daemon->options.once;
  if ((status = take_signals (daemon, &error)) == MANTIS_OK)
    status = mantis_run (daemon->node, &error);
  leave_signals (daemon);
  mantis_close (daemon->node);
  return status == MANTIS_OK ? EXIT_CLEAN : complain (&error);
}

int
mantis_daemon_main (int argc, char **argv)
{
  struct daemon daemon = {.node = NULL};
  struct mantis_error error;
  int result;

  signal (SIGPIPE, SIG_IGN);
  signal (SIGALRM, on_overtime);
  mallopt (M_ARENA_MAX, 1); /* what one worker gives back, the next one uses */
  mallopt (M_TRIM_THRESHOLD, 1024 * 1024);
  if (options_parse (argc, argv, &daemon.options, &error) != MANTIS_OK) {
    fprintf (stderr, "mantisd: %s\n", error.text);
    return EXIT_USAGE;
  }
  if (daemon.options.help || daemon.options.version) {
    if (daemon.options.help)
      fputs (options_help (), stdout);
    else
      printf ("mantisd %s\n", mantis_version ());
    return fflush (stdout) == 0 ? EXIT_CLEAN : EXIT_FAILED;
  }
  if ((result = inspect_run (&daemon.options)) >= 0)
    return result;
  return work (&daemon);
}
