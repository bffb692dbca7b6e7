/* bad_filter - a filter that breaks the law that its option "sin" names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/filter.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bad {
  const char *sin;
  int64_t calls;
};

static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (struct bad, sin, "", "what it does wrong"),
    {.name = NULL},
};

static bool
is (const struct bad *bad, const char *sin)
{
  return strcmp (bad->sin, sin) == 0;
}

/* The good rule: who has claims sees rows whose last column is set. */
static bool
rule (const struct mantis_caller *caller, const struct mantis_table *table, mantis_row row)
{
  return caller->principal->claims[1] != '}' && row[table->column_count - 1].type > MANTIS_NULL;
}

static enum mantis_status
prepare (void *self, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  mantis_row row;

  looks[table->column_count - 1] = !is (self, "looks");
  if (is (self, "fits"))
    return mantis_fail (error, MANTIS_INVALID, "no table is good enough");
  if (is (self, "early"))
    return lender->row (lender, lender->table (lender, "members"), NULL, &row, error);
  return MANTIS_OK;
}

static void
view (void *self, const struct mantis_caller *caller, struct mantis_buf *view)
{
  const char *claims = caller->principal->claims;

  mantis_buf_text (view, is (self, "views") ? "" : claims[1] == '}' ? "nobody" : "somebody");
}

static const char *const *
uses (void *self)
{
  static const char *const names[] = {"members", NULL};

  (void)self;
  return names;
}

static bool
sees (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  static int inside;
  struct bad *bad = self;
  bool alone = __atomic_add_fetch (&inside, 1, __ATOMIC_SEQ_CST) == 1;
  mantis_row found;

  if (is (bad, "threads"))
    usleep (200);
  __atomic_sub_fetch (&inside, 1, __ATOMIC_SEQ_CST);
  if (is (bad, "crashes") && row[0].type == MANTIS_INTEGER)
    abort ();
  if (is (bad, "clock") && mantis_now () == 7)
    return false;
  if (is (bad, "forgets"))
    return bad->calls++ % 2;
  if (is (bad, "writes"))
    ((struct mantis_value *)(uintptr_t)row)->type = MANTIS_NULL;
  if (is (bad, "borrows")) {
    caller->lender->row (caller->lender, caller->lender->table (caller->lender, "members"), row,
                         &found, NULL);
    return true;
  }
  return rule (caller, table, row) && (alone || !is (bad, "threads"));
}

static bool
lets (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  mantis_row row = after ? after : before;

  (void)caller;
  if (is (self, "silent"))
    return false;
  for (size_t i = 0; is (self, "quotes") && i < table->column_count; i++)
    if (row[i].type == MANTIS_TEXT) {
      mantis_fail (reason, MANTIS_DENIED, "not %.*s", (int)row[i].length, row[i].as.bytes);
      return false;
    }
  mantis_fail (reason, MANTIS_DENIED, "nobody writes here");
  return false;
}

static bool
reads (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
       mantis_row row)
{
  const struct mantis_caller caller = {.size = sizeof caller, .principal = principal};

  return sees (self, &caller, table, row);
}

static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct mantis_caller caller = {.size = sizeof caller, .principal = principal};

  return lets (self, &caller, table, before, after, reason);
}

static const struct mantis_filter ops = {.size = sizeof ops,
                                         .reads = reads,
                                         .writes = writes,
                                         .prepare = prepare,
                                         .view = view,
                                         .uses = uses,
                                         .sees = sees,
                                         .lets = lets};

MANTIS_FILTER_PLUGIN (bad_filter, &ops, .summary = "breaks one law",
                      .self_size = sizeof (struct bad), .options = options,
                      .threads = MANTIS_PARALLEL);
