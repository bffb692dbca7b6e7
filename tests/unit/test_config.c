/* mantis.json: what is read, what is filled in, what is refused and in which words (O20, O27).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "config/keys.h"
#include "daemon/options.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mantis-config-XXXXXX";
static struct mantis_error failure;

static struct config *
read_role (const char *text, enum mantis_role role)
{
  struct config *config = NULL;

  ck_assert_msg (config_parse (text, "/etc/x", role, &config, &failure) == MANTIS_OK, "%s",
                 failure.text);
  return config;
}

static const char *
option (const struct plugin_use *use, const char *name)
{
  return json_string_value (json_object_get (use->options.json, name));
}

static void
refuses (const char *text, const char *words)
{
  struct config *config = NULL;

  failure = (struct mantis_error){0};
  ck_assert_msg (config_parse (text, "/etc/x", 0, &config, &failure) != MANTIS_OK, "accepted: %s",
                 text);
  ck_assert_msg (strstr (failure.text, words) != NULL, "%s\n  gave: %s\n  not:  %s", text,
                 failure.text, words);
}

/* The example of the first design document, byte for byte. */
START_TEST (seed_example)
{
  struct config *config = read_role ("{\n"
                                     "  \"mode\": \"client\",\n"
                                     "  \"sync\": {\n"
                                     "    \"enabled\": true,\n"
                                     "    \"server_url\": \"https://api.mantis.io\",\n"
                                     "    \"interval_seconds\": 60,\n"
                                     "    \"conflict_policy\": \"timestamp\"\n"
                                     "  }\n"
                                     "}\n",
                                     0);
  char database[PATH_MAX];

  ck_assert_int_eq (config->role, MANTIS_CLIENT);
  ck_assert (config->enabled);
  ck_assert_str_eq (config->server_url, "https://api.mantis.io");
  ck_assert_int_eq (config->interval, 60000);
  ck_assert_str_eq (config->policy->name, "timestamp");
  ck_assert_str_eq (config->dial->name, "rest");
  ck_assert_str_eq (config->dial_preferred->name, "websocket");
  snprintf (database, sizeof database, "%s/client.db", folder);
  ck_assert_str_eq (option (config->storage, "path"), database);
  ck_assert (config->needs_state_folder);
  ck_assert_uint_eq (config->use_count, 2); /* storage and transport: a wish opens no resolver */
  ck_assert_ptr_null (config->patterns);
  config_free (config);
}
END_TEST

START_TEST (two_files_that_are_a_whole_setup)
{
  struct config *config = read_role (
      "{\"mode\": \"server\", \"storage\": {\"plugin\": \"sqlite\", \"path\": \"office.db\"},"
      "\"listen\": [{\"transport\": \"rest\", \"address\": \"127.0.0.1:8080\"}],"
      "\"auth\": [{\"plugin\": \"jwt\", \"algorithm\": \"HS256\", \"key_file\": \"jwt.key\"}]}",
      0);

  ck_assert_int_eq (config->role, MANTIS_SERVER);
  ck_assert_str_eq (config->storage->options.place.folder, "/etc/x");
  ck_assert_str_eq (config->listen[0]->name, "rest");
  ck_assert_str_eq (config->listen[0]->options.place.path, "$.listen[0]");
  ck_assert_str_eq (config->auth[0]->name, "jwt");
  ck_assert_str_eq (config->policy->name, "timestamp");
  ck_assert (!config->needs_state_folder);
  ck_assert_ptr_null (config->token_file);
  ck_assert (!config->create_tables);
  config_free (config);

  config = read_role (
      "{\"mode\": \"client\", \"storage\": {\"plugin\": \"sqlite\", \"path\": \"tablet.db\"},"
      "\"sync\": {\"server_url\": \"http://127.0.0.1:8080\", \"token_file\": \"tablet.token\","
      "\"interval_seconds\": 60, \"conflict_policy\": \"timestamp\"}}",
      0);
  ck_assert_str_eq (config->token_file, "/etc/x/tablet.token");
  ck_assert (!config->needs_state_folder);
  config_free (config);
}
END_TEST

