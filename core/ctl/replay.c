/* replay.c - mantisctl replay: what would have come out of the conflicts of the past with another policy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"
#include "plugin/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 200, EXIT_DIFFERENT = 4, EXIT_UNTOLD = 5, EXIT_BROKEN = 6 };
static const char *const default_limit = "30s";

enum verdict { SAME, DIFFERENT, UNKNOWN, LEFT_OUT, BROKEN, VERDICTS };
static const char *const verdicts[VERDICTS] = {"same", "different", "unknown", "left out",
                                               "failed"};
static const char *const lacks[] = {"base", "stamps", "time", "columns"};

struct replay {
  struct ctl *ctl;
  struct config *config;
  struct plugins *plugins;
  int64_t since, limit;
  struct grid grid; /* for people */
  json_t *all;      /* or for programs */
  size_t counts[VERDICTS], lacking[COUNT_OF (lacks)], uncertain, columns, rows;
};

/* ---- One verdict ----------------------------------------------------------------------------- */

static void
count (struct replay *replay, const json_t *verdict)
{
  const char *word = json_string_value (json_object_get (verdict, "verdict"));
  const json_t *list = json_object_get (verdict, "lacks"), *item;
  size_t columns = json_object_size (json_object_get (verdict, "columns")), at;

  for (size_t i = 0; i < VERDICTS; i++)
    replay->counts[i] += strcmp (word, verdicts[i]) == 0;
  if (strcmp (word, verdicts[DIFFERENT]) == 0) {
    replay->columns += columns;
    replay->rows += columns > 0;
  }
  replay->uncertain += json_array_size (list) > 0;
  json_array_foreach ((json_t *)(uintptr_t)list, at, item) for (size_t i = 0; i < COUNT_OF (lacks);
                                                                i++) replay->lacking[i] +=
      strcmp (json_string_value (item), lacks[i]) == 0;
}

/* A line of the table: of one column, of the whole row, or of a policy that failed. */
static void
add_line (struct replay *replay, const json_t *verdict, const char *column)
{
  struct grid *grid = &replay->grid;

  grid_json (grid, json_object_get (verdict, "id"));
  grid_json (grid, json_object_get (verdict, "tbl"));
  grid_json (grid, json_object_get (verdict, "key"));
  grid_add (grid, column);
}

/* What is told of VERDICT but the columns: was it there, and who has to decide? */
static void
add_row_line (struct replay *replay, const json_t *verdict)
{
  const json_t *then = json_object_get (verdict, "then"), *now = json_object_get (verdict, "now");
  const json_t *was = json_object_get (verdict, "outcome"),
               *is = json_object_get (verdict, "now_outcome");

  if (json_is_object (then) != json_is_object (now)) {
    add_line (replay, verdict, "(row)");
    grid_add (&replay->grid, json_is_object (then) ? "stands" : "deleted");
    grid_add (&replay->grid, json_is_object (now) ? "stands" : "deleted");
  } else {
    add_line (replay, verdict, "(outcome)");
    grid_json (&replay->grid, was);
    grid_json (&replay->grid, is);
  }
}

static void
add_reason (struct replay *replay, const json_t *verdict)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  const char *reason = json_string_value (json_object_get (verdict, "now_reason"));
  const json_t *list = json_object_get (verdict, "lacks"), *item;
  size_t i;

  mantis_buf_text (&text, reason ? reason : "");
  json_array_foreach ((json_t *)(uintptr_t)list, i, item)
      mantis_buf_printf (&text, "%s%s",
                         i             ? ", "
                         : text.length ? "; not recorded: "
                                       : "not recorded: ",
                         json_string_value (item));
  grid_add (&replay->grid, text.length ? text.bytes : "-");
}

static void
show (struct replay *replay, const json_t *verdict)
{
  const char *word = json_string_value (json_object_get (verdict, "verdict")), *name;
  json_t *columns = json_object_get (verdict, "columns"), *pair;

  if (strcmp (word, verdicts[SAME]) == 0 || strcmp (word, verdicts[LEFT_OUT]) == 0)
    return;
  if (strcmp (word, verdicts[DIFFERENT]) != 0) {
    add_line (replay, verdict, "(row)");
    grid_add (&replay->grid, "?");
    grid_json (&replay->grid, strcmp (word, verdicts[BROKEN]) == 0
                                  ? json_object_get (verdict, "verdict")
                                  : json_object_get (verdict, "now_outcome"));
    add_reason (replay, verdict);
    return;
  }
  json_object_foreach (columns, name, pair)
  {
    add_line (replay, verdict, name);
    grid_json (&replay->grid, json_array_get (pair, 0));
    grid_json (&replay->grid, json_array_get (pair, 1));
    add_reason (replay, verdict);
  }
  if (json_object_size (columns) == 0) {
    add_row_line (replay, verdict);
    add_reason (replay, verdict);
  }
}

