/* exec - runs a program in any language, and tells it what happens.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct mantis_option options[] = {
    MANTIS_OPTION (struct exec, command, MANTIS_OPTION_LIST, NULL,
                   "the program and its arguments; without a '/' it is looked up in $PATH",
                   .required = true),
    MANTIS_FILE (struct exec, folder, ".", "the folder that it runs in"),
    MANTIS_DURATION (struct exec, time_limit, "5", 10, 3600 * 1000,
                     "how long an answer may take; then it is killed and started again"),
    MANTIS_SIZE (struct exec, queue_bytes, "4M", 1024, 1024 * 1024 * 1024,
                 "of lines that wait for it"),
    MANTIS_SIZE (struct exec, line_bytes, "1M", 1024, 64 * 1024 * 1024,
                 "of one line; more changes come in several"),
    {.name = NULL},
};

/* A program that is not there is told at once, not with the first line for it, which may be months later.  It may come until then. */
static void
tell_missing (const struct exec *exec)
{
  const char *program = exec->command[0];
  char path[PATH_MAX];

  if (!strchr (program, '/')) /* looked up in $PATH, when it is started */
    return;
  snprintf (path, sizeof path, "%s%s%s", *program == '/' ? "" : exec->folder,
            *program == '/' ? "" : "/", program);
  if (faccessat (AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
    mantis_log (MANTIS_WARNING, "cannot run \"%s\" in %s: %s", program, exec->folder,
                strerror (errno));
}

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct exec *exec = self;

  if (!exec->command[0] || !*exec->command[0])
    return mantis_fail (error, MANTIS_INVALID, "\"command\" names no program");
  tell_missing (exec);
  return runner_new (exec, &exec->runner, error);
}

static void
stop (void *self)
{
  struct exec *exec = self;

  runner_free (exec->runner);
}

static enum mantis_status
ask (const struct exec *exec, const struct mantis_event *event, size_t from, size_t count,
     uint64_t id, const struct mantis_buf *line, struct mantis_error *error)
{
  struct mantis_buf answer = MANTIS_BUF_INIT;
  enum mantis_status status = runner_ask (exec->runner, line, id, &answer, error);

  if (status == MANTIS_OK)
    status = answer_take (answer.bytes, answer.length, event, from, count, error);
  mantis_buf_free (&answer);
  return status;
}

static bool
is_asked (uint32_t moment)
{
  return moment == MANTIS_BEFORE_PUSH || moment == MANTIS_BEFORE_PULL ||
         moment == MANTIS_BEFORE_APPLY || moment == MANTIS_BEFORE_CONNECT;
}

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  const struct exec *exec = self;
  enum mantis_status status = MANTIS_OK;
  size_t from = 0, count;

  do {
    struct mantis_buf line = MANTIS_BUF_INIT;
    uint64_t id = runner_number (exec->runner);
    count = line_make (event, from, id, (size_t)exec->line_bytes, &line);
    if (line.failed)
      status = mantis_fail (error, MANTIS_FAILED, "no memory left for a line");
    else if (is_asked (event->moment))
      status = ask (exec, event, from, count, id, &line, error);
    else
      status =
          runner_tell (exec->runner, &line, event->on_failure == MANTIS_FAILURE_REFUSES, error);
    mantis_buf_free (&line);
    from += count;
  } while (status == MANTIS_OK && from < event->change_count);
  return status;
}

static const struct mantis_hook ops = {
    .size = sizeof ops,
    .moments = 1u << MANTIS_BEFORE_PUSH | 1u << MANTIS_AFTER_PUSH | 1u << MANTIS_BEFORE_PULL |
               1u << MANTIS_AFTER_PULL | 1u << MANTIS_BEFORE_APPLY | 1u << MANTIS_AFTER_APPLY |
               1u << MANTIS_AFTER_CONFLICT | 1u << MANTIS_BEFORE_CONNECT |
               1u << MANTIS_AFTER_CONNECT | 1u << MANTIS_ON_ERROR,
    .happens = happens};

MANTIS_HOOK_PLUGIN (exec, &ops, .summary = "tells a program what happens, in lines of JSON",
                    .self_size = sizeof (struct exec), .options = options, .start = start,
                    .stop = stop, .threads = MANTIS_PARALLEL | MANTIS_WAITS);
