/* builtin.c - the plugins of a client that lie in libmantis_static.a beside the core: nothing is opened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/builtin.h"

extern const struct mantis_plugin plugin_sqlite, plugin_rest, plugin_websocket;

MANTIS_PUBLIC const struct mantis_plugin *const mantis_builtin[] = {&plugin_sqlite, &plugin_rest,
                                                                    &plugin_websocket, NULL};