static void
on_verdict (void *context, const json_t *verdict)
{
  struct replay *replay = context;

  count (replay, verdict);
  if (replay->all)
    json_array_append (replay->all, (json_t *)(uintptr_t)verdict);
  else
    show (replay, verdict);
}

/* ---- The records ----------------------------------------------------------------------------- */

/* The records after *AFTER, MOST at most, of which only ONLY is wanted unless that is 0. */
static int
take_page (struct replay *replay, int64_t *after, int most, int64_t only, bool *end)
{
  CLEANUP_BUF struct mantis_buf query = MANTIS_BUF_INIT;
  CLEANUP_JSON json_t *records = json_array ();
  struct trial trial = {
      .ctl = replay->ctl, .config = replay->config, .plugins = replay->plugins, .records = records};
  const json_t *list, *record;
  struct mantis_error error;
  json_t *whole;
  size_t i;
  int result;

  mantis_buf_printf (&query, "limit=%d&after=%lld", most, (long long)*after);
  if (replay->ctl->table) {
    mantis_buf_text (&query, "&table=");
    percent_encode (&query, replay->ctl->table);
  }
  result = ctl_ask (replay->ctl, "replay", query.bytes, NULL, &whole, &trial.page);
  if (result != EXIT_CLEAN)
    return result;
  list = json_object_get (trial.page, "page");
  *end = !json_is_false (json_object_get (list, "end"));
  *after = json_integer_value (json_object_get (list, "after"));
  json_array_foreach (json_object_get (list, "conflicts"), i, record)
  {
    int64_t id = json_integer_value (json_object_get (record, "id"));
    if ((!only || id == only) &&
        json_integer_value (json_object_get (record, "at")) >= replay->since)
      json_array_append (records, (json_t *)(uintptr_t)record);
  }
  if (only && json_array_size (records) == 0) {
    mantis_fail (&error, MANTIS_ABSENT, "there is no conflict %lld, or not of that table and time",
                 (long long)only);
    result = ctl_complain (&error);
  } else if (court_hear (&trial, replay->limit, on_verdict, replay, &error) != MANTIS_OK)
    result = ctl_complain (&error);
  json_decref (whole);
  return result;
}

/* Those that --id names, or all. */
static int
take_all (struct replay *replay)
{
  struct ctl *ctl = replay->ctl;
  int64_t after = 0;
  bool end = false;
  int result = EXIT_CLEAN;

  while (!ctl->ids[0] && !end && result == EXIT_CLEAN)
    result = take_page (replay, &after, PAGE, 0, &end);
  for (size_t i = 0; ctl->ids[i] && result == EXIT_CLEAN; i++)
    for (const char *id = ctl->ids[i]; *id && result == EXIT_CLEAN; id += *id == ',') {
      int64_t only = strtoll (id, (char **)(uintptr_t)&id, 10);
      after = only - 1;
      result = take_page (replay, &after, 1, only, &end);
    }
  return result;
}

/* ---- The sum --------------------------------------------------------------------------------- */

static void
add_sum (struct grid *grid, const char *what, size_t number, const char *note)
{
  char text[24];

  snprintf (text, sizeof text, "%zu", number);
  grid_add (grid, what);
  grid_add (grid, text);
  grid_add (grid, note);
}

static void
print_sum (const struct replay *replay)
{
  const size_t *counts = replay->counts, *lacking = replay->lacking;
  struct grid grid = {.columns = 3};
  char note[160];

  snprintf (note, sizeof note, "%zu columns in %zu rows, the others as a whole", replay->columns,
            replay->rows);
  add_sum (&grid, "the same", counts[SAME], "");
  add_sum (&grid, "different", counts[DIFFERENT], counts[DIFFERENT] ? note : "");
  add_sum (&grid, "unknown", counts[UNKNOWN], "what came out then was not recorded");
  add_sum (&grid, "left out", counts[LEFT_OUT],
           "no policy decided: the database, a filter, a hook, a person, a rule of Mantis; or the "
           "table is gone");
  add_sum (&grid, "failed", counts[BROKEN], "the policy crashed, hung, or gave no decision");
  snprintf (
      note, sizeof note,
      "the policy looks at what was not recorded: base %zu, stamps %zu, time %zu, columns %zu",
      lacking[0], lacking[1], lacking[2], lacking[3]);
  add_sum (&grid, "uncertain", replay->uncertain, replay->uncertain ? note : "");
  grid_print (&grid);
}

