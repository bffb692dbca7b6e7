/* ctl.c - mantisctl: its command line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ctl_command ctl_commands[] = {
    {"token", "--subject NAME [--lifetime 30d]", "make a token for a client (server)", 0, 0,
     ctl_token},
    {"status", "", "how far the node is, and what is wrong", 0, 0, ctl_status},
    {"sync", "", "exchange everything now, and wait for it (client)", 0, 0, ctl_sync},
    {"scan", "[TABLE]", "find writes that were not noticed", 0, 1, ctl_scan},
    {"conflicts", "list [--table NAME] [--state open|closed]", "what lost against what, and why", 1,
     1, ctl_conflicts},
    {"conflicts", "show ID", "one of them in full", 2, 2, ctl_conflicts},
    {"conflicts", "resolve ID local|remote|--row JSON [--rev N]", "decide one (server)", 2, 3,
     ctl_conflicts},
    {"conflicts", "restore ID", "bring back what lost (server)", 2, 2, ctl_conflicts},
    {"replay", "[--policy NAME|FILE.so|JSON] [--table NAME] [--id N,...] [--since TIME]",
     "recorded conflicts, put to another policy (server)", 0, 0, ctl_replay},
    {"decide", "--policy NAME|FILE.so|JSON", "one conflict, told on standard input, decided here", 0,
     0, ctl_decide},
    {"explain", "--conflict ID", "who decided about one of them, what, when and why", 0, 0,
     ctl_explain},
    {"explain", "PRINCIPAL TABLE [--claims JSON] [--key JSON]",
     "what somebody may do with a table, by which rule (server)", 2, 2, ctl_explain},
    {"explain", "TABLE --token-file FILE", "the same of whoever shows that token", 1, 1,
     ctl_explain},
    {"nodes", "list", "the clients, and who is turned away (server)", 1, 1, ctl_nodes},
    {"nodes", "disable|enable NODE-OR-SUBJECT", "turn a client away, or no more (server)", 2, 2,
     ctl_nodes},
    {"user", "add NAME [--role ROLE,...]", "somebody who may log in (server)", 2, 2, ctl_user},
    {"user", "passwd|disable|enable|remove NAME", "change that", 2, 2, ctl_user},
    {"user", "list", "who may", 1, 1, ctl_user},
    {"login", "USER", "get a session's token for this node (client)", 1, 1, ctl_login},
    {NULL, NULL, NULL, 0, 0, NULL},
};

enum {
  OPT_MODE = 256,
  OPT_CONFIG,
  OPT_DATABASE,
  OPT_PLUGIN_DIR,
  OPT_JSON,
  OPT_SUBJECT,
  OPT_LIFETIME,
  OPT_TABLE,
  OPT_STATE,
  OPT_ROLE,
  OPT_PASSWORD_FILE,
  OPT_ROW,
  OPT_REV,
  OPT_POLICY,
  OPT_CONFLICT,
  OPT_CLAIMS,
  OPT_TOKEN_FILE,
  OPT_NODE,
  OPT_KEY,
  OPT_KEYS,
  OPT_ID,
  OPT_SINCE,
  OPT_TIME_LIMIT,
  OPT_HELP,
  OPT_VERSION
};

static const struct option long_options[] = {
    {"mode", required_argument, NULL, OPT_MODE},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"database", required_argument, NULL, OPT_DATABASE},
    {"plugin-dir", required_argument, NULL, OPT_PLUGIN_DIR},
    {"row", required_argument, NULL, OPT_ROW},
    {"rev", required_argument, NULL, OPT_REV},
    {"json", no_argument, NULL, OPT_JSON},
    {"subject", required_argument, NULL, OPT_SUBJECT},
    {"lifetime", required_argument, NULL, OPT_LIFETIME},
    {"table", required_argument, NULL, OPT_TABLE},
    {"state", required_argument, NULL, OPT_STATE},
    {"role", required_argument, NULL, OPT_ROLE},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"conflict", required_argument, NULL, OPT_CONFLICT},
    {"claims", required_argument, NULL, OPT_CLAIMS},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"node", required_argument, NULL, OPT_NODE},
    {"key", required_argument, NULL, OPT_KEY},
    {"keys", required_argument, NULL, OPT_KEYS},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"id", required_argument, NULL, OPT_ID},
    {"since", required_argument, NULL, OPT_SINCE},
    {"time-limit", required_argument, NULL, OPT_TIME_LIMIT},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static void
print_help (void)
{
  puts ("Usage: mantisctl [--config FILE | --mode server|client] [OPTION]... COMMAND\n"
        "Look after a node of Mantis, by way of its mantisd where that runs.\n");
  for (const struct ctl_command *c = ctl_commands; c->name; c++)
    printf ("  %-9s %-42s %s\n", c->name, c->usage, c->help);
  puts (
      "\n"
      "      --config FILE          that of the node's mantisd\n"
      "      --mode server|client   which node, where there is no configuration\n"
      "      --database FILE        the node's database, where it differs from the configuration\n"
      "      --plugin-dir DIR       look for plugins in DIR first\n"
      "      --password-file FILE   a password's first line; -: standard input\n"
      "      --node ID              of explain: the node that asks\n"
      "      --keys N               of explain: the keys of the first N rows that are seen\n"
      "      --time-limit DURATION  of replay, for one conflict: 30s where nothing is said\n"
      "      --json                 answers for programs\n"
      "      --version              print the version, and stop\n"
      "      --help                 print this, and stop\n"
      "\n"
      "Status 0: done. 1: it failed. 2: wrong usage or configuration. 3: the node cannot be "
      "reached.\n"
      "Of replay 4: something comes out differently. 5: of some that cannot be told. 6: the policy "
      "failed.\n"
      "See mantisctl(1).");
}

int
ctl_complain (const struct mantis_error *error)
{
  fprintf (stderr, "mantisctl: %s\n", error->text);
  return error->status == MANTIS_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

static enum mantis_status
take_mode (struct options *options, struct mantis_error *error)
{
  if (strcmp (optarg, "server") == 0)
    options->role = MANTIS_SERVER;
  else if (strcmp (optarg, "client") == 0)
    options->role = MANTIS_CLIENT;
  else
    return mantis_fail (error, MANTIS_INVALID, "--mode is \"server\" or \"client\", not \"%s\"",
                        optarg);
  return MANTIS_OK;
}

/* Where the argument of option C goes; NULL: nowhere. */
static const char **
text_of (struct ctl *ctl, int c)
{
  switch (c) {
  case OPT_CONFIG:
    return &ctl->options.config;
  case OPT_DATABASE:
    return &ctl->options.database;
  case OPT_PLUGIN_DIR:
    return &ctl->options.plugin_dir;
  case OPT_SUBJECT:
    return &ctl->subject;
  case OPT_LIFETIME:
    return &ctl->lifetime;
  case OPT_TABLE:
    return &ctl->table;
  case OPT_STATE:
    return &ctl->state;
  case OPT_ROLE:
    return &ctl->role;
  case OPT_PASSWORD_FILE:
    return &ctl->password_file;
  case OPT_ROW:
    return &ctl->row;
  case OPT_REV:
    return &ctl->rev;
  case OPT_CONFLICT:
    return &ctl->conflict;
  case OPT_CLAIMS:
    return &ctl->claims;
  case OPT_TOKEN_FILE:
    return &ctl->token_file;
  case OPT_NODE:
    return &ctl->node;
  case OPT_KEY:
    return &ctl->key;
  case OPT_KEYS:
    return &ctl->keys;
  case OPT_POLICY:
    return &ctl->policy;
  case OPT_SINCE:
    return &ctl->since;
  case OPT_TIME_LIMIT:
    return &ctl->time_limit;
  }
  return NULL;
}

