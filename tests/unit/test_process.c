/* Programs that plugins run: their streams, what they inherit, how they end, and their group with them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "process.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE = 30 * 1000 * 1000 };

static struct process
run (const char *script)
{
  const char *const command[] = {"sh", "-c", script, NULL};
  struct process process;
  struct mantis_error error;

  ck_assert_msg (process_start (&process, command, "/", &error) == MANTIS_OK, "%s", error.text);
  return process;
}

/* All that comes from FD until its end. */
static char *
read_all (int fd)
{
  static char text[10000];
  size_t length = 0;
  ssize_t got = 1;

  while (got != 0) {
    ck_assert (process_wait (fd, false, mantis_monotonic () + PATIENCE));
    got = read (fd, text + length, sizeof text - 1 - length);
    ck_assert (got >= 0 || errno == EAGAIN);
    length += got > 0 ? (size_t)got : 0;
  }
  text[length] = '\0';
  return text;
}

static const char *
end_of (struct process *process)
{
  static char text[100];
  int64_t until = mantis_monotonic () + PATIENCE;

  while (!process_ended (process, text, sizeof text)) {
    ck_assert (mantis_monotonic () < until);
    usleep (1000);
  }
  return text;
}

START_TEST (streams)
{
  struct process process = run ("cat; echo complaint >&2; exit 3");

  ck_assert_int_eq (write (process.in, "a line\n", 7), 7);
  process_close_in (&process);
  ck_assert_str_eq (read_all (process.out), "a line\n");
  ck_assert_str_eq (read_all (process.err), "complaint\n");
  ck_assert_str_eq (end_of (&process), "exit status 3");
  process_kill (&process);
}
END_TEST

/* Neither files that we have open, nor signals that we block or ignore, nor our folder. */
START_TEST (inherits_nothing)
{
  int leak = open ("/dev/null", O_RDONLY);
  sigset_t all;
  struct process process;

  ck_assert (leak >= 0 && fcntl (leak, F_DUPFD, 100) >= 100);
  signal (SIGPIPE, SIG_IGN);
  sigfillset (&all);
  sigprocmask (SIG_BLOCK, &all, NULL);
  /* Of the signals the lower 28; the C library has some above for itself.  Without a child:
     dash blocks all signals while it starts one. */
  process = run ("pwd; while read -r name value; do "
                 "case $name in SigBlk:|SigIgn:) echo $name ${value#?????????} ;; esac; "
                 "done < /proc/self/status; exec ls /proc/self/fd");
  process_close_in (&process);
  /* 3 is the folder that ls reads. */
  ck_assert_str_eq (read_all (process.out), "/\nSigBlk: 0000000\nSigIgn: 0000000\n0\n1\n2\n3\n");
  process_kill (&process);
}
END_TEST

START_TEST (group_goes_along)
{
  struct process process = run ("sleep 1000 & echo $!; wait");
  char line[20] = "";
  pid_t child;

  ck_assert (process_wait (process.out, false, mantis_monotonic () + PATIENCE));
  ck_assert (read (process.out, line, sizeof line - 1) > 0);
  child = atoi (line);
  ck_assert (child > 1 && getpgid (child) == process.pid && process.pid != getpgrp ());
  process_kill (&process);
  ck_assert_int_eq (process.pid, 0);
  for (int64_t until = mantis_monotonic () + PATIENCE; getpgid (child) > 0;) {
    char state[64], name[40];
    FILE *status;
    snprintf (name, sizeof name, "/proc/%d/stat", child);
    status = fopen (name, "r"); /* a zombie until whoever adopted it looks */
    if (!status || !fgets (state, sizeof state, status) || strstr (state, ") Z"))
      break;
    fclose (status);
    ck_assert (mantis_monotonic () < until);
    usleep (1000);
  }
}
END_TEST

START_TEST (killed)
{
  struct process process = run ("kill -9 $$");

  ck_assert_str_eq (end_of (&process), "killed by signal 9");
  ck_assert (process_ended (&process, (char[10]){0}, 10));
  process_kill (&process);
}
END_TEST

START_TEST (cannot_start)
{
  const char *const command[] = {"./no-such-program", NULL}, *const real[] = {"true", NULL};
  struct process process;
  struct mantis_error error;

  ck_assert_int_eq (process_start (&process, command, "/", &error), MANTIS_FAILED);
  ck_assert_msg (strstr (error.text, "./no-such-program") && strstr (error.text, "No such file"),
                 "%s", error.text);
  ck_assert_int_eq (process_start (&process, real, "/no-such-folder", &error), MANTIS_FAILED);
  process_kill (&process); /* there is none */
}
END_TEST

int
main (void)
{
  SRunner *runner;
  TCase *tcase = tcase_create ("process");
  Suite *suite = suite_create ("process");
  int failed;

  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, streams);
  tcase_add_test (tcase, inherits_nothing);
  tcase_add_test (tcase, group_goes_along);
  tcase_add_test (tcase, killed);
  tcase_add_test (tcase, cannot_start);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
