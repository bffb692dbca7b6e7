/* thread.h - a thread of a node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_THREAD_H
#define MANTIS_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Run WORK (CONTEXT) on a thread with STACK bytes (0: as is usual).  It takes no signals: those are the
 * main thread's.  Its log goes where its maker's goes.  Returns 0 or an errno. */
int thread_start (pthread_t *thread, size_t stack, void *(*work) (void *context), void *context);

#endif