static enum mantis_status
take_id (struct ctl *ctl, struct mantis_error *error)
{
  size_t count = 0;

  while (ctl->ids[count])
    count++;
  if (count + 1 == MOST_IDS)
    return mantis_fail (error, MANTIS_INVALID, "--id %s: give several as one: --id 7,9,12", optarg);
  ctl->ids[count] = optarg;
  return MANTIS_OK;
}

static enum mantis_status
take (struct ctl *ctl, int c, char **argv, struct mantis_error *error)
{
  const char **text = text_of (ctl, c);

  if (c == ':')
    return mantis_fail (error, MANTIS_INVALID, "%s needs a value; see mantisctl --help",
                        argv[optind - 1]);
  if (c == '?')
    return mantis_fail (error, MANTIS_INVALID, "%s is not understood; see mantisctl --help",
                        argv[optind - 1]);
  if (c == OPT_MODE)
    return take_mode (&ctl->options, error);
  if (c == OPT_ID)
    return take_id (ctl, error);
  if (text)
    *text = optarg;
  ctl->json |= c == OPT_JSON;
  ctl->help |= c == OPT_HELP;
  ctl->version |= c == OPT_VERSION;
  return MANTIS_OK;
}

static enum mantis_status
parse (int argc, char **argv, struct ctl *ctl, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  int c;

  opterr = 0;
  optind = 0;
  while (status == MANTIS_OK && (c = getopt_long (argc, argv, ":", long_options, NULL)) != -1)
    status = take (ctl, c, argv, error);
  if (status != MANTIS_OK || ctl->help || ctl->version)
    return status;
  if (optind == argc)
    return mantis_fail (error, MANTIS_INVALID, "which command? see mantisctl --help");
  ctl->command = argv[optind];
  ctl->words = argv + optind + 1;
  return MANTIS_OK;
}

static int
run (struct ctl *ctl, int count)
{
  struct mantis_error error;
  const struct ctl_command *named = NULL;
  size_t words = (size_t)count;

  for (const struct ctl_command *c = ctl_commands; c->name; c++) {
    if (strcmp (c->name, ctl->command) != 0)
      continue;
    named = c;
    if (words >= c->least && words <= c->most)
      return c->run (ctl);
  }
  if (named)
    mantis_fail (&error, MANTIS_INVALID, "usage: mantisctl %s %s", named->name, named->usage);
  else
    mantis_fail (&error, MANTIS_INVALID, "there is no command \"%s\"; see mantisctl --help",
                 ctl->command);
  return ctl_complain (&error);
}

int
mantis_ctl_main (int argc, char **argv)
{
  struct ctl ctl = {.json = false};
  struct mantis_error error;
  int result = EXIT_CLEAN;

  signal (SIGPIPE, SIG_IGN);
  log_set_level (MANTIS_WARNING);
  if (parse (argc, argv, &ctl, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (ctl.help)
    print_help ();
  else if (ctl.version)
    printf ("mantisctl %s\n", mantis_version ());
  else
    result = run (&ctl, argc - optind - 1);
  if (fflush (stdout) != 0 && result == EXIT_CLEAN)
    result = EXIT_FAILED;
  return result;
}
