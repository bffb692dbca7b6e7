/* reload.c - SIGHUP: what may change while we run, and what may not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Taken over at once; all else is as it was at the start. */
static const char *const live_keys[] = {"log_level", "nodes", "administrators", "hooks"};
static const char *const live_sync_keys[] = {"enabled",    "interval_seconds", "token_file",
                                             "batch_rows", "batch_bytes",      "whole_rows",
                                             "whole_bytes", "warn_entries"};

/* Which tables a server syncs, as an object with a key for each pattern; NULL: all. */
static json_t *
tables_of (const struct config *config)
{
  json_t *patterns = json_object ();

  for (size_t i = 0; i < config->table_count; i++)
    json_object_set_new (patterns, config->tables[i].pattern, json_true ());
  if (config->patterns && !json_object_get (patterns, "*"))
    return patterns;
  json_decref (patterns);
  return NULL;
}

bool
reload_same_tables (const struct config *was, const struct config *fresh)
{
  CLEANUP_JSON json_t *before = tables_of (was), *now = tables_of (fresh);

  return before == now || json_equal (before, now);
}

/* A server's policies and filters may change, but not which tables there are. */
static void
forget_rules (const struct config *config, json_t *copy, json_t *sync)
{
  json_t *tables;

  if (config->role != MANTIS_SERVER)
    return;
  json_object_del (sync, "conflict_policy");
  json_object_del (copy, "filters");
  json_object_del (copy, "tables");
  if ((tables = tables_of (config)))
    json_object_set_new (copy, "tables", tables);
}

/* What of CONFIG cannot be taken over. */
static json_t *
fixed_part (const struct config *config)
{
  json_t *copy = config->root ? json_deep_copy (config->root) : json_object ();
  json_t *sync = json_object_get (copy, "sync");

  for (size_t i = 0; i < COUNT_OF (live_keys); i++)
    json_object_del (copy, live_keys[i]);
  for (size_t i = 0; i < COUNT_OF (live_sync_keys); i++)
    json_object_del (sync, live_sync_keys[i]);
  forget_rules (config, copy, sync);
  if (sync && json_object_size (sync) == 0)
    json_object_del (copy, "sync");
  return copy;
}

void
reload_leaves (struct mantis *node, enum mantis_level level, const char *format, ...)
{
  char text[2 * sizeof ((struct mantis_error *)NULL)->text];
  va_list values;

  va_start (values, format);
  vsnprintf (text, sizeof text, format, values);
  va_end (values);
  mantis_log (level, "%s", text);
  mantis_buf_printf (&node->unapplied, "%s{\"since\":%lld", node->unapplied.length ? "," : "",
                     (long long)mantis_now ());
  json_add_text (&node->unapplied, "what", text);
  mantis_buf_char (&node->unapplied, '}');
}

static void
add_name (struct mantis_buf *names, const char *name)
{
  mantis_buf_printf (names, "%s\"%s\"", names->length ? ", " : "", name);
}

static void
tell_difference (struct mantis *node, const struct config *fresh)
{
  const struct config *was = node->config;
  CLEANUP_BUF struct mantis_buf names = MANTIS_BUF_INIT;
  json_t *a = fixed_part (was), *b = fixed_part (fresh), *value;
  const char *name;

  json_object_foreach (a, name, value)
  {
    if (!json_equal (value, json_object_get (b, name)))
      add_name (&names, name);
  }
  json_object_foreach (b, name, value)
  {
    if (!json_object_get (a, name))
      add_name (&names, name);
  }
  if (names.length && !names.failed)
    reload_leaves (node, MANTIS_WARNING, "%s: what changed in %s needs a restart", fresh->file,
                   names.bytes);
  json_decref (a);
  json_decref (b);
}

void
node_reload_failed (struct mantis *node, const struct mantis_error *error)
{
  mantis_buf_clear (&node->unapplied);
  reload_leaves (node, MANTIS_ERROR, "going on as before: %s", error->text);
}

void
node_reload (struct mantis *node, struct config *fresh)
{
  struct config *before = node->live;

  mantis_buf_clear (&node->unapplied);
  tell_difference (node, fresh);
  node->live = fresh;
  log_set_level (fresh->log_level);
  if (node->config->role == MANTIS_SERVER)
    serve_reload (node);
  else
    follow_reload (node);
  node_reload_hooks (node, before);
  if (before != node->config && !policies_hold (node, before))
    config_free (before);
  if (node->refiltering)
    refilter (node->refiltering); /* and when that is done: */
  else
    mantis_log (MANTIS_INFO, "%s: read again", fresh->file);
}
