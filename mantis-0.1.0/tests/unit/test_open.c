/* Which plugins a configuration opens, which it refuses, and where options come from (O20).
 *
 * Storage, transport and authentication are stand-ins linked into this program; the resolver is the
 * shared object of tests/abi.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "config/config.h"
#include "plugin/kinds.h"

#include <mantis/resolver.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef OLD_PLUGINS
#define OLD_PLUGINS "tests/abi/.libs"
#endif

static struct mantis_error failure;
static char here[4096], extra[] = "/tmp/mantis-open-XXXXXX";

static void
nothing (void)
{
}

/* Operations of KIND that can be opened and are never called. */
static const void *
stand_in (uint32_t kind)
{
  static struct {
    size_t size;
    char rest[1000];
  } room[MANTIS_KIND_HOOK + 1];
  void (*pointer) (void) = nothing;

  room[kind].size = kind_find (kind)->ops_size;
  for (const struct callback *c = kind_find (kind)->callbacks; c->name; c++)
    memcpy ((char *)&room[kind] + c->offset, &pointer, sizeof pointer);
  return &room[kind];
}

struct any {
  const char *path, *address, *algorithm, *key_file;
};

static const struct mantis_option any_options[] = {
    MANTIS_FILE (struct any, path, NULL, "of the database"),
    MANTIS_TEXT_OPTION (struct any, address, NULL, "to listen on"),
    MANTIS_TEXT_OPTION (struct any, algorithm, NULL, "of the key"),
    MANTIS_FILE (struct any, key_file, NULL, "with the key"),
    {.name = NULL},
};

static void
add_stand_in (struct plugins *plugins, uint32_t kind, const char *name)
{
  struct mantis_plugin about = {.magic = MANTIS_MAGIC,
                                .abi = MANTIS_ABI,
                                .size = sizeof about,
                                .kind = kind,
                                .kind_abi = 1,
                                .name = name,
                                .self_size = sizeof (struct any),
                                .options = any_options};

  about.ops = stand_in (kind);
  ck_assert_msg (plugins_add_static (plugins, &about, &failure) == MANTIS_OK, "%s", failure.text);
}

/* Open the plugins of TEXT, in which @ stands for the folder of the resolver. */
static enum mantis_status
open_config (const char *text, struct config **config, struct plugins **plugins)
{
  const char *const folders[] = {extra, here, NULL};
  struct mantis_buf full = MANTIS_BUF_INIT;

  for (; *text; text++)
    if (*text == '@')
      mantis_buf_text (&full, here);
    else
      mantis_buf_char (&full, *text);
  ck_assert_msg (config_parse (full.bytes, "/etc/x", 0, config, &failure) == MANTIS_OK, "%s",
                 failure.text);
  mantis_buf_free (&full);
  *plugins = plugins_new (folders);
  add_stand_in (*plugins, MANTIS_KIND_STORAGE, "sqlite");
  add_stand_in (*plugins, MANTIS_KIND_TRANSPORT, "rest");
  add_stand_in (*plugins, MANTIS_KIND_AUTH, "jwt");
  return config_open_plugins (*config, *plugins, &failure);
}

static void
opens (const char *text, const char *decisions)
{
  static const char *const tables[] = {"todos", "notes"};
  struct config *config;
  struct plugins *plugins;

  ck_assert_msg (open_config (text, &config, &plugins) == MANTIS_OK, "%s", failure.text);
  for (size_t i = 0; decisions[i]; i++) {
    struct mantis_conflict conflict = {.size = sizeof conflict};
    struct instance *instance = NULL;
    const struct mantis_resolver *ops;
    ck_assert_msg (instance_new (plugins, config_policy (config, tables[i]), &instance, &failure) ==
                       MANTIS_OK,
                   "%s", failure.text);
    ops = instance->ops;
    ck_assert_int_eq (ops->decide (instance->self, &conflict, NULL, NULL, &failure),
                      decisions[i] == 'k' ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE);
    instance_free (instance);
  }
  plugins_free (plugins);
  config_free (config);
}

static void
refuses (const char *text, const char *words)
{
  struct config *config;
  struct plugins *plugins;

  ck_assert_msg (open_config (text, &config, &plugins) != MANTIS_OK, "opened: %s", text);
  ck_assert_msg (strstr (failure.text, words) != NULL, "gave: %s\nnot:  %s", failure.text, words);
  plugins_free (plugins);
  config_free (config);
}

/* Without "plugins", what is used is opened; the default resolver is not there, and nobody needs
 * it. */
START_TEST (what_is_used)
{
  opens ("{\"mode\": \"server\", \"sync\": {\"conflict_policy\": \"old_resolver\"}}", "kk");
  refuses ("{\"mode\": \"server\"}", "$.sync.conflict_policy: there is no plugin \"timestamp\"");
}
END_TEST

