/* A plugin built against the first headers still loads, takes its options and is called (O20).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "plugin/plugin.h"

#include <mantis/resolver.h>

#include <check.h>
#include <stdlib.h>

#ifndef OLD_PLUGINS
#define OLD_PLUGINS "tests/abi/.libs"
#endif

static const char *const folders[] = {OLD_PLUGINS, NULL};

START_TEST (old_resolver)
{
  struct plugins *plugins = plugins_new (folders);
  struct plugin_use use = {.kind = MANTIS_KIND_RESOLVER, .name = "old_resolver"};
  struct mantis_conflict conflict = {.size = sizeof conflict};
  struct mantis_error error = {0};
  struct instance *instance = NULL;
  const struct mantis_resolver *ops;

  use.options.json = json_pack ("{sb}", "keep", 0);
  use.options.place = (struct option_place){"mantis.json", "$.sync.conflict_policy", "/"};
  ck_assert_msg (plugins_open (plugins, "old_resolver", NULL, NULL, NULL, &error) == MANTIS_OK,
                 "%s", error.text);
  ck_assert_msg (instance_new (plugins, &use, &instance, &error) == MANTIS_OK, "%s", error.text);
  ops = instance->ops;
  ck_assert_int_eq (ops->decide (instance->self, &conflict, NULL, NULL, &error),
                    MANTIS_TAKE_REMOTE);
  instance_free (instance);
  json_decref (use.options.json);
  plugins_free (plugins);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("abi");
  TCase *tcase = tcase_create ("abi");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_test (tcase, old_resolver);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
