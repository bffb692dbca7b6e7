/* plugin_option.h - a plugin's options, set without a configuration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_TEST_PLUGIN_OPTION_H
#define MANTIS_TEST_PLUGIN_OPTION_H

#include <mantis/plugin.h>

#include <string.h>

/* The option NAME among OPTIONS, in SELF, becomes TEXT, which has to live as long; NULL: NUMBER. */
static inline void
set_option (const struct mantis_option *options, void *self, const char *name, const char *text,
            int64_t number)
{
  for (const struct mantis_option *option = options; option->name; option++)
    if (strcmp (option->name, name) == 0) {
      void *at = (char *)self + option->offset;
      if (text)
        *(const char **)at = text;
      else
        *(int64_t *)at = number;
    }
}

#endif
