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
  static const char *const times[] = {"at", "loser_time", "winner_time", "sent_time", "resolved_at"};
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

static bool
is_number (const char *text)
{
  return *text && !text[strspn (text, "0123456789")];
}

static int
show (struct ctl *ctl)
{
  const json_t *conflict;
  json_t *whole;
  int result = ctl_ask (ctl, "conflicts", ctl->words[1], NULL, &whole, &conflict);

  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (conflict);
  else if (result == EXIT_CLEAN)
    print_conflict (conflict);
  json_decref (whole);
  return result;
}

/* ---- Decisions ------------------------------------------------------------------------------- */

/* What the command line chooses, as the body of POST /sync/conflicts/{id}. */
static enum mantis_status
add_choice (const struct ctl *ctl, json_t *order, struct mantis_error *error)
{
  const char *word = ctl->words[2];
  bool restore = strcmp (ctl->words[0], "restore") == 0, merged = ctl->row && !word;
  json_t *row;

  if (!restore && !merged &&
      (!word || ctl->row || (strcmp (word, "local") != 0 && strcmp (word, "remote") != 0)))
    return mantis_fail (error, MANTIS_INVALID,
                        "conflicts resolve: choose \"local\", what stands, \"remote\", what came, "
                        "or a row of your own: --row '{\"title\": \"milk\"}' (or null: no row)");
  json_object_set_new (order, "id", json_integer (strtoll (ctl->words[1], NULL, 10)));
  json_object_set_new (order, "choose", json_string (restore ? "loser" : merged ? "merged" : word));
  if (ctl->rev)
    json_object_set_new (order, "rev", json_integer (strtoll (ctl->rev, NULL, 10)));
  if (!merged)
    return MANTIS_OK;
  if (!(row = json_loads (ctl->row, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)))
    return mantis_fail (error, MANTIS_INVALID, "--row: this is not JSON");
  json_object_set_new (order, "row", row);
  return MANTIS_OK;
}

static void
print_decision (const json_t *decided)
{
  CLEANUP_FREE char *row = json_dumps (json_object_get (decided, "row"), JSON_ENCODE_ANY);

  if (json_is_null (json_object_get (decided, "row")))
    printf ("There is no such row now, at revision %lld.\n",
            (long long)json_integer_value (json_object_get (decided, "rev")));
  else
    printf ("The row is now %s, at revision %lld.\n", row ? row : "changed",
            (long long)json_integer_value (json_object_get (decided, "rev")));
}

static int
decide (struct ctl *ctl)
{
  CLEANUP_JSON json_t *order = json_object ();
  CLEANUP_FREE char *text = NULL;
  struct mantis_error error;
  const json_t *decided;
  json_t *whole;
  int result;

  if (ctl->rev && !is_number (ctl->rev)) {
    mantis_fail (&error, MANTIS_INVALID, "--rev is a number, not \"%s\"", ctl->rev);
    return ctl_complain (&error);
  }
  if (add_choice (ctl, order, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (!(text = json_dumps (order, JSON_COMPACT))) {
    mantis_fail (&error, MANTIS_FAILED, "no memory left");
    return ctl_complain (&error);
  }
  result = ctl_ask (ctl, "decide", text, NULL, &whole, &decided);
  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (decided);
  else if (result == EXIT_CLEAN)
    print_decision (decided);
  json_decref (whole);
  return result;
}

int
ctl_conflicts (struct ctl *ctl)
{
  const char *what = ctl->words[0], *id = ctl->words[1];
  struct mantis_error error;

  if (strcmp (what, "list") == 0 && !id)
    return list (ctl);
  if (id && !is_number (id)) {
    mantis_fail (&error, MANTIS_INVALID, "conflicts %s: an ID is a number, not \"%s\"", what, id);
    return ctl_complain (&error);
  }
  if (strcmp (what, "show") == 0 && id && !ctl->words[2])
    return show (ctl);
  if (id && (strcmp (what, "resolve") == 0 || (strcmp (what, "restore") == 0 && !ctl->words[2])))
    return decide (ctl);
  mantis_fail (&error, MANTIS_INVALID,
               "usage: mantisctl conflicts list, or mantisctl conflicts show|resolve|restore ID");
  return ctl_complain (&error);
}
