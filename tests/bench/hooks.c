/* hooks.c - what a program costs that is told of each push, or asked before it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* It writes down how many lines it was told, and how long that took from the first one on. */
static const char program[] =
    "import sys, time\n"
    "count, first = 0, 0\n"
    "for line in sys.stdin.buffer:\n"
    "    first = first or time.monotonic()\n"
    "    count += 1\n"
    "    if b'before_' in line[:20]:\n"
    "        sys.stdout.write('{}\\n')\n"
    "        sys.stdout.flush()\n"
    "print(count, time.monotonic() - first, file=open(sys.argv[1], 'w'))\n";

static const struct hook {
  const char *name, *moment, *what;
} hooks[] = {
    {"after", "after_apply", "pushes of one row, exec told after each"},
    {"before", "before_push", "pushes of one row, exec asked before each"},
};

static void
write_program (void)
{
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s/hook.py", bench_folder);
  if (!(file = fopen (path, "w")) || fputs (program, file) < 0 || fclose (file) != 0) {
    perror ("bench: hook.py");
    exit (1);
  }
}

static void
read_count (const char *name)
{
  double took;
  long count;
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s/%s.count", bench_folder, name);
  if (!(file = fopen (path, "r")) || fscanf (file, "%ld %lf", &count, &took) != 2) {
    fprintf (stderr, "bench: the hook has not written %s\n", path);
    exit (1);
  }
  fclose (file);
  report ("  lines to the program", (double)count / took, "/s", 0, "");
}

void
measure_hooks (int pushes)
{
  double none = pushes_rate ("hooks-none", "", pushes);

  write_program ();
  report ("yardstick: pushes of one row, 50 connections, no hook", none, "/s", 0, "");
  for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
    char options[400], name[40];
    double rate;
    snprintf (name, sizeof name, "hooks-%s", hooks[i].name);
    snprintf (options, sizeof options,
              ",\n \"hooks\": [{\"plugin\": \"exec\", \"command\": [\"python3\", \"hook.py\", "
              "\"%s.count\"], \"on\": [\"%s\"], \"queue_bytes\": \"64M\"}]",
              name, hooks[i].moment);
    rate = pushes_rate (name, options, pushes);
    report (hooks[i].what, rate, "/s", rate / none, "");
    read_count (name);
  }
}
