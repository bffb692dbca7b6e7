/* lists.h - the rows of a message are read from its text.
 *
 * A tree of a large message takes many times its size, and most of the time.  So the arrays named "rows" and
 * "deleted" are set aside before jansson sees the message, and read value by value when their block is known:
 * see block.h.  The rest, which is small, is jansson's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_LISTS_H
#define MANTIS_WIRE_LISTS_H

#include <jansson.h>
#include <mantis/change.h>

/* An array, from its '[' to its ']'.  Brackets and quotes match; what is between them was not looked at. */
struct list {
  const char *text;
  size_t length;
  size_t commas; /* between its elements, if it is well formed */
  bool taken, counted;
};

/* The lists of one message; they point into its text. */
struct lists {
  struct list *list;
  size_t count;
};

/* json_read() of BODY without its lists, which go to OUT; in their place the tree has what lists_take() knows.
 * OUT is the caller's to lists_free(), whatever is returned. */
json_t *lists_read (const char *body, size_t length, struct lists *out, struct mantis_error *error);
void lists_free (struct lists *lists);
#define CLEANUP_LISTS __attribute__ ((cleanup (lists_free)))

/* The list that stands for ARRAY, a member "rows" or "deleted" of the tree.  NULL: ARRAY is none, or it was
 * taken before. */
const struct list *lists_take (struct lists *lists, const json_t *array);
/* How many elements the list that stands for ARRAY has at most; 0: it was counted or taken before. */
size_t lists_count (struct lists *lists, const json_t *array);
/* Lists that nobody took are JSON, too?  They are forgotten. */
enum mantis_status lists_check (const struct lists *lists, struct mantis_error *error);
/* All may be taken once more. */
void lists_again (struct lists *lists);

#endif
