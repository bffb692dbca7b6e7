/* court.c - the child process in which a policy decides, and what becomes of it there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
  pid_t pid;
  int fd;
  struct mantis_buf read; /* what it has said, not yet looked at */
  size_t line;            /* length of the line before that */
  bool late;              /* it was killed for that */
};

/* Never returns.  Nothing of ours is open here but the end of the pipe: a page is fetched before, and the next one after. */
static void
be_child (const struct trial *trial, size_t from, int fd, pid_t parent)
{
  int nothing = open ("/dev/null", O_RDWR | O_CLOEXEC);

  setpgid (0, 0); /* what it starts itself ends with it */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (1);
  if (nothing >= 0)
    dup2 (nothing, STDIN_FILENO);
  dup2 (STDERR_FILENO, STDOUT_FILENO); /* our standard output is for verdicts alone */
  signal (SIGPIPE, SIG_DFL);
  judge_all (trial, from, fd);
  _exit (0);
}

static enum mantis_status
child_start (struct child *child, const struct trial *trial, size_t from,
             struct mantis_error *error)
{
  pid_t parent = getpid ();
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0)
    return mantis_fail (error, MANTIS_FAILED, "cannot make a pipe: %s", strerror (errno));
  *child = (struct child){.pid = fork (), .fd = ends[0], .read = MANTIS_BUF_INIT};
  if (child->pid == 0) {
    close (ends[0]);
    be_child (trial, from, ends[1], parent);
  }
  close (ends[1]);
  if (child->pid > 0) {
    setpgid (child->pid, child->pid); /* whoever of the two comes first */
    return MANTIS_OK;
  }
  close (ends[0]);
  return mantis_fail (error, MANTIS_FAILED, "cannot start a process for the policy: %s",
                      strerror (errno));
}

/* Its next line, within LIMIT milliseconds; NULL: there is none.  The caller frees it. */
static json_t *
child_hear (struct child *child, int64_t limit)
{
  int64_t end = mantis_monotonic () / 1000 + limit;
  struct mantis_error ignored;
  char *stop;

  if (child->line)
    memmove (child->read.bytes, child->read.bytes + child->line, child->read.length - child->line);
  child->read.length -= child->line;
  child->line = 0;
  while (!child->read.length || !(stop = memchr (child->read.bytes, '\n', child->read.length))) {
    struct pollfd ready = {.fd = child->fd, .events = POLLIN};
    int64_t left = end - mantis_monotonic () / 1000;
    char *room = mantis_buf_reserve (&child->read, 65536);
    ssize_t count;
    child->late = left <= 0;
    if (child->late || !room)
      return NULL;
    if (poll (&ready, 1, left < 1000 ? (int)left : 1000) <= 0)
      continue;
    if ((count = read (child->fd, room, 65536)) < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return NULL;
    child->read.length += (size_t)count;
  }
  child->line = (size_t)(stop - child->read.bytes) + 1;
  return json_read (child->read.bytes, child->line, &ignored);
}

/* Why it said nothing more goes to WHY. */
static void
child_end (struct child *child, int64_t limit, struct mantis_buf *why)
{
  int ended = 0;

  kill (-child->pid,
        SIGKILL); /* with what it has started; how it has ended itself stays as it was */
  while (waitpid (child->pid, &ended, 0) < 0 && errno == EINTR)
    ;
  close (child->fd);
  mantis_buf_free (&child->read);
  if (child->late)
    mantis_buf_printf (why, "it gave no answer within %lld ms", (long long)limit);
  else if (WIFSIGNALED (ended))
    mantis_buf_printf (why, "it crashed (%s)", strsignal (WTERMSIG (ended)));
  else
    mantis_buf_printf (why, "it ended its process with status %d", WEXITSTATUS (ended));
}

/* That the policy failed on RECORD. */
static void
tell_failure (const json_t *record, const char *why, void (*tell) (void *, const json_t *),
              void *context)
{
  CLEANUP_JSON json_t *verdict = json_pack (
      "{s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:s, s:s, s:[]}", "id",
      json_object_get (record, "id"), "tbl", json_object_get (record, "tbl"), "key",
      json_object_get (record, "key"), "at", json_object_get (record, "at"), "outcome",
      json_object_get (record, "outcome"), "decided_by", json_object_get (record, "decided_by"),
      "reason", json_object_get (record, "reason"), "verdict", "failed", "now_reason", why,
      "lacks");

  if (verdict)
    tell (context, verdict);
}

/* The child's own word on why there is no policy, or none that could be asked. */
static enum mantis_status
take_error (const json_t *line, struct mantis_error *error)
{
  const char *text = json_string_value (json_object_get (line, "error"));

  return text ? mantis_fail (error, json_integer_value (json_object_get (line, "status")), "%s",
                             text)
              : MANTIS_OK;
}

/* As many of the records from *DONE on as one child gets through. */
static enum mantis_status
hear_some (const struct trial *trial, int64_t limit, size_t *done,
           void (*tell) (void *, const json_t *), void *context, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf why = MANTIS_BUF_INIT;
  enum mantis_status status;
  struct child child;
  bool ready = false;
  json_t *line = NULL;

  if ((status = child_start (&child, trial, *done, error)) != MANTIS_OK)
    return status;
  while (status == MANTIS_OK && (line = child_hear (&child, limit))) {
    if ((status = take_error (line, error)) == MANTIS_OK && ready &&
        *done < json_array_size (trial->records)) {
      tell (context, line);
      ++*done;
    }
    ready = true;
    json_decref (line);
  }
  child_end (&child, limit, &why);
  if (status == MANTIS_OK && !ready)
    return mantis_fail (error, MANTIS_FAILED, "the policy could not be started: %s", why.bytes);
  if (status == MANTIS_OK && *done < json_array_size (trial->records))
    tell_failure (json_array_get (trial->records, (*done)++), why.bytes, tell, context);
  return status;
}

enum mantis_status
court_hear (const struct trial *trial, int64_t limit, void (*tell) (void *, const json_t *),
            void *context, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  size_t done = 0;

  while (status == MANTIS_OK && done < json_array_size (trial->records))
    status = hear_some (trial, limit, &done, tell, context, error);
  return status;
}
