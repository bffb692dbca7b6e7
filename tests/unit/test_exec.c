/* The hook exec: what a program is told, what its answers mean, and what becomes of one that is slow, silent, wrong or dead.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../plugins/hook/exec/exec.h"
#include "../lib/table.h"
#include "base/base.h"

#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_exec;

enum { PATIENCE = 60, CHANGES = 20 };

static const struct mantis_column columns[] = {
    {.name = "id", .key_position = 1}, {.name = "body"}, {.name = "qty"}};
static const uint32_t key[] = {0};
static const struct mantis_table table = TABLE_OF ("orders", columns, key);
static struct mantis_value rows[CHANGES][3];
static struct mantis_change changes[CHANGES];
static const char *refusals[CHANGES];
static mantis_row wanted[CHANGES];
static struct mantis_arena *arena;
static const struct mantis_principal principal = {
    .size = sizeof principal, .subject = "till-7", .claims = "{\"role\":\n\"clerk\"}"};
static struct exec exec;
static char folder[] = "/tmp/test-exec.XXXXXX";
static struct mantis_error error;
static const char *command[] = {"sh", "-c", NULL, NULL};

static struct mantis_value
text (const char *bytes)
{
  return (struct mantis_value){
      .type = MANTIS_TEXT, .length = (uint32_t)strlen (bytes), .as.bytes = bytes};
}

static void
make_changes (void)
{
  static char ids[CHANGES][8];

  for (int i = 0; i < CHANGES; i++) {
    snprintf (ids[i], sizeof ids[i], "k%d", i);
    rows[i][0] = text (ids[i]);
    rows[i][1] = text ("tea \"hot\"\n");
    rows[i][2] = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = i};
    changes[i] = (struct mantis_change){.table = &table, .row = rows[i], .created = true};
  }
}

/* Begin with the program SCRIPT. */
static void
begin (const char *script)
{
  command[2] = script;
  exec = (struct exec){.command = command,
                       .folder = folder,
                       .time_limit = PATIENCE * 1000,
                       .queue_bytes = 1024 * 1024,
                       .line_bytes = 1024 * 1024};
  ck_assert_int_eq (plugin_exec.start (&exec, &error), MANTIS_OK);
}

static enum mantis_status
happens (enum mantis_moment moment, size_t count)
{
  struct mantis_event event = {.size = sizeof event,
                               .moment = moment,
                               .principal = &principal,
                               .node = "n1",
                               .changes = changes,
                               .change_count = count,
                               .on_failure = MANTIS_FAILURE_IGNORED,
                               .refusals = refusals,
                               .rows = wanted,
                               .arena = arena};

  memset (refusals, 0, sizeof refusals);
  memset (wanted, 0, sizeof wanted);
  error = (struct mantis_error){.text = ""};
  return ((const struct mantis_hook *)plugin_exec.ops)->happens (&exec, &event, &error);
}

static void
end (void)
{
  plugin_exec.stop (&exec);
}

/* The file NAME of the program's folder, once it has as many LINES. */
static char *
contents (const char *name, int lines)
{
  static char room[1024 * 1024];
  char path[200];
  int64_t until = mantis_monotonic () + PATIENCE * INT64_C (1000000);
  size_t got;
  int seen;

  snprintf (path, sizeof path, "%s/%s", folder, name);
  do {
    FILE *file = fopen (path, "r");
    ck_assert (mantis_monotonic () < until);
    got = file ? fread (room, 1, sizeof room - 1, file) : 0;
    room[got] = '\0';
    seen = 0;
    for (size_t i = 0; i < got; i++)
      seen += room[i] == '\n';
    if (file)
      fclose (file);
    if (seen < lines)
      usleep (2000);
  } while (seen < lines);
  return room;
}

