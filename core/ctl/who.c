/* who.c - mantisctl explain PRINCIPAL TABLE: what somebody may do with a table, by which rule, and where that stands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/explain.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What the configuration says ------------------------------------------------------------- */

static json_t *
uses_of (struct plugin_use *const *uses, size_t count)
{
  json_t *list = json_array ();

  for (size_t i = 0; i < count; i++)
    json_array_append_new (list, config_tell_use (uses[i]));
  return list;
}

/* What is in force there, which may not be what the file says by now. */
static json_t *
filters_of (const json_t *answer)
{
  json_t *list = json_object_get (answer, "filters");

  return list ? json_incref (list) : json_array ();
}

static json_t *
hooks_of (const struct config *config, const char *table)
{
  json_t *list = json_array ();

  for (size_t i = 0; i < config->hook_count; i++)
    if (config_hook_sees (&config->hooks[i], table))
      json_array_append_new (list, config_tell_use (config->hooks[i].use));
  return list;
}

/* Does "nodes" turn NAME away? */
static bool
is_turned_away (const struct config *config, const char *name)
{
  for (size_t i = 0; i < config->node_count; i++)
    if (strcmp (config->nodes[i].id, name) == 0)
      return !config->nodes[i].enabled;
  return false;
}

static json_t *
who_says (const struct config *config, const char *name, bool disabled)
{
  return is_turned_away (config, name) ? json_string ("configuration")
         : disabled                    ? json_string ("administrator")
                                       : json_null ();
}

/* ANSWER, of the server, with what the configuration says. */
static json_t *
whole_of (const struct config *config, const char *table, json_t *answer)
{
  const char *principal = json_string_value (json_object_get (answer, "principal"));
  const json_t *nodes = json_object_get (answer, "nodes");
  json_t *node, *whole;
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)nodes, i, node)
  {
    const char *id = json_string_value (json_object_get (node, "node"));
    json_object_set_new (node, "disabled_by",
                         who_says (config, id, json_is_true (json_object_get (node, "disabled"))));
    json_object_del (node, "disabled");
  }
  whole =
      json_pack ("{s:s, s:o, s:o, s:o, s:o, s:o}", "table", table, "disabled_by",
                 who_says (config, principal, json_is_true (json_object_get (answer, "disabled"))),
                 "auth", uses_of (config->auth, config->auth_count), "policy",
                 config_tell_use (config_policy (config, table)), "filters", filters_of (answer),
                 "hooks", hooks_of (config, table));
  json_object_del (answer, "disabled");
  json_object_update_missing (whole, answer);
  return whole;
}

/* ---- For people ------------------------------------------------------------------------------ */

static const char *
text_of (const json_t *object, const char *name)
{
  return json_string_value (json_object_get (object, name));
}

static void
fact (struct grid *grid, const char *name, const char *value, const char *where)
{
  grid_add (grid, name);
  grid_add (grid, value);
  grid_add (grid, where);
}

static void
add_use (struct grid *grid, const char *name, const json_t *use)
{
  CLEANUP_BUF struct mantis_buf place = MANTIS_BUF_INIT, what = MANTIS_BUF_INIT;
  const json_t *options = json_object_get (use, "options");
  CLEANUP_FREE char *text = json_is_object (options) ? json_dumps (options, JSON_COMPACT) : NULL;

  mantis_buf_text (&what, text ? text : text_of (use, "plugin"));
  mantis_buf_printf (&place, "%s: %s", text_of (use, "file"), text_of (use, "path"));
  fact (grid, name, what.bytes, place.bytes);
}

static void
add_uses (struct grid *grid, const char *name, const json_t *list)
{
  const json_t *use;
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)list, i, use) add_use (grid, i ? "" : name, use);
}

static void
add_verdict (struct grid *grid, const char *name, const json_t *holder)
{
  const char *by = text_of (holder, "disabled_by");

  fact (grid, name, !by ? "let in, if it shows that it is that" : "turned away",
        !by                                 ? ""
        : strcmp (by, "administrator") == 0 ? "mantisctl nodes disable"
                                            : "\"nodes\" of the configuration");
}

/* Filter number PLACE, as in the list above. */
static const char *
filter_name (const json_t *all, const json_t *place, char *text, size_t room)
{
  size_t number = (size_t)json_integer_value (place);
  const json_t *use = json_array_get (json_object_get (all, "filters"), number);

  if (!json_is_integer (place))
    return NULL;
  snprintf (text, room, "%zu. %s", number + 1, use ? text_of (use, "plugin") : "?");
  return text;
}

