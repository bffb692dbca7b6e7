/* kinds.c - what is known about each kind of plugin: its number, its struct, what it has to bring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/kinds.h"

#include "base/base.h"
#include "plugin/plugin.h"

#include <mantis/auth.h>
#include <mantis/filter.h>
#include <mantis/hook.h>
#include <mantis/resolver.h>
#include <mantis/storage.h>
#include <mantis/transport.h>

#define NEEDED(type, member)                                                                       \
  {                                                                                                \
#member, offsetof(struct type, member), 0                                                      \
  }
#define GROUPED(type, member, group)                                                               \
  {                                                                                                \
#member, offsetof(struct type, member), group                                                  \
  }

/* A transport listens, or dials, or takes over connections of another one's listener. */
static const struct callback transport_callbacks[] = {
    GROUPED (mantis_transport, listen, 1),    GROUPED (mantis_transport, drain, 1),
    GROUPED (mantis_transport, close, 1),     GROUPED (mantis_transport, address, 1),
    GROUPED (mantis_transport, dial, 2),      GROUPED (mantis_transport, send, 2),
    GROUPED (mantis_transport, interrupt, 2), GROUPED (mantis_transport, hang_up, 2),
    GROUPED (mantis_transport, weigh, 3),     GROUPED (mantis_transport, adopt, 3),
    GROUPED (mantis_transport, dismiss, 3),   {NULL, 0, 0},
};

static const struct callback storage_callbacks[] = {
    NEEDED (mantis_storage, open),      NEEDED (mantis_storage, close),
    NEEDED (mantis_storage, place),     NEEDED (mantis_storage, begin),
    NEEDED (mantis_storage, commit),    NEEDED (mantis_storage, rollback),
    NEEDED (mantis_storage, savepoint), NEEDED (mantis_storage, rollback_to),
    NEEDED (mantis_storage, release),   NEEDED (mantis_storage, defer),
    NEEDED (mantis_storage, check),     NEEDED (mantis_storage, attach),
    NEEDED (mantis_storage, create),    NEEDED (mantis_storage, detach),
    NEEDED (mantis_storage, log_head),  NEEDED (mantis_storage, log_read),
    NEEDED (mantis_storage, log_trim),  NEEDED (mantis_storage, log_disown),
    NEEDED (mantis_storage, versions),  NEEDED (mantis_storage, read),
    NEEDED (mantis_storage, scan),      NEEDED (mantis_storage, apply),
    NEEDED (mantis_storage, park),      NEEDED (mantis_storage, watch),
    NEEDED (mantis_storage, look),      {NULL, 0, 0},
};

static const struct callback auth_callbacks[] = {NEEDED (mantis_auth, authenticate), {NULL, 0, 0}};
static const struct callback resolver_callbacks[] = {NEEDED (mantis_resolver, decide),
                                                     {NULL, 0, 0}};
static const struct callback filter_callbacks[] = {
    NEEDED (mantis_filter, reads), NEEDED (mantis_filter, writes), {NULL, 0, 0}};
static const struct callback hook_callbacks[] = {NEEDED (mantis_hook, happens), {NULL, 0, 0}};

static const struct kind kinds[] = {
    [MANTIS_KIND_TRANSPORT] = {"transport", MANTIS_TRANSPORT_ABI, sizeof (struct mantis_transport),
                               transport_callbacks},
    [MANTIS_KIND_STORAGE] = {"storage", MANTIS_STORAGE_ABI, sizeof (struct mantis_storage),
                             storage_callbacks},
    [MANTIS_KIND_AUTH] = {"auth", MANTIS_AUTH_ABI, sizeof (struct mantis_auth), auth_callbacks},
    [MANTIS_KIND_RESOLVER] = {"resolver", MANTIS_RESOLVER_ABI, sizeof (struct mantis_resolver),
                              resolver_callbacks},
    [MANTIS_KIND_FILTER] = {"filter", MANTIS_FILTER_ABI, sizeof (struct mantis_filter),
                            filter_callbacks},
    [MANTIS_KIND_HOOK] = {"hook", MANTIS_HOOK_ABI, sizeof (struct mantis_hook), hook_callbacks},
};

const struct kind *
kind_find (uint32_t kind)
{
  return kind < COUNT_OF (kinds) && kinds[kind].name ? kinds + kind : NULL;
}

const char *
kind_name (uint32_t kind)
{
  const struct kind *found = kind_find (kind);

  return found ? found->name : NULL;
}