START_TEST (a_line_tells_all)
{
  json_t *json;

  begin ("cat > told");
  rows[1][1] = (struct mantis_value){.type = MANTIS_NONE};
  changes[1] = (struct mantis_change){.table = &table, .row = rows[1], .deleted = true};
  ck_assert_int_eq (happens (MANTIS_AFTER_APPLY, 2), MANTIS_OK);
  json = json_loads (contents ("told", 1), 0, NULL);
  ck_assert_ptr_nonnull (json);
  json_object_del (json, "time");
  char *dump = json_dumps (json, JSON_COMPACT | JSON_SORT_KEYS);
  ck_assert_str_eq (
      dump,
      "{\"changes\":[{\"created\":true,\"deleted\":false,\"key\":{\"id\":\"k0\"},"
      "\"row\":{\"body\":\"tea \\\"hot\\\"\\n\",\"id\":\"k0\",\"qty\":0},\"table\":\"orders\"},"
      "{\"deleted\":true,\"key\":{\"id\":\"k1\"},\"table\":\"orders\"}],"
      "\"claims\":{\"role\":\"clerk\"},\"event\":\"after_apply\",\"id\":1,\"node\":\"n1\","
      "\"subject\":\"till-7\"}");
  free (dump);
  json_decref (json);
  end ();
}
END_TEST

START_TEST (answers)
{
  begin ("read l; echo '{\"id\":1}'; read l; echo '{}'; read l; echo '{\"refuse\":\"closed\"}'; "
         "read l;"
         "echo "
         "'{\"rows\":[{\"index\":1,\"refuse\":\"why\"},{\"index\":2,\"set\":{\"body\":null,\"qty\":"
         "1.5}}]}'");
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_OK);
  ck_assert_int_eq (happens (MANTIS_BEFORE_CONNECT, 0), MANTIS_OK);
  ck_assert_int_eq (happens (MANTIS_BEFORE_PULL, 0), MANTIS_REFUSED);
  ck_assert_str_eq (error.text, "closed");
  ck_assert_int_eq (happens (MANTIS_BEFORE_APPLY, 3), MANTIS_OK);
  ck_assert (!refusals[0] && !wanted[0] && !wanted[1] && !refusals[2]);
  ck_assert_str_eq (refusals[1], "why");
  ck_assert_uint_eq (wanted[2][0].type, MANTIS_NONE);
  ck_assert_uint_eq (wanted[2][1].type, MANTIS_NULL);
  ck_assert (wanted[2][2].type == MANTIS_REAL && wanted[2][2].as.real == 1.5);
  end ();
}
END_TEST

START_TEST (bad_answers)
{
  static const char *const bad[] = {"no JSON",
                                    "[]",
                                    "{\"rows\":{}}",
                                    "{\"rows\":[{\"index\":1,\"refuse\":\"\"}]}",
                                    "{\"rows\":[{\"index\":-1,\"refuse\":\"\"}]}",
                                    "{\"rows\":[{\"index\":0}]}",
                                    "{\"rows\":[{\"index\":0,\"set\":{\"colour\":1}}]}",
                                    "{\"rows\":[{\"index\":0,\"set\":{\"body\":[]}}]}",
                                    "{\"error\":\"no idea\"}",
                                    "{\"id\":\"1\"}"};
  char script[1000];

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    snprintf (script, sizeof script, "while read l; do echo '%s'; done", bad[i]);
    begin (script);
    ck_assert_msg (happens (MANTIS_BEFORE_PUSH, 1) == MANTIS_FAILED, "%s: %s", bad[i], error.text);
    end ();
  }
}
END_TEST

