/* Options of plugins: tables, units, layers, instances, and structs of older headers (O20).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "plugin/plugin.h"
#include "plugin/units.h"

#include <mantis/auth.h>
#include <mantis/resolver.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct mantis_error failure;
static struct mantis_arena *arena;

/* ---- A plugin of ours, with an option of each type ---- */

struct vote {
  bool loud;
  int64_t quorum, room, patience;
  double weight;
  const char *label, *colour, *file;
  const char *const *voters;
  struct {
    const char *key_file;
    bool strict;
  } tls;
};

static const struct mantis_option vote_options[] = {
    MANTIS_BOOL (struct vote, loud, "true", "tell everybody"),
    MANTIS_INTEGER_OPTION (struct vote, quorum, "2", 1, 9, "how many have to agree"),
    MANTIS_SIZE (struct vote, room, "64k", 0, 0, "room for ballots"),
    MANTIS_DURATION (struct vote, patience, "90", 1000, 86400000, "how long to wait"),
    MANTIS_OPTION (struct vote, weight, MANTIS_OPTION_REAL, "0.5", "of a vote", .minimum = 0,
                   .maximum = 1),
    MANTIS_TEXT_OPTION (struct vote, label, NULL, "what to call it"),
    MANTIS_CHOICE (struct vote, colour, "red", "red|green|blue", "of the ballots"),
    MANTIS_FILE (struct vote, file, NULL, "the roll"),
    MANTIS_LIST (struct vote, voters, NULL, "who votes"),
    MANTIS_FILE (struct vote, tls.key_file, NULL, "a key"),
    MANTIS_BOOL (struct vote, tls.strict, "false", "no mercy"),
    {.name = NULL},
};

static int started, stopped;
static bool start_fails;

static enum mantis_status
vote_start (void *self, struct mantis_error *error)
{
  started++;
  ck_assert_ptr_nonnull (self);
  return start_fails ? mantis_fail (error, MANTIS_FAILED, "nobody came") : MANTIS_OK;
}

static void
vote_stop (void *self)
{
  ck_assert_ptr_nonnull (self);
  stopped++;
}

static enum mantis_decision
vote_decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
             struct mantis_arena *memory, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)memory, (void)error;
  return MANTIS_KEEP_LOCAL;
}

static const struct mantis_resolver vote_ops = {.size = sizeof vote_ops, .decide = vote_decide};

#define DESCRIBED(plugin_kind, plugin_name, plugin_ops, ...)                                       \
  {                                                                                                \
    .magic = MANTIS_MAGIC, .abi = MANTIS_ABI, .size = sizeof (struct mantis_plugin),               \
    .kind = plugin_kind, .kind_abi = 1, .name = plugin_name, .ops = plugin_ops, __VA_ARGS__        \
  }

static const struct mantis_plugin vote =
    DESCRIBED (MANTIS_KIND_RESOLVER, "vote", &vote_ops, .self_size = sizeof (struct vote),
               .options = vote_options, .start = vote_start, .stop = vote_stop);

static struct plugins *
registry (void)
{
  struct plugins *plugins = plugins_new (NULL);

  ck_assert_msg (plugins_add_static (plugins, &vote, &failure) == MANTIS_OK, "%s", failure.text);
  return plugins;
}

static const char *const selector[] = {"plugin", NULL};

static struct plugin_use
use_of (const char *name, json_t *json)
{
  struct plugin_use use = {.kind = MANTIS_KIND_RESOLVER, .name = name};

  use.options.json = json;
  use.options.reserved = selector;
  use.options.place = (struct option_place){"mantis.json", "$.sync.conflict_policy", "/etc/x"};
  return use;
}

/* An instance of vote with the options of TEXT; NULL: refused, see failure. */
static struct instance *
instance_of (struct plugins *plugins, const char *text)
{
  json_t *json = json_loads (text, 0, NULL);
  struct plugin_use use = use_of ("vote", json);
  struct instance *instance = NULL;

  ck_assert_ptr_nonnull (json);
  if (instance_new (plugins, &use, &instance, &failure) != MANTIS_OK)
    instance = NULL;
  json_decref (json);
  return instance;
}

