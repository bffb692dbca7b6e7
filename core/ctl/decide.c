/* decide.c - mantisctl decide: a resolver decides one conflict, in a process of its own.
 *
 * It is a program for the resolver "manual" (mantis-manual(7)), which puts the conflict on its standard input, has a time limit
 * for it, and leaves the row to a person where it crashes: so a resolver that nobody trusts harms one row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"
#include "sync/conflict.h"
#include "wire/describe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 1024 * 1024 * 1024, CHUNK = 65536 };

/* ---- The conflict ---------------------------------------------------------------------------- */

static enum mantis_status
read_input (json_t **letter, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf text = {.limit = MOST_BYTES};
  char *room;
  size_t count;

  do {
    if (!(room = mantis_buf_reserve (&text, CHUNK)))
      return mantis_fail (error, MANTIS_INVALID, "the conflict is larger than the memory for it");
    text.length += count = fread (room, 1, CHUNK, stdin);
  } while (count > 0);
  if (!(*letter = json_read (text.bytes, text.length, error)))
    mantis_fail_in (error, "the conflict on standard input");
  return *letter ? MANTIS_OK : MANTIS_INVALID;
}

/* Its place in the key, 1 for the first; 0: none. */
static size_t
place_in_key (const json_t *key, const char *column)
{
  const json_t *name;
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)key, i,
                      name) if (json_is_string (name) &&
                                strcmp (json_string_value (name), column) == 0) return i +
      1;
  return 0;
}

static enum mantis_status
read_table (json_t *letter, struct mantis_arena *arena, const struct mantis_table **table,
            struct mantis_error *error)
{
  const json_t *key = json_object_get (letter, "key");
  CLEANUP_JSON json_t *columns = json_array (), *about = NULL;
  const char *name;
  json_t *type;

  json_object_foreach (json_object_get (letter, "columns"), name, type)
  {
    json_t *column = json_pack ("{s:s, s:O}", "name", name, "type", type);
    size_t place = place_in_key (key, name);
    if (place)
      json_object_set_new (column, "key", json_integer ((json_int_t)place));
    json_array_append_new (columns, column);
  }
  about = json_pack ("{s:O?, s:O}", "table", json_object_get (letter, "table"), "columns", columns);
  return table_decode (about, arena, table, error);
}

static enum mantis_status
check_key (const struct mantis_table *table, mantis_row row, struct mantis_error *error)
{
  for (size_t i = 0; i < table->key_count; i++)
    if (row[table->key[i]].type <= MANTIS_NULL)
      return mantis_fail (error, MANTIS_INVALID, "a row needs its key, and \"%s\" is missing",
                          table->columns[table->key[i]].name);
  return MANTIS_OK;
}

/* NULL where it says null. */
static enum mantis_status
read_row (const json_t *letter, const char *name, const struct mantis_table *table,
          struct mantis_arena *arena, mantis_row *row, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *json = json_get_object (letter, name, &status, error);

  *row = NULL;
  if (status != MANTIS_OK || !json)
    return status;
  status = row_decode (json, table, arena, row, error);
  if (status == MANTIS_OK)
    status = check_key (table, *row, error);
  if (status != MANTIS_OK)
    mantis_fail_in (error, "\"%s\"", name);
  return status;
}

static enum mantis_status
read_side (const json_t *letter, const char *name, const struct mantis_table *table,
           struct mantis_arena *arena, struct mantis_change *side, struct mantis_error *error)
{
  const char *time = mantis_arena_printf (arena, "%s_updated_at", name),
             *origin = mantis_arena_printf (arena, "%s_origin", name);
  enum mantis_status status = read_row (letter, name, table, arena, &side->row, error);

  if (!time || !origin)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  side->table = table;
  side->deleted = !side->row;
  side->updated_at = json_get_integer (letter, time, 0, &status, error);
  side->origin = json_get_text (letter, origin, "", &status, error);
  return status;
}

/* What a deletion carries of the row OTHER. */
static mantis_row
only_key (const struct mantis_table *table, mantis_row other, struct mantis_arena *arena)
{
  struct mantis_value *row = arena_array (arena, table->column_count, sizeof *row);

  for (size_t i = 0; row && i < table->key_count; i++)
    row[table->key[i]] = other[table->key[i]];
  return row;
}

struct dispute {
  struct mantis_conflict conflict;
  struct mantis_change local, remote;
};

/* DISPUTE borrows from LETTER. */
static enum mantis_status
read_dispute (json_t *letter, struct mantis_arena *arena, struct dispute *dispute,
              struct mantis_error *error)
{
  struct mantis_change *local = &dispute->local, *remote = &dispute->remote;
  const struct mantis_table *table = NULL;
  mantis_row base = NULL;
  enum mantis_status status = read_table (letter, arena, &table, error);

