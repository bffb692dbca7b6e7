/* judge.c - a policy is asked about recorded conflicts, in a process of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"
#include "wire/block.h"
#include "wire/describe.h"
#include "wire/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
  const struct trial *trial;
  struct mantis_arena *arena; /* for good; each record has one of its own */
  const struct mantis_table **tables;
  size_t table_count;
  struct instance *given;       /* by --policy; NULL: the configured ones decide */
  struct instance **configured; /* by number of the use; NULL: not asked for yet */
};

/* ---- The policy ------------------------------------------------------------------------------ */

/* Who is asked about TABLE. */
static enum mantis_status
policy_for (struct bench *bench, const char *table, struct instance **policy,
            struct mantis_error *error)
{
  const struct trial *trial = bench->trial;
  const struct plugin_use *use;
  enum mantis_status status = MANTIS_OK;

  if ((*policy = bench->given))
    return MANTIS_OK;
  use = config_policy (trial->config, table);
  if (!(*policy = bench->configured[use->number])) {
    if (!plugins_find (trial->plugins, MANTIS_KIND_RESOLVER, use->name))
      status = plugins_open (trial->plugins, use->name, NULL, NULL, NULL, error);
    if (status == MANTIS_OK)
      status = instance_new (trial->plugins, use, &bench->configured[use->number], error);
    *policy = bench->configured[use->number];
  }
  return status;
}

static const char *
table_name (const json_t *record)
{
  const char *name = json_string_value (json_object_get (record, "tbl"));

  return name ? name : "";
}

/* The policy that is meant for TABLE by its name; NULL: none is, or nobody asks it. */
static struct instance *
meant_for (const struct bench *bench, const char *table)
{
  const struct config *config = bench->trial->config;
  const char *named = bench->trial->ctl->table;

  if (bench->given)
    return named && strcmp (named, table) == 0 ? bench->given : NULL;
  for (size_t i = 0; i < config->table_count; i++)
    if (strcmp (config->tables[i].pattern, table) == 0 && config->tables[i].policy)
      return bench->configured[config->tables[i].policy->number];
  return NULL;
}

/* Do they name columns that there are? */
static enum mantis_status
check_policies (const struct bench *bench, struct mantis_error *error)
{
  for (size_t i = 0; i < bench->table_count; i++) {
    const struct instance *policy = meant_for (bench, bench->tables[i]->name);
    const struct mantis_resolver *ops = policy ? policy->ops : NULL;
    enum mantis_status status =
        ops && ops->suits ? ops->suits (policy->self, bench->tables[i], error) : MANTIS_OK;
    if (status != MANTIS_OK) {
      mantis_fail_in (error, "the policy does not fit table \"%s\"", bench->tables[i]->name);
      return status;
    }
  }
  return MANTIS_OK;
}

/* All that will be asked, before the first one is. */
static enum mantis_status
open_policies (struct bench *bench, size_t from, struct mantis_error *error)
{
  const struct trial *trial = bench->trial;
  enum mantis_status status = MANTIS_OK;
  struct instance *policy;

  bench->configured =
      arena_array (bench->arena, trial->config->use_count, sizeof *bench->configured);
  if (!bench->configured)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (trial->ctl->policy)
    return policy_open (trial->ctl->policy, trial->config, trial->plugins, bench->arena,
                        &bench->given, error);
  if (trial->config->listed)
    status = config_open_plugins (trial->config, trial->plugins, error);
  for (size_t i = from; i < json_array_size (trial->records) && status == MANTIS_OK; i++)
    status = policy_for (bench, table_name (json_array_get (trial->records, i)), &policy, error);
  return status;
}

/* ---- One record ------------------------------------------------------------------------------ */

static void
add_json (struct mantis_buf *buf, const char *name, const json_t *value)
{
  CLEANUP_FREE char *text = value ? json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

  mantis_buf_printf (buf, ",\"%s\":", name);
  mantis_buf_text (buf, text ? text : "null");
}

static void
add_row (struct mantis_buf *buf, const char *name, const struct mantis_table *table, mantis_row row)
{
  mantis_buf_printf (buf, ",\"%s\":", name);
  if (row)
    row_encode (buf, table, row);
  else
    mantis_buf_text (buf, "null");
}

