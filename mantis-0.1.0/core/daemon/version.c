/* version.c - which Mantis is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/mantis.h>

#include "config.h"

const char *
mantis_version (void)
{
  return PACKAGE_VERSION;
}
