/* runner.c - the program: started when there is something to tell it, again when it has ended, and ended with the hook.
 *
 * One thread does all that concerns it.  Workers put lines into the queue; who asks waits for the answer to his.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "exec.h"

#include "../../process/process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
  FIRST_PAUSE = 100 * 1000, /* microseconds, after it has ended; each time twice as long */
  LONGEST_PAUSE = 30 * 1000 * 1000,
  WELL = 10 * 1000 * 1000, /* after so long a pause is a first one again */
  GRACE = 2 * 1000 * 1000, /* to write what is queued, and for it to end by itself */
  LOOK_MS = 1000,          /* whether it has ended, where its pipes do not tell */
  SOON_MS = 10,            /* ... for a second after they have told */
  A_SECOND = 1000 * 1000,
  READ_BYTES = 16 * 1024,
  READS = 64,       /* at once: more than a pipe holds */
  COMPLAINTS = 100, /* lines of its standard error that are logged within A_MINUTE */
  COMPLAINT_BYTES = 500,
  A_MINUTE = 60 * 1000 * 1000
};

struct question {
  uint64_t id;
  bool written, over;
  struct mantis_buf *answer;
  enum mantis_status status;
  struct mantis_error error;
  struct question *next;
};

struct line {
  struct line *next;
  size_t length;
  uint64_t id; /* of the question that it asks; 0: none */
  char text[];
};

struct runner {
  const struct exec *exec;
  struct mantis_thread *thread; /* NULL: nothing was to be told yet */
  int wake;                     /* an eventfd */
  pthread_mutex_t mutex;        /* around what follows */
  pthread_cond_t changed;
  struct line *first, **last;
  size_t queued;              /* bytes */
  struct question *questions; /* the oldest first */
  uint64_t number, dropped;
  int64_t told_dropped; /* when; 0: never */
  int64_t progress;     /* when it last took something */
  bool stopping, kill;
  /* Of the thread: */
  struct process process;
  size_t written; /* of the first line */
  int64_t started, again, pause, stop_by;
  int64_t closed; /* when one of its pipes was; 0: none was */
  struct mantis_buf out, err;
  int64_t complaints, complaints_since;
};

/* ---- Questions, with the mutex ------------------------------------------------------------------ */
static void
unlink_question (struct runner *r, const struct question *question)
{
  for (struct question **q = &r->questions; *q; q = &(*q)->next)
    if (*q == question) {
      *q = question->next;
      return;
    }
}

static void
settle (struct runner *r, struct question *question, enum mantis_status status)
{
  question->status = status;
  question->over = true;
  unlink_question (r, question);
  pthread_cond_broadcast (&r->changed);
}

static void
fail_questions (struct runner *r, const char *why)
{
  while (r->questions) {
    struct question *question = r->questions;
    settle (r, question, mantis_fail (&question->error, MANTIS_FAILED, "%s", why));
  }
}

static bool
is_asked (const struct runner *r, uint64_t id)
{
  for (const struct question *q = r->questions; q; q = q->next)
    if (q->id == id)
      return true;
  return false;
}

/* ---- The queue, with the mutex ------------------------------------------------------------------- */
static void
drop_first (struct runner *r)
{
  struct line *line = r->first;

  r->queued -= line->length;
  if (!(r->first = line->next))
    r->last = &r->first;
  r->written = 0;
  free (line);
  pthread_cond_broadcast (&r->changed);
}

/* Questions that nobody waits for any more are not asked. */
static struct line *
first_line (struct runner *r)
{
  while (r->first && !r->written && r->first->id && !is_asked (r, r->first->id))
    drop_first (r);
  return r->first;
}

/* ---- What it says ------------------------------------------------------------------------------- */
static void
take_answer (struct runner *r, const char *text, size_t length)
{
  struct question *question;
  uint64_t id;
  bool good = answer_id (text, length, &id);

  pthread_mutex_lock (&r->mutex);
  for (question = r->questions; question; question = question->next)
    if (question->written && (!id || question->id == id))
      break;
  if (good && question) {
    mantis_buf_add (question->answer, text, length);
    settle (r, question,
            question->answer->failed
                ? mantis_fail (&question->error, MANTIS_FAILED, "no memory left for its answer")
                : MANTIS_OK);
  } else if (!good && question)
    settle (
        r, question,
        mantis_fail (&question->error, MANTIS_FAILED, "what it says is no JSON object in a line"));
  pthread_mutex_unlock (&r->mutex);
  if (!good && !question)
    mantis_log (MANTIS_DEBUG, "%s: a line that is no answer", r->exec->command[0]);
}

