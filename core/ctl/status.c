/* status.c - mantisctl status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static const json_t *
at (const json_t *object, const char *name)
{
  return json_object_get (object, name);
}

static void
fact (struct grid *grid, const char *name, const json_t *value)
{
  grid_add (grid, name);
  grid_json (grid, value);
}

static void
fact_time (struct grid *grid, const char *name, const json_t *value)
{
  grid_add (grid, name);
  grid_time (grid, value);
}

/* What a client is about, in a word. */
static const char *
state_of (const json_t *whole, const json_t *status)
{
  if (!json_is_true (at (status, "enabled")))
    return "disabled: changes wait";
  if (json_is_true (at (status, "disabled")))
    return "disabled by the server: changes wait";
  if (at (whole, "obstacle") || at (status, "trouble"))
    return "in trouble";
  if (json_is_true (at (status, "in_parts")))
    return "loading in parts";
  return json_is_true (at (status, "caught_up")) ? "up to date" : "at work";
}

/* Rows that do not move until somebody mends something. */
static void
print_stuck (const json_t *stuck)
{
  struct grid grid = {.columns = 5};
  const json_t *group;
  size_t i;

  if (json_array_size (stuck) == 0)
    return;
  putchar ('\n');
  for (const char *const *name =
           (const char *const[]){"STUCK", "TABLE", "ROWS", "FIRST KEY", "REASON", NULL};
       *name; name++)
    grid_add (&grid, *name);
  json_array_foreach (stuck, i, group)
  {
    grid_json (&grid, at (group, "what"));
    grid_json (&grid, at (group, "table"));
    grid_json (&grid, at (group, "rows"));
    grid_json (&grid, at (group, "key"));
    grid_json (&grid, at (group, "reason"));
  }
  grid_print (&grid);
}

/* Why a table waits, and what may wait in it without being counted. */
static void
add_reason (struct grid *grid, const json_t *table)
{
  const json_t *rows = at (table, "uncompared");
  const char *reason = json_string_value (at (table, "reason"));
  char text[500];

  if (!rows) {
    grid_json (grid, at (table, "reason"));
    return;
  }
  snprintf (text, sizeof text, "%.300s%s%lld row%s%s not compared with the server yet",
            reason ? reason : "", reason ? "; " : "", (long long)json_integer_value (rows),
            json_integer_value (rows) == 1 ? "" : "s",
            json_is_true (at (table, "uncompared_more")) ? " or more" : "");
  grid_add (grid, text);
}

/* What keeps writes from being captured, or kept them. */
static void
print_problems (const json_t *problems)
{
  struct grid grid = {.columns = 4};
  const json_t *problem;
  size_t i;

  if (json_array_size (problems) == 0)
    return;
  putchar ('\n');
  for (const char *const *name = (const char *const[]){"TABLE", "SINCE", "PROBLEM", "NEXT", NULL};
       *name; name++)
    grid_add (&grid, *name);
  json_array_foreach (problems, i, problem)
  {
    const json_t *table = at (problem, "table");
    grid_add (&grid, table ? json_string_value (table) : "all");
    grid_time (&grid, at (problem, "since"));
    grid_json (&grid, at (problem, "what"));
    grid_json (&grid, at (problem, "next"));
  }
  grid_print (&grid);
}

/* Which transport is in use, and why not the preferred one. */
static void
add_transport (struct grid *grid, const json_t *whole)
{
  const char *name = json_string_value (at (whole, "transport"));
  const char *because = json_string_value (at (whole, "because"));
  char text[900];

  if (!name)
    return;
  snprintf (text, sizeof text, "%.60s%s%.800s", name, because ? ", because " : "",
            because ? because : "");
  grid_add (grid, "over");
  grid_add (grid, text);
}

/* What of the configuration a reload could not bring into force. */
static void
print_unapplied (const json_t *unapplied)
{
  struct grid grid = {.columns = 2};
  const json_t *one;
  size_t i;

  if (json_array_size (unapplied) == 0)
    return;
  putchar ('\n');
  grid_add (&grid, "RELOADED");
  grid_add (&grid, "NOT IN FORCE");
  json_array_foreach (unapplied, i, one)
  {
    grid_time (&grid, at (one, "since"));
    grid_json (&grid, at (one, "what"));
  }
  grid_print (&grid);
}

