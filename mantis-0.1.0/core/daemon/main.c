/* main.c - mantisd(8).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/daemon.h"

int
main (int argc, char **argv)
{
  return mantis_daemon_main (argc, argv);
}
