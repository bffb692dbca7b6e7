/* fault.c - places where a test may let the process die or wait.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/fault.h"
#include "base/base.h"

#ifdef MANTIS_TESTING
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMES = 32, LOOK_AGAIN = 2000 /* microseconds */ };

static atomic_int passed;
static struct {
  const char *_Atomic name;
  atomic_int passed;
} places[MAX_NAMES];

/* How often NAME has been passed, this time included. */
static int
count_name (const char *name)
{
  for (size_t i = 0; i < MAX_NAMES; i++) {
    const char *none = NULL;
    if (atomic_compare_exchange_strong (&places[i].name, &none, name) || strcmp (none, name) == 0)
      return atomic_fetch_add (&places[i].passed, 1) + 1;
  }
  return 0;
}

static void
die_at (const char *flag, int count)
{
  const char *at = mantis_flag (flag);

  if (at && atoi (at) == count) {
    mantis_log (MANTIS_INFO, "fault point: dying at %s, %d", flag, count);
    raise (SIGKILL);
  }
}

void
fault_point (const char *name)
{
  char flag[80];
  const char *file;
  bool told = false;

  die_at ("die", atomic_fetch_add (&passed, 1) + 1);
  snprintf (flag, sizeof flag, "die.%s", name);
  die_at (flag, count_name (name));
  snprintf (flag, sizeof flag, "pause.%s", name);
  file = mantis_flag (flag);
  for (; file && access (file, F_OK) == 0; usleep (LOOK_AGAIN)) {
    if (!told)
      mantis_log (MANTIS_INFO, "%s: paused", name);
    told = true;
  }
}
#else
typedef int no_fault_points; /* ISO C wants something in a file */
#endif
