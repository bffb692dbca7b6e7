/* plugin_test.h - what the laws of mantis-plugin-test are written in.
 *
 * Each law runs in a process of its own, with a time limit: a plugin that crashes, hangs or exits breaks
 * that law and no other.  A law ends when its function returns (it is kept), or in broken() or skip().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PLUGIN_TEST_H
#define MANTIS_PLUGIN_TEST_H

#include <mantis/auth.h>

struct law {
  const char *name;  /* NULL: the table ends */
  const char *claim; /* what is promised, in a sentence; NULL: the name says it */
  void (*run) (void);
};

extern const struct law laws_of_all[], laws_of_resolvers[], laws_of_auths[], laws_of_storages[],
    laws_of_transports[], laws_of_filters[], laws_of_hooks[];

/* ---- What was asked for ---------------------------------------------------------------------- */

enum { MOST_NAMED = 64 };

struct named {
  const char *name, *value;
};

struct settings {
  const char *file, *plugin_dir, *option_file, *storage, *before, *sql, *listener;
  struct named options[MOST_NAMED], listener_options[MOST_NAMED], columns[MOST_NAMED],
      accepted[MOST_NAMED], refused[MOST_NAMED];
  const char *laws[MOST_NAMED], *claims[MOST_NAMED];
  size_t option_count, listener_option_count, column_count, accepted_count, refused_count,
      law_count, claims_count;
  uint64_t seed;
  size_t rows; /* random ones of a law */
  int seconds; /* that a law may take */
};
extern struct settings settings;

/* ---- The plugin ------------------------------------------------------------------------------ */

struct mantis_trial;
extern struct mantis_trial *trial;
extern const struct mantis_plugin *plugin; /* full size, as are its operations */

/* One use of it, with the options that were asked for; stopped when the law is kept. */
void *start_use (void);
/* The same where it is started only: the status. */
enum mantis_status try_start (void **self, struct mantis_error *error);
void stop_uses (void);
/* A use of the plugin --listener, and what that is; stopped with the others. */
const struct mantis_plugin *start_listener (void **self);

extern char law_folder[64]; /* of this law, empty; its name stands for {} in options and commands */
/* TEXT with the name of the folder in the place of each {}; freed by nobody. */
const char *with_folder (const char *text);
/* COMMAND of the shell, with INPUT: its status; what it says goes to standard error. */
int run_command (const char *command, const char *input);

/* ---- Verdicts -------------------------------------------------------------------------------- */

/* What the plugin is asked just now, for the report, should it not come back. */
void doing (const char *format, ...) MANTIS_PRINTF (1, 2);
/* What is under way, as doing() was told. */
const char *what_is_done (void);
void broken (const char *format, ...) MANTIS_PRINTF (1, 2) __attribute__ ((noreturn));
void skip (const char *format, ...) MANTIS_PRINTF (1, 2) __attribute__ ((noreturn));
const char *status_name (enum mantis_status status);

/* ---- Chance and time ------------------------------------------------------------------------- */

void chance_from (uint64_t seed); /* the same numbers again */
uint64_t chance (void);
uint64_t chance_below (uint64_t bound);

/* What mantis_now() is ahead of the clock, in milliseconds; and how often clock and chance of Mantis were asked. */
extern int64_t clock_ahead;
extern unsigned clock_asked, chance_asked;

/* ---- Threads --------------------------------------------------------------------------------- */

/* RUN in several threads at once, and wait for them. */
void in_parallel (void (*run) (void *context), void *context);

#endif
