/* plugin_test.c - mantis-plugin-test(1): the laws of a plugin's kind, tried on it one by one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin_test.h"
#include "daemon/trial.h"

#include <mantis/mantis.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 0, BROKEN = 1, WRONG_USE = 2 }; /* exit statuses */

struct settings settings = {.storage = "sqlite", .seconds = 60, .rows = 200};
struct mantis_trial *trial;
const struct mantis_plugin *plugin;

static const struct {
  uint32_t kind;
  const char *name;
  const struct law *laws;
} kinds[] = {
    {0, "all", laws_of_all},
    {MANTIS_KIND_RESOLVER, "resolver", laws_of_resolvers},
    {MANTIS_KIND_AUTH, "auth", laws_of_auths},
    {MANTIS_KIND_STORAGE, "storage", laws_of_storages},
    {MANTIS_KIND_TRANSPORT, "transport", laws_of_transports},
    {MANTIS_KIND_FILTER, "filter", laws_of_filters},
    {MANTIS_KIND_HOOK, "hook", laws_of_hooks},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

/* ---- One law, in a process of its own -------------------------------------------------------- */

/* What the process has to say, in memory that it shares with this one. */
struct report {
  enum { RUNNING, LAW_KEPT, LAW_BROKEN, LAW_SKIPPED } verdict;
  char text[2000];
  char doing[500];
};
static struct report *report;

const char *
what_is_done (void)
{
  return report->doing;
}

void
doing (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (report->doing, sizeof report->doing, format, args);
  va_end (args);
}

static void __attribute__ ((noreturn)) leave (int verdict, const char *format, va_list args)
{
  vsnprintf (report->text, sizeof report->text, format, args);
  report->verdict = verdict;
  _exit (0);
}

void
broken (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  leave (LAW_BROKEN, format, args);
}

void
skip (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  leave (LAW_SKIPPED, format, args);
}

/* With the folder of this law. */
static void
set_options (void)
{
  struct mantis_error error = {0};

  if (settings.option_file && mantis_trial_read (trial, settings.option_file, &error) != MANTIS_OK)
    broken ("%s", error.text);
  for (size_t i = 0; i < settings.option_count; i++)
    if (mantis_trial_set (trial, settings.options[i].name, with_folder (settings.options[i].value),
                          &error) != MANTIS_OK)
      broken ("%s", error.text);
}

static void __attribute__ ((noreturn)) run_here (const struct law *law)
{
  setpgid (0, 0); /* so that what the plugin starts ends with it */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  chance_from (settings.seed);
  if (trial)
    set_options ();
  law->run ();
  stop_uses ();
  report->verdict = LAW_KEPT;
  _exit (0);
}

/* How the process ended, where it has not said so itself. */
static void
tell_end (int status, bool in_time)
{
  char how[200];

  if (!in_time)
    snprintf (how, sizeof how, "it did not come back within %d s", settings.seconds);
  else if (WIFSIGNALED (status))
    snprintf (how, sizeof how, "it crashed with signal %d (%s)", WTERMSIG (status),
              strsignal (WTERMSIG (status)));
  else
    snprintf (how, sizeof how, "it ended the whole process, with status %d", WEXITSTATUS (status));
  report->verdict = LAW_BROKEN;
  snprintf (report->text, sizeof report->text, "%s%s%s", how, *report->doing ? "; asked: " : "",
            report->doing);
}

static void
remove_folder (void)
{
  char command[100];

  snprintf (command, sizeof command, "rm -rf '%s'", law_folder);
  if (system (command))
    fprintf (stderr, "mantis-plugin-test: %s stays\n", law_folder);
}

/* Wait for the process PID, in whose group are those that it has started. */
static void
await (pid_t pid)
{
  const struct timespec pause = {.tv_nsec = 2000000};
  int64_t end = mantis_monotonic () + (int64_t)settings.seconds * 1000000;
  bool in_time = true;
  int status = 0;

  while (waitpid (pid, &status, WNOHANG) == 0) {
    if (mantis_monotonic () > end) {
      in_time = false;
      kill (pid, SIGKILL);
      waitpid (pid, &status, 0);
      break;
    }
    nanosleep (&pause, NULL);
  }
  kill (-pid, SIGKILL);
  if (report->verdict == RUNNING || !in_time)
    tell_end (status, in_time);
}

static void
run_law (const struct law *law)
{
  pid_t pid;

  *report = (struct report){.verdict = RUNNING};
  snprintf (law_folder, sizeof law_folder, "/tmp/mantis-plugin-test-XXXXXX");
  fflush (NULL);
  if (!mkdtemp (law_folder) || (pid = fork ()) < 0) {
    perror ("mantis-plugin-test");
    exit (WRONG_USE);
  }
  if (pid == 0)
    run_here (law);
  await (pid);
  remove_folder ();
}

/* ---- All of them ----------------------------------------------------------------------------- */

static struct {
  unsigned kept, broken, skipped;
} count;

static bool
is_wanted (const struct law *law)
{
  for (size_t i = 0; i < settings.law_count; i++)
    if (strcmp (settings.laws[i], law->name) == 0)
      return true;
  return settings.law_count == 0;
}

static void
print_law (const char *verdict, const struct law *law)
{
  printf ("%s %s%s%s\n", verdict, law->name, law->claim ? ": " : "", law->claim ? law->claim : "");
}

static void
tell (const struct law *law)
{
  switch (report->verdict) {
  case LAW_KEPT:
    count.kept++;
    print_law ("ok   ", law);
    break;
  case LAW_SKIPPED:
    count.skipped++;
    print_law ("-    ", law);
    printf ("      not tried: %s\n", report->text);
    break;
  default:
    count.broken++;
    print_law ("FAIL ", law);
    printf ("      %s\n", report->text);
  }
}

/* The first law of all is that it starts: one that does not breaks each other law for that reason alone. */
static bool starts = true;

static void
run_laws (const struct law *laws)
{
  for (const struct law *law = laws; law->name; law++) {
    if (!is_wanted (law))
      continue;
    if (!starts) {
      count.skipped++;
      continue;
    }
    run_law (law);
    tell (law);
    if (law == laws_of_all)
      starts = report->verdict == LAW_KEPT;
  }
}

static void
open_plugin (void)
{
  struct mantis_error error = {0};

  doing ("to be opened");
  if (mantis_trial_open (settings.file, settings.plugin_dir, &trial, &error) != MANTIS_OK)
    broken ("%s", error.text);
  plugin = mantis_trial_about (trial);
}

static int
try_plugin (void)
{
  static const struct law opens = {"opens", "mantisd can open it", open_plugin};
  const struct law *laws = NULL;

  run_law (
      &opens); /* in a process of its own: what is linked into the plugin may run when it is opened */
  if (report->verdict != LAW_KEPT) {
    fprintf (stderr, "mantis-plugin-test: %s\n", report->text);
    return WRONG_USE;
  }
  open_plugin ();
  for (size_t i = 0; i < KIND_COUNT; i++)
    if (kinds[i].kind == plugin->kind)
      laws = kinds[i].laws;
  printf ("%s: the %s \"%s\" %s, %s\n", settings.file, mantis_trial_kind (trial), plugin->name,
          plugin->version ? plugin->version : mantis_version (),
          plugin->summary ? plugin->summary : "");
  run_laws (laws_of_all);
  if (laws)
    run_laws (laws);
  if (!starts)
    printf ("      no other law is tried before that\n");
  printf ("%u laws: %u kept, %u broken, %u not tried; --seed %llu\n",
          count.kept + count.broken + count.skipped, count.kept, count.broken, count.skipped,
          (unsigned long long)settings.seed);
  return count.broken ? BROKEN : KEPT;
}

static int
list_laws (void)
{
  for (size_t i = 0; i < KIND_COUNT; i++)
    for (const struct law *law = kinds[i].laws; law->name; law++) {
      printf ("%-10s", kinds[i].name);
      print_law ("", law);
    }
  return KEPT;
}

/* ---- The command line ------------------------------------------------------------------------ */

static const char usage[] =
    "Usage: mantis-plugin-test [OPTION]... FILE.so\n"
    "Open a plugin as mantisd does, and try the laws of its kind on it.\n"
    "\n"
    "  -o, --option NAME=VALUE   an option of the plugin, as in mantis.json\n"
    "      --options FILE        its options, a JSON object\n"
    "      --law NAME            this law only; several times: these\n"
    "      --list                print the laws, and stop\n"
    "      --seed NUMBER         chance of an earlier run\n"
    "      --rows NUMBER         random rows for a law (200)\n"
    "      --seconds NUMBER      that a law may take (60)\n"
    "      --column NAME=TYPE    the tables that are tried have this column, too\n"
    "      --accept WHAT=TEXT    an authentication accepts this: bearer, cookie or certificate\n"
    "      --refuse WHAT=TEXT    and refuses this\n"
    "      --claims JSON             a filter is asked by somebody with these claims, too\n"
    "      --listener PLUGIN     for a transport that takes connections over: this one listens\n"
    "      --listener-option NAME=VALUE\n"
    "                            an option of that one\n"
    "      --storage NAME        for the tables of a plugin (sqlite)\n"
    "      --before COMMAND      makes an empty database, for a storage\n"
    "      --sql COMMAND         writes what comes on its standard input to that database\n"
    "      --plugin-dir DIR      look for plugins in DIR first\n"
    "      --version             print the version, and stop\n"
    "      --help                print this, and stop\n"
    "\n"
    "{} in a value or a command stands for a folder that is made for each law.  See\n"
    "mantis-plugin-test(1).\n";

enum {
  OPT_OPTIONS = 256,
  OPT_LAW,
  OPT_LIST,
  OPT_SEED,
  OPT_ROWS,
  OPT_SECONDS,
  OPT_COLUMN,
  OPT_ACCEPT,
  OPT_REFUSE,
  OPT_CLAIMS,
  OPT_STORAGE,
  OPT_BEFORE,
  OPT_SQL,
  OPT_PLUGIN_DIR,
  OPT_LISTENER,
  OPT_LISTENER_OPTION,
  OPT_VERSION,
  OPT_HELP
};

static const struct option long_options[] = {
    {"option", required_argument, NULL, 'o'},
    {"options", required_argument, NULL, OPT_OPTIONS},
    {"law", required_argument, NULL, OPT_LAW},
    {"list", no_argument, NULL, OPT_LIST},
    {"seed", required_argument, NULL, OPT_SEED},
    {"rows", required_argument, NULL, OPT_ROWS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"column", required_argument, NULL, OPT_COLUMN},
    {"accept", required_argument, NULL, OPT_ACCEPT},
    {"refuse", required_argument, NULL, OPT_REFUSE},
    {"claims", required_argument, NULL, OPT_CLAIMS},
    {"storage", required_argument, NULL, OPT_STORAGE},
    {"before", required_argument, NULL, OPT_BEFORE},
    {"sql", required_argument, NULL, OPT_SQL},
    {"plugin-dir", required_argument, NULL, OPT_PLUGIN_DIR},
    {"listener", required_argument, NULL, OPT_LISTENER},
    {"listener-option", required_argument, NULL, OPT_LISTENER_OPTION},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void __attribute__ ((noreturn)) MANTIS_PRINTF (1, 2) wrong_use (const char *format, ...)
{
  va_list args;

  fprintf (stderr, "mantis-plugin-test: ");
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fprintf (stderr, "; see mantis-plugin-test --help\n");
  exit (WRONG_USE);
}

static void
add_text (const char **list, size_t *length, const char *text)
{
  if (*length == MOST_NAMED)
    wrong_use ("%d of one kind are the most", MOST_NAMED);
  list[(*length)++] = text;
}

/* NAME=VALUE at the end of LIST. */
static void
add_named (struct named *list, size_t *length, char *text)
{
  char *equals = strchr (text, '=');

  if (!equals || equals == text)
    wrong_use ("\"%s\" is not NAME=VALUE", text);
  if (*length == MOST_NAMED)
    wrong_use ("%d of one kind are the most", MOST_NAMED);
  *equals = '\0';
  list[(*length)++] = (struct named){text, equals + 1};
}

static uint64_t
number_of (const char *text, uint64_t most)
{
  char *end;
  uint64_t number;

  errno = 0;
  number = strtoull (text, &end, 10);
  if (errno || *end || end == text || *text == '-' || number > most)
    wrong_use ("\"%s\" is no number that fits here", text);
  return number;
}

static bool
take_text (int c)
{
  const char **texts[] = {[OPT_OPTIONS - OPT_OPTIONS] = &settings.option_file,
                          [OPT_STORAGE - OPT_OPTIONS] = &settings.storage,
                          [OPT_BEFORE - OPT_OPTIONS] = &settings.before,
                          [OPT_SQL - OPT_OPTIONS] = &settings.sql,
                          [OPT_PLUGIN_DIR - OPT_OPTIONS] = &settings.plugin_dir,
                          [OPT_LISTENER - OPT_OPTIONS] = &settings.listener,
                          [OPT_HELP - OPT_OPTIONS] = NULL};

  if (c < OPT_OPTIONS || !texts[c - OPT_OPTIONS])
    return false;
  *texts[c - OPT_OPTIONS] = optarg;
  return true;
}

static void
take (int c)
{
  if (take_text (c))
    return;
  switch (c) {
  case 'o':
    add_named (settings.options, &settings.option_count, optarg);
    break;
  case OPT_LISTENER_OPTION:
    add_named (settings.listener_options, &settings.listener_option_count, optarg);
    break;
  case OPT_COLUMN:
    add_named (settings.columns, &settings.column_count, optarg);
    break;
  case OPT_ACCEPT:
    add_named (settings.accepted, &settings.accepted_count, optarg);
    break;
  case OPT_REFUSE:
    add_named (settings.refused, &settings.refused_count, optarg);
    break;
  case OPT_LAW:
    add_text (settings.laws, &settings.law_count, optarg);
    break;
  case OPT_CLAIMS:
    add_text (settings.claims, &settings.claims_count, optarg);
    break;
  case OPT_SEED:
    settings.seed = number_of (optarg, UINT64_MAX);
    break;
  case OPT_ROWS:
    settings.rows = number_of (optarg, 1000000);
    break;
  case OPT_SECONDS:
    settings.seconds = (int)number_of (optarg, 86400);
    break;
  case OPT_LIST:
    exit (list_laws ());
  case OPT_VERSION:
    printf ("mantis-plugin-test %s\n", mantis_version ());
    exit (KEPT);
  case OPT_HELP:
    fputs (usage, stdout);
    exit (KEPT);
  default:
    wrong_use ("that option is not understood");
  }
}

/* A law that nobody has would be tried by nobody. */
static void
check_laws (void)
{
  for (size_t i = 0; i < settings.law_count; i++) {
    bool known = false;
    for (size_t k = 0; k < KIND_COUNT; k++)
      for (const struct law *law = kinds[k].laws; law->name; law++)
        known |= strcmp (law->name, settings.laws[i]) == 0;
    if (!known)
      wrong_use ("there is no law \"%s\"; --list shows them", settings.laws[i]);
  }
}

/* A file of this folder needs no "./" here, as it does in a configuration. */
static const char *
path_of (const char *file)
{
  static char path[4096];

  if (strchr (file, '/') || access (file, F_OK) != 0)
    return file;
  snprintf (path, sizeof path, "./%s", file);
  return path;
}

int
main (int argc, char **argv)
{
  int c;

  mantis_random (&settings.seed, sizeof settings.seed);
  settings.seed >>= 40; /* short enough to be typed */
  while ((c = getopt_long (argc, argv, "o:", long_options, NULL)) != -1)
    take (c);
  if (optind + 1 != argc)
    wrong_use ("one plugin is needed");
  check_laws ();
  settings.file = path_of (argv[optind]);
  report = mmap (NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (report == MAP_FAILED) {
    perror ("mantis-plugin-test");
    return WRONG_USE;
  }
  signal (SIGPIPE, SIG_IGN);
  return try_plugin ();
}
