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
    json_array_append_new (list, explain_use (uses[i]));
  return list;
}

/* Those of every table, then those of each entry that speaks of TABLE: all of them have to agree. */
static json_t *
filters_of (const struct config *config, const char *table)
{
  json_t *list = uses_of (config->filters, config->filter_count);

  for (size_t i = 0; i < config->table_count; i++)
    if (config_entry_matches (&config->tables[i], table)) {
      json_t *more = uses_of (config->tables[i].filters, config->tables[i].filter_count);
      json_array_extend (list, more);
      json_decref (more);
    }
  return list;
}

static json_t *
hooks_of (const struct config *config, const char *table)
{
  json_t *list = json_array ();

  for (size_t i = 0; i < config->hook_count; i++)
    if (config_hook_sees (&config->hooks[i], table))
      json_array_append_new (list, explain_use (config->hooks[i].use));
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
whole_of (const struct ctl *ctl, const struct config *config, const json_t *answer)
{
  const char *principal = ctl->words[0], *table = ctl->words[1];
  const json_t *nodes = json_object_get (answer, "nodes");
  json_t *node;
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)nodes, i, node)
  {
    const char *id = json_string_value (json_object_get (node, "node"));
    json_object_set_new (node, "disabled_by",
                         who_says (config, id, json_is_true (json_object_get (node, "disabled"))));
    json_object_del (node, "disabled");
  }
  return json_pack (
      "{s:s, s:s, s:O?, s:o, s:O, s:o, s:o, s:o, s:o}", "principal", principal, "table", table,
      "refusal", json_object_get (answer, "refusal"), "disabled_by",
      who_says (config, principal, json_is_true (json_object_get (answer, "disabled"))), "nodes",
      nodes, "auth", uses_of (config->auth, config->auth_count), "policy",
      explain_use (config_policy (config, table)), "filters", filters_of (config, table), "hooks",
      hooks_of (config, table));
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

static void
print_all (const json_t *all)
{
  const json_t *nodes = json_object_get (all, "nodes"), *filters = json_object_get (all, "filters"),
               *node;
  const char *refusal = text_of (all, "refusal");
  struct grid grid = {.columns = 3};
  size_t i;

  fact (&grid, "principal", text_of (all, "principal"), "");
  add_verdict (&grid, "is", all);
  add_uses (&grid, "by a token of", json_object_get (all, "auth"));
  json_array_foreach ((json_t *)(uintptr_t)nodes, i, node)
  {
    grid_add (&grid, i ? "" : "its nodes");
    grid_json (&grid, json_object_get (node, "node"));
    grid_add (&grid, text_of (node, "disabled_by") ? "turned away" : "");
  }
  if (json_array_size (nodes) == 0)
    fact (&grid, "its nodes", "none has called yet", "");
  fact (&grid, "table", text_of (all, "table"), refusal ? refusal : "");
  if (refusal)
    fact (&grid, "is", "not synced", "");
  add_uses (&grid, "filters", filters);
  if (json_array_size (filters) == 0)
    fact (&grid, "filters", "none: all rows and columns may be read and written", "");
  add_use (&grid, "conflicts by", json_object_get (all, "policy"));
  add_uses (&grid, "hooks", json_object_get (all, "hooks"));
  grid_print (&grid);
}

int
explain_principal (struct ctl *ctl, const struct config *config)
{
  CLEANUP_JSON json_t *question = json_pack ("{s:s, s:s}", "principal", ctl->words[0], "table",
                                             ctl->words[1]),
                      *all = NULL;
  CLEANUP_FREE char *text = question ? json_dumps (question, JSON_COMPACT) : NULL;
  struct mantis_error error;
  const json_t *answer;
  json_t *whole;
  int result;

  if (!text) {
    mantis_fail (&error, MANTIS_INVALID, "explain: a name that is not UTF-8");
    return ctl_complain (&error);
  }
  if ((result = ctl_ask (ctl, "explain", text, NULL, &whole, &answer)) != EXIT_CLEAN)
    return result;
  all = whole_of (ctl, config, answer);
  if (ctl->json)
    result = all ? print_json (all) : EXIT_FAILED;
  else
    print_all (all);
  json_decref (whole);
  return result;
}