START_TEST (defaults)
{
  struct plugins *plugins = registry ();
  struct instance *instance = instance_of (plugins, "{\"plugin\": \"vote\"}");
  const struct vote *self;

  ck_assert_msg (instance != NULL, "%s", failure.text);
  self = instance->self;
  ck_assert (self->loud && !self->tls.strict);
  ck_assert_int_eq (self->quorum, 2);
  ck_assert_int_eq (self->room, 65536);
  ck_assert_int_eq (self->patience, 90000);
  ck_assert_double_eq (self->weight, 0.5);
  ck_assert_ptr_null (self->label);
  ck_assert_str_eq (self->colour, "red");
  ck_assert_ptr_null (self->file);
  ck_assert_ptr_null (self->voters);
  ck_assert (!instance->waits && !instance->parallel);
  ck_assert_int_eq (started, 1);
  instance_lock (instance);
  instance_unlock (instance);
  instance_free (instance);
  ck_assert_int_eq (stopped, 1);
  plugins_free (plugins);
}
END_TEST

START_TEST (everything_given)
{
  struct plugins *plugins = registry ();
  struct instance *instance = instance_of (
      plugins, "{\"plugin\": \"vote\", \"loud\": false, \"quorum\": 9, \"room\": \"2G\", "
               "\"patience\": \"5m\","
               "\"weight\": 1, \"label\": \"\", \"colour\": \"blue\", \"file\": \"./roll/a\","
               "\"voters\": [\"x\", \"y\"], \"tls\": {\"key_file\": \"/k\", \"strict\": true}}");
  const struct vote *self;

  ck_assert_msg (instance != NULL, "%s", failure.text);
  self = instance->self;
  ck_assert (!self->loud && self->tls.strict);
  ck_assert_int_eq (self->quorum, 9);
  ck_assert_int_eq (self->room, INT64_C (2) << 30);
  ck_assert_int_eq (self->patience, 300000);
  ck_assert_double_eq (self->weight, 1);
  ck_assert_str_eq (self->label, "");
  ck_assert_str_eq (self->colour, "blue");
  ck_assert_str_eq (self->file, "/etc/x/roll/a");
  ck_assert_str_eq (self->voters[1], "y");
  ck_assert_ptr_null (self->voters[2]);
  ck_assert_str_eq (self->tls.key_file, "/k");
  instance_free (instance);
  ck_assert_ptr_nonnull (instance = instance_of (plugins, "{\"voters\": \"one\"}"));
  self = instance->self;
  ck_assert_str_eq (self->voters[0], "one");
  ck_assert_ptr_null (self->voters[1]);
  instance_free (instance);
  plugins_free (plugins);
}
END_TEST

#define AT "mantis.json: $.sync.conflict_policy"
static const struct {
  const char *text, *words;
} wrong[] = {
    {"{\"quorm\": 3}",
     AT ".quorm: resolver plugin \"vote\" knows no such key, did you mean \"quorum\"?"},
    {"{\"plugn\": \"vote\"}",
     AT ".plugn: resolver plugin \"vote\" knows no such key, did you mean \"plugin\"?"},
    {"{\"tls\": {\"key_fiel\": 3}}",
     AT ".tls.key_fiel: resolver plugin \"vote\" knows no such key, did you mean \"key_file\"?"},
    {"{\"tls\": 3}", AT ".tls: must be an object, not a number"},
    {"{\"tls.strict\": true}", AT "[\"tls.strict\"]: resolver plugin \"vote\" knows no such key"},
    {"{\"tls\": {\"plugin\": 3}}", AT ".tls.plugin: resolver plugin \"vote\" knows no such key"},
    {"{\"loud\": \"true\"}", AT ".loud: must be true or false, not a text"},
    {"{\"quorum\": \"3\"}", AT ".quorum: must be a whole number, not a text"},
    {"{\"quorum\": 3.0}", AT ".quorum: must be a whole number"},
    {"{\"quorum\": 10}", AT ".quorum: out of range, must be 1 to 9"},
    {"{\"room\": -1}", AT ".room: must be a size"},
    {"{\"room\": \"1.5M\"}", AT ".room: must be a size"},
    {"{\"patience\": \"999ms\"}", AT ".patience: out of range, must be 1s to 1d"},
    {"{\"patience\": 1e300}", AT ".patience: must be a duration"},
    {"{\"weight\": 1.01}", AT ".weight: out of range, must be 0 to 1"},
    {"{\"weight\": true}", AT ".weight: must be a number, not true or false"},
    {"{\"label\": 1}", AT ".label: must be a text, not a number"},
    {"{\"colour\": \"gren\"}",
     AT ".colour: \"gren\" is none of red|green|blue, did you mean \"green\"?"},
    {"{\"colour\": \"re\"}", AT ".colour: \"re\" is none of red|green|blue"},
    {"{\"colour\": \"rde\"}", "did you mean \"red\"?"},
    {"{\"file\": \"\"}", AT ".file: must be the name of a file"},
    {"{\"voters\": [\"x\", 1]}", AT ".voters[1]: must be a text or a list of texts, not a number"},
};