static void
add_counts (struct grid *grid, const json_t *all)
{
  const json_t *hidden = json_object_get (all, "hidden_by"), *number;
  const char *unfit = text_of (all, "unfit");
  char count[80], by[80];
  size_t i;

  if (unfit)
    fact (grid, "rows", "none: the filters do not fit the table", unfit);
  if (unfit || !json_object_get (all, "rows"))
    return;
  snprintf (count, sizeof count, "%lld of %lld are seen",
            (long long)json_integer_value (json_object_get (all, "seen")),
            (long long)json_integer_value (json_object_get (all, "rows")));
  fact (grid, "rows", count, "");
  json_array_foreach ((json_t *)(uintptr_t)hidden, i, number)
  {
    snprintf (count, sizeof count, "%lld are hidden", (long long)json_integer_value (number));
    CLEANUP_JSON json_t *place = json_integer ((json_int_t)i);
    fact (grid, "", count, filter_name (all, place, by, sizeof by));
  }
}

/* What of ROW may be written, and why not. */
static void
add_writes (struct grid *grid, const json_t *row)
{
  const char *removes = text_of (row, "removes"), *name;
  const json_t *why;

  json_object_foreach (json_object_get (row, "writes"), name, why)
  {
    grid_add (grid, "may write");
    grid_add (grid, name);
    grid_add (grid, json_is_string (why) ? json_string_value (why) : "yes");
  }
  fact (grid, "may delete it", removes ? "no" : "yes", removes ? removes : "");
}

static void
add_row (struct grid *grid, const json_t *all)
{
  const json_t *row = json_object_get (all, "row"), *example = json_object_get (all, "example");
  char by[80];
  const char *hider = filter_name (all, json_object_get (row, "hidden_by"), by, sizeof by);

  if (row) {
    bool there = json_is_true (json_object_get (row, "there"));
    fact (grid, "the row",
          !there                                         ? "is not there"
          : json_is_true (json_object_get (row, "seen")) ? "is seen"
                                                         : "is hidden",
          hider ? hider : "");
  }
  if (example) {
    grid_add (grid, "tried on");
    grid_json (grid, json_object_get (example, "key"));
    grid_add (grid, "with other values");
  }
  row = row ? row : example;
  if (json_is_true (json_object_get (row, "seen")))
    add_writes (grid, row);
}

static void
add_columns (struct grid *grid, const json_t *all)
{
  const json_t *columns = json_object_get (all, "columns"), *column;
  char by[80];
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)columns, i, column)
  {
    const char *hider = filter_name (all, json_object_get (column, "hidden_by"), by, sizeof by);
    grid_add (grid, i ? "" : "columns");
    grid_add (grid, text_of (column, "column"));
    grid_add (grid, hider ? hider : "seen");
  }
}

static void
add_who (struct grid *grid, const json_t *all)
{
  const json_t *nodes = json_object_get (all, "nodes"), *node;
  size_t i;

  fact (grid, "principal", text_of (all, "principal"), "");
  grid_add (grid, "claims");
  grid_json (grid, json_object_get (all, "claims"));
  grid_add (grid, "");
  add_verdict (grid, "is", all);
  add_uses (grid, "by a token of", json_object_get (all, "auth"));
  json_array_foreach ((json_t *)(uintptr_t)nodes, i, node)
  {
    grid_add (grid, i ? "" : "its nodes");
    grid_json (grid, json_object_get (node, "node"));
    grid_add (grid, text_of (node, "disabled_by") ? "turned away" : "");
  }
  if (json_array_size (nodes) == 0)
    fact (grid, "its nodes", "none has called yet", "");
}

static void
print_all (const json_t *all)
{
  const json_t *filters = json_object_get (all, "filters"), *keys = json_object_get (all, "keys"),
               *key;
  const char *refusal = text_of (all, "refusal");
  struct grid grid = {.columns = 3};
  size_t i;

  add_who (&grid, all);
  fact (&grid, "table", text_of (all, "table"), "");
  if (refusal)
    fact (&grid, "is", "not synced", refusal);
  add_uses (&grid, "filters", filters);
  if (json_array_size (filters) == 0)
    fact (&grid, "filters", "none: all rows and columns may be read and written", "");
  add_counts (&grid, all);
  json_array_foreach ((json_t *)(uintptr_t)keys, i, key)
  {
    grid_add (&grid, i ? "" : "keys");
    grid_json (&grid, key);
    grid_add (&grid, "");
  }
  add_columns (&grid, all);
  add_row (&grid, all);
  add_use (&grid, "conflicts by", json_object_get (all, "policy"));
  add_uses (&grid, "hooks", json_object_get (all, "hooks"));
  grid_print (&grid);
}

int
explain_principal (struct ctl *ctl, const struct config *config)
{
  const char *table = ctl->words[ctl->token_file ? 0 : 1];
  struct mantis_error error;
  CLEANUP_JSON json_t *question = sight_question (ctl, &error), *answer = NULL, *all = NULL;
  int result;

  if (!question)
    return ctl_complain (&error);
  if ((result = sight_ask (ctl, question, &answer)) != EXIT_CLEAN)
    return result;
  if (!(all = whole_of (config, table, answer)))
    return EXIT_FAILED;
  if (ctl->json)
    return print_json (all);
  print_all (all);
  return EXIT_CLEAN;
}