START_TEST (defaults)
{
  struct config *config = NULL;
  char path[PATH_MAX];
  struct stat status;

  ck_assert_int_eq (config_default (MANTIS_SERVER, &config, &failure), MANTIS_OK);
  ck_assert (config->create_tables);
  ck_assert_str_eq (option (config->listen[0], "address"), "127.0.0.1:8080");
  snprintf (path, sizeof path, "%s/jwt.key", folder);
  ck_assert_str_eq (option (config->auth[0], "key_file"), path);
  snprintf (path, sizeof path, "%s/server.db", folder);
  ck_assert_str_eq (option (config->storage, "path"), path);
  snprintf (path, sizeof path, "%s/client.token", folder);
  ck_assert_str_eq (config->token_file, path);
  ck_assert_int_eq (config->retention, INT64_C (30) * 86400000);
  ck_assert_int_eq (config->workers, sysconf (_SC_NPROCESSORS_ONLN) + 1);
  ck_assert_int_eq (config->batch_rows, 5000);
  ck_assert_int_eq (config->batch_bytes, 2 * 1024 * 1024);
  ck_assert_int_eq (config->whole_rows, 8000);
  ck_assert_int_eq (config->whole_bytes, 8 * 1024 * 1024);
  ck_assert_int_eq (config->log_level, MANTIS_INFO);
  config_free (config);

  ck_assert_int_eq (config_default (MANTIS_CLIENT, &config, &failure), MANTIS_OK);
  ck_assert_str_eq (config->server_url, "http://127.0.0.1:8080");
  ck_assert_str_eq (config->token_file, path); /* the very one that the server leaves */
  ck_assert_ptr_null (config->policy);
  config_free (config);

  snprintf (path, sizeof path, "%s/deep/state:/elsewhere", folder);
  setenv ("STATE_DIRECTORY", path, 1);
  ck_assert_int_eq (config_default (MANTIS_CLIENT, &config, &failure), MANTIS_OK);
  *strchr (path, ':') = '\0';
  ck_assert_str_eq (config->state_folder, path);
  ck_assert_int_eq (config_make_state_folder (config, &failure), MANTIS_OK);
  ck_assert_int_eq (config_make_state_folder (config, &failure), MANTIS_OK);
  ck_assert_int_eq (stat (path, &status), 0);
  ck_assert_uint_eq (status.st_mode & 07777, 0700);
  rmdir (path);
  *strrchr (path, '/') = '\0';
  rmdir (path);
  config_free (config);
}
END_TEST

/* A listener that asks for certificates wants to know who is there. */
START_TEST (certificates_name_their_holders)
{
  struct config *config =
      read_role ("{\"mode\": \"server\", \"listen\": [{\"address\": \":1\"}, {\"address\": \":2\", "
                 "\"tls\": {\"certificate_file\": \"c\", \"client_ca_file\": \"ca\"}}]}",
                 0);

  ck_assert_uint_eq (config->auth_count, 2);
  ck_assert_str_eq (config->auth[0]->name, "certificate");
  ck_assert_str_eq (config->auth[1]->name, "jwt");
  config_free (config);
}
END_TEST

START_TEST (state_folder_of_a_user)
{
  struct config *config = NULL;

  unsetenv ("STATE_DIRECTORY");
  setenv ("XDG_STATE_HOME", "/home/u/state", 1);
  ck_assert_int_eq (config_default (MANTIS_CLIENT, &config, &failure), MANTIS_OK);
  ck_assert_str_eq (config->state_folder,
                    geteuid () == 0 ? "/var/lib/mantis" : "/home/u/state/mantis");
  config_free (config);
  setenv ("XDG_STATE_HOME", "relative", 1);
  setenv ("HOME", "/home/u", 1);
  ck_assert_int_eq (config_default (MANTIS_CLIENT, &config, &failure), MANTIS_OK);
  ck_assert_str_eq (config->state_folder,
                    geteuid () == 0 ? "/var/lib/mantis" : "/home/u/.local/state/mantis");
  config_free (config);
}
END_TEST

