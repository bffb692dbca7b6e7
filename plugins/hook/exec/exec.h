/* exec.h - a program that is told what happens, line by line.
 *
 *   exec.c    the plugin: options, life, one event
 *   lines.c   an event as lines of JSON, an answer as what the event's maker wants to know
 *   runner.c  the program: a thread that starts it, writes to it, reads from it, and a bounded queue before it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_EXEC_H
#define MANTIS_EXEC_H

#include <mantis/hook.h>

struct runner;

struct exec {
  const char *const *command;
  const char *folder;
  int64_t time_limit; /* milliseconds */
  int64_t queue_bytes, line_bytes;
  struct runner *runner;
};

/* ---- lines.c ----------------------------------------------------------------------------------- */

/* A line about EVENT and those of its changes from place FROM on that fit into LIMIT bytes.  Returns how many they are. */
size_t line_make (const struct mantis_event *event, size_t from, uint64_t id, size_t limit,
                  struct mantis_buf *line);
/* The id that ANSWER bears; 0: none.  False: it is no answer at all. */
bool answer_id (const char *answer, size_t length, uint64_t *id);
/* What ANSWER says about the COUNT changes from FROM on; a status as happens() returns. */
enum mantis_status answer_take (const char *answer, size_t length, const struct mantis_event *event,
                                size_t from, size_t count, struct mantis_error *error);

/* ---- runner.c ---------------------------------------------------------------------------------- */
enum mantis_status runner_new (const struct exec *exec, struct runner **runner,
                               struct mantis_error *error);
/* What is queued is still written, for a moment; then it goes, with all that it has started. */
void runner_free (struct runner *runner);
uint64_t runner_number (struct runner *runner); /* another one each time, from 1 on */

/* Put LINE into the queue.  Where that is full: PATIENT waits until there is room, for the time limit. */
enum mantis_status runner_tell (struct runner *runner, const struct mantis_buf *line, bool patient,
                                struct mantis_error *error);
/* The same, and wait for the answer to the line that has this ID. */
enum mantis_status runner_ask (struct runner *runner, const struct mantis_buf *line, uint64_t id,
                               struct mantis_buf *answer, struct mantis_error *error);

#endif