START_TEST (long_ones_come_in_parts)
{
  int indexes = 0, lines = 0, large = 0;
  static char long_text[3000];

  memset (long_text, 'x', sizeof long_text - 1);
  rows[7][1] = text (long_text);
  begin ("cat > told");
  exec.line_bytes = 1024;
  ck_assert_int_eq (happens (MANTIS_AFTER_PUSH, CHANGES), MANTIS_OK);
  end (); /* which waits until all is told */
  for (char *save, *line = strtok_r (contents ("told", 2), "\n", &save); line;
       line = strtok_r (NULL, "\n", &save)) {
    json_t *json = json_loads (line, 0, NULL), *list = json_object_get (json, "changes"), *change;
    size_t i;
    ck_assert_uint_le (strlen (line) + 1, 1024);
    json_array_foreach (list, i, change)
    {
      char id[16];
      snprintf (id, sizeof id, "k%d", indexes++);
      ck_assert_str_eq (json_string_value (json_object_get (json_object_get (change, "key"), "id")),
                        id);
      large += json_is_true (json_object_get (change, "large"));
    }
    ck_assert_int_eq (json_is_true (json_object_get (json, "more")), indexes < CHANGES);
    lines++;
    json_decref (json);
  }
  ck_assert (indexes == CHANGES && lines > 2 && large == 1);
}
END_TEST

/* Each part of a question is asked, and their answers are about their own changes. */
START_TEST (answers_in_parts)
{
  begin ("while read l; do echo '{\"rows\":[{\"index\":0,\"refuse\":\"first\"}]}'; done");
  exec.line_bytes = 1024;
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, CHANGES), MANTIS_OK);
  ck_assert_str_eq (refusals[0], "first");
  size_t count = 0;
  for (int i = 0; i < CHANGES; i++)
    count += refusals[i] != NULL;
  ck_assert (count > 2 && count < CHANGES);
  end ();
}
END_TEST

START_TEST (starts_again)
{
  begin ("echo $$ >> pids; read l; echo '{}'"); /* one line, and it is gone */
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_OK);
  for (int64_t until = mantis_monotonic () + PATIENCE * INT64_C (1000000);
       happens (MANTIS_BEFORE_PUSH, 1) != MANTIS_OK; usleep (1000)) {
    ck_assert_ptr_nonnull (strstr (error.text, "ended"));
    ck_assert (mantis_monotonic () < until);
  }
  contents ("pids", 2);
  end ();
}
END_TEST

START_TEST (killed_when_silent)
{
  char *pids;

  begin ("sleep 1000 & echo $$ $! >> pids; read l; echo '{}'; cat > told");
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_OK);
  exec.time_limit = 300;
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_FAILED);
  ck_assert_ptr_nonnull (strstr (error.text, "gave no answer in 300 ms"));
  pids = contents ("pids", 1);
  int shell = 0, child = 0;
  ck_assert_int_eq (sscanf (pids, "%d %d", &shell, &child), 2);
  for (int64_t until = mantis_monotonic () + PATIENCE * INT64_C (1000000);
       kill (shell, 0) == 0 && mantis_monotonic () < until;)
    usleep (1000);
  ck_assert_int_ne (kill (shell, 0), 0);
  end ();
}
END_TEST

START_TEST (cannot_run)
{
  static const char *const none[] = {"./none", NULL};

  begin ("");
  exec.command = none;
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_FAILED);
  ck_assert_msg (strstr (error.text, "./none"), "%s", error.text);
  ck_assert_int_eq (happens (MANTIS_AFTER_PUSH, 1), MANTIS_OK); /* it waits, in case */
  end ();
}
END_TEST

/* ---- A slow one --------------------------------------------------------------------------------- */
static atomic_int slow_lines, complaints;

static void
count_lines (enum mantis_level level, const char *line)
{
  (void)level;
  slow_lines += strstr (line, "is too slow") != NULL;
  complaints += strstr (line, "complaint") != NULL;
}

