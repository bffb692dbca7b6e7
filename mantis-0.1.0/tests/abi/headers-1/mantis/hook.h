/* mantis/hook.h - before and after push, pull, apply and conflict: look, change, refuse.
 *
 * Called on a worker thread.  A hook that waits (runs a program, asks the network) declares MANTIS_WAITS.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_HOOK_H
#define MANTIS_HOOK_H

#include <mantis/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_HOOK_ABI 1u

enum mantis_moment {
  MANTIS_BEFORE_PUSH = 1, /* server: a push was decoded, nothing is applied yet; may refuse */
  MANTIS_AFTER_PUSH,      /* server: it is durable */
  MANTIS_BEFORE_PULL,     /* server: may refuse */
  MANTIS_AFTER_PULL,
  MANTIS_BEFORE_APPLY, /* client: pulled changes, before they are stored; may refuse */
  MANTIS_AFTER_APPLY,
  MANTIS_AFTER_CONFLICT /* server: a conflict was decided and recorded */
};

struct mantis_event {
  size_t size;
  uint32_t moment; /* enum mantis_moment */
  const struct mantis_principal *principal; /* NULL on a client */
  const char *node;
  const struct mantis_change *changes;
  size_t change_count;
};

struct mantis_hook {
  size_t size;

  /* A bit (1u << moment) for each moment that this hook wants to see. */
  uint32_t moments;

  /* MANTIS_OK: go on.  At a "before" moment anything else refuses, with the reason in ERROR; at an "after"
   * moment it is logged. */
  enum mantis_status (*happens) (void *self, const struct mantis_event *event,
                                 struct mantis_error *error);
};

#define MANTIS_HOOK_PLUGIN(name, ops, ...)                                                         \
  MANTIS_PLUGIN (name, MANTIS_KIND_HOOK, MANTIS_HOOK_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
