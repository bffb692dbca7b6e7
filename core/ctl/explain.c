/* explain.c - mantisctl explain.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/explain.h"

#include "base/base.h"

#include <string.h>

static bool
is_number (const char *text)
{
  return *text > '0' && !text[strspn (text, "0123456789")];
}

int
ctl_explain (struct ctl *ctl)
{
  bool conflict = ctl->conflict && !ctl->words[0];
  bool principal = !ctl->conflict && ctl->words[0] && !ctl->words[1] == (ctl->token_file != NULL);
  struct mantis_error error;
  struct plugins *plugins;
  struct config *config;
  int result;

  if (conflict ? !is_number (ctl->conflict) : !principal) {
    mantis_fail (&error, MANTIS_INVALID,
                 "usage: mantisctl explain PRINCIPAL TABLE, explain TABLE --token-file FILE, or "
                 "explain --conflict ID");
    return ctl_complain (&error);
  }
  if (ctl_open (ctl, &config, &plugins, &error) != MANTIS_OK)
    return ctl_complain (&error);
  result = conflict ? explain_conflict (ctl, config) : explain_principal (ctl, config);
  plugins_free (plugins);
  config_free (config);
  return result;
}
