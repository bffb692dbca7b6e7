/* run_seeds.c - what a fuzzer does, for machines without one: each seed, and changed copies of it.
 *
 * run_seeds [-n CHANGES] [FILE...]: without files, those of the folder SEEDS.  Chance is fixed, so
 * that a run can be repeated; an input that ends the program is left in "crash-input".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { MOST = 1 << 16, CHANGES = 300 };

static const uint8_t *present;
static size_t present_length;
static uint64_t chance = 88172645463325252u;

static uint64_t
draw (void) /* xorshift64, https://www.jstatsoft.org/v08/i14/ */
{
  chance ^= chance << 13;
  chance ^= chance >> 7;
  return chance ^= chance << 17;
}

/* What was being tried when the program ended, for the next one to look at. */
static void
save (void)
{
  int file = open ("crash-input", O_CREAT | O_TRUNC | O_WRONLY, 0644);

  if (file >= 0 && write (file, present, present_length) == (ssize_t)present_length)
    close (file);
}

static void
on_signal (int signal_number)
{
  save ();
  signal (signal_number, SIG_DFL);
  raise (signal_number);
}

/* The sanitizers end a program in their own way. */
extern void __sanitizer_set_death_callback (void (*callback) (void)) __attribute__ ((weak));

static void
watch_death (void)
{
  signal (SIGABRT, on_signal);
  if (__sanitizer_set_death_callback)
    __sanitizer_set_death_callback (save);
  else
    signal (SIGSEGV, on_signal);
}

static void
try (const uint8_t *bytes, size_t length)
{
  present = bytes;
  present_length = length;
  LLVMFuzzerTestOneInput (bytes, length);
}

/* One small change: a byte replaced, a piece removed, repeated or moved. */
static size_t
change (uint8_t *bytes, size_t length)
{
  static const char odd[] = "\r\n\0 \t:;,0fF\x7f\x80\xff";
  size_t at = length ? draw () % length : 0, piece;

  if (length == 0)
    return 0;
  piece = 1 + draw () % (length - at < 16 ? length - at : 16);
  switch (draw () % 5) {
  case 0:
    bytes[at] = (uint8_t)draw ();
    return length;
  case 1:
    bytes[at] = (uint8_t)odd[draw () % (sizeof odd - 1)];
    return length;
  case 2:
    memmove (bytes + at, bytes + at + piece, length - at - piece);
    return length - piece;
  case 3:
    if (length + piece > MOST)
      return length;
    memmove (bytes + at + piece, bytes + at, length - at);
    return length + piece;
  default:
    memmove (bytes + draw () % (length - piece + 1), bytes + at, piece);
    return length;
  }
}

static void
run_file (const char *path, unsigned changes)
{
  static uint8_t seed[MOST], bytes[MOST];
  FILE *file = fopen (path, "rb");
  size_t length;

  if (!file) {
    perror (path);
    exit (1);
  }
  length = fread (seed, 1, sizeof seed, file);
  fclose (file);
  try (seed, length);
  for (unsigned i = 0; i < changes; i++) {
    size_t now = length;
    memcpy (bytes, seed, length);
    for (uint64_t n = 1 + draw () % 4; n; n--)
      now = change (bytes, now);
    try (bytes, now);
  }
}

static unsigned
run_folder (const char *folder, unsigned changes)
{
  DIR *dir = opendir (folder);
  struct dirent *entry;
  unsigned count = 0;
  char path[4096];

  while (dir && (entry = readdir (dir))) {
    if (entry->d_name[0] == '.')
      continue;
    snprintf (path, sizeof path, "%s/%s", folder, entry->d_name);
    run_file (path, changes);
    count++;
  }
  if (dir)
    closedir (dir);
  return count;
}

int
main (int argc, char **argv)
{
  unsigned changes = CHANGES, count = 0;
  int at = 1;

  watch_death ();
  if (argc > 2 && strcmp (argv[1], "-n") == 0) {
    changes = (unsigned)strtoul (argv[2], NULL, 10);
    at = 3;
  }
  for (; at < argc; at++, count++)
    run_file (argv[at], changes);
  if (count == 0 && (count = run_folder (SEEDS, changes)) == 0) {
    fprintf (stderr, "no seeds in %s\n", SEEDS);
    return 1;
  }
  printf ("%u seeds, %u changed copies of each\n", count, changes);
  return 0;
}
