/* fault.h - places where a test may let the process die or wait; nothing at all in builds without
 * --enable-testing.
 *
 *   -D die=N            SIGKILL at the Nth place passed, whichever it is
 *   -D die.NAME=N       SIGKILL at the Nth time that NAME is passed
 *   -D pause.NAME=FILE  wait at NAME for as long as FILE exists
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_FAULT_H
#define MANTIS_FAULT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef MANTIS_TESTING
void fault_point (const char *name);
#define FAULT_POINT(name) fault_point (name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

#endif