START_TEST (everything_said)
{
  struct config *config = read_role (
      "{\"mode\": \"server\","
      "\"plugins\": [\"rest\", \"/opt/acme/vote.so\","
      "  {\"path\": \"./tax.so\", \"name\": \"tax\", \"options\": {\"rate\": 3}}],"
      "\"listen\": [\"rest\", {\"address\": \"[::1]:1\"}],"
      "\"tables\": {\"todos\": {\"conflict_policy\": {\"plugin\": \"vote\", \"quorum\": 3}},"
      "  \"to*\": {\"conflict_policy\": \"tax\", \"filters\": [{\"plugin\": \"where\"}, "
      "\"columns\"]},"
      "  \"*\": {}, \"tool\": {\"conflict_policy\": \"by_name\"}},"
      "\"filters\": [\"where\"], \"hooks\": [{\"plugin\": \"exec\", \"run\": \"x\"}],"
      "\"nodes\": {\"a1\": {\"enabled\": false}, \"b2\": {}},"
      "\"sync\": {\"interval_seconds\": 0.25, \"batch_bytes\": \"64k\", \"conflict_policy\": "
      "\"manual\"},"
      "\"allow_wishes\": true, \"create_tables\": true, \"retention\": \"2h\", \"workers\": 7,"
      "\"log_level\": \"debug\", \"control_socket\": \"c.sock\"}",
      0);

  ck_assert (config->listed);
  ck_assert_uint_eq (config->plugin_count, 3);
  ck_assert_str_eq (config->plugins[0].what, "rest");
  ck_assert_str_eq (config->plugins[2].what, "/etc/x/tax.so");
  ck_assert_str_eq (config->plugins[2].name, "tax");
  ck_assert_str_eq (config->plugins[2].options.place.path, "$.plugins[2].options");
  ck_assert_uint_eq (config->listen_count, 2);
  ck_assert_str_eq (config->patterns[1], "to*");
  ck_assert_ptr_null (config->patterns[4]);
  ck_assert_str_eq (config_policy (config, "todos")->name, "vote");
  ck_assert_str_eq (config_policy (config, "todos")->options.place.path,
                    "$.tables.todos.conflict_policy");
  ck_assert_str_eq (config_policy (config, "tools")->name, "tax");
  ck_assert_str_eq (config_policy (config, "tool")->name, "by_name");
  ck_assert_str_eq (config_policy (config, "notes")->name, "manual");
  ck_assert (config_entry_matches (config->tables + 1, "todos"));
  ck_assert (!config_entry_matches (config->tables, "todos2"));
  ck_assert_str_eq (config->tables[1].filters[1]->name, "columns");
  ck_assert_str_eq (config->tables[1].filters[1]->options.place.path,
                    "$.tables[\"to*\"].filters[1]");
  ck_assert_uint_eq (config->node_count, 2);
  for (size_t i = 0; i < config->node_count; i++)
    ck_assert (config->nodes[i].enabled == (strcmp (config->nodes[i].id, "a1") != 0));
  ck_assert_int_eq (config->interval, 250);
  ck_assert_int_eq (config->batch_bytes, 65536);
  ck_assert_int_eq (config->retention, 7200000);
  ck_assert_int_eq (config->workers, 7);
  ck_assert_int_eq (config->log_level, MANTIS_DEBUG);
  ck_assert_str_eq (config->control_socket, "/etc/x/c.sock");
  ck_assert (config->allow_wishes && config->create_tables);
  for (const struct plugin_use *use = config->uses; use && use->next; use = use->next)
    ck_assert_uint_eq (use->number + 1, use->next->number);
  config_free (config);
}
END_TEST

