/* bad.h - a resolver with nothing wrong with it, and a descriptor to break.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

__attribute__ ((unused)) static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena, (void)error;
  return MANTIS_KEEP_LOCAL;
}

__attribute__ ((unused)) static const struct mantis_resolver ops = {.size = sizeof ops,
                                                                    .decide = decide};

/* The descriptor; what is wrong comes last and overrides what is right. */
#define BAD(plugin_name, ...)                                                                      \
  extern MANTIS_PUBLIC const struct mantis_plugin mantis_plugin;                                   \
  MANTIS_PUBLIC const struct mantis_plugin mantis_plugin = {.magic = MANTIS_MAGIC,                 \
                                                            .abi = MANTIS_ABI,                     \
                                                            .size = sizeof (struct mantis_plugin), \
                                                            .kind = MANTIS_KIND_RESOLVER,          \
                                                            .kind_abi = MANTIS_RESOLVER_ABI,       \
                                                            .name = plugin_name,                   \
                                                            .ops = &ops,                           \
                                                            __VA_ARGS__}

#pragma GCC diagnostic ignored "-Woverride-init"