START_TEST (what_is_listed)
{
  opens ("{\"mode\": \"server\", \"plugins\": [\"@/old_resolver.so\"],"
         " \"sync\": {\"conflict_policy\": \"old_resolver\"}}",
         "kk");
  opens ("{\"mode\": \"server\", \"plugins\": [\"old_resolver\"],"
         " \"sync\": {\"conflict_policy\": \"old_resolver\"}}",
         "kk");
  refuses ("{\"mode\": \"server\", \"plugins\": [],"
           " \"tables\": {\"todos\": {\"conflict_policy\": \"old_resolver\"}}}",
           "$.sync.conflict_policy: the resolver \"timestamp\" is not among the plugins");
  refuses ("{\"mode\": \"server\", \"plugins\": [\"old_resolver\"], \"storage\": \"mysql\"}",
           "$.storage: the storage \"mysql\" is not among the plugins");
  refuses ("{\"mode\": \"server\", \"plugins\": [\"old_resolver\", \"vote\"]}",
           "$.plugins[1]: there is no plugin \"vote\"");
  refuses ("{\"mode\": \"server\", \"plugins\": [\"./vote.so\"]}",
           "$.plugins[0]: cannot open plugin /etc/x/vote.so");
}
END_TEST

/* Options of the list count for each use, those of the use before them; in its table only. */
START_TEST (options_of_list_and_use)
{
  opens ("{\"mode\": \"server\", \"plugins\": ["
         "{\"path\": \"@/old_resolver.so\", \"name\": \"tax\", \"options\": {\"keep\": false}}],"
         " \"tables\": {\"todos\": {\"conflict_policy\": {\"plugin\": \"tax\", \"keep\": true}}},"
         " \"sync\": {\"conflict_policy\": \"tax\"}}",
         "kt");
  opens ("{\"mode\": \"server\", \"tables\": {\"*\": {},"
         " \"no*\": {\"conflict_policy\": {\"plugin\": \"old_resolver\", \"keep\": false}}},"
         " \"sync\": {\"conflict_policy\": \"old_resolver\"}}",
         "kt");
  refuses (
      "{\"mode\": \"server\", \"plugins\": ["
      "{\"path\": \"old_resolver\", \"options\": {\"kep\": false}}],"
      " \"sync\": {\"conflict_policy\": \"old_resolver\"}}",
      "$.plugins[0].options.kep: resolver plugin \"old_resolver\" knows no such key, did you mean "
      "\"keep\"?");
  refuses ("{\"mode\": \"server\", \"sync\": {\"conflict_policy\": \"old_resolver\"}, \"tables\": "
           "{\"todos\": {\"conflict_policy\": {\"plugin\": \"old_resolver\", \"keep\": 1}}}}",
           "$.tables.todos.conflict_policy.keep: must be true or false, not a number");
}
END_TEST

START_TEST (wrong_kind)
{
  refuses ("{\"mode\": \"server\", \"sync\": {\"conflict_policy\": \"old_resolver\"},"
           " \"filters\": [\"old_resolver\"]}",
           "$.filters[0]: plugin \"old_resolver\" is a resolver and cannot serve as a filter");
}
END_TEST

/* A client resolves nothing: the plugin that it wishes for is the server's affair. */
START_TEST (wishes_open_nothing)
{
  opens ("{\"mode\": \"client\", \"sync\": {\"conflict_policy\": \"vote\"},"
         " \"tables\": {\"todos\": {\"conflict_policy\": {\"plugin\": \"tax\"}}}}",
         "");
}
END_TEST

static char logged[1000];

static void
keep_line (enum mantis_level level, const char *line)
{
  (void)level;
  snprintf (logged, sizeof logged, "%s", line);
}

START_TEST (broken_websocket_is_passed_over)
{
  char path[100];
  FILE *file;

  snprintf (path, sizeof path, "%s/websocket.so", extra);
  ck_assert_ptr_nonnull (file = fopen (path, "w"));
  fclose (file);
  log_set_sink (keep_line);
  opens ("{\"mode\": \"server\", \"sync\": {\"conflict_policy\": \"old_resolver\"}}", "k");
  ck_assert_ptr_nonnull (strstr (logged, "going on without WebSocket: cannot open plugin"));
  logged[0] = '\0';
  opens ("{\"mode\": \"server\", \"plugins\": [\"old_resolver\"],"
         " \"sync\": {\"conflict_policy\": \"old_resolver\"}}",
         "k");
  ck_assert_str_eq (logged, ""); /* with a list, nothing else is opened */
  log_set_sink (NULL);
  unlink (path);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("open");
  TCase *tcase = tcase_create ("open");
  SRunner *runner = srunner_create (suite);
  int failed;

  if (!realpath (OLD_PLUGINS, here) || !mkdtemp (extra))
    return 99;
  setenv ("STATE_DIRECTORY", "/nowhere", 1);
  tcase_add_test (tcase, what_is_used);
  tcase_add_test (tcase, what_is_listed);
  tcase_add_test (tcase, options_of_list_and_use);
  tcase_add_test (tcase, wrong_kind);
  tcase_add_test (tcase, wishes_open_nothing);
  tcase_add_test (tcase, broken_websocket_is_passed_over);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  rmdir (extra);
  return failed ? 1 : 0;
}