static const struct {
  const char *text, *words;
} wrong[] = {
    {"", "configuration:1:0: "},
    {"{\"mode\": \"server\"", "configuration:1:17: "},
    {"{\n \"mode\": [1,,2]}", "configuration:2:13: "},
    {"{\"mode\": \"server\", \"mode\": \"client\"}", "duplicate object key"},
    {"[]", "$: must be an object, not a list"},
    {"{\"mode\": \"\\u0000\"}", "configuration:1:"},
    {"{}", "$: needs \"mode\""},
    {"{\"mode\": \"sever\"}",
     "$.mode: \"sever\" is none of server|client, did you mean \"server\"?"},
    {"{\"mode\": \"a\\nb\\u001b\"}", "$.mode: \"a?b?\" is none of server|client"},
    {"{\"mode\": 1}", "$.mode: must be a text, not a number"},
    {"{\"mod\": \"server\"}", "$.mod: Mantis knows no such key, did you mean \"mode\"?"},
    {"{\"wholly unknown\": 1}", "$[\"wholly unknown\"]: Mantis knows no such key"},
    {"{\"sync\": {\"serverurl\": 1}}",
     "$.sync.serverurl: Mantis knows no such key, did you mean \"server_url\"?"},
    {"{\"sync.enabled\": true}", "$[\"sync.enabled\"]: Mantis knows no such key"},
    {"{\"sync\": 1}", "$.sync: must be an object, not a number"},
    {"{\"sync\": {\"enabled\": 1}}", "$.sync.enabled: must be true or false, not a number"},
    {"{\"sync\": {\"enabled\": null}}", "$.sync.enabled: must be true or false, not null"},
    {"{\"sync\": {\"interval_seconds\": 0}}", "$.sync.interval_seconds: out of range"},
    {"{\"sync\": {\"interval_seconds\": -1}}", "$.sync.interval_seconds: must be a duration"},
    {"{\"sync\": {\"interval_seconds\": \"soon\"}}", "$.sync.interval_seconds: must be a duration"},
    {"{\"sync\": {\"batch_rows\": 1.5}}", "$.sync.batch_rows: must be a whole number"},
    {"{\"sync\": {\"batch_bytes\": \"2T\"}}", "$.sync.batch_bytes: must be a size"},
    {"{\"sync\": {\"batch_bytes\": 1}}", "$.sync.batch_bytes: out of range, must be 1k to 1G"},
    {"{\"workers\": 0}", "$.workers: out of range, must be 1 to 1024"},
    {"{\"retention\": \"9999999999999999d\"}", "$.retention: must be a duration"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"api.mantis.io\"}}",
     "$.sync.server_url: must be the address"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"ws://h\"}}",
     "$.sync.server_url: write http:// for WebSocket, too"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"wss://h\"}}",
     "$.sync.server_url: write https:// for WebSocket, too"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"https:///x\"}}",
     "$.sync.server_url: must be the address"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"https://u:p@h\"}}",
     "$.sync.server_url: must be a plain address"},
    {"{\"mode\": \"client\", \"sync\": {\"server_url\": \"wss://h\"}}",
     "$.sync.server_url: write https:// for WebSocket, too"},
    {"{\"mode\": \"client\", \"sync\": {\"transport\": \"./x.so\"}}",
     "$.sync.transport: \"./x.so\" is not the name of a plugin"},
    {"{\"mode\": \"server\", \"listen\": {}}", "$.listen: must be a list, not an object"},
    {"{\"mode\": \"server\", \"listen\": []}", "$.listen: an empty list"},
    {"{\"mode\": \"server\", \"auth\": []}", "$.auth: an empty list"},
    {"{\"mode\": \"server\", \"listen\": [1]}", "$.listen[0]: must be an object"},
    {"{\"mode\": \"server\", \"listen\": [{\"transport\": 1}]}",
     "$.listen[0].transport: must be the name of a plugin"},
    {"{\"mode\": \"server\", \"storage\": {\"plugin\": \"./x.so\"}}",
     "$.storage: \"./x.so\" is not the name of a plugin"},
    {"{\"mode\": \"server\", \"hooks\": [{\"plugn\": \"exec\"}]}",
     "$.hooks[0]: needs \"plugin\": the name of a plugin; is \"plugn\" a slip of the pen?"},
    {"{\"mode\": \"server\", \"hooks\": [{\"plugin\": \"exec\", \"on\": [\"after_push\", \"after_aply\"]}]}",
     "$.hooks[0].on[1]: there is no moment \"after_aply\", did you mean \"after_apply\"?"},
    {"{\"mode\": \"client\", \"hooks\": [{\"plugin\": \"exec\", \"on\": \"before_conflict\"}]}",
     "$.hooks[0].on[0]: conflicts are decided on the server"},
    {"{\"mode\": \"server\", \"hooks\": [\"a\", {\"plugin\": \"b\", \"on_failure\": \"shrug\"}]}",
     "$.hooks[1].on_failure: \"shrug\" is none of refuse|ignore"},
    {"{\"mode\": \"server\", \"plugins\": \"rest\"}", "$.plugins: must be a list"},
    {"{\"mode\": \"server\", \"plugins\": [{}]}", "$.plugins[0]: needs \"path\""},
    {"{\"mode\": \"server\", \"plugins\": [{\"pth\": \"x\"}]}",
     "$.plugins[0].pth: Mantis knows no such key, did you mean \"path\"?"},
    {"{\"mode\": \"server\", \"plugins\": [{\"path\": \"x\", \"options\": 1}]}",
     "$.plugins[0].options: must be an object"},
    {"{\"mode\": \"server\", \"tables\": 1}", "$.tables: must be a list of names"},
    {"{\"mode\": \"server\", \"tables\": [1]}", "$.tables[0]: must be the name of a table"},
    {"{\"mode\": \"server\", \"tables\": [\"\"]}", "$.tables[0]: must be the name of a table"},
    {"{\"mode\": \"server\", \"tables\": [\"a\", \"a\"]}", "$.tables[1]: \"a\" is there twice"},
    {"{\"mode\": \"server\", \"tables\": {\"a\": 1}}", "$.tables.a: must be an object"},
    {"{\"mode\": \"server\", \"tables\": {\"a\": {\"policy\": 1}}}",
     "$.tables.a.policy: Mantis knows no such key"},
    {"{\"mode\": \"server\", \"tables\": {\"a\": {\"filters\": {}}}}",
     "$.tables.a.filters: must be a list"},
    {"{\"mode\": \"server\", \"nodes\": []}", "$.nodes: must be an object"},
    {"{\"mode\": \"server\", \"nodes\": {\"x\": {\"enabled\": 0}}}",
     "$.nodes.x.enabled: must be true or false"},
};

