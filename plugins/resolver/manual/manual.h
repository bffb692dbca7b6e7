/* manual.h - a program decides, or a person.
 *
 * manual.c decides; run.c runs the program once; letter.c says what it is told, and reads what it answers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MANUAL_H
#define MANTIS_MANUAL_H

#include <mantis/resolver.h>
#include <stdatomic.h>

struct manual {
  const char *const *command; /* NULL: a person decides */
  const char *folder;
  int64_t time_limit, answer_bytes;
  atomic_bool hurry; /* we are about to end */
};

/* Run the program with INPUT as its standard input: OUTPUT is all that it wrote.  Any status but MANTIS_OK: it cannot be
 * started, did not end in time, wrote too much, or ended badly; the text says what. */
enum mantis_status run_program (struct manual *manual, const struct mantis_buf *input,
                                struct mantis_buf *output, struct mantis_error *error);

/* CONFLICT as JSON. */
void letter_write (const struct mantis_conflict *conflict, struct mantis_buf *buf);
/* The answer TEXT: *DECISION, for MANTIS_MERGE with MERGED, and ERROR with its reason.  MANTIS_INVALID: it is none. */
enum mantis_status letter_read (const char *text, size_t length,
                                const struct mantis_conflict *conflict, struct mantis_value *merged,
                                struct mantis_arena *arena, enum mantis_decision *decision,
                                struct mantis_error *error);

#endif
