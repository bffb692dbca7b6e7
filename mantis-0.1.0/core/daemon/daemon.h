/* daemon.h - what the two programs call in libmantis; no promise to anybody else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_DAEMON_H
#define MANTIS_DAEMON_DAEMON_H

#include <mantis/host.h>

enum { EXIT_CLEAN = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

/* The exit status of mantisd and mantisctl. */
MANTIS_PUBLIC int mantis_daemon_main (int argc, char **argv);
MANTIS_PUBLIC int mantis_ctl_main (int argc, char **argv);

#endif
