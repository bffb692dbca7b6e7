/* rules.c - what the filter "where" takes for a row: the same caller again, and another one each time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../unit/where_rig.h"
#include "bench.h"

#include <stdio.h>
#include <time.h>

enum { ROWS = 100000, CALLERS = 1000, SAMPLES = 5 };

static double
cpu_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Microseconds a row, for CALLERS by turns, COUNT of them. */
static double
measure_rows (void *self, const struct mantis_caller *callers, int count)
{
  double took[SAMPLES];

  for (int i = 0; i < SAMPLES; i++) {
    double start = cpu_now ();
    for (int row = 0; row < ROWS; row++)
      rig_ops ()->sees (self, &callers[row % count], &rig_todos, rig_row);
    took[i] = (cpu_now () - start) * 1e6 / ROWS;
  }
  return median (took, SAMPLES);
}

static void
measure_rule (const char *what, const char *read)
{
  static struct mantis_principal principals[CALLERS];
  static struct mantis_caller callers[CALLERS];
  static char claims[CALLERS][100];
  struct mantis_error error = {.status = MANTIS_OK};
  void *self = rig_open (read, NULL, rig_all_tables, NULL, &error);
  char text[100];

  if (!self) {
    fprintf (stderr, "bench: %s\n", error.text);
    exit (1);
  }
  for (int i = 0; i < CALLERS; i++) {
    snprintf (claims[i], sizeof claims[i],
              "{\"sub\":\"till-%d\",\"shop\":%d,\"roles\":[\"till\"],\"exp\":1795422112}", i, i);
    principals[i] = (struct mantis_principal){
        .size = sizeof *principals, .subject = "ann", .claims = claims[i]};
    callers[i] = (struct mantis_caller){.size = sizeof *callers,
                                        .principal = &principals[i],
                                        .node = "till",
                                        .lender = &rig_lender};
  }
  snprintf (text, sizeof text, "filter where, %s: a row", what);
  report (text, measure_rows (self, callers, 1), "us", 0, "at most 1");
  snprintf (text, sizeof text, "filter where, %s: another caller each time", what);
  report (text, measure_rows (self, callers, CALLERS), "us", 0, "at most 2");
  rig_free (self);
}

void
measure_rules (void)
{
  measure_rule ("qty = :shop", "qty = :shop and status = 'active'");
  measure_rule ("a membership", "exists (select 1 from members where members.list = todos.list "
                                "and members.user = :sub)");
}
