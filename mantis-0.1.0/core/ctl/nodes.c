/* nodes.c - mantisctl nodes: the clients of a server, and who is turned away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* Who has stayed away for longer than the retention compares its tables anew. */
void
grid_behind (struct grid *grid, const json_t *node)
{
  char text[64];

  if (!json_is_true (json_object_get (node, "pruned"))) {
    grid_json (grid, json_object_get (node, "behind"));
    return;
  }
  snprintf (text, sizeof text, "%lld, past the retention",
            json_integer_value (json_object_get (node, "behind")));
  grid_add (grid, text);
}

void
grid_enabled (struct grid *grid, const json_t *node)
{
  const char *by = json_string_value (json_object_get (node, "disabled_by"));
  char text[64] = "yes";

  if (by)
    snprintf (text, sizeof text, "no, by the %s", by);
  grid_add (grid, text);
}

/* Who has not called yet has a name, of which nobody knows whether it is a node's or a subject. */
static void
add_node (struct grid *grid, const json_t *node)
{
  const json_t *name = json_object_get (node, "name");

  grid_json (grid, json_object_get (node, "node"));
  grid_json (grid, name ? name : json_object_get (node, "subject"));
  grid_time (grid, json_object_get (node, "seen_at"));
  grid_behind (grid, node);
  grid_enabled (grid, node);
}

static void
print_nodes (const json_t *nodes)
{
  struct grid grid = {.columns = 5};
  const json_t *node;
  size_t i;

  for (const char *const *name =
           (const char *const[]){"NODE", "SUBJECT", "LAST SEEN", "BEHIND", "ENABLED", NULL};
       *name; name++)
    grid_add (&grid, *name);
  json_array_foreach (nodes, i, node) add_node (&grid, node);
  grid_print (&grid);
}

/* What an order has come to: the rows say whether it hit whom it was meant for. */
static void
print_done (const char *name, bool disabled, const json_t *nodes)
{
  bool called = false;
  const json_t *node;
  size_t i;

  json_array_foreach (nodes, i, node) called |= json_object_get (node, "node") != NULL;
  printf (disabled ? "%s is turned away from now on.\n" : "%s is no longer turned away.\n", name);
  if (!called)
    puts ("No node of that id or subject has called yet: is it spelled right?");
  if (json_array_size (nodes)) {
    putchar ('\n');
    print_nodes (nodes);
  }
}

static int
ask (struct ctl *ctl, const char *message, const char *name)
{
  const json_t *answer, *nodes;
  json_t *whole;
  int result = ctl_ask (ctl, message, name, NULL, &whole, &answer);

  nodes = json_object_get (answer, "nodes");
  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (nodes);
  else if (result == EXIT_CLEAN && name)
    print_done (name, strcmp (message, "disable") == 0, nodes);
  else if (result == EXIT_CLEAN)
    print_nodes (nodes);
  json_decref (whole);
  return result;
}

int
ctl_nodes (struct ctl *ctl)
{
  const char *word = ctl->words[0], *name = ctl->words[1];
  struct mantis_error error;

  if (strcmp (word, "list") == 0 && !name)
    return ask (ctl, "nodes", NULL);
  if ((strcmp (word, "disable") == 0 || strcmp (word, "enable") == 0) && name)
    return ask (ctl, word, name);
  mantis_fail (&error, MANTIS_INVALID,
               "usage: mantisctl nodes list, or mantisctl nodes disable|enable NODE-OR-SUBJECT");
  return ctl_complain (&error);
}