START_TEST (refused)
{
  struct plugins *plugins = registry ();

  ck_assert_ptr_null (instance_of (plugins, wrong[_i].text));
  ck_assert_msg (strstr (failure.text, wrong[_i].words) != NULL, "%s\n  gave: %s\n  not:  %s",
                 wrong[_i].text, failure.text, wrong[_i].words);
  ck_assert_int_eq (started, 0);
  plugins_free (plugins);
}
END_TEST

START_TEST (required)
{
  static const struct mantis_option options[] = {
      {.name = "tls.key_file", .type = MANTIS_OPTION_FILE, .required = true, .help = "a key"},
      {.name = NULL},
  };
  struct option_layer layers[2] = {
      {json_pack ("{s{}}", "tls"), {"f", "$.plugins[0].options", "/"}, NULL},
      {NULL, {"f", "$.auth[0]", "/"}, NULL}};
  const char *self = NULL;

  ck_assert_int_eq (option_table_fill (options, "the plugin", &self, layers, 2, arena, &failure),
                    MANTIS_INVALID);
  ck_assert_str_eq (failure.text, "f: $.auth[0]: the plugin needs \"tls.key_file\": a key");
  json_object_set_new (json_object_get (layers[0].json, "tls"), "key_file", json_string ("k"));
  ck_assert_int_eq (option_table_fill (options, "the plugin", &self, layers, 2, arena, &failure),
                    MANTIS_OK);
  ck_assert_str_eq (self, "/k");
  json_decref (layers[0].json);
}
END_TEST

START_TEST (no_such_plugin)
{
  static const struct mantis_plugin voice = DESCRIBED (MANTIS_KIND_RESOLVER, "voice", &vote_ops, );
  struct plugins *plugins = registry ();
  struct plugin_use use = use_of ("vote", NULL);
  struct instance *instance = NULL;

  ck_assert_int_eq (plugins_add_static (plugins, &voice, &failure), MANTIS_OK);
  use.name = "vice";
  ck_assert_int_eq (instance_new (plugins, &use, &instance, &failure), MANTIS_INVALID);
  ck_assert_str_eq (failure.text,
                    AT ": the resolver \"vice\" is not among the plugins that are opened, "
                       "did you mean \"voice\"?; add it to \"plugins\"");
  use.name = "vote";
  use.kind = MANTIS_KIND_FILTER;
  ck_assert_int_eq (instance_check (plugins, &use, &failure), MANTIS_INVALID);
  ck_assert_str_eq (failure.text,
                    AT ": plugin \"vote\" is a resolver and cannot serve as a filter");
  ck_assert_int_eq (plugins_add_static (plugins, &vote, &failure), MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (failure.text, "there are two plugins \"vote\" of kind resolver"));
  plugins_free (plugins);
}
END_TEST

START_TEST (start_fails_and_check_does_not_start)
{
  struct plugins *plugins = registry ();
  struct plugin_use use = use_of ("vote", NULL);

  ck_assert_int_eq (instance_check (plugins, &use, &failure), MANTIS_OK);
  ck_assert_int_eq (started, 0);
  start_fails = true;
  ck_assert_ptr_null (instance_of (plugins, "{}"));
  ck_assert_str_eq (failure.text, AT ": resolver plugin \"vote\": nobody came");
  ck_assert_int_eq (started, 1);
  ck_assert_int_eq (stopped, 0);
  plugins_free (plugins);
}
END_TEST

