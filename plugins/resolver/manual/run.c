/* run.c - the program runs once: it is given its input, and has its time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "manual.h"
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
  LOOK_MS = 50, /* between looks at whether we are about to end */
  END_MS = 2,   /* until it has ended, when it has closed its streams */
  CHUNK = 65536,
  COMPLAINTS = 4000 /* bytes of its standard error that are logged */
};

struct run {
  struct manual *manual;
  struct process process;
  const struct mantis_buf *input;
  size_t written;
  struct mantis_buf *output;
  struct mantis_buf complaints;
  int64_t until; /* mantis_monotonic() */
};

static bool
is_over (ssize_t length)
{
  return length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR);
}

static void
write_some (struct run *run)
{
  size_t left = run->input->length - run->written;
  ssize_t length = left ? write (run->process.in, run->input->bytes + run->written, left) : 0;

  if (length > 0)
    run->written += (size_t)length;
  if (run->written == run->input->length || is_over (length)) /* it need not read all of it */
    process_close_in (&run->process);
}

/* To BUF, as far as it has room.  False: nothing comes any more. */
static bool
read_some (int fd, struct mantis_buf *buf)
{
  char chunk[CHUNK];
  ssize_t length = read (fd, chunk, sizeof chunk);

  if (length > 0)
    mantis_buf_add (buf, chunk, (size_t)length);
  return !is_over (length);
}

static void
close_out (int *fd)
{
  close (*fd);
  *fd = -1;
}

/* What is ready now, or soon. */
static void
exchange (struct run *run)
{
  struct process *p = &run->process;
  struct pollfd fds[] = {{.fd = p->in, .events = POLLOUT},
                         {.fd = p->out, .events = POLLIN},
                         {.fd = p->err, .events = POLLIN}};

  if (poll (fds, 3, p->out < 0 && p->err < 0 ? END_MS : LOOK_MS) <= 0)
    return;
  if (fds[0].revents)
    write_some (run);
  if (fds[1].revents && !read_some (p->out, run->output))
    close_out (&p->out);
  if (fds[2].revents && !read_some (p->err, &run->complaints))
    close_out (&p->err);
}

/* It has ended: what it has left in its pipes. */
static void
read_rest (struct run *run)
{
  struct process *p = &run->process;

  while (p->out >= 0 && !run->output->failed) {
    size_t before = run->output->length;
    if (!read_some (p->out, run->output) || run->output->length == before)
      break;
  }
  if (p->err >= 0)
    read_some (p->err, &run->complaints);
}

static enum mantis_status
attend (struct run *run, struct mantis_error *error)
{
  char how[80];

  for (;;) {
    bool ended = process_ended (&run->process, how, sizeof how);
    if (ended)
      read_rest (run);
    if (run->output->failed)
      return mantis_fail (error, MANTIS_FAILED, "it wrote more than \"answer_bytes\"");
    if (ended)
      break;
    if (atomic_load (&run->manual->hurry))
      return mantis_fail (error, MANTIS_FAILED, "the server stops");
    if (mantis_monotonic () >= run->until)
      return mantis_fail (error, MANTIS_FAILED, "it took more than %.3g s, and was killed",
                          (double)run->manual->time_limit / 1000);
    exchange (run);
  }
  if (strcmp (how, "exit status 0") != 0)
    return mantis_fail (error, MANTIS_FAILED, "it has ended: %s", how);
  return MANTIS_OK;
}

static void
log_complaints (struct mantis_buf *complaints, const char *program)
{
  char *rest = complaints->bytes, *line;

  while (rest && (line = strsep (&rest, "\n")))
    if (*line)
      mantis_log (MANTIS_WARNING, "%s: %.500s", program, line);
}

enum mantis_status
run_program (struct manual *manual, const struct mantis_buf *input, struct mantis_buf *output,
             struct mantis_error *error)
{
  struct run run = {.manual = manual,
                    .input = input,
                    .output = output,
                    .complaints = {.limit = COMPLAINTS},
                    .until = mantis_monotonic () + manual->time_limit * 1000};
  enum mantis_status status = process_start (&run.process, manual->command, manual->folder, error);

  if (status == MANTIS_OK)
    status = attend (&run, error);
  process_kill (&run.process);
  log_complaints (&run.complaints, manual->command[0]);
  mantis_buf_free (&run.complaints);
  return status;
}