START_TEST (refused)
{
  refuses (wrong[_i].text, wrong[_i].words);
}
END_TEST

/* What stands behind the end, or cannot be seen, is refused at its place, not passed over. */
START_TEST (more_than_a_document)
{
  static const struct {
    const char *text;
    size_t length;
    const char *words;
  } files[] = {
      {"{\"mode\": \"client\"}\0", 19, ":1:19: a NUL byte"},
      {"{\"mode\": \"client\"}\n\n \0{\"x\": 1}", 30, ":3:2: a NUL byte"},
      {"{\"mode\":\0 \"client\"}", 19, ":1:9: a NUL byte"},
      {"{\"mode\": \"client\"}\n{}", 21, ":2:1: "},
      {"{\"mode\": \"client\"} x", 20, ":1:20: "},
      {"\xef\xbb\xbf{\"mode\": \"client\"}", 21, ":1:1: a byte order mark"},
      {"", 0, ":1:0: "},
  };
  char path[] = "/tmp/mantis-config-XXXXXX";
  int file = mkstemp (path);

  ck_assert_int_ge (file, 0);
  for (size_t i = 0; i < COUNT_OF (files); i++) {
    struct mantis_error error;
    struct config *config;
    char expected[100];
    ck_assert_int_eq (ftruncate (file, 0), 0);
    ck_assert_int_eq (pwrite (file, files[i].text, files[i].length, 0), (ssize_t)files[i].length);
    ck_assert_int_eq (config_read (path, 0, &config, &error), MANTIS_INVALID);
    snprintf (expected, sizeof expected, "%s%s", path, files[i].words);
    ck_assert_msg (strstr (error.text, expected) == error.text, "%s, not %s", error.text, expected);
  }
  close (file);
  unlink (path);
}
END_TEST

/* A configuration of deep nesting, or of text that is not UTF-8, is refused like any other. */
START_TEST (hostile)
{
  char *deep = malloc (200001);

  memset (deep, '[', 200000);
  deep[200000] = '\0';
  refuses (deep, "maximum parsing depth");
  free (deep);
  refuses ("{\"mode\": \"\xff\"}", "configuration:1:");
}
END_TEST

START_TEST (mode_of_file_and_of_command_line)
{
  struct config *config = NULL;

  config = read_role ("{}", MANTIS_SERVER);
  ck_assert_int_eq (config->role, MANTIS_SERVER);
  config_free (config);
  config = read_role ("{\"mode\": \"server\"}", MANTIS_SERVER);
  config_free (config);
  ck_assert_int_eq (config_parse ("{\"mode\": \"server\"}", "/", MANTIS_CLIENT, &config, &failure),
                    MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (failure.text, "$.mode: the file says \"server\""));
}
END_TEST

/* ---- The command line ---- */

static enum mantis_status
command (struct config **config, const char *line)
{
  static char words[1000];
  struct options options;
  char *argv[20] = {(char *)"mantisd"}, *rest = NULL;
  int argc = 1;
  enum mantis_status status;

  snprintf (words, sizeof words, "%s", line);
  for (char *word = strtok_r (words, " ", &rest); word; word = strtok_r (NULL, " ", &rest))
    argv[argc++] = word;
  if ((status = options_parse (argc, argv, &options, &failure)) != MANTIS_OK)
    return status;
  return options_config (&options, config, &failure);
}