static void
take_complaint (struct runner *r, const char *text, size_t length)
{
  int64_t now = mantis_monotonic ();

  if (now - r->complaints_since > A_MINUTE) {
    if (r->complaints > COMPLAINTS)
      mantis_log (MANTIS_INFO, "%s: %lld more lines were left out", r->exec->command[0],
                  (long long)r->complaints - COMPLAINTS);
    r->complaints = 0;
    r->complaints_since = now;
  }
  if (r->complaints++ < COMPLAINTS)
    mantis_log (MANTIS_INFO, "%s: %.*s", r->exec->command[0],
                (int)(length < COMPLAINT_BYTES ? length : COMPLAINT_BYTES), text);
}

/* Complete lines of BUF, in their order; a longer one than LIMIT is cut into pieces. */
static void
take_lines (struct runner *r, struct mantis_buf *buf, size_t limit,
            void (*take) (struct runner *r, const char *text, size_t length))
{
  size_t from = 0;

  for (;;) {
    size_t left = buf->length - from;
    const char *start = buf->bytes + from, *end = left ? memchr (start, '\n', left) : NULL;
    size_t length = end ? (size_t)(end - start) : left;
    if (!end && left < limit)
      break;
    if (length)
      take (r, start, length);
    from += length + (end != NULL);
  }
  if (from) {
    memmove (buf->bytes, buf->bytes + from, buf->length - from);
    buf->length -= from;
  }
}

