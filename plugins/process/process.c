/* process.c - a program of the operator's, started for a plugin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STREAMS = 3 };

/* FDS[2 * i + 1] is ours, whatever the direction. */
static bool
open_pipes (int *fds)
{
  for (int i = 0; i < STREAMS; i++) {
    int ends[2];
    if (pipe2 (ends, O_CLOEXEC) != 0)
      return false;
    fds[2 * i] = ends[i != 0];
    fds[2 * i + 1] = ends[i == 0];
    if (fcntl (fds[2 * i + 1], F_SETFL, O_NONBLOCK) != 0)
      return false;
  }
  return true;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* Its ends of the pipes may have any number, and 0 to 2 may be closed here: dup2() in this order, once all are above. */
static bool
raise_ends (int *fds)
{
  for (int i = 0; i < 2 * STREAMS; i++) {
    int high = fcntl (fds[i], F_DUPFD_CLOEXEC, STREAMS);
    if (high < 0)
      return false;
    close (fds[i]);
    fds[i] = high;
  }
  return true;
}

static int
spawn (pid_t *pid, const char *const *command, const char *folder, const int *fds)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  int result;

  sigfillset (&all);
  sigemptyset (&none);
  posix_spawn_file_actions_init (&actions);
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setflags (&attributes,
                            POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup (&attributes, 0);
  posix_spawnattr_setsigdefault (&attributes, &all);
  posix_spawnattr_setsigmask (&attributes, &none);
  result = posix_spawn_file_actions_addchdir_np (&actions, folder);
  for (int i = 0; i < STREAMS && result == 0; i++)
    result = posix_spawn_file_actions_adddup2 (&actions, fds[2 * i], i);
  if (result == 0)
    result = posix_spawn_file_actions_addclosefrom_np (&actions, STREAMS);
  if (result == 0)
    result = posix_spawnp (pid, command[0], &actions, &attributes,
                           (char *const *)(uintptr_t)command, environ);
  posix_spawnattr_destroy (&attributes);
  posix_spawn_file_actions_destroy (&actions);
  return result;
}

enum mantis_status
process_start (struct process *process, const char *const *command, const char *folder,
               struct mantis_error *error)
{
  int fds[2 * STREAMS] = {-1, -1, -1, -1, -1, -1};
  int result = open_pipes (fds) && raise_ends (fds) ? 0 : errno;
  pid_t pid = 0;

  *process = (struct process)PROCESS_NONE;
  if (result == 0)
    result = spawn (&pid, command, folder, fds);
  for (int i = 0; i < STREAMS; i++)
    close_fd (&fds[2 * i]);
  if (result == 0) {
    *process = (struct process){pid, fds[1], fds[3], fds[5]};
    return MANTIS_OK;
  }
  for (int i = 0; i < STREAMS; i++)
    close_fd (&fds[2 * i + 1]);
  return mantis_fail (error, MANTIS_FAILED, "cannot run \"%s\" in %s: %s", command[0], folder,
                      strerror (result));
}

void
process_close_in (struct process *process)
{
  close_fd (&process->in);
}

/* Where an application ignores SIGCHLD, it is reaped by the system: then another may have its number by now. */
static bool
is_ours (const struct process *process, siginfo_t *info)
{
  info->si_pid = 0;
  return waitid (P_PID, (id_t)process->pid, info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* What is left of its group goes before it is reaped: until then nobody else can have its number. */
static void
reap (struct process *process)
{
  kill (-process->pid, SIGKILL);
  while (waitpid (process->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  process->pid = 0;
}

bool
process_ended (struct process *process, char *text, size_t room)
{
  siginfo_t info;

  if (!process->pid)
    return true;
  if (!is_ours (process, &info)) {
    snprintf (text, room, "it is gone");
    process->pid = 0;
    return true;
  }
  if (!info.si_pid)
    return false;
  snprintf (text, room, info.si_code == CLD_EXITED ? "exit status %d" : "killed by signal %d",
            info.si_status);
  reap (process);
  return true;
}

void
process_kill (struct process *process)
{
  siginfo_t info;

  if (process->pid && is_ours (process, &info))
    reap (process);
  process->pid = 0;
  close_fd (&process->in);
  close_fd (&process->out);
  close_fd (&process->err);
}

bool
process_wait (int fd, bool write, int64_t until)
{
  struct pollfd poll_fd = {.fd = fd, .events = write ? POLLOUT : POLLIN};

  for (;;) {
    int64_t left = until - mantis_monotonic ();
    int result = poll (&poll_fd, 1, left > 0 ? (int)(left / 1000 + 1) : 0);
    if (result > 0 || left <= 0)
      return result > 0;
  }
}
