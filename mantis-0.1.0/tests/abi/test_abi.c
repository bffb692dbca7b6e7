/* Plugins built against the first headers still load, take their options and are called: one of each kind (O20).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "plugin/plugin.h"

#include <mantis/filter.h>
#include <mantis/hook.h>
#include <mantis/resolver.h>
#include <mantis/storage.h>
#include <mantis/transport.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#ifndef OLD_PLUGINS
#define OLD_PLUGINS "tests/abi/.libs"
#endif

static const char *const folders[] = {OLD_PLUGINS, NULL};

static struct plugins *plugins;
static struct instance *instance;
static struct mantis_arena *arena;
static struct mantis_error error;

/* The plugin NAME with OPTIONS, which are taken: its operations. */
static const void *
use_plugin (enum mantis_kind kind, const char *name, json_t *options)
{
  struct plugin_use use = {.kind = kind, .name = name};

  plugins = plugins_new (folders);
  arena = mantis_arena_new (0);
  use.options.json = options;
  use.options.place = (struct option_place){"mantis.json", "$.here", "/"};
  ck_assert_msg (plugins_open (plugins, name, NULL, NULL, NULL, &error) == MANTIS_OK, "%s",
                 error.text);
  ck_assert_msg (instance_new (plugins, &use, &instance, &error) == MANTIS_OK, "%s", error.text);
  json_decref (options);
  return instance->ops;
}

static void
done (void)
{
  instance_free (instance);
  plugins_free (plugins);
  mantis_arena_free (arena);
}

static struct mantis_value
text (const char *bytes)
{
  return (struct mantis_value){.type = MANTIS_TEXT, .length = strlen (bytes), .as.bytes = bytes};
}

START_TEST (old_resolver)
{
  const struct mantis_resolver *ops =
      use_plugin (MANTIS_KIND_RESOLVER, "old_resolver", json_pack ("{sb}", "keep", 0));
  struct mantis_conflict conflict = {.size = sizeof conflict};

  ck_assert_int_eq (ops->decide (instance->self, &conflict, NULL, NULL, &error),
                    MANTIS_TAKE_REMOTE);
  done ();
}
END_TEST

START_TEST (old_auth)
{
  const struct mantis_auth *ops =
      use_plugin (MANTIS_KIND_AUTH, "old_auth", json_pack ("{ss}", "word", "open"));
  struct mantis_credentials credentials = {.size = sizeof credentials, .peer = "10.0.0.1"};
  struct mantis_principal principal = {.size = sizeof principal};

  ck_assert_int_eq (ops->authenticate (instance->self, &credentials, arena, &principal, &error),
                    MANTIS_ABSENT);
  credentials.bearer = "sesame";
  ck_assert_int_eq (ops->authenticate (instance->self, &credentials, arena, &principal, &error),
                    MANTIS_DENIED);
  ck_assert_ptr_nonnull (strstr (error.text, "10.0.0.1"));
  credentials.bearer = "open";
  ck_assert_int_eq (ops->authenticate (instance->self, &credentials, arena, &principal, &error),
                    MANTIS_OK);
  ck_assert_str_eq (principal.subject, "ali");
  ck_assert_int_eq (principal.expires, 1763800000000);
  ck_assert (!ops->issue && !ops->reload);
  done ();
}
END_TEST

START_TEST (old_filter)
{
  const struct mantis_filter *ops =
      use_plugin (MANTIS_KIND_FILTER, "old_filter", json_pack ("{si}", "column", 1));
  static const struct mantis_column columns[] = {{.name = "id"}, {.name = "owner"}};
  const struct mantis_table table = {
      .size = sizeof table, .name = "notes", .columns = columns, .column_count = 2};
  struct mantis_principal principal = {.size = sizeof principal, .subject = "ali"};
  struct mantis_value his[] = {text ("1"), text ("ali")}, hers[] = {text ("2"), text ("eve")};

  ck_assert (ops->reads (instance->self, &principal, &table, his));
  ck_assert (!ops->reads (instance->self, &principal, &table, hers));
  ck_assert (ops->writes (instance->self, &principal, &table, NULL, his, &error));
  ck_assert (!ops->writes (instance->self, &principal, &table, his, hers, &error));
  ck_assert_ptr_nonnull (strstr (error.text, "\"notes\""));
  ck_assert (!ops->column);
  done ();
}
END_TEST

START_TEST (old_hook)
{
  const struct mantis_hook *ops =
      use_plugin (MANTIS_KIND_HOOK, "old_hook", json_pack ("{si}", "most", 2));
  const struct mantis_table table = {.size = sizeof table, .name = "notes"};
  const struct mantis_change changes[3] = {{.table = &table}};
  struct mantis_principal principal = {.size = sizeof principal, .subject = "ali"};
  struct mantis_event event = {.size = sizeof event,
                               .moment = MANTIS_BEFORE_PUSH,
                               .principal = &principal,
                               .changes = changes,
                               .change_count = 2};

  ck_assert (instance->waits);
  ck_assert_uint_eq (ops->moments, 1u << MANTIS_BEFORE_PUSH | 1u << MANTIS_AFTER_PUSH);
  ck_assert_int_eq (ops->happens (instance->self, &event, &error), MANTIS_OK);
  event.change_count = 3;
  ck_assert_int_eq (ops->happens (instance->self, &event, &error), MANTIS_DENIED);
  ck_assert_str_eq (error.text, "3 changes of ali, the first of \"notes\"");
  done ();
}
END_TEST