static void
print_table (struct replay *replay)
{
  if (replay->grid.count > replay->grid.columns) {
    grid_print (&replay->grid);
    putchar ('\n');
  }
  print_sum (replay);
}

static int
print_all (const struct replay *replay)
{
  const size_t *counts = replay->counts, *lacking = replay->lacking;
  CLEANUP_JSON json_t *answer =
      json_pack ("{s:O, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}}}",
                 "conflicts", replay->all, "sum", "same", (json_int_t)counts[SAME], "different",
                 (json_int_t)counts[DIFFERENT], "unknown", (json_int_t)counts[UNKNOWN], "left_out",
                 (json_int_t)counts[LEFT_OUT], "failed", (json_int_t)counts[BROKEN], "columns",
                 (json_int_t)replay->columns, "uncertain", (json_int_t)replay->uncertain, "lacking",
                 "base", (json_int_t)lacking[0], "stamps", (json_int_t)lacking[1], "time",
                 (json_int_t)lacking[2], "columns", (json_int_t)lacking[3]);

  return answer ? print_json (answer) : EXIT_FAILED;
}

/* A name that was mistyped would pass for a table without conflicts. */
static void
tell_none (const struct replay *replay)
{
  size_t all = 0;

  for (size_t i = 0; i < VERDICTS; i++)
    all += replay->counts[i];
  if (all == 0 && replay->ctl->table)
    fprintf (stderr, "mantisctl: there is no conflict of a table \"%s\"%s\n", replay->ctl->table,
             replay->since ? " since then" : "");
}

static int
result_of (const struct replay *replay)
{
  return replay->counts[BROKEN]                         ? EXIT_BROKEN
         : replay->counts[DIFFERENT]                    ? EXIT_DIFFERENT
         : replay->counts[UNKNOWN] || replay->uncertain ? EXIT_UNTOLD
                                                        : EXIT_CLEAN;
}

/* ---- The command ----------------------------------------------------------------------------- */

/* 2026-11-20, 2026-11-20T14:30, or 7d: so long ago. */
static bool
read_since (const char *text, int64_t *since)
{
  static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
  int64_t ago;

  if (duration_from_text (text, &ago)) {
    *since = mantis_now () - ago;
    return true;
  }
  for (size_t i = 0; i < COUNT_OF (forms); i++) {
    struct tm local = {.tm_isdst = -1};
    const char *end = strptime (text, forms[i], &local);
    if (!end || *end)
      continue;
    *since = (int64_t)mktime (&local) * 1000;
    return true;
  }
  return false;
}

static enum mantis_status
read_arguments (struct replay *replay, struct mantis_error *error)
{
  const struct ctl *ctl = replay->ctl;

  if (ctl->since && !read_since (ctl->since, &replay->since))
    return mantis_fail (error, MANTIS_INVALID,
                        "--since is a time such as 2026-11-20, 2026-11-20T14:30, or 7d for so long "
                        "ago, not \"%s\"",
                        ctl->since);
  if (!duration_from_text (ctl->time_limit ? ctl->time_limit : default_limit, &replay->limit) ||
      replay->limit <= 0)
    return mantis_fail (error, MANTIS_INVALID, "--time-limit is a time such as 10s, not \"%s\"",
                        ctl->time_limit);
  for (size_t i = 0; ctl->ids[i]; i++)
    if (!*ctl->ids[i] || ctl->ids[i][strspn (ctl->ids[i], "0123456789,")] || *ctl->ids[i] == ',')
      return mantis_fail (error, MANTIS_INVALID, "--id is a number, or several: 7,9,12; not \"%s\"",
                          ctl->ids[i]);
  return MANTIS_OK;
}

static void
add_header (struct grid *grid)
{
  static const char *const names[] = {"ID", "TABLE", "KEY", "COLUMN", "THEN", "NOW", "WHY"};

  for (size_t i = 0; i < COUNT_OF (names); i++)
    grid_add (grid, names[i]);
}

int
ctl_replay (struct ctl *ctl)
{
  struct replay replay = {.ctl = ctl, .grid = {.columns = 7}};
  struct mantis_error error;
  int result;

  if (read_arguments (&replay, &error) != MANTIS_OK ||
      ctl_open (ctl, &replay.config, &replay.plugins, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (ctl->json)
    replay.all = json_array ();
  add_header (&replay.grid);
  if ((result = take_all (&replay)) == EXIT_CLEAN) {
    tell_none (&replay);
    if (replay.all)
      result = print_all (&replay);
    else
      print_table (&replay);
    if (result == EXIT_CLEAN)
      result = result_of (&replay);
  }
  grid_free (&replay.grid);
  json_decref (replay.all);
  plugins_free (replay.plugins);
  config_free (replay.config);
  return result;
}