static void
add_lacks (struct mantis_buf *buf, uint32_t lacks)
{
  static const char *const words[] = {"base", "stamps", "time", "columns"};
  const char *comma = "";

  mantis_buf_text (buf, ",\"lacks\":[");
  for (size_t i = 0; i < COUNT_OF (words); i++)
    if (lacks & 1u << i) {
      mantis_buf_printf (buf, "%s\"%s\"", comma, words[i]);
      comma = ",";
    }
  mantis_buf_char (buf, ']');
}

/* {"qty": [THEN, NOW]}: the columns that differ; how many? */
static size_t
add_columns (struct mantis_buf *buf, const struct mantis_table *table, mantis_row then,
             mantis_row now)
{
  size_t count = 0;

  mantis_buf_text (buf, ",\"columns\":{");
  for (size_t i = 0; then && now && i < table->column_count; i++) {
    if (then[i].type == MANTIS_NONE || now[i].type == MANTIS_NONE ||
        mantis_value_equal (&then[i], &now[i]))
      continue;
    mantis_buf_text (buf, count++ ? "," : "");
    mantis_buf_json (buf, table->columns[i].name, strlen (table->columns[i].name));
    mantis_buf_text (buf, ":[");
    value_encode (buf, &then[i]);
    mantis_buf_char (buf, ',');
    value_encode (buf, &now[i]);
    mantis_buf_char (buf, ']');
  }
  mantis_buf_char (buf, '}');
  return count;
}

struct answer {
  const char *outcome, *reason; /* outcome NULL: it is none */
  mantis_row row;
};

static struct answer
ask (struct instance *policy, const struct recalled *recalled, struct mantis_arena *arena)
{
  const struct mantis_resolver *ops = policy->ops;
  struct mantis_value *merged = arena_array (arena, recalled->table->column_count, sizeof *merged);
  struct mantis_error reason = {.status = MANTIS_OK};
  struct answer answer = {.reason = "no memory left"};
  enum mantis_decision decision;

  if (!merged)
    return answer;
  decision = ops->decide (policy->self, &recalled->conflict, merged, arena, &reason);
  answer.outcome = recall_decide (recalled, decision, merged, arena, &answer.row);
  answer.reason = *reason.text      ? mantis_arena_strdup (arena, reason.text)
                  : !answer.outcome ? "it gave no decision"
                                    : NULL;
  return answer;
}

static bool
same_rows (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  for (size_t i = 0; a && b && i < table->column_count; i++)
    if (a[i].type != MANTIS_NONE && b[i].type != MANTIS_NONE && !mantis_value_equal (&a[i], &b[i]))
      return false;
  return !a == !b;
}

/* Twice, as only a function of its arguments can be put to the past. */
static void
decide (struct instance *policy, struct recalled *recalled, struct mantis_arena *arena,
        struct mantis_buf *line)
{
  const struct mantis_table *table = recalled->table;
  struct answer answer = ask (policy, recalled, arena), again = ask (policy, recalled, arena);
  const char *verdict = "failed";

  if (answer.outcome && (!again.outcome || strcmp (answer.outcome, again.outcome) != 0 ||
                         !same_rows (table, answer.row, again.row)))
    answer = (struct answer){.reason = "asked twice, it answered differently"};
  if (answer.outcome) {
    bool open = strcmp (answer.outcome, "deferred") == 0;
    verdict = !recalled->known ? "unknown"
              : open == recalled->open && same_rows (table, recalled->then, answer.row)
                  ? "same"
                  : "different";
  }
  json_add_text (line, "verdict", verdict);
  json_add_text (line, "policy", policy->name);
  json_add_text (line, "now_outcome", answer.outcome);
  json_add_text (line, "now_reason", answer.reason);
  add_lacks (line, recalled->lacks);
  if (!answer.outcome)
    return;
  if (recalled->known) {
    add_row (line, "then", table, recalled->then);
    add_columns (line, table, recalled->then, answer.row);
  }
  add_row (line, "now", table, answer.row);
}

