/* Broken plugins: each is turned away with one clear line, and nothing of it has run (O20).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "plugin/plugin.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef BAD_PLUGINS
#define BAD_PLUGINS "tests/bad-plugins/.libs"
#endif

static const struct {
  const char *name, *words;
} bad[] = {
    {"no_symbol", "no_symbol.so is no plugin of Mantis: it has no symbol mantis_plugin; make one"},
    {"function", "function.so is no plugin of Mantis: its mantis_plugin is no data; make one"},
    {"wrong_magic",
     "wrong_magic.so: its mantis_plugin begins with 0x12345678 instead of 0x4d414e54"},
    {"newer_abi",
     "newer_abi.so: it was built for plugin ABI 42, this Mantis speaks 1 to 1: update"},
    {"newer_kind_abi",
     "plugin \"newer_kind_abi\" was built for resolver ABI 42, this Mantis speaks 1 to 1"},
    {"larger", "larger.so: its mantis_plugin claims "},
    {"truncated", "truncated.so: its mantis_plugin claims "},
    {"null_ops",
     "plugin \"null_ops\" brings no operations: give the macro a struct mantis_resolver"},
    {"ops_size", "the operations of plugin \"ops_size\" claim 0 bytes"},
    {"bad_name",
     "bad_name.so: its name \"../Bad Name\" will not do: use 1 to 40 lower case letters"},
    {"unknown_kind", "plugin \"unknown_kind\" is of kind 77, this Mantis knows 1 to 6"},
    {"unknown_threads", "plugin \"unknown_threads\" declares threads 0x40"},
    {"missing_callback",
     "plugin \"missing_callback\" does not bring decide(), which a resolver needs"},
    {"option_outside",
     "plugin \"option_outside\": option \"two\" lies at offset 8 of a struct of 8 bytes"},
    {"option_default", "plugin \"option_default\": table of options: $.wait: must be a duration"},
    {"other_name", "other_name.so holds the plugin \"another\", not \"other_name\""},
    {"undefined", "undefined symbol: bad_plugins_nobody_brings_this"},
    {"absent", "there is no plugin \"absent\": no absent.so in "},
};

static const char *const folders[] = {BAD_PLUGINS, NULL};

START_TEST (turned_away)
{
  struct plugins *plugins = plugins_new (folders);
  const struct plugin *plugin = NULL;
  struct mantis_error error = {0};

  ck_assert_int_ne (plugins_open (plugins, bad[_i].name, NULL, NULL, &plugin, &error), MANTIS_OK);
  ck_assert_msg (strstr (error.text, bad[_i].words) != NULL, "%s gave: %s", bad[_i].name,
                 error.text);
  ck_assert_ptr_null (strchr (error.text, '\n'));
  ck_assert_ptr_nonnull (strstr (error.text, BAD_PLUGINS));
  ck_assert_uint_lt (strlen (error.text), 400);
  ck_assert_ptr_null (plugins_first (plugins));
  plugins_free (plugins);
}
END_TEST

START_TEST (start_fails)
{
  struct plugins *plugins = plugins_new (folders);
  struct plugin_use use = {.kind = MANTIS_KIND_RESOLVER, .name = "start_fails"};
  struct instance *instance = NULL;
  struct mantis_error error = {0};

  use.options.place = (struct option_place){"mantis.json", "$.sync.conflict_policy", "/"};
  ck_assert_msg (plugins_open (plugins, "start_fails", NULL, NULL, NULL, &error) == MANTIS_OK, "%s",
                 error.text);
  ck_assert_int_eq (instance_new (plugins, &use, &instance, &error), MANTIS_FAILED);
  ck_assert_str_eq (error.text,
                    "mantis.json: $.sync.conflict_policy: resolver plugin \"start_fails\": "
                    "there is no fuel");
  ck_assert_ptr_null (instance);
  plugins_free (plugins);
}
END_TEST

/* The last line of the log, at the level that is the default, tells which one it was. */
START_TEST (start_crashes)
{
  struct plugins *plugins = plugins_new (folders);
  struct plugin_use use = {.kind = MANTIS_KIND_RESOLVER, .name = "start_crashes"};
  struct instance *instance = NULL;
  struct mantis_error error = {0};
  FILE *log = tmpfile ();
  char line[1000] = "", last[1000] = "";
  int status;
  pid_t child;

  use.options.place = (struct option_place){"mantis.json", "$.sync.conflict_policy", "/"};
  ck_assert_ptr_nonnull (log);
  ck_assert_msg (plugins_open (plugins, "start_crashes", NULL, NULL, NULL, &error) == MANTIS_OK,
                 "%s", error.text);
  if ((child = fork ()) == 0) {
    dup2 (fileno (log), STDERR_FILENO);
    instance_new (plugins, &use, &instance, &error);
    _exit (0);
  }
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert (WIFSIGNALED (status));
  rewind (log);
  while (fgets (line, sizeof line, log))
    memcpy (last, line, sizeof last);
  ck_assert_msg (strstr (last, "starting resolver plugin \"start_crashes\": " BAD_PLUGINS) != NULL,
                 "the last line: %s", last);
  fclose (log);
  plugins_free (plugins);
}
END_TEST

