/* process.h - a program of the operator's, started for a plugin: its pipes, its group, its end.
 *
 * Compiled into each plugin that runs one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PROCESS_H
#define MANTIS_PROCESS_H

#include <mantis/host.h>
#include <sys/types.h>

struct process {
  pid_t pid;        /* also of the group that it leads; 0: there is none */
  int in, out, err; /* our ends of its standard streams: non-blocking, -1 when closed */
};

#define PROCESS_NONE                                                                               \
  {                                                                                                \
    0, -1, -1, -1                                                                                  \
  }

/* Run COMMAND (the program and its arguments, ends with NULL; without a '/' it is looked up in $PATH) in FOLDER.  It has the
 * environment of this process, no other open files than its three streams, default signals, and a group of its own.
 * MANTIS_FAILED: it cannot be started; the text says why. */
enum mantis_status process_start (struct process *process, const char *const *command,
                                  const char *folder, struct mantis_error *error);

/* Nothing more comes from us: it reads the end of its input. */
void process_close_in (struct process *process);

/* Has it ended?  Then what is left of its group is killed, it is reaped, and TEXT says how it ended ("exit status 1",
 * "killed by signal 9").  Its pipes stay open: it may have left something in them. */
bool process_ended (struct process *process, char *text, size_t room);

/* It and its group, now, if they are still there; all is closed. */
void process_kill (struct process *process);

/* Until FD may be read (WRITE: written) or UNTIL, in mantis_monotonic(), has come.  False: it has. */
bool process_wait (int fd, bool write, int64_t until);

#endif
