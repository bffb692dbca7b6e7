/* conflicts.c - mantisctl conflicts: what lost against what, and why.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
add_header (struct grid *grid)
{
  static const char *const names[] = {"ID", "AT", "TABLE", "KEY", "OUTCOME", "STATE", "REASON"};

  for (size_t i = 0; i < COUNT_OF (names); i++)
    grid_add (grid, names[i]);
}

static void
add_conflict (struct grid *grid, const json_t *conflict)
{
  grid_json (grid, json_object_get (conflict, "id"));
  grid_time (grid, json_object_get (conflict, "at"));
  grid_json (grid, json_object_get (conflict, "tbl"));
  grid_json (grid, json_object_get (conflict, "key"));
  grid_json (grid, json_object_get (conflict, "outcome"));
  grid_json (grid, json_object_get (conflict, "state"));
  grid_json (grid, json_object_get (conflict, "reason"));
}

static void
add_filter (struct mantis_buf *query, const char *name, const char *value)
{
  if (!value)
    return;
  mantis_buf_printf (query, "&%s=", name);
  percent_encode (query, value);
}

/* The next page, added to GRID, or for programs to ALL.  *AFTER: where it ended. */
static int
take_page (struct ctl *ctl, struct grid *grid, json_t *all, int64_t *after, bool *end)
{
  CLEANUP_BUF struct mantis_buf query = MANTIS_BUF_INIT;
  const json_t *page, *conflict;
  json_t *whole;
  size_t i;
  int result;

  mantis_buf_printf (&query, "limit=1000&after=%lld", (long long)*after);
  add_filter (&query, "table", ctl->table);
  add_filter (&query, "state", ctl->state);
  result = ctl_ask (ctl, "conflicts", query.bytes, NULL, &whole, &page);
  json_array_foreach (json_object_get (page, "conflicts"), i, conflict)
  {
    if (all)
      json_array_append (all, (json_t *)(uintptr_t)conflict);
    else
      add_conflict (grid, conflict);
  }
  *end = !json_is_false (json_object_get (page, "end"));
  *after = json_integer_value (json_object_get (page, "after"));
  json_decref (whole);
  return result;
}

static int
list (struct ctl *ctl)
{
  struct grid grid = {.columns = 7};
  json_t *all = ctl->json ? json_array () : NULL;
  int64_t after = 0;
  bool end = false;
  int result = EXIT_CLEAN;

  add_header (&grid);
  while (!end && result == EXIT_CLEAN)
    result = take_page (ctl, &grid, all, &after, &end);
  if (result == EXIT_CLEAN && all)
    result = print_json (all);
  else if (result == EXIT_CLEAN)
    grid_print (&grid);
  grid_free (&grid);
  json_decref (all);
  return result;
}

static void
print_conflict (const json_t *conflict)
{
  static const char *const times[] = {"at", "loser_time", "winner_time"};
  struct grid grid = {.columns = 2};
  const json_t *value;
  const char *name;

  json_object_foreach ((json_t *)(uintptr_t)conflict, name, value)
  {
    bool time = false;
    for (size_t i = 0; i < COUNT_OF (times); i++)
      time |= strcmp (name, times[i]) == 0;
    grid_add (&grid, name);
    if (time)
      grid_time (&grid, value);
    else if (json_is_null (value) && (strcmp (name, "loser") == 0 || strcmp (name, "winner") == 0))
      grid_add (&grid, "(no row: a deletion)");
    else
      grid_json (&grid, value);
  }
  grid_print (&grid);
}

static int
show (struct ctl *ctl)
{
  struct mantis_error error;
  const char *id = ctl->words[1];
  const json_t *conflict;
  json_t *whole;
  int result;

  if (!*id || id[strspn (id, "0123456789")]) {
    mantis_fail (&error, MANTIS_INVALID, "conflicts show: an ID is a number, not \"%s\"", id);
    return ctl_complain (&error);
  }
  result = ctl_ask (ctl, "conflicts", id, NULL, &whole, &conflict);
  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (conflict);
  else if (result == EXIT_CLEAN)
    print_conflict (conflict);
  json_decref (whole);
  return result;
}

int
ctl_conflicts (struct ctl *ctl)
{
  struct mantis_error error;

  if (strcmp (ctl->words[0], "list") == 0 && !ctl->words[1])
    return list (ctl);
  if (strcmp (ctl->words[0], "show") == 0 && ctl->words[1])
    return show (ctl);
  mantis_fail (&error, MANTIS_INVALID,
               "usage: mantisctl conflicts list, or mantisctl conflicts show ID");
  return ctl_complain (&error);
}