static enum mantis_status
authenticate (void *self, const struct mantis_credentials *credentials, struct mantis_arena *memory,
              struct mantis_principal *principal, struct mantis_error *error)
{
  (void)self, (void)credentials, (void)memory, (void)principal, (void)error;
  return MANTIS_ABSENT;
}

/* The ops of an older header end before issue(): what lies behind them is not read. */
START_TEST (older_ops_read_as_zero)
{
  const size_t size = offsetof (struct mantis_auth, issue);
  struct mantis_auth *ops = malloc (size); /* the address sanitizer sees a byte too many */
  struct mantis_plugin old = DESCRIBED (MANTIS_KIND_AUTH, "old", NULL, );
  struct plugins *plugins = plugins_new (NULL);
  const struct mantis_auth *full;

  memset (ops, 0, size);
  memcpy (ops, &size, sizeof size);
  memcpy ((char *)ops + offsetof (struct mantis_auth, authenticate),
          &(void *){(void *)authenticate}, sizeof (void *));
  old.ops = ops;
  ck_assert_msg (plugins_add_static (plugins, &old, &failure) == MANTIS_OK, "%s", failure.text);
  full = plugins_find (plugins, MANTIS_KIND_AUTH, "old")->about.ops;
  ck_assert (full->authenticate == authenticate);
  ck_assert (full->issue == NULL && full->reload == NULL);
  plugins_free (plugins);
  free (ops);
}
END_TEST

/* ---- Tables that are wrong themselves ---- */

#define ROW(...)                                                                                   \
  (const struct mantis_option[])                                                                   \
  {                                                                                                \
    {__VA_ARGS__},                                                                                 \
    {                                                                                              \
      .name = NULL                                                                                 \
    }                                                                                              \
  }

START_TEST (unsound_tables)
{
  const struct {
    const struct mantis_option *options;
    const char *words;
  } cases[] = {
      {ROW (.name = "a", .offset = 16), "lies at offset 16 of a struct of 16 bytes"},
      {ROW (.name = "a", .type = MANTIS_OPTION_TEXT, .offset = 12), "lies at offset 12"},
      {ROW (.name = "a", .type = MANTIS_OPTION_TEXT, .offset = 4), "lies at offset 4"},
      {ROW (.name = "a", .type = MANTIS_OPTION_TEXT, .offset = UINT32_MAX), "lies at offset"},
      {ROW (.name = "a", .type = 77), "has type 77, this Mantis knows 0 to 10"},
      {ROW (.name = "A"), "option name \"A\""},
      {ROW (.name = "plugin"), "option name \"plugin\""},
      {ROW (.name = "a..b"), "option name \"a..b\""},
      {ROW (.name = ""), "option name \"\""},
      {ROW (.name = "a", .type = MANTIS_OPTION_CHOICE), "offers no choices"},
      {ROW (.name = "a", .default_value = "maybe"),
       "the default of option \"a\" is not true or false"},
      {ROW (.name = "a", .type = MANTIS_OPTION_SIZE, .default_value = "big"), "must be a size"},
      {ROW (.name = "a", .type = MANTIS_OPTION_INTEGER, .default_value = "0", .minimum = 1,
            .maximum = 2),
       "out of range"},
      {ROW (.name = "a", .type = MANTIS_OPTION_CHOICE, .choices = "x|y", .default_value = "z"),
       "is none of x|y"},
      {ROW (.name = "a", .minimum = 2, .maximum = 1), "has its minimum above its maximum"},
  };

  for (size_t i = 0; i < COUNT_OF (cases); i++) {
    ck_assert_int_eq (option_table_check (cases[i].options, 16, &failure), MANTIS_INVALID);
    ck_assert_msg (strstr (failure.text, cases[i].words) != NULL, "case %zu gave: %s", i,
                   failure.text);
  }
  ck_assert_int_eq (option_table_check (NULL, 0, &failure), MANTIS_OK);
}
END_TEST

START_TEST (endless_table)
{
  struct mantis_option *options = calloc (1000, sizeof *options);
  char (*names)[8] = calloc (1000, sizeof *names);

  for (size_t i = 0; i < 1000; i++) {
    snprintf (names[i], sizeof names[i], "o%zu", i);
    options[i].name = names[i];
  }
  ck_assert_int_eq (option_table_check (options, 16, &failure), MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (failure.text, "does not end"));
  free (options);
  free (names);
}
END_TEST