  if (status == MANTIS_OK)
    status = read_side (letter, "local", table, arena, local, error);
  if (status == MANTIS_OK)
    status = read_side (letter, "remote", table, arena, remote, error);
  if (status == MANTIS_OK)
    status = read_row (letter, "base", table, arena, &base, error);
  if (status != MANTIS_OK)
    return status;
  if (local->deleted && remote->deleted)
    return mantis_fail (error, MANTIS_INVALID, "\"local\" and \"remote\": one of them is a row");
  if (local->deleted)
    local->row = only_key (table, remote->row, arena);
  if (remote->deleted)
    remote->row = only_key (table, local->row, arena);
  dispute->conflict = (struct mantis_conflict){.size = sizeof dispute->conflict,
                                               .table = table,
                                               .base = base,
                                               .local = local,
                                               .remote = remote};
  return local->row && remote->row ? MANTIS_OK
                                   : mantis_fail (error, MANTIS_FAILED, "no memory left");
}

/* ---- The decision ---------------------------------------------------------------------------- */

static enum mantis_status
suits (struct instance *policy, const struct mantis_table *table, struct mantis_error *error)
{
  const struct mantis_resolver *ops = policy->ops;

  if (ops->wants & MANTIS_WANTS_STAMPS)
    return mantis_fail (error, MANTIS_INVALID,
                        "resolver \"%s\" asks who wrote each column when, which only mantisd knows",
                        policy->name);
  return ops->suits ? ops->suits (policy->self, table, error) : MANTIS_OK;
}

static enum mantis_status
decide (struct instance *policy, const struct mantis_conflict *conflict, int answers,
        struct mantis_arena *arena, struct mantis_error *error)
{
  static const char *const words[] = {
      [MANTIS_KEEP_LOCAL] = "local", [MANTIS_TAKE_REMOTE] = "remote", [MANTIS_MERGE] = "merged",
      [MANTIS_DEFER] = "defer",      [MANTIS_REFUSE] = "refuse",      [MANTIS_JOIN] = "joined",
  };
  const struct mantis_resolver *ops = policy->ops;
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;
  struct mantis_value *merged = arena_array (arena, conflict->table->column_count, sizeof *merged);
  struct mantis_error reason = {.status = MANTIS_OK};
  enum mantis_decision decision;

  if (!merged)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  decision = ops->decide (policy->self, conflict, merged, arena, &reason);
  if (decision < MANTIS_KEEP_LOCAL || decision >= COUNT_OF (words))
    return mantis_fail (error, MANTIS_FAILED, "resolver \"%s\" gave no decision%s%s", policy->name,
                        *reason.text ? ": " : "", reason.text);
  mantis_buf_printf (&line, "{\"decision\":\"%s\"", words[decision]);
  json_add_text (&line, "reason", *reason.text ? reason.text : NULL);
  if (decision == MANTIS_MERGE || decision == MANTIS_JOIN) {
    mantis_buf_text (&line, ",\"row\":");
    mantis_row_json (&line, conflict->table, merged);
  }
  mantis_buf_text (&line, "}\n");
  if (line.failed || dprintf (answers, "%s", line.bytes) < 0)
    return mantis_fail (error, MANTIS_FAILED, "the decision could not be written");
  return MANTIS_OK;
}

/* ---- The command ----------------------------------------------------------------------------- */

static enum mantis_status
open_plugins (struct ctl *ctl, struct config **config, struct plugins **plugins,
              struct mantis_error *error)
{
  if (ctl->options.config)
    return ctl_open (ctl, config, plugins, error);
  json_start ();
  *plugins = options_plugins (ctl->options.plugin_dir);
  return *plugins ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "no memory left");
}

static enum mantis_status
decide_input (struct ctl *ctl, const struct config *config, struct plugins *plugins, int answers,
              struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_JSON json_t *letter = NULL;
  struct instance *policy = NULL;
  struct dispute dispute = {.conflict.size = 0};
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "no memory left");

  if (status == MANTIS_OK)
    status = policy_open (ctl->policy, config, plugins, arena, &policy, error);
  if (status == MANTIS_OK)
    status = read_input (&letter, error);
  if (status == MANTIS_OK)
    status = read_dispute (letter, arena, &dispute, error);
  if (status == MANTIS_OK)
    status = suits (policy, dispute.conflict.table, error);
  if (status == MANTIS_OK)
    status = decide (policy, &dispute.conflict, answers, arena, error);
  instance_free (policy);
  return status;
}

int
ctl_decide (struct ctl *ctl)
{
  struct config *config = NULL;
  struct plugins *plugins = NULL;
  struct mantis_error error;
  enum mantis_status status;
  int answers;

  if (!ctl->policy) {
    mantis_fail (&error, MANTIS_INVALID, "which resolver? --policy NAME, FILE.so or JSON");
    return ctl_complain (&error);
  }
  /* Our standard output is for the decision alone, whatever a plugin prints. */
  answers = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2 (STDERR_FILENO, STDOUT_FILENO);
  status = open_plugins (ctl, &config, &plugins, &error);
  if (status == MANTIS_OK)
    status = decide_input (ctl, config, plugins, answers, &error);
  close (answers);
  plugins_free (plugins);
  config_free (config);
  return status == MANTIS_OK ? EXIT_CLEAN : ctl_complain (&error);
}