/* By a filter or a hook: a policy that refuses gives its own name. */
static bool
was_turned_away (const struct bench *bench, const json_t *record)
{
  const char *outcome = json_string_value (json_object_get (record, "outcome")),
             *by = json_string_value (json_object_get (record, "decided_by"));

  if (!outcome || !by || strcmp (outcome, "rejected") != 0)
    return false;
  for (const struct plugin_use *use = bench->trial->config->uses; use; use = use->next)
    if (use->kind == MANTIS_KIND_RESOLVER && strcmp (use->name, by) == 0)
      return false;
  return !bench->given || strcmp (bench->given->name, by) != 0;
}

static enum mantis_status
judge (struct bench *bench, const json_t *record, struct mantis_buf *line,
       struct mantis_error *error)
{
  static const char *const facts[] = {"tbl", "key", "at", "outcome", "decided_by", "reason"};
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const struct mantis_table *table = NULL;
  const char *node = json_string_value (json_object_get (bench->trial->page, "node"));
  struct recalled recalled;
  struct instance *policy;
  enum mantis_status status = policy_for (bench, table_name (record), &policy, error);

  if (status != MANTIS_OK)
    return status;
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < bench->table_count; i++)
    if (strcmp (bench->tables[i]->name, table_name (record)) == 0)
      table = bench->tables[i];
  mantis_buf_printf (line, "{\"id\":%lld",
                     (long long)json_integer_value (json_object_get (record, "id")));
  for (size_t i = 0; i < COUNT_OF (facts); i++)
    add_json (line, facts[i], json_object_get (record, facts[i]));
  status = recall (record, table, node ? node : "",
                   ((const struct mantis_resolver *)policy->ops)->wants, arena, &recalled, error);
  if (status == MANTIS_OK && !recalled.left_out && was_turned_away (bench, record))
    recalled.left_out = "no policy of the configuration refused it: a filter, or a hook";
  if (status != MANTIS_OK) {
    json_add_text (line, "verdict", "left out");
    json_add_text (line, "why", error->text);
  } else if (recalled.left_out) {
    json_add_text (line, "verdict", "left out");
    json_add_text (line, "why", recalled.left_out);
  } else
    decide (policy, &recalled, arena, line);
  mantis_buf_text (line, "}\n");
  return line->failed ? mantis_fail (error, MANTIS_FAILED, "no memory left") : MANTIS_OK;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static enum mantis_status
read_tables (struct bench *bench, struct mantis_error *error)
{
  const json_t *list = json_object_get (bench->trial->page, "tables");
  enum mantis_status status = MANTIS_OK;

  if (!(bench->tables = arena_array (bench->arena, json_array_size (list), sizeof *bench->tables)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < json_array_size (list) && status == MANTIS_OK; i++)
    status = table_decode (json_array_get (list, i), bench->arena,
                           &bench->tables[bench->table_count++], error);
  return status;
}

static bool
send_line (int fd, const struct mantis_buf *line)
{
  for (size_t sent = 0; sent < line->length;) {
    ssize_t count = write (fd, line->bytes + sent, line->length - sent);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    sent += (size_t)count;
  }
  return true;
}

static void
close_bench (struct bench *bench)
{
  instance_free (bench->given);
  for (size_t i = 0; bench->configured && i < bench->trial->config->use_count; i++)
    instance_free (bench->configured[i]);
  mantis_arena_free (bench->arena);
}

void
judge_all (const struct trial *trial, size_t from, int fd)
{
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "no memory left"};
  struct bench bench = {.trial = trial, .arena = mantis_arena_new (0)};
  enum mantis_status status = bench.arena ? read_tables (&bench, &error) : MANTIS_FAILED;

  if (status == MANTIS_OK)
    status = open_policies (&bench, from, &error);
  if (status == MANTIS_OK)
    status = check_policies (&bench, &error);
  mantis_buf_text (&line, "{}\n");
  for (size_t i = from; status == MANTIS_OK && send_line (fd, &line); i++) {
    mantis_buf_free (&line);
    if (i == json_array_size (trial->records))
      break;
    status = judge (&bench, json_array_get (trial->records, i), &line, &error);
  }
  if (status != MANTIS_OK) {
    mantis_buf_free (&line);
    mantis_buf_printf (&line, "{\"status\":%d", (int)status);
    json_add_text (&line, "error", error.text);
    mantis_buf_text (&line, "}\n");
    send_line (fd, &line);
  }
  close_bench (&bench);
}
