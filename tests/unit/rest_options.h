/* rest_options.h - fill a plugin's struct from its table of options, for tests without a
 * configuration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef REST_OPTIONS_H
#define REST_OPTIONS_H

#include <mantis/plugin.h>

#include <stdlib.h>
#include <string.h>

/* "16k", "10s", "250ms" in bytes or milliseconds. */
static inline int64_t
option_number (const struct mantis_option *option, const char *text)
{
  char *unit;
  int64_t number = strtoll (text, &unit, 10);

  if (option->type == MANTIS_OPTION_DURATION)
    return number * (strcmp (unit, "ms") == 0 ? 1 : *unit == 'm' ? 60000 : 1000);
  return number * (*unit == 'k' ? 1 << 10 : *unit == 'M' ? 1 << 20 : 1);
}

/* One entry. */
static inline void
option_list (void *field, const char *text)
{
  const char **list = calloc (2, sizeof *list);

  *list = text;
  memcpy (field, &list, sizeof list);
}

static inline void
option_set (const struct mantis_plugin *plugin, void *self, const char *name, const char *text)
{
  for (const struct mantis_option *option = plugin->options; option->name; option++) {
    char *field = (char *)self + option->offset;
    if (strcmp (option->name, name) != 0)
      continue;
    if (option->type == MANTIS_OPTION_BOOL)
      *(bool *)(void *)field = strcmp (text, "true") == 0;
    else if (option->type == MANTIS_OPTION_TEXT || option->type == MANTIS_OPTION_CHOICE ||
             option->type == MANTIS_OPTION_FILE)
      *(const char **)(void *)field = text;
    else if (option->type == MANTIS_OPTION_LIST)
      option_list (field, text);
    else
      *(int64_t *)(void *)field = option_number (option, text);
    return;
  }
  abort ();
}

/* The plugin's struct with all defaults, and a free port. */
static inline void *
options_new (const struct mantis_plugin *plugin)
{
  void *self = calloc (1, plugin->self_size);

  if (!self)
    abort ();
  for (const struct mantis_option *option = plugin->options; option->name; option++)
    if (option->default_value)
      option_set (plugin, self, option->name, option->default_value);
  option_set (plugin, self, "address", "127.0.0.1:0");
  return self;
}

#endif
