/* A descriptor that claims to be whole, and ends after a few words.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/plugin.h>

struct beginning {
  uint32_t magic, abi;
  size_t size;
  uint32_t kind, kind_abi;
};

extern MANTIS_PUBLIC const struct beginning mantis_plugin;
MANTIS_PUBLIC const struct beginning mantis_plugin = {
    MANTIS_MAGIC, MANTIS_ABI, sizeof (struct mantis_plugin), MANTIS_KIND_RESOLVER, 1};
