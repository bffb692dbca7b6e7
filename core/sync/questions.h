/* questions.h - questions to resolvers that wait: asked outside any transaction, on a thread of somebody else.
 *
 * A push that meets a conflict of such a resolver leaves the question here and makes no change.  Whoever asks the
 * resolvers takes it from here, and writes the answer beside it; when the push is made again and meets the same
 * conflict, the row at the same revision, it finds the answer.  If the row is another one by then, that is another
 * question.  Nothing of this is kept on disk: what a restart forgets is asked again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_QUESTIONS_H
#define MANTIS_QUESTIONS_H

#include "plugin/plugin.h"

#include <mantis/resolver.h>
#include <stdatomic.h>

struct question;

struct questions { /* all zeros at first; on any thread */
  pthread_mutex_t lock;
  struct question *first; /* the oldest; along next */
  size_t count, bytes;
  uint64_t last;
  atomic_size_t fresh;  /* that nobody has begun to ask */
  atomic_bool attended; /* somebody asks them in the background */
};

enum asked {
  ASKED_ANSWERED,
  ASKED_WAITS, /* for its answer */
  ASKED_FULL   /* too many wait already */
};

struct hearing {
  enum asked state;
  uint64_t question; /* its number */
  int64_t
      since; /* unless it is answered: mantis_monotonic() when this row of this node was asked about first */
  enum mantis_decision decision;
  struct mantis_value *merged; /* in the arena, as are the others */
  const char *reason;          /* NULL: none */
};

/* What does POLICY, which waits, say of CONFLICT?  If it has not been asked yet, it will be: all is copied. */
enum mantis_status questions_hear (struct questions *questions, struct instance *policy,
                                   const struct mantis_conflict *conflict,
                                   struct mantis_arena *arena, struct hearing *hearing,
                                   struct mantis_error *error);
/* Is there an answer to question NUMBER, or no such question any more? */
bool questions_settled (struct questions *questions, uint64_t number);
/* The next one to be asked, the caller's from here until question_ask() returns; NULL: none.  A resolver that is not
 * parallel is asked one at a time. */
struct question *questions_next (struct questions *questions);
/* Ask, however long that takes. */
void question_ask (struct questions *questions, struct question *question);
void questions_free (struct questions *questions);

#endif
