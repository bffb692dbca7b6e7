/* fuzz_config.c - texts of any kind as a configuration.
 *
 * What is checked: nothing crashes or leaks, and what is refused says why.  No plugin is opened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "config/config.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
use (const struct config *config)
{
  config_policy (config, "todos");
  for (size_t i = 0; i < config->table_count; i++)
    config_entry_matches (&config->tables[i], "todos");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const enum mantis_role roles[] = {0, MANTIS_CLIENT, MANTIS_SERVER};
  static bool started;
  char *text = malloc (size + 1);

  if (!text)
    abort ();
  if (!started) {
    json_start ();
    log_set_level (MANTIS_ERROR);
  }
  started = true;
  memcpy (text, data, size);
  text[size] = '\0';
  for (size_t i = 0; i < COUNT_OF (roles); i++) {
    struct mantis_error error = {.status = MANTIS_OK};
    struct config *config = NULL;
    enum mantis_status status = config_parse (text, "/etc/mantis", roles[i], &config, &error);
    if (status == MANTIS_OK)
      use (config);
    else if (!*error.text)
      abort ();
    if (status == MANTIS_OK)
      config_free (config);
  }
  free (text);
  return 0;
}
