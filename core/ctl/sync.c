/* sync.c - mantisctl sync and scan.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* What went through says nothing of a table that is paused, and of rows that the server could not take yet. */
static void
print_waiting (const json_t *status)
{
  json_int_t waiting = json_integer_value (json_object_get (status, "waiting"));
  const json_t *table;
  size_t i;

  if (waiting == 0)
    puts ("Everything is exchanged.");
  else
    printf ("Everything is exchanged but for %" JSON_INTEGER_FORMAT
            " rows that wait; `mantisctl status' says more.\n",
            waiting);
  json_array_foreach (json_object_get (status, "tables"), i, table)
  {
    const char *state = json_string_value (json_object_get (table, "state"));
    const char *reason = json_string_value (json_object_get (table, "reason"));
    if (state && strcmp (state, "paused") == 0)
      printf ("Table \"%s\" is paused: %s\n", json_string_value (json_object_get (table, "table")),
              reason ? reason : "");
  }
}

int
ctl_sync (struct ctl *ctl)
{
  const json_t *reply;
  json_t *whole = NULL;
  int result = ctl_ask (ctl, "sync", NULL, NULL, &whole, &reply);

  if (result == EXIT_CLEAN && !ctl->json) {
    json_decref (whole);
    whole = NULL;
    result = ctl_ask (ctl, "status", NULL, NULL, &whole, &reply);
  }
  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (reply);
  else if (result == EXIT_CLEAN)
    print_waiting (reply);
  json_decref (whole);
  return result;
}

int
ctl_scan (struct ctl *ctl)
{
  const json_t *reply;
  json_t *whole;
  int result = ctl_ask (ctl, "scan", NULL, ctl->words[0], &whole, &reply);

  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (reply);
  else if (result == EXIT_CLEAN)
    puts ("It is compared from now on, and what differs is exchanged; `mantisctl status' shows "
          "how far it is.");
  json_decref (whole);
  return result;
}