/* ---- Units and words ---- */

START_TEST (units)
{
  static const struct {
    const char *text;
    int64_t bytes, milliseconds; /* -1: refused */
  } cases[] = {
      {"0", 0, 0},
      {"64k", 65536, -1},
      {"8M", 8388608, -1},
      {"1G", 1 << 30, -1},
      {"30", 30, 30000},
      {"250ms", -1, 250},
      {"5m", -1, 300000},
      {"2h", -1, 7200000},
      {"30d", -1, INT64_C (2592000000)},
      {"", -1, -1},
      {"-1", -1, -1},
      {" 1", -1, -1},
      {"1 s", -1, -1},
      {"0x10", -1, -1},
      {"9223372036854775807G", -1, -1},
      {"9223372036854775808", -1, -1},
      {"9223372036854775807", INT64_MAX, -1},
      {"1K", -1, -1},
      {"1e3", -1, -1},
  };
  int64_t number;

  for (size_t i = 0; i < COUNT_OF (cases); i++) {
    ck_assert_msg (size_from_text (cases[i].text, &number) ? number == cases[i].bytes
                                                           : cases[i].bytes == -1,
                   "size %s", cases[i].text);
    ck_assert_msg (duration_from_text (cases[i].text, &number) ? number == cases[i].milliseconds
                                                               : cases[i].milliseconds == -1,
                   "duration %s", cases[i].text);
  }
}
END_TEST

static const char *
described (size_t row)
{
  static char text[200];
  struct mantis_buf buf = MANTIS_BUF_INIT;

  option_describe (vote_options + row, &buf);
  snprintf (text, sizeof text, "%s", buf.bytes);
  mantis_buf_free (&buf);
  return text;
}

START_TEST (descriptions)
{
  ck_assert_str_eq (described (0), "true or false, default true");
  ck_assert_str_eq (described (1), "number, default 2, 1 to 9");
  ck_assert_str_eq (described (3), "duration, default 90, 1s to 1d");
  ck_assert_str_eq (described (5), "text, not set by default");
  ck_assert_str_eq (described (6), "red|green|blue, default red");
}
END_TEST

START_TEST (paths)
{
  ck_assert_str_eq (json_path_member (arena, "$", "a_1"), "$.a_1");
  ck_assert_str_eq (json_path_member (arena, "$.t", "we \"ird"), "$.t[\"we \\\"ird\"]");
  ck_assert_str_eq (json_path_member (arena, "$", ""), "$[\"\"]");
  ck_assert_str_eq (json_path_index (arena, "$.a", 3), "$.a[3]");
  ck_assert_str_eq (path_in (arena, "/etc", "a"), "/etc/a");
  ck_assert_str_eq (path_in (arena, "/", ".//a"), "/a");
  ck_assert_str_eq (path_in (arena, "/etc", "../a"), "/etc/../a");
  ck_assert_str_eq (path_in (arena, "/etc", "."), "/etc");
  ck_assert_str_eq (path_in (arena, "/etc", "./"), "/etc");
  ck_assert_str_eq (path_in (arena, "/etc", "/a"), "/a");
}
END_TEST

static void
surroundings (void)
{
  arena = mantis_arena_new (0);
  failure = (struct mantis_error){0};
}

static void
tear_down (void)
{
  mantis_arena_free (arena);
}

int
main (void)
{
  Suite *suite = suite_create ("options");
  TCase *tcase = tcase_create ("options");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tcase, surroundings, tear_down);
  tcase_add_test (tcase, defaults);
  tcase_add_test (tcase, everything_given);
  tcase_add_loop_test (tcase, refused, 0, COUNT_OF (wrong));
  tcase_add_test (tcase, required);
  tcase_add_test (tcase, no_such_plugin);
  tcase_add_test (tcase, start_fails_and_check_does_not_start);
  tcase_add_test (tcase, older_ops_read_as_zero);
  tcase_add_test (tcase, unsound_tables);
  tcase_add_test (tcase, endless_table);
  tcase_add_test (tcase, units);
  tcase_add_test (tcase, descriptions);
  tcase_add_test (tcase, paths);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
