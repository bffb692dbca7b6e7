/* thread.c - a thread of a node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/thread.h"

#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

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
