/* --check-config, --list-plugins, --dump-plugin: what they print, and that nothing starts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "daemon/options.h"

#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef OLD_PLUGINS
#define OLD_PLUGINS "tests/abi/.libs"
#endif
#ifndef BAD_PLUGINS
#define BAD_PLUGINS "tests/bad-plugins/.libs"
#endif

static char folder[] = "/tmp/mantis-inspect-XXXXXX";
static char said[20000]; /* what the last inspect() wrote to both outputs */

/* Run with OPTIONS and keep what is printed.  Each test is a process of its own: outputs need no
 * way back. */
static int
inspect (const struct options *options)
{
  char path[100];
  int status, file;
  ssize_t got;

  snprintf (path, sizeof path, "%s/output", folder);
  file = open (path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  ck_assert_int_ge (file, 0);
  fflush (stdout);
  dup2 (file, STDOUT_FILENO);
  dup2 (file, STDERR_FILENO);
  status = inspect_run (options);
  fflush (stdout);
  got = pread (file, said, sizeof said - 1, 0);
  said[got > 0 ? got : 0] = '\0';
  close (file);
  unlink (path);
  return status;
}

static void
write_config (char *path, size_t size, const char *text)
{
  FILE *file;

  snprintf (path, size, "%s/mantis.json", folder);
  ck_assert_ptr_nonnull (file = fopen (path, "w"));
  fputs (text, file);
  fclose (file);
}

START_TEST (nothing_asked)
{
  struct options options = {.role = MANTIS_SERVER};

  ck_assert_int_eq (inspect (&options), -1);
  ck_assert_str_eq (said, "");
}
END_TEST

START_TEST (dump)
{
  struct options options = {.plugin_dir = OLD_PLUGINS, .dump_plugin = "old_resolver"};

  ck_assert_int_eq (inspect (&options), 0);
  ck_assert_ptr_nonnull (strstr (said, "name     old_resolver\nkind     resolver\n"));
  ck_assert_ptr_nonnull (strstr (said, "threads  one call at a time\n"));
  ck_assert_ptr_nonnull (
      strstr (said, "  patience                 duration, default 5m, 0 to 1d\n"));
  options.dump_plugin = OLD_PLUGINS "/old_resolver.so";
  ck_assert_int_eq (inspect (&options), 0);
  ck_assert_ptr_nonnull (strstr (said, "name     old_resolver\n"));
  options.dump_plugin = "nobody";
  ck_assert_int_eq (inspect (&options), 1);
  ck_assert_ptr_nonnull (strstr (said, "mantisd: there is no plugin \"nobody\""));
}
END_TEST

/* Broken ones are named, the others are listed all the same. */
START_TEST (list)
{
  struct options options = {.plugin_dir = OLD_PLUGINS, .list_plugins = true};

  setenv ("MANTIS_PLUGIN_PATH", ":" BAD_PLUGINS "::/nowhere:", 1);
  ck_assert_int_eq (inspect (&options), 1);
  ck_assert_ptr_nonnull (strstr (said, "resolver   old_resolver "));
  ck_assert_ptr_nonnull (strstr (said, "resolver   start_fails "));
  ck_assert_ptr_nonnull (strstr (said, "/wrong_magic.so: its mantis_plugin begins with"));
  ck_assert_ptr_null (strstr (said, "resolver   wrong_magic "));
  unsetenv ("MANTIS_PLUGIN_PATH");
  ck_assert_int_eq (inspect (&options), 0);
}
END_TEST

/* A plugin of a folder that is searched first hides one of the same file name. */
START_TEST (hidden)
{
  struct options options = {.plugin_dir = OLD_PLUGINS, .list_plugins = true};

  setenv ("MANTIS_PLUGIN_PATH", OLD_PLUGINS, 1);
  ck_assert_int_eq (inspect (&options), 0);
  ck_assert_ptr_null (strstr (strstr (said, "old_resolver") + 20, "resolver   old_resolver "));
}
END_TEST

START_TEST (check_config)
{
  char path[100];
  struct options options = {.plugin_dir = OLD_PLUGINS, .check_config = true, .config = path};

  write_config (path, sizeof path, "{\"mode\": \"server\", \"plugins\": [\"old_resolver\"]}");
  ck_assert_int_eq (inspect (&options), 1);
  ck_assert_ptr_nonnull (
      strstr (said, "/mantis.json: $.storage: the storage \"sqlite\" is not among"));
  write_config (path, sizeof path, "{\"mode\": \"server\"\n \"plugins\": []}");
  ck_assert_int_eq (inspect (&options), 1);
  ck_assert_ptr_nonnull (strstr (said, "/mantis.json:2:"));
  unlink (path);
  ck_assert_int_eq (inspect (&options), 1);
  ck_assert_ptr_nonnull (strstr (said, "cannot read the configuration"));
}
END_TEST

/* ---- The pages of the plugins that are shipped ---- */

/* The part of PAGE that is headed OPTIONS. */
static void
read_page (const char *name, struct mantis_buf *page)
{
  const char *source = getenv ("srcdir");
  char path[1000], *begin, *end;
  FILE *file;
  size_t got;

  snprintf (path, sizeof path, "%s/docs/man/mantis-%s.pod", source ? source : ".", name);
  ck_assert_msg ((file = fopen (path, "r")) != NULL, "the plugin %s has no page %s", name, path);
  while ((got = fread (mantis_buf_reserve (page, 4096), 1, 4096, file)) > 0)
    page->length += got;
  fclose (file);
  page->bytes[page->length] = '\0';
  begin = strstr (page->bytes, "=head1 OPTIONS");
  ck_assert_msg (begin != NULL, "%s has no OPTIONS", path);
  if ((end = strstr (begin + 1, "\n=head1 ")))
    *end = '\0';
  memmove (page->bytes, begin, strlen (begin) + 1);
}

static void
compare_page (const struct mantis_plugin *about)
{
  struct mantis_buf page = MANTIS_BUF_INIT;
  size_t items = 0, options = 0;

  read_page (about->name, &page);
  for (const struct mantis_option *o = about->options; o && o->name; o++, options++) {
    char item[100];
    snprintf (item, sizeof item, "\n=item B<%s>\n", o->name);
    ck_assert_msg (strstr (page.bytes, item) != NULL, "the page of %s lacks %s", about->name,
                   o->name);
  }
  for (const char *at = page.bytes; (at = strstr (at, "\n=item ")); at++)
    items++;
  ck_assert_msg (items == options, "the page of %s has %zu options, the plugin %zu", about->name,
                 items, options);
  mantis_buf_free (&page);
}

START_TEST (pages)
{
  struct plugins *plugins = plugins_new (NULL);
  struct mantis_error error = {0};
  glob_t found;

  if (glob ("plugins/*/*/.libs/*.so", 0, NULL, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; i++)
      ck_assert_msg (plugins_open (plugins, found.gl_pathv[i], NULL, NULL, NULL, &error) ==
                         MANTIS_OK,
                     "%s", error.text);
  for (const struct plugin *p = plugins_first (plugins); p; p = p->next)
    compare_page (&p->about);
  globfree (&found);
  plugins_free (plugins);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("inspect");
  TCase *tcase = tcase_create ("inspect");
  SRunner *runner = srunner_create (suite);
  int failed;

  if (!mkdtemp (folder))
    return 99;
  unsetenv ("MANTIS_PLUGIN_PATH");
  setenv ("STATE_DIRECTORY", folder, 1);
  tcase_add_test (tcase, nothing_asked);
  tcase_add_test (tcase, dump);
  tcase_add_test (tcase, list);
  tcase_add_test (tcase, hidden);
  tcase_add_test (tcase, check_config);
  tcase_add_test (tcase, pages);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  rmdir (folder);
  return failed ? 1 : 0;
}
