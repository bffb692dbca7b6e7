/* sync.c - mantisctl sync and scan.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include <stdio.h>

static int
ask (struct ctl *ctl, const char *message, const char *table, const char *done)
{
  const json_t *reply;
  json_t *whole;
  int result = ctl_ask (ctl, message, NULL, table, &whole, &reply);

  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (reply);
  else if (result == EXIT_CLEAN)
    puts (done);
  json_decref (whole);
  return result;
}

int
ctl_sync (struct ctl *ctl)
{
  return ask (ctl, "sync", NULL, "Everything is exchanged.");
}

int
ctl_scan (struct ctl *ctl)
{
  return ask (ctl, "scan", ctl->words[0],
              "It is compared from now on, and what differs is exchanged; `mantisctl status' shows "
              "how far it is.");
}