static void
keep_answer (void *context, const struct mantis_answer *answer)
{
  struct mantis_answer *kept = context;

  *kept = *answer;
}

START_TEST (old_transport)
{
  const struct mantis_transport *ops =
      use_plugin (MANTIS_KIND_TRANSPORT, "old_transport", json_pack ("{ss}", "patience", "1s"));
  struct mantis_remote remote = {.size = sizeof remote, .url = "http://office"};
  struct mantis_request request = {.size = sizeof request, .message = "push", .timeout = 1000};
  struct mantis_answer answer;
  struct mantis_link *link;

  ck_assert (!ops->listen && !ops->routes);
  ck_assert_int_eq (ops->dial (instance->self, NULL, &remote, &link, &error), MANTIS_OK);
  ops->send (link, &request, keep_answer, &answer);
  ck_assert_int_eq (answer.status, 200);
  ck_assert_str_eq (answer.body, "push");
  request.timeout = 999;
  ops->send (link, &request, keep_answer, &answer);
  ck_assert_int_eq (answer.status, 0);
  ck_assert_str_eq (answer.error, "http://office");
  ops->interrupt (link);
  ops->hang_up (link);
  done ();
}
END_TEST

static void
check_log (const struct mantis_storage *ops, struct mantis_session *session)
{
  struct mantis_entry *entries;
  size_t count;
  int64_t head;

  ck_assert_int_eq (ops->log_head (session, &head, &error), MANTIS_OK);
  ck_assert_int_eq (head, 41);
  ck_assert_int_eq (ops->log_read (session, 3, 9, 1, arena, &entries, &count, &error), MANTIS_OK);
  ck_assert_uint_eq (count, 1);
  ck_assert_int_eq (entries[0].seq, 9);
  ck_assert_int_eq (entries[0].time, 3);
  ck_assert_int_eq (entries[0].operation, MANTIS_DELETE);
}

static void
check_rows (const struct mantis_storage *ops, struct mantis_session *session)
{
  const struct mantis_table table = {.size = sizeof table, .name = "notes"};
  struct mantis_value a = text ("a"), b = text ("b");
  mantis_row rows[] = {&a, &b}, found[2];
  struct mantis_version versions[2];
  const struct mantis_change change = {.table = &table}, *changes[] = {&change, &change};
  const mantis_row *scanned;
  size_t count = 1, done_count;
  bool end = false;

  ck_assert_int_eq (ops->read (session, &table, rows, 2, arena, found, &error), MANTIS_OK);
  ck_assert (!found[0] && found[1] == &b);
  ck_assert_int_eq (ops->versions (session, &table, rows, 2, arena, versions, &error), MANTIS_OK);
  ck_assert_int_eq (versions[1].rev, 41);
  ck_assert_int_eq (versions[1].updated_at, 7);
  ck_assert_str_eq (versions[1].origin, "old");
  ck_assert_int_eq (
      ops->scan (session, &table, NULL, NULL, 5, 100, arena, &scanned, &count, &end, &error),
      MANTIS_OK);
  ck_assert (end && count == 0);
  ck_assert_int_eq (ops->apply (session, &table, changes, 2, &done_count, &error), MANTIS_REFUSED);
  ck_assert_uint_eq (done_count, 1);
  ck_assert_str_eq (error.text, "the last row of table \"notes\"");
}

START_TEST (old_storage)
{
  const struct mantis_storage *ops =
      use_plugin (MANTIS_KIND_STORAGE, "old_storage", json_pack ("{ss}", "path", "old.db"));
  const struct mantis_schema *schema;
  struct mantis_session *session;
  bool changed = false;

  ck_assert_str_eq (ops->place (instance->self), "/old.db");
  ck_assert_int_eq (ops->open (instance->self, MANTIS_SERVER, &session, &error), MANTIS_OK);
  ck_assert_int_eq (ops->commit (session, &error), MANTIS_FAILED);
  ck_assert_int_eq (ops->begin (session, MANTIS_WRITE, &error), MANTIS_OK);
  ck_assert_int_eq (ops->attach (session, NULL, &schema, &error), MANTIS_OK);
  ck_assert_uint_eq (schema->count, 0);
  check_log (ops, session);
  check_rows (ops, session);
  ck_assert_int_eq (ops->commit (session, &error), MANTIS_OK);
  ck_assert_int_eq (ops->look (session, &changed, &error), MANTIS_OK);
  ck_assert (changed);
  ck_assert_int_eq (ops->watch (instance->self, &error), -1);
  ops->close (session);
  done ();
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
  tcase_add_test (tcase, old_auth);
  tcase_add_test (tcase, old_filter);
  tcase_add_test (tcase, old_hook);
  tcase_add_test (tcase, old_transport);
  tcase_add_test (tcase, old_storage);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
