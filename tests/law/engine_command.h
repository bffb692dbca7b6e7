/* engine_command.h - see engine_command.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_ENGINE_COMMAND_H
#define MANTIS_ENGINE_COMMAND_H

#include "law.h"
#include "plugin_test.h"

extern const struct engine engine_command;
extern struct mantis_plugin shown; /* what the laws see of the plugin: started already */
void prepare_engine (void);        /* before each law */

#endif