static void
refuses_file (const char *bytes, size_t length, const char *words)
{
  char path[] = "/tmp/mantis-bad-XXXXXX";
  int file = mkstemp (path);
  struct plugins *plugins = plugins_new (NULL);
  struct mantis_error error = {0};

  ck_assert_int_ge (file, 0);
  ck_assert_int_eq (write (file, bytes, length), (ssize_t)length);
  close (file);
  ck_assert_int_eq (plugins_open (plugins, path, NULL, NULL, NULL, &error), MANTIS_INVALID);
  ck_assert_msg (strstr (error.text, words) != NULL, "gave: %s", error.text);
  ck_assert_ptr_nonnull (strstr (error.text, path));
  ck_assert_ptr_null (strchr (error.text, '\n'));
  unlink (path);
  plugins_free (plugins);
}

START_TEST (no_shared_object)
{
  static const char text[] =
      "this is a letter to a friend, long enough to be looked at as a header "
      "of an ELF file, which it is not";

  refuses_file (text, sizeof text, "it has to be a shared object for this machine");
  refuses_file ("\177ELF", 4, "it has to be a shared object for this machine");
  refuses_file ("", 0, "it has to be a shared object for this machine");
}
END_TEST

START_TEST (paths_and_names)
{
  struct plugins *plugins = plugins_new (folders);
  struct mantis_error error = {0};
  const struct plugin *plugin = NULL;

  ck_assert_int_eq (plugins_open (plugins, "vote.so", NULL, NULL, NULL, &error), MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (error.text, "a path has a '/', \"./vote.so\""));
  ck_assert_int_eq (plugins_open (plugins, "/nowhere/vote.so", NULL, NULL, NULL, &error),
                    MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (error.text, "cannot open plugin /nowhere/vote.so"));
  /* By path, a file may be called anything; twice, under two names. */
  ck_assert_int_eq (
      plugins_open (plugins, BAD_PLUGINS "/other_name.so", NULL, NULL, &plugin, &error), MANTIS_OK);
  ck_assert_str_eq (plugin->name, "another");
  ck_assert_int_eq (plugins_open (plugins, BAD_PLUGINS "/other_name.so", NULL, NULL, NULL, &error),
                    MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (error.text, "there are two plugins \"another\""));
  ck_assert_int_eq (
      plugins_open (plugins, BAD_PLUGINS "/other_name.so", "third", NULL, &plugin, &error),
      MANTIS_OK);
  ck_assert_str_eq (plugin->name, "third");
  ck_assert_ptr_eq (plugins_find (plugins, MANTIS_KIND_RESOLVER, "third"), plugin);
  plugins_free (plugins);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("bad plugins");
  TCase *tcase = tcase_create ("bad plugins");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_loop_test (tcase, turned_away, 0, COUNT_OF (bad));
  tcase_add_test (tcase, start_fails);
  tcase_add_test (tcase, start_crashes);
  tcase_add_test (tcase, no_shared_object);
  tcase_add_test (tcase, paths_and_names);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
