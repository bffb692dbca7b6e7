/* sight.c - what of a page of changes one caller gets.
 *
 * A device may hold any state that a row had since its cursor, as pages tell rows as they are.  So it is told that a
 * row is gone when it could see any of those states, or made one of them itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/sight.h"
#include "base/base.h"

#include <string.h>

static bool
is_own (const char *origin, const char *node)
{
  return origin && node && strcmp (origin, node) == 0;
}

/* The row is not, or not any more, in sight. */
static enum verdict
judge_lost (const struct feed_past *past, const struct viewer *viewer, const char *node,
            bool *unknown)
{
  for (const struct past *p = past->pasts; p; p = p->next) {
    if (is_own (p->origin, node) || (p->row && filter_sees (past->filtered, viewer, p->row)))
      return VERDICT_GONE;
    *unknown |= p->unknown;
  }
  return VERDICT_NOTHING;
}

static enum verdict
judge (const struct feed_page *page, size_t i, const struct viewer *viewer, const char *node,
       bool *unknown)
{
  const struct mantis_change *change = page->changes[i];
  const struct feed_past *past = page->pasts ? &page->pasts[i] : NULL;
  bool own = is_own (page->origins[i], node);

  if (!past || !past->filtered || !viewer_filtered (viewer, change->table))
    return own || (past && (past->evicted || past->cut)) ? VERDICT_NOTHING : VERDICT_ROW;
  if (!change->deleted && !past->cut && filter_sees (past->filtered, viewer, change->row))
    return own || past->evicted ? VERDICT_NOTHING : VERDICT_ROW;
  if (change->deleted && own && past->removed)
    return VERDICT_NOTHING; /* else it was deleted behind the page, as a row that is not in his sight */
  return judge_lost (past, viewer, node, unknown);
}

static bool
has_table (const struct feed_page *page, const char *name)
{
  for (size_t i = 0; i < page->table_count; i++)
    if (strcmp (page->tables[i]->name, name) == 0)
      return true;
  return false;
}

/* Rows that a filter borrows were changed: what is in sight may be other rows now. */
static void
look_at_uses (const struct feed_page *page, const struct viewer *viewer, struct sight *sight)
{
  const struct filtered *filtered;

  for (size_t t = 0; (filtered = filters_at (viewer->store, t)); t++)
    for (const char **use = filtered->uses; *use; use++)
      sight->compares[t] |= has_table (page, *use);
}

enum mantis_status
sight_look (const struct feed_page *page, const struct viewer *viewer, const char *node,
            struct mantis_arena *arena, struct sight *sight, struct mantis_error *error)
{
  size_t tables = filters_count (viewer->store);

  *sight = (struct sight){.verdicts = mantis_arena_alloc (arena, page->count + 1),
                          .compares = mantis_arena_alloc (arena, tables + 1)};
  if (!sight->verdicts || !sight->compares)
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  if (page->pasts && !viewer->caller.principal->local)
    look_at_uses (page, viewer, sight);
  for (size_t i = 0; i < page->count; i++) {
    bool unknown = false;
    sight->verdicts[i] = (unsigned char)judge (page, i, viewer, node, &unknown);
    sight->count += sight->verdicts[i] != VERDICT_NOTHING;
    if (unknown)
      sight->compares[filters_place (viewer->store, page->pasts[i].filtered)] = true;
  }
  for (size_t t = 0; t < tables; t++)
    sight->compare_count += sight->compares[t];
  sight->hash = hash_bytes (sight->verdicts, page->count,
                            hash_bytes (sight->compares, tables, viewer_hidden (viewer)));
  return MANTIS_OK;
}

/* The change as VIEWER sees it. */
static const struct mantis_change *
shown (const struct feed_page *page, size_t i, const struct viewer *viewer, bool gone,
       struct mantis_arena *arena)
{
  const struct mantis_change *change = page->changes[i];
  const struct filtered *filtered = page->pasts ? page->pasts[i].filtered : NULL;
  struct mantis_change *made;
  mantis_row row;

  if (viewer->caller.principal->local)
    filtered = NULL;
  if (!(row = filter_blank (filtered, viewer, change->row, arena)))
    return NULL;
  if (row == change->row && gone == change->deleted)
    return change;
  if (!(made = mantis_arena_alloc (arena, sizeof *made)))
    return NULL;
  *made = *change;
  made->row = row;
  made->deleted = gone || change->deleted;
  return made;
}

enum mantis_status
sight_take (const struct feed_page *page, const struct viewer *viewer, const struct sight *sight,
            struct mantis_arena *arena, const struct mantis_change ***changes,
            struct mantis_error *error)
{
  size_t count = 0;

  if (!(*changes = arena_array (arena, sight->count, sizeof **changes)))
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  for (size_t i = 0; i < page->count; i++) {
    if (sight->verdicts[i] == VERDICT_NOTHING)
      continue;
    (*changes)[count] = shown (page, i, viewer, sight->verdicts[i] == VERDICT_GONE, arena);
    if (!(*changes)[count++])
      return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  }
  return MANTIS_OK;
}

void
sight_add_compares (const struct sight *sight, const struct store *store, struct mantis_buf *buf)
{
  const char *before = ",\"compare\":[";
  const struct filtered *filtered;

  for (size_t t = 0; (filtered = filters_at (store, t)); t++)
    if (sight->compares[t]) {
      mantis_buf_text (buf, before);
      mantis_buf_json (buf, filtered->table->name, strlen (filtered->table->name));
      before = ",";
    }
  if (strcmp (before, ",") == 0)
    mantis_buf_char (buf, ']');
}