/* What FD has, or some of it: who writes without end does not keep us from what else is to do.  False: its end. */
static bool
hear (struct runner *r, int fd, struct mantis_buf *buf, size_t limit,
      void (*take) (struct runner *r, const char *text, size_t length))
{
  ssize_t got = 1;

  for (int reads = 0; got > 0 && reads < READS; reads++) {
    char *end = mantis_buf_reserve (buf, READ_BYTES);
    if (!end)
      return false;
    if ((got = read (fd, end, READ_BYTES)) > 0) {
      buf->length += (size_t)got;
      take_lines (r, buf, limit, take);
    }
  }
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* ---- Its life ----------------------------------------------------------------------------------- */
static void
close_stream (struct runner *r, int *fd)
{
  close (*fd);
  *fd = -1;
  r->closed = r->closed ? r->closed : mantis_monotonic ();
}

static void
hear_all (struct runner *r)
{
  struct process *process = &r->process;

  if (process->out >= 0 &&
      !hear (r, process->out, &r->out, (size_t)r->exec->line_bytes, take_answer))
    close_stream (r, &process->out);
  if (process->err >= 0 && !hear (r, process->err, &r->err, COMPLAINT_BYTES, take_complaint))
    close_stream (r, &process->err);
}

/* It is no more.  A line that it was told a part of is told again. */
static void
bury (struct runner *r, const char *why)
{
  int64_t now = mantis_monotonic ();
  bool stopping;

  hear_all (r);
  process_kill (&r->process);
  if (r->err.length)
    take_complaint (r, r->err.bytes, r->err.length);
  mantis_buf_free (&r->out);
  mantis_buf_free (&r->err);
  r->pause = r->pause && now - r->started < WELL ? r->pause * 2 : FIRST_PAUSE;
  r->pause = r->pause < LONGEST_PAUSE ? r->pause : LONGEST_PAUSE;
  r->again = now + r->pause;
  pthread_mutex_lock (&r->mutex);
  stopping = r->stopping;
  r->written = 0;
  fail_questions (r, why);
  pthread_mutex_unlock (&r->mutex);
  if (!stopping)
    mantis_log (MANTIS_WARNING, "%s", why);
}

static void
ended (struct runner *r, const char *how)
{
  char why[300];

  snprintf (why, sizeof why, "%.150s ended: %s", r->exec->command[0], how);
  bury (r, why);
}

static void
give_birth (struct runner *r)
{
  struct mantis_error error;

  r->started = mantis_monotonic ();
  r->closed = 0;
  if (process_start (&r->process, r->exec->command, r->exec->folder, &error) == MANTIS_OK) {
    mantis_log (MANTIS_INFO, "%s: started as process %ld", r->exec->command[0],
                (long)r->process.pid);
    return;
  }
  bury (r, error.text);
}

/* As much as it takes. */
static void
speak (struct runner *r)
{
  struct line *line;

  pthread_mutex_lock (&r->mutex);
  while (r->process.in >= 0 && (line = first_line (r))) {
    ssize_t sent = write (r->process.in, line->text + r->written, line->length - r->written);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      close_stream (r, &r->process.in); /* it is about to end, or will be ended */
    if (sent <= 0)
      break;
    r->written += (size_t)sent;
    r->progress = mantis_monotonic ();
    if (r->written < line->length)
      continue;
    for (struct question *q = r->questions; q; q = q->next)
      q->written |= q->id == line->id;
    drop_first (r);
  }
  pthread_mutex_unlock (&r->mutex);
}

/* ---- The thread --------------------------------------------------------------------------------- */

/* Milliseconds to wait for something; *WRITES: there is something to be written. */
static int
look (struct runner *r, bool *writes, bool *end, bool *kill)
{
  int64_t now = mantis_monotonic (), left;

  pthread_mutex_lock (&r->mutex);
  *writes = first_line (r) != NULL;
  *kill = r->kill;
  r->kill = false;
  if (r->stopping && !r->stop_by)
    r->stop_by = now + GRACE;
  /* Nothing is begun any more for what it was not there to be told of. */
  *end = r->stopping && ((!r->process.pid && (!*writes || now < r->again)) || now >= r->stop_by);
  if (r->stopping && !*writes && r->process.in >= 0)
    process_close_in (&r->process);
  if (*writes && !r->process.pid && now < r->again) {
    while (r->questions) {
      struct question *q = r->questions;
      settle (r, q,
              mantis_fail (&q->error, MANTIS_FAILED,
                           "%s is not running: it ended, and is started again in %lld ms",
                           r->exec->command[0], (long long)(r->again - now) / 1000));
    }
    *writes = first_line (r) != NULL;
  }
  pthread_mutex_unlock (&r->mutex);
  if (r->process.pid)
    left = r->stop_by || (r->closed && now - r->closed < A_SECOND) ? SOON_MS : LOOK_MS;
  else
    left = *writes && r->again > now ? (r->again - now) / 1000 + 1 : *writes ? 0 : -1;
  if (r->stop_by && (left < 0 || left > (r->stop_by - now) / 1000))
    left = r->stop_by > now ? (r->stop_by - now) / 1000 + 1 : 0;
  return (int)left;
}

static void
wait_for_something (struct runner *r, bool writes, int milliseconds)
{
  struct pollfd fds[4] = {{.fd = r->wake, .events = POLLIN},
                          {.fd = r->process.out, .events = POLLIN},
                          {.fd = r->process.err, .events = POLLIN},
                          {.fd = writes ? r->process.in : -1, .events = POLLOUT}};
  uint64_t count;

  if (poll (fds, 4, milliseconds) > 0 && fds[0].revents)
    while (read (r->wake, &count, sizeof count) < 0 && errno == EINTR)
      ;
}

static void
run (void *context)
{
  struct runner *r = context;
  bool writes, end, kill;
  char how[100];

  for (;;) {
    int milliseconds = look (r, &writes, &end, &kill);
    if (end)
      break;
    if (kill && r->process.pid) {
      ended (r, "it did not answer in time, and was killed");
      continue;
    }
    wait_for_something (r, writes, milliseconds);
    if (writes && !r->process.pid && mantis_monotonic () >= r->again)
      give_birth (r);
    if (!r->process.pid)
      continue;
    hear_all (r);
    speak (r);
    if (process_ended (&r->process, how, sizeof how))
      ended (r, how);
    else if (r->process.in < 0 && !r->stop_by && mantis_monotonic () - r->closed > A_SECOND)
      ended (r, "it had closed its input, and was killed");
  }
  if (r->process.pid)
    ended (r, "killed, as it did not end by itself");
}

/* ---- For workers -------------------------------------------------------------------------------- */
enum mantis_status
runner_new (const struct exec *exec, struct runner **runner, struct mantis_error *error)
{
  struct runner *made = calloc (1, sizeof *made);
  pthread_condattr_t clock;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  *made = (struct runner){.exec = exec, .process = PROCESS_NONE, .wake = eventfd (0, EFD_CLOEXEC)};
  made->last = &made->first;
  pthread_mutex_init (&made->mutex, NULL);
  pthread_condattr_init (&clock);
  pthread_condattr_setclock (&clock, CLOCK_MONOTONIC);
  pthread_cond_init (&made->changed, &clock);
  pthread_condattr_destroy (&clock);
  if (made->wake >= 0) {
    *runner = made;
    return MANTIS_OK;
  }
  mantis_fail (error, MANTIS_FAILED, "cannot make an eventfd: %s", strerror (errno));
  runner_free (made);
  return MANTIS_FAILED;
}

static void
wake (struct runner *r)
{
  const uint64_t one = 1;

  while (write (r->wake, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

void
runner_free (struct runner *r)
{
  size_t lost = 0;

  pthread_mutex_lock (&r->mutex);
  r->stopping = true;
  pthread_mutex_unlock (&r->mutex);
  if (r->thread) {
    wake (r);
    mantis_thread_join (r->thread);
  }
  for (; r->first; lost++)
    drop_first (r);
  if (lost)
    mantis_log (MANTIS_WARNING, "%s: %zu lines were not written before the end",
                r->exec->command[0], lost);
  if (r->wake >= 0)
    close (r->wake);
  pthread_cond_destroy (&r->changed);
  pthread_mutex_destroy (&r->mutex);
  free (r);
}

uint64_t
runner_number (struct runner *r)
{
  uint64_t number;

  pthread_mutex_lock (&r->mutex);
  number = ++r->number;
  pthread_mutex_unlock (&r->mutex);
  return number;
}

static struct timespec
limit_of (const struct runner *r)
{
  struct timespec until;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += r->exec->time_limit / 1000;
  until.tv_nsec += r->exec->time_limit % 1000 * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  return until;
}

/* With the mutex. */
static enum mantis_status
put (struct runner *r, const struct mantis_buf *text, uint64_t id, struct mantis_error *error)
{
  struct line *line = malloc (sizeof *line + text->length);

  if (!line)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for a line");
  if (!r->thread && mantis_thread_start ("hook exec", run, r, &r->thread, error) != MANTIS_OK) {
    free (line);
    return error->status;
  }
  *line = (struct line){.length = text->length, .id = id};
  memcpy (line->text, text->bytes, text->length);
  *r->last = line;
  r->last = &line->next;
  r->queued += line->length;
  wake (r);
  return MANTIS_OK;
}

/* With the mutex: a line is lost.  True: that is to be told now. */
static bool
count_dropped (struct runner *r)
{
  int64_t now = mantis_monotonic ();

  r->dropped++;
  if (r->told_dropped && now - r->told_dropped < A_MINUTE)
    return false;
  r->told_dropped = now;
  return true;
}

enum mantis_status
runner_tell (struct runner *r, const struct mantis_buf *line, bool patient,
             struct mantis_error *error)
{
  const struct timespec until = limit_of (r);
  enum mantis_status status = MANTIS_OK;
  bool full = false, tell = false;
  unsigned long long dropped;

  pthread_mutex_lock (&r->mutex);
  while (!full && r->queued && r->queued + line->length > (size_t)r->exec->queue_bytes)
    full = !patient || pthread_cond_timedwait (&r->changed, &r->mutex, &until) == ETIMEDOUT;
  if (full && patient)
    status =
        mantis_fail (error, MANTIS_FULL, "%s takes nothing: a line is lost", r->exec->command[0]);
  else if (full)
    tell = count_dropped (r);
  else
    status = put (r, line, 0, error);
  dropped = r->dropped;
  pthread_mutex_unlock (&r->mutex);
  if (tell)
    mantis_log (MANTIS_WARNING, "%s is too slow: %llu lines are lost so far", r->exec->command[0],
                dropped);
  return status;
}

enum mantis_status
runner_ask (struct runner *r, const struct mantis_buf *line, uint64_t id, struct mantis_buf *answer,
            struct mantis_error *error)
{
  const struct timespec until = limit_of (r);
  struct question question = {.id = id, .answer = answer};
  struct question **last;
  enum mantis_status status;

  pthread_mutex_lock (&r->mutex);
  if ((status = put (r, line, id, error)) == MANTIS_OK) {
    for (last = &r->questions; *last; last = &(*last)->next)
      ;
    *last = &question;
    while (!question.over)
      if (pthread_cond_timedwait (&r->changed, &r->mutex, &until) == ETIMEDOUT && !question.over) {
        r->kill |=
            question.written || mantis_monotonic () - r->progress > r->exec->time_limit * 1000;
        settle (r, &question,
                mantis_fail (&question.error, MANTIS_FAILED, "%s gave no answer in %lld ms",
                             r->exec->command[0], (long long)r->exec->time_limit));
        wake (r);
      }
    status = question.status;
    if (status != MANTIS_OK)
      *error = question.error;
  }
  pthread_mutex_unlock (&r->mutex);
  return status;
}