static const struct {
  const char *line, *words;
} wrong_lines[] = {
    {"--lissten x", "there is no option --lissten, did you mean --listen?"},
    {"--bogus", "there is no option --bogus; see"},
    {"-x", "there is no option -x"},
    {"--mode", "--mode needs a value"},
    {"--mode sever", "--mode is \"server\" or \"client\", not \"sever\""},
    {"--once=1", "--once=1 takes no value"},
    {"--mode server more", "\"more\" is too much"},
    {"--log-level loud", "--log-level is error, warning, info or debug"},
    {"-D x", "-D takes FLAG=VALUE"},
    {"", "give --mode server or --mode client"},
    {"--mode server --server http://x", "--server is for --mode client"},
    {"--mode server --once", "--once is for --mode client"},
    {"--mode client --listen x:1", "--listen is for --mode server"},
    {"--mode client --server ftp://x", "--server: must be the address of a server"},
    {"--config /nowhere/mantis.json", "cannot read the configuration /nowhere/mantis.json"},
    {"--config /tmp", "cannot read the configuration /tmp"},
};

START_TEST (refused_lines)
{
  struct config *config = NULL;

  failure = (struct mantis_error){0};
  ck_assert_int_ne (command (&config, wrong_lines[_i].line), MANTIS_OK);
  ck_assert_msg (strstr (failure.text, wrong_lines[_i].words) != NULL, "%s\n  gave: %s\n  not:  %s",
                 wrong_lines[_i].line, failure.text, wrong_lines[_i].words);
}
END_TEST

START_TEST (overrides)
{
  struct config *config = NULL;
  char path[PATH_MAX], here[PATH_MAX - 10];

  ck_assert_ptr_nonnull (getcwd (here, sizeof here));
  ck_assert_int_eq (command (&config,
                             "--mode server --listen 0.0.0.0:9 --insecure --database ./x.db "
                             "--log-level error -D config.test=1=2"),
                    MANTIS_OK);
  ck_assert_str_eq (option (config->listen[0], "address"), "0.0.0.0:9");
  ck_assert (json_is_true (json_object_get (config->listen[0]->options.json, "insecure")));
  snprintf (path, sizeof path, "%s/x.db", here);
  ck_assert_str_eq (option (config->storage, "path"), path);
  ck_assert_int_eq (config->log_level, MANTIS_ERROR);
  ck_assert_str_eq (mantis_flag ("config.test"), "1=2");
  config_free (config);

  ck_assert_int_eq (command (&config, "--mode client --server https://h:9/ --token-file t "
                                      "--database /d --once"),
                    MANTIS_OK);
  ck_assert_str_eq (config->server_url, "https://h:9");
  snprintf (path, sizeof path, "%s/t", here);
  ck_assert_str_eq (config->token_file, path);
  ck_assert (!config->needs_state_folder);
  config_free (config);
}
END_TEST

/* Overrides of what a file says by a bare name, and of a file that lies elsewhere. */
START_TEST (overrides_of_a_file)
{
  struct config *config = NULL;
  char path[PATH_MAX], line[PATH_MAX + 100];
  FILE *file;

  snprintf (path, sizeof path, "%s/m.json", folder);
  ck_assert_ptr_nonnull (file = fopen (path, "w"));
  fputs ("{\"mode\": \"server\", \"listen\": [\"rest\", \"other\"], \"storage\": \"sqlite\","
         " \"auth\": [{\"key_file\": \"k\"}]}",
         file);
  fclose (file);
  snprintf (line, sizeof line, "--config %s --listen [::1]:5 --database /d.db", path);
  ck_assert_msg (command (&config, line) == MANTIS_OK, "%s", failure.text);
  ck_assert_uint_eq (config->listen_count, 1);
  ck_assert_str_eq (option (config->listen[0], "address"), "[::1]:5");
  ck_assert_str_eq (option (config->storage, "path"), "/d.db");
  ck_assert_str_eq (config->folder, folder);
  ck_assert_str_eq (config->auth[0]->name, "jwt");
  config_free (config);
  unlink (path);
}
END_TEST

/* ---- The manual ---- */