START_TEST (too_slow)
{
  struct mantis_event patient = {.size = sizeof patient,
                                 .moment = MANTIS_AFTER_PUSH,
                                 .changes = changes,
                                 .change_count = CHANGES,
                                 .on_failure = MANTIS_FAILURE_REFUSES};
  const struct mantis_hook *ops = plugin_exec.ops;

  log_set_sink (count_lines);
  begin ("exec sleep 1000");
  exec.queue_bytes = 10000;
  for (int i = 0; i < 1000; i++) /* far more than a pipe takes */
    ck_assert_int_eq (happens (MANTIS_AFTER_PUSH, CHANGES), MANTIS_OK);
  ck_assert_int_eq (slow_lines, 1);
  exec.time_limit = 20;
  ck_assert_int_eq (ops->happens (&exec, &patient, &error), MANTIS_FULL);
  end ();
  log_set_sink (NULL);
}
END_TEST

static atomic_int junk;

/* More slowly than it is written. */
static void
read_slowly (enum mantis_level level, const char *line)
{
  (void)level;
  if (!strstr (line, "no answer"))
    return;
  junk++;
  usleep (1000);
}

START_TEST (talks_without_end)
{
  log_set_sink (read_slowly);
  log_set_level (MANTIS_DEBUG);
  begin ("read l; exec yes $(printf '%8000s' | tr ' ' x)");
  ck_assert_int_eq (happens (MANTIS_AFTER_PUSH, 1), MANTIS_OK);
  while (junk < 100) /* more than a pipe holds */
    usleep (1000);
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_FAILED);
  end (); /* and nobody waits for it */
  log_set_level (MANTIS_WARNING);
  log_set_sink (NULL);
}
END_TEST

START_TEST (complaints_are_limited)
{
  log_set_sink (count_lines);
  begin ("i=0; while [ $i -lt 300 ]; do echo complaint $i >&2; i=$((i + 1)); done; read l; echo "
         "'{}'");
  ck_assert_int_eq (happens (MANTIS_BEFORE_PUSH, 1), MANTIS_OK);
  end ();
  log_set_sink (NULL);
  ck_assert_int_eq (complaints, 100);
}
END_TEST

/* ---- Many ask ----------------------------------------------------------------------------------- */
static void *
ask_often (void *context)
{
  for (int i = 0; i < 100; i++) {
    struct mantis_event event = {
        .size = sizeof event, .moment = MANTIS_BEFORE_CONNECT, .principal = &principal};
    struct mantis_error own;
    if (((const struct mantis_hook *)plugin_exec.ops)->happens (&exec, &event, &own) != MANTIS_OK)
      return context;
  }
  return NULL;
}

START_TEST (many_at_once)
{
  pthread_t threads[8];

  begin ("while read l; do echo '{}'; done");
  for (size_t i = 0; i < COUNT_OF (threads); i++)
    pthread_create (&threads[i], NULL, ask_often, &exec);
  for (size_t i = 0; i < COUNT_OF (threads); i++) {
    void *failed;
    pthread_join (threads[i], &failed);
    ck_assert_ptr_null (failed);
  }
  end ();
}
END_TEST

static void
setup (void)
{
  strcpy (folder + strlen (folder) - 6, "XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (folder));
  arena = mantis_arena_new (0);
  make_changes ();
}

static void
teardown (void)
{
  char remove[100];

  mantis_arena_free (arena);
  snprintf (remove, sizeof remove, "rm -r %s", folder);
  ck_assert_int_eq (system (remove), 0);
}

int
main (void)
{
  SRunner *runner;
  TCase *tcase = tcase_create ("exec");
  Suite *suite = suite_create ("exec");
  int failed;

  tcase_set_timeout (tcase, 300);
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, a_line_tells_all);
  tcase_add_test (tcase, answers);
  tcase_add_test (tcase, bad_answers);
  tcase_add_test (tcase, long_ones_come_in_parts);
  tcase_add_test (tcase, answers_in_parts);
  tcase_add_test (tcase, starts_again);
  tcase_add_test (tcase, killed_when_silent);
  tcase_add_test (tcase, cannot_run);
  tcase_add_test (tcase, too_slow);
  tcase_add_test (tcase, talks_without_end);
  tcase_add_test (tcase, complaints_are_limited);
  tcase_add_test (tcase, many_at_once);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
