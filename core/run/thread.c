/* thread.c - a thread of a node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/thread.h"

#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct beginning {
  void *(*work) (void *context);
  void *context;
  struct log_target *target;
};

static void *
begin (void *context)
{
  struct beginning beginning = *(struct beginning *)context;

  free (context);
  log_set_target (beginning.target);
  return beginning.work (beginning.context);
}

int
thread_start (pthread_t *thread, size_t stack, void *(*work) (void *context), void *context)
{
  struct beginning *beginning = malloc (sizeof *beginning);
  pthread_attr_t attributes;
  sigset_t all, before;
  int result;

  if (!beginning)
    return ENOMEM;
  *beginning = (struct beginning){.work = work, .context = context, .target = log_target ()};
  pthread_attr_init (&attributes);
  if (stack)
    pthread_attr_setstacksize (&attributes, stack);
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  result = pthread_create (thread, &attributes, begin, beginning);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  pthread_attr_destroy (&attributes);
  if (result != 0)
    free (beginning);
  return result;
}

/* ---- Of a plugin ------------------------------------------------------------------------------- */
struct mantis_thread {
  pthread_t thread;
  char name[16];
  void (*work) (void *context);
  void *context;
};

static void *
work_on (void *context)
{
  struct mantis_thread *thread = context;

  pthread_setname_np (pthread_self (), thread->name);
  thread->work (thread->context);
  return NULL;
}

enum mantis_status
mantis_thread_start (const char *name, void (*work) (void *context), void *context,
                     struct mantis_thread **thread, struct mantis_error *error)
{
  struct mantis_thread *made = calloc (1, sizeof *made);
  int result;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for a thread");
  made->work = work;
  made->context = context;
  strncpy (made->name, name, sizeof made->name - 1);
  if ((result = thread_start (&made->thread, 0, work_on, made)) != 0) {
    free (made);
    return mantis_fail (error, MANTIS_FAILED, "cannot start a thread: %s", strerror (result));
  }
  *thread = made;
  return MANTIS_OK;
}

void
mantis_thread_join (struct mantis_thread *thread)
{
  pthread_join (thread->thread, NULL);
  free (thread);
}