static bool
manual_has (const char *manual, const char *prefix, const char *name)
{
  char item[200];

  snprintf (item, sizeof item, "\n=item B<%s%s>\n", prefix, name);
  return strstr (manual, item) != NULL;
}

START_TEST (manual_names_every_key_and_no_other)
{
  const char *source = getenv ("srcdir");
  struct mantis_buf manual = MANTIS_BUF_INIT;
  char path[PATH_MAX];
  size_t items = 0, keys = 0, got;
  FILE *file;

  snprintf (path, sizeof path, "%s/docs/man/mantis.json.pod", source ? source : ".");
  ck_assert_msg ((file = fopen (path, "r")) != NULL, "no %s", path);
  while ((got = fread (mantis_buf_reserve (&manual, 4096), 1, 4096, file)) > 0)
    manual.length += got;
  fclose (file);
  manual.bytes[manual.length] = '\0';
  for (const struct config_section *s = config_sections; s->prefix; s++)
    for (const struct mantis_option *o = s->keys; o->name; o++, keys++)
      ck_assert_msg (manual_has (manual.bytes, s->prefix, o->name), "%s%s is not in %s", s->prefix,
                     o->name, path);
  for (const char *at = manual.bytes; (at = strstr (at, "\n=item B<")); at++)
    items++;
  ck_assert_uint_eq (items, keys);
  mantis_buf_free (&manual);
}
END_TEST

/* Every option that --help names is in mantisd(8), and the other way round. */
START_TEST (manual_of_the_command_line)
{
  const char *source = getenv ("srcdir"), *help = options_help ();
  struct mantis_buf manual = MANTIS_BUF_INIT;
  size_t items = 0, options = 0, got;
  char path[PATH_MAX];
  FILE *file;

  snprintf (path, sizeof path, "%s/docs/man/mantisd.pod", source ? source : ".");
  ck_assert_msg ((file = fopen (path, "r")) != NULL, "no %s", path);
  while ((got = fread (mantis_buf_reserve (&manual, 4096), 1, 4096, file)) > 0)
    manual.length += got;
  fclose (file);
  manual.bytes[manual.length] = '\0';
  for (const char *at = help; (at = strstr (at, "\n  ")); at++) {
    const char *name = at + 1 + strspn (at + 1, " ");
    char item[100];
    snprintf (item, sizeof item, "\n=item B<%.*s>", (int)strcspn (name, " \n"), name);
    ck_assert_msg (strstr (manual.bytes, item) != NULL, "%s lacks %s", path, item + 1);
    options++;
  }
  for (const char *at = manual.bytes; (at = strstr (at, "\n=item B<-")); at++)
    items++;
  ck_assert_uint_eq (items, options);
  mantis_buf_free (&manual);
}
END_TEST

static void
surroundings (void)
{
  setenv ("STATE_DIRECTORY", folder, 1);
  unsetenv ("XDG_STATE_HOME");
}

int
main (void)
{
  Suite *suite = suite_create ("config");
  TCase *tcase = tcase_create ("config");
  SRunner *runner = srunner_create (suite);
  int failed;

  if (!mkdtemp (folder))
    return 99;
  tcase_add_checked_fixture (tcase, surroundings, NULL);
  tcase_add_test (tcase, seed_example);
  tcase_add_test (tcase, two_files_that_are_a_whole_setup);
  tcase_add_test (tcase, defaults);
  tcase_add_test (tcase, certificates_name_their_holders);
  tcase_add_test (tcase, state_folder_of_a_user);
  tcase_add_test (tcase, everything_said);
  tcase_add_loop_test (tcase, refused, 0, COUNT_OF (wrong));
  tcase_add_test (tcase, more_than_a_document);
  tcase_add_test (tcase, hostile);
  tcase_add_test (tcase, mode_of_file_and_of_command_line);
  if (access (SYSCONFDIR "/mantis/mantis.json", F_OK) == 0)
    puts ("skipped: the command line without --config, as this machine has a configuration");
  else {
    tcase_add_loop_test (tcase, refused_lines, 0, COUNT_OF (wrong_lines));
    tcase_add_test (tcase, overrides);
  }
  tcase_add_test (tcase, overrides_of_a_file);
  tcase_add_test (tcase, manual_names_every_key_and_no_other);
  tcase_add_test (tcase, manual_of_the_command_line);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  rmdir (folder);
  return failed ? 1 : 0;
}
