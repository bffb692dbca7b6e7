/* bad_resolver - a resolver that breaks the law that its option "sin" names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

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

static char shared_text[8] = "aaaaaaa";

static bool
is (const struct bad *bad, const char *sin)
{
  return strcmp (bad->sin, sin) == 0;
}

static void
take_bytes (struct mantis_value *value, const char *bytes, uint32_t length)
{
  *value = (struct mantis_value){MANTIS_TEXT, length, {.bytes = bytes}};
}

/* A text on the stack, which is gone when the caller reads it.  (The compiler must not see what becomes of it.) */
static void __attribute__ ((noinline)) take_local (struct mantis_value *value)
{
  char bytes[200];
  const char *at;

  memset (bytes, 'a', sizeof bytes);
  __asm__ volatile("" : "=r"(at) : "0"(bytes) : "memory");
  take_bytes (value, at, sizeof bytes);
}

static size_t
plain_column (const struct mantis_table *table)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].key_position)
      return i;
  return 0;
}

/* Sins of a merge. */
static bool
merge (struct bad *bad, const struct mantis_conflict *conflict, struct mantis_value *merged)
{
  const struct mantis_table *table = conflict->table;
  struct mantis_value *value = &merged[plain_column (table)];

  if (is (bad, "type"))
    value->type = 9;
  else if (is (bad, "nan"))
    *value = (struct mantis_value){.type = MANTIS_REAL, .as.real = __builtin_nan ("")};
  else if (is (bad, "key"))
    merged[table->key[0]] = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = 77};
  else if (is (bad, "stack"))
    take_local (value);
  else if (is (bad, "static")) {
    shared_text[0] = (char)('a' + bad->calls % 7);
    take_bytes (value, shared_text, 7);
  } else if (is (bad, "beyond"))
    merged[table->column_count].type = MANTIS_NULL;
  else
    return false;
  return true;
}

/* Sins with what it is shown. */
static enum mantis_decision
look (struct bad *bad, const struct mantis_conflict *conflict, struct mantis_arena *arena,
      struct mantis_error *error)
{
  size_t column = plain_column (conflict->table);
  const struct mantis_value *shown = &conflict->remote->row[column];
  char *memory;

  if (is (bad, "gaps") && !conflict->remote->deleted && shown->type != MANTIS_NULL)
    return shown->as.bytes[0] == 'z' && shown->length == 0 ? MANTIS_REFUSE : MANTIS_TAKE_REMOTE;
  if (is (bad, "deleted") && conflict->remote->deleted)
    abort ();
  if (is (bad, "base") && conflict->base == NULL)
    abort ();
  if (is (bad, "writes"))
    ((struct mantis_change *)(uintptr_t)conflict->remote)->updated_at++;
  if (is (bad, "quotes") && shown->type == MANTIS_TEXT)
    mantis_fail (error, MANTIS_OK, "the row says %.*s", (int)shown->length, shown->as.bytes);
  if (is (bad, "lines"))
    mantis_fail (error, MANTIS_OK, "one\ntwo");
  if (is (bad, "arena") && (memory = mantis_arena_alloc (arena, 100000)) != NULL)
    memory[0] = 'a';
  else if (is (bad, "arena"))
    abort ();
  return MANTIS_KEEP_LOCAL;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  struct bad *bad = self;
  int64_t calls = bad->calls++;
  int dice = 0;

  if (is (bad, "nothing"))
    return 0;
  if (is (bad, "forgets"))
    return calls % 2 ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  if (is (bad, "counts"))
    return calls < 50 ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  if (is (bad, "clock"))
    return mantis_now () == 7 ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  if (is (bad, "chance")) {
    mantis_random (&dice, 1);
    return dice == 256 ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  }
  if (is (bad, "exits"))
    exit (0);
  while (is (bad, "hangs"))
    pause ();
  if (is (bad, "threads")) { /* wrong while another thread is in here, too */
    static int inside;
    bool alone = __atomic_add_fetch (&inside, 1, __ATOMIC_SEQ_CST) == 1;
    usleep (200);
    __atomic_sub_fetch (&inside, 1, __ATOMIC_SEQ_CST);
    return alone ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  }
  return merge (bad, conflict, merged) ? MANTIS_MERGE : look (bad, conflict, arena, error);
}

static bool stopped;

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  const struct bad *bad = self;

  if (is (bad, "start"))
    return mantis_fail (error, MANTIS_INVALID, "there is no fuel");
  if (is (bad, "again") && stopped)
    return mantis_fail (error, MANTIS_INVALID, "once was enough");
  return MANTIS_OK;
}

static void
stop (void *self)
{
  stopped = true;
  if (is (self, "stop"))
    abort ();
}

static const struct mantis_resolver ops = {
    .size = sizeof ops, .decide = decide, .wants = MANTIS_WANTS_BASE};

MANTIS_RESOLVER_PLUGIN (bad_resolver, &ops, .summary = "breaks one law",
                        .self_size = sizeof (struct bad), .options = options, .start = start,
                        .stop = stop, .threads = MANTIS_PARALLEL);
