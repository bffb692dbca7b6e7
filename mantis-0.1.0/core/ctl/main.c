/* main.c - mantisctl(1).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/daemon.h"

int
main (int argc, char **argv)
{
  return mantis_ctl_main (argc, argv);
}