static void
print_client (const json_t *whole, const json_t *status)
{
  struct grid facts = {.columns = 2};
  struct grid tables = {.columns = 7};
  const json_t *table;
  size_t i;

  grid_add (&facts, "client of");
  grid_json (&facts, at (status, "remote"));
  fact (&facts, "node", at (status, "node"));
  grid_add (&facts, "state");
  grid_add (&facts, whole == status ? "no daemon is running" : state_of (whole, status));
  add_transport (&facts, whole);
  if (at (whole, "obstacle"))
    fact (&facts, "obstacle", at (whole, "obstacle"));
  if (at (status, "trouble"))
    fact (&facts, "trouble", at (status, "trouble"));
  fact (&facts, "waiting", at (status, "waiting"));
  if (at (status, "warning"))
    fact (&facts, "warning", at (status, "warning"));
  fact (&facts, "held back", at (status, "held"));
  fact (&facts, "conflicts", at (status, "conflicts"));
  fact_time (&facts, "last push", at (status, "last_push"));
  fact_time (&facts, "last pull", at (status, "last_pull"));
  grid_print (&facts);
  putchar ('\n');
  for (const char *const *name = (const char *const[]){"TABLE", "STATE", "WAITING", "OLDEST",
                                                       "LAST PUSH", "LAST PULL", "REASON", NULL};
       *name; name++)
    grid_add (&tables, *name);
  json_array_foreach (at (status, "tables"), i, table)
  {
    grid_json (&tables, at (table, "table"));
    grid_json (&tables, at (table, "state"));
    grid_json (&tables, at (table, "waiting"));
    grid_time (&tables, at (table, "oldest"));
    grid_time (&tables, at (table, "last_push"));
    grid_time (&tables, at (table, "last_pull"));
    add_reason (&tables, table);
  }
  grid_print (&tables);
  print_stuck (at (status, "stuck"));
  print_problems (at (status, "problems"));
  print_unapplied (at (whole, "unapplied"));
}

static void
print_nodes (const json_t *status)
{
  struct grid nodes = {.columns = 6};
  const json_t *node;
  size_t i;

  for (const char *const *name = (const char *const[]){"CLIENT", "SUBJECT", "BATCHES", "LAST SEEN",
                                                       "BEHIND", "ENABLED", NULL};
       *name; name++)
    grid_add (&nodes, *name);
  json_array_foreach (at (status, "nodes"), i, node)
  {
    grid_json (&nodes, at (node, "node"));
    grid_json (&nodes, at (node, "subject"));
    grid_number (&nodes, at (node, "batches"));
    grid_time (&nodes, at (node, "seen_at"));
    grid_behind (&nodes, node);
    grid_enabled (&nodes, node);
  }
  grid_print (&nodes);
}

static void
print_server (const json_t *whole, const json_t *status)
{
  struct grid facts = {.columns = 2};
  struct grid tables = {.columns = 4};
  const json_t *table;
  size_t i;

  fact (&facts, "server", at (status, "node"));
  fact (&facts, "epoch", at (status, "epoch"));
  grid_add (&facts, "since");
  if (whole == status)
    grid_add (&facts, "no daemon is running");
  else
    grid_time (&facts, at (status, "since"));
  fact (&facts, "revision", at (status, "head"));
  fact (&facts, "conflicts", at (status, "conflicts"));
  grid_print (&facts);
  putchar ('\n');
  for (const char *const *name = (const char *const[]){"TABLE", "STATE", "POLICY", "REASON", NULL};
       *name; name++)
    grid_add (&tables, *name);
  json_array_foreach (at (status, "tables"), i, table)
  {
    grid_json (&tables, at (table, "table"));
    grid_json (&tables, at (table, "state"));
    grid_json (&tables, at (table, "policy"));
    grid_json (&tables, at (table, "reason"));
  }
  grid_print (&tables);
  putchar ('\n');
  print_nodes (status);
  print_problems (at (status, "problems"));
  print_unapplied (at (whole, "unapplied"));
}

/* What the node says, and what its daemon says of itself. */
static int
print_both (const json_t *whole, const json_t *status)
{
  json_t *both = json_copy ((json_t *)status), *facts = json_copy ((json_t *)whole);
  int result;

  json_object_del (facts, "ok");
  json_object_del (facts, "answer");
  json_object_update (both, facts);
  result = print_json (both);
  json_decref (facts);
  json_decref (both);
  return result;
}

int
ctl_status (struct ctl *ctl)
{
  const json_t *status;
  json_t *whole;
  int result = ctl_ask (ctl, "status", NULL, NULL, &whole, &status);
  const char *mode = json_string_value (at (status, "mode"));

  if (result == EXIT_CLEAN && ctl->json)
    result = print_both (whole, status);
  else if (result == EXIT_CLEAN && mode && strcmp (mode, "server") == 0)
    print_server (whole, status);
  else if (result == EXIT_CLEAN)
    print_client (whole, status);
  json_decref (whole);
  return result;
}
