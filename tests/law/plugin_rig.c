/* plugin_rig.c - uses of the plugin, chance, time and threads, for the laws; and the laws of all kinds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/trial.h"
#include "plugin_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

/* ---- Uses ------------------------------------------------------------------------------------ */

enum { MOST_USES = 16 };
static struct mantis_use *uses[MOST_USES];
static size_t use_count;

enum mantis_status
try_start (void **self, struct mantis_error *error)
{
  enum mantis_status status;

  if (use_count == MOST_USES)
    return mantis_fail (error, MANTIS_FULL, "%d uses are the most", MOST_USES);
  doing ("start()");
  status = mantis_trial_start (trial, &uses[use_count], self, error);
  use_count += status == MANTIS_OK;
  return status;
}

void *
start_use (void)
{
  struct mantis_error error = {0};
  void *self = NULL;

  if (try_start (&self, &error) != MANTIS_OK)
    broken ("it does not start: %s", error.text);
  return self;
}

void
stop_uses (void)
{
  while (use_count > 0) {
    doing ("stop()");
    mantis_trial_stop (uses[--use_count]);
  }
}

const struct mantis_plugin *
start_listener (void **self)
{
  struct mantis_error error = {0};
  struct mantis_trial *other;
  enum mantis_status status =
      mantis_trial_open (settings.listener, settings.plugin_dir, &other, &error);

  for (size_t i = 0; status == MANTIS_OK && i < settings.listener_option_count; i++)
    status = mantis_trial_set (other, settings.listener_options[i].name,
                               with_folder (settings.listener_options[i].value), &error);
  if (status == MANTIS_OK && use_count < MOST_USES &&
      (status = mantis_trial_start (other, &uses[use_count], self, &error)) == MANTIS_OK)
    use_count++;
  if (status != MANTIS_OK)
    broken ("--listener %s does not start: %s", settings.listener, error.text);
  return mantis_trial_about (other);
}

/* ---- Folder and commands --------------------------------------------------------------------- */

char law_folder[64];

const char *
with_folder (const char *text)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;
  const char *at;

  for (; (at = strstr (text, "{}")); text = at + 2) {
    mantis_buf_add (&buf, text, (size_t)(at - text));
    mantis_buf_text (&buf, law_folder);
  }
  mantis_buf_text (&buf, text);
  return buf.length ? mantis_buf_take (&buf, NULL) : "";
}

int
run_command (const char *command, const char *input)
{
  const char *shell = with_folder (command);
  FILE *pipe = popen (shell, "w");
  int status;

  if (!pipe)
    broken ("the command cannot be run: %s", command);
  fputs (input, pipe);
  status = pclose (pipe);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

/* ---- Chance and time -------------------------------------------------------------------------
 *
 * The functions of mantis/host.h that tell time and make numbers stand here in the place of libmantis's, for
 * the plugin as well: a law sets the clock, and sees who asks. */

static uint64_t state;

void
chance_from (uint64_t seed)
{
  state = seed;
}

uint64_t
chance (void) /* splitmix64 (https://prng.di.unimi.it/splitmix64.c) */
{
  uint64_t z = state += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint64_t
chance_below (uint64_t bound)
{
  return chance () % bound;
}

int64_t clock_ahead;
unsigned clock_asked, chance_asked;

int64_t
mantis_now (void)
{
  struct timespec now;

  __atomic_add_fetch (&clock_asked, 1, __ATOMIC_RELAXED);
  clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec * INT64_C (1000) + now.tv_nsec / 1000000 + clock_ahead;
}

int64_t
mantis_monotonic (void)
{
  struct timespec now;

  __atomic_add_fetch (&clock_asked, 1, __ATOMIC_RELAXED);
  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C (1000000) + now.tv_nsec / 1000 + clock_ahead * 1000;
}

void
mantis_random (void *bytes, size_t length)
{
  __atomic_add_fetch (&chance_asked, 1, __ATOMIC_RELAXED);
  for (size_t done = 0; done < length;) {
    ssize_t got = getrandom ((char *)bytes + done, length - done, 0);
    if (got > 0)
      done += (size_t)got;
  }
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4 };

struct thread {
  pthread_t id;
  pthread_barrier_t *together;
  void (*run) (void *context);
  void *context;
};

static void *
run_thread (void *data)
{
  struct thread *thread = data;

  pthread_barrier_wait (thread->together);
  thread->run (thread->context);
  return NULL;
}

void
in_parallel (void (*run) (void *context), void *context)
{
  struct thread threads[THREADS];
  pthread_barrier_t together;

  pthread_barrier_init (&together, NULL, THREADS);
  for (size_t i = 0; i < THREADS; i++) {
    threads[i] = (struct thread){.together = &together, .run = run, .context = context};
    if (pthread_create (&threads[i].id, NULL, run_thread, &threads[i]))
      skip ("no more threads on this machine");
  }
  for (size_t i = 0; i < THREADS; i++)
    pthread_join (threads[i].id, NULL);
  pthread_barrier_destroy (&together);
}

const char *
status_name (enum mantis_status status)
{
  static const char *const names[] = {
      "MANTIS_OK",    "MANTIS_BUSY",    "MANTIS_FULL",   "MANTIS_LOST",   "MANTIS_REFUSED",
      "MANTIS_STALE", "MANTIS_INVALID", "MANTIS_DENIED", "MANTIS_ABSENT", "MANTIS_FAILED"};

  return (size_t)status < sizeof names / sizeof *names ? names[status] : "no status that there is";
}

/* ---- Laws of all kinds ----------------------------------------------------------------------- */

static void
starts_and_stops (void)
{
  start_use ();
  stop_uses ();
}

/* Two uses in one configuration, and a configuration that is read again. */
static void
starts_again (void)
{
  struct mantis_error error = {0};
  void *first = start_use (), *second;

  if (try_start (&second, &error) != MANTIS_OK)
    skip ("with these options there can be one use at a time: %s", error.text);
  if (first == second)
    broken ("both uses were given one struct");
  stop_uses ();
  start_use ();
  stop_uses ();
}

/* The one that it starts comes first. */
const struct law laws_of_all[] = {
    {"starts_and_stops", "with these options it starts, and stops", starts_and_stops},
    {"starts_again", "it can be used twice at once, and again after its stop", starts_again},
    {NULL, NULL, NULL},
};
