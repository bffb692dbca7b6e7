/* look.c - what mantisctl replay and mantisctl explain ask of a server: it looks, and changes nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "daemon/seen.h"
#include "wire/block.h"
#include "wire/describe.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdlib.h>
#include <string.h>

bool
order_is_look (const char *message)
{
  return strcmp (message, "replay") == 0 || strcmp (message, "explain") == 0;
}

/* What it takes to decide a recorded conflict anew, beside its record. */
static enum mantis_status
add_records (struct store *store, const char *argument, struct mantis_buf *buf,
             struct mantis_error *error)
{
  const char *comma = "";
  enum mantis_status status;

  mantis_buf_printf (buf, "{\"node\":\"%s\",\"tables\":[", store->node);
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    if (table->refusal)
      continue;
    mantis_buf_text (buf, comma);
    table_encode (buf, table);
    comma = ",";
  }
  mantis_buf_text (buf, "],\"page\":");
  status = conflicts_list (store, argument, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}

/* ---- A conflict ------------------------------------------------------------------------------ */

/* Whose token does NODE use? */
static enum mantis_status
add_subject (struct store *store, const char *node, struct mantis_arena *arena,
             struct mantis_buf *buf, struct mantis_error *error)
{
  const struct mantis_value key[NODE_COLUMNS] = {[NODE_ID] = value_text (node)};
  enum mantis_status status;
  mantis_row row = NULL;

  if (!node || (status = store_get (store, &table_nodes, key, arena, &row, error)) != MANTIS_OK)
    return node ? status : MANTIS_OK;
  if (row)
    json_add_text (buf, node, value_as_text (&row[NODE_SUBJECT]));
  return MANTIS_OK;
}

/* The row of RECORD as it is by now. */
static enum mantis_status
add_now (struct store *store, const json_t *record, struct mantis_arena *arena,
         struct mantis_buf *buf, struct mantis_error *error)
{
  const char *name = json_string_value (json_object_get (record, "tbl"));
  const struct mantis_attached *attached = name ? store_table (store, name) : NULL;
  struct mantis_version version;
  mantis_row key, row = NULL;
  enum mantis_status status;

  if (!attached || attached->table->refusal)
    return MANTIS_OK;
  status = key_decode (json_object_get (record, "key"), attached->table, arena, &key, error);
  if (status != MANTIS_OK) /* it has another key by now */
    return MANTIS_OK;
  status = store->ops->versions (store->session, attached->table, &key, 1, arena, &version, error);
  if (status == MANTIS_OK)
    status = store_get (store, attached->table, key, arena, &row, error);
  if (status != MANTIS_OK)
    return status;
  mantis_buf_printf (buf, ",\"now\":{\"rev\":%lld,\"updated_at\":%lld",
                     (long long)(version.rev ? version.rev : store->floor),
                     (long long)version.updated_at);
  json_add_text (buf, "origin", version.origin);
  mantis_buf_text (buf, ",\"row\":");
  if (row)
    row_encode (buf, attached->table, row);
  else
    mantis_buf_text (buf, "null");
  mantis_buf_char (buf, '}');
  return status;
}

/* The record ID, who its nodes are, and what is there now. */
static enum mantis_status
add_conflict (struct store *store, const char *id, struct mantis_buf *buf,
              struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  CLEANUP_JSON json_t *record = NULL;
  enum mantis_status status = arena ? conflicts_list (store, id, &text, error)
                                    : mantis_fail (error, MANTIS_FAILED, "no memory left");

  if (status != MANTIS_OK)
    return status;
  if (text.failed || !(record = json_read (text.bytes, text.length, error)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  mantis_buf_printf (buf, "{\"server\":\"%s\",\"conflict\":%s,\"nodes\":{\"%s\":\"\"", store->node,
                     text.bytes, store->node);
  status =
      add_subject (store, json_string_value (json_object_get (record, "node")), arena, buf, error);
  if (status == MANTIS_OK)
    status = add_subject (store, json_string_value (json_object_get (record, "winner_origin")),
                          arena, buf, error);
  mantis_buf_char (buf, '}');
  if (status == MANTIS_OK)
    status = add_now (store, record, arena, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}

/* ---- A principal and a table ----------------------------------------------------------------- */

static enum mantis_status
is_disabled (struct store *store, const struct mantis_value *name, struct mantis_arena *arena,
             bool *disabled, struct mantis_error *error)
{
  const struct mantis_value key[DISABLED_COLUMNS] = {[DISABLED_NAME] = *name};
  mantis_row row = NULL;
  enum mantis_status status = store_get (store, &table_disabled, key, arena, &row, error);

  *disabled = row != NULL;
  return status;
}

/* The nodes that have called as SUBJECT. */
static enum mantis_status
add_nodes (struct store *store, const char *subject, struct mantis_arena *arena,
           struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_nodes);
  const char *comma = "";
  enum mantis_status status;
  mantis_row row;

  mantis_buf_text (buf, ",\"nodes\":[");
  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    bool disabled;
    if (strcmp (value_as_text (&row[NODE_SUBJECT]), subject) != 0)
      continue;
    if ((status = is_disabled (store, &row[NODE_ID], arena, &disabled, error)) != MANTIS_OK)
      break;
    mantis_buf_printf (buf, "%s{\"node\":\"%s\",\"seen_at\":%lld,\"disabled\":%s}", comma,
                       value_as_text (&row[NODE_ID]),
                       (long long)value_as_integer (&row[NODE_SEEN_AT]),
                       disabled ? "true" : "false");
    comma = ",";
  }
  mantis_buf_char (buf, ']');
  return status;
}

/* Who it is about, and what is asked. */
struct inquiry {
  struct mantis_principal principal;
  const char *node, *token, *table, *conflict;
  const json_t *key, *after; /* arrays */
  int64_t keys;
};

/* As the filters see him. */
static enum mantis_status
add_sight (struct store *store, const struct inquiry *asked, const struct mantis_table *table,
           struct mantis_arena *arena, struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_LENDING struct lending lending;
  struct viewer viewer;

  lending_begin (&lending, store);
  viewer = viewer_of (&lending, &asked->principal, asked->node);
  seen_columns (&viewer, table, buf);
  if (asked->key)
    return seen_row (&viewer, table, asked->key, arena, buf, error);
  return seen_rows (&viewer, table, asked->after, asked->keys > 0 ? (size_t)asked->keys : 0, arena,
                    buf, error);
}

static enum mantis_status
add_principal (struct store *store, const struct inquiry *asked, struct mantis_buf *buf,
               struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const struct mantis_attached *attached = store_table (store, asked->table);
  const struct mantis_value name = value_text (asked->principal.subject);
  enum mantis_status status;
  bool disabled = false;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (!attached)
    return mantis_fail (error, MANTIS_ABSENT, "there is no table \"%s\", or it is not synced",
                        asked->table);
  if ((status = is_disabled (store, &name, arena, &disabled, error)) != MANTIS_OK)
    return status;
  mantis_buf_printf (buf, "{\"disabled\":%s", disabled ? "true" : "false");
  json_add_text (buf, "principal", asked->principal.subject);
  mantis_buf_printf (buf, ",\"claims\":%s", asked->principal.claims);
  json_add_text (buf, "refusal", attached->table->refusal);
  status = add_nodes (store, asked->principal.subject, arena, buf, error);
  if (status == MANTIS_OK && !attached->table->refusal)
    status = add_sight (store, asked, attached->table, arena, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}

/* ---- What is asked --------------------------------------------------------------------------- */

static enum mantis_status
read_asked (const json_t *json, struct mantis_arena *arena, struct inquiry *asked,
            struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *claims = json_get_object (json, "claims", &status, error);
  CLEANUP_FREE char *text = claims ? json_dumps (claims, JSON_COMPACT) : strdup ("{}");

  *asked = (struct inquiry){.principal.size = sizeof asked->principal};
  asked->conflict = json_get_text (json, "conflict", NULL, &status, error);
  asked->principal.subject = json_get_text (json, "principal", NULL, &status, error);
  asked->principal.claims = text ? mantis_arena_strdup (arena, text) : NULL;
  asked->node = json_get_text (json, "node", "", &status, error);
  asked->token = json_get_text (json, "token", NULL, &status, error);
  asked->table = json_get_text (json, "table", NULL, &status, error);
  asked->key = json_get_array (json, "key", &status, error);
  asked->after = json_get_array (json, "after", &status, error);
  asked->keys = json_get_integer (json, "keys", 0, &status, error);
  if (status == MANTIS_OK && !asked->principal.claims)
    status = mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (status == MANTIS_OK && !asked->conflict &&
      (!asked->table || (!asked->principal.subject && !asked->token)))
    status = mantis_fail (error, MANTIS_INVALID, "explain: a conflict, or a principal and a table");
  return status;
}

/* Who shows the token that is asked about.  Before any transaction. */
static enum mantis_status
recognize (const struct mantis *node, struct store *store, struct mantis_arena *arena,
           struct inquiry *asked, struct mantis_error *error)
{
  const struct service_settings settings = {.auth = node->auth,
                                            .auth_count = node->config->auth_count,
                                            .server = (struct server *)(uintptr_t)&node->server};
  const struct mantis_request request = {
      .size = sizeof request,
      .node = *asked->node ? asked->node : NULL,
      .credentials = {.size = sizeof request.credentials, .bearer = asked->token}};

  enum mantis_status status;

  if (!node->auth)
    return mantis_fail (error, MANTIS_INVALID,
                        "a token is looked at by a running mantisd only: give "
                        "the subject and --claims");
  status = admit (&settings, &request, store, arena, &asked->principal, error);
  return status == MANTIS_REFUSED ? MANTIS_OK : status; /* turned away: that is told, too */
}

static enum mantis_status
explain (const struct mantis *node, struct store *store, const char *argument,
         struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_JSON json_t *json =
      argument ? json_read (argument, strlen (argument), error) : json_object ();
  enum mantis_status status = MANTIS_OK;
  struct inquiry asked;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (!json)
    return error->status;
  status = read_asked (json, arena, &asked, error);
  if (status == MANTIS_OK && asked.token)
    status = recognize (node, store, arena, &asked, error);
  if (status == MANTIS_OK && !store->in_transaction)
    status = store_begin (store, MANTIS_READ, error);
  if (status != MANTIS_OK)
    return status;
  return asked.conflict ? add_conflict (store, asked.conflict, buf, error)
                        : add_principal (store, &asked, buf, error);
}

enum mantis_status
order_look (const struct mantis *node, struct store *store, const char *message,
            const char *argument, struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (strcmp (message, "explain") == 0)
    return explain (node, store, argument, buf, error);
  if (!store->in_transaction)
    status = store_begin (store, MANTIS_READ, error);
  return status == MANTIS_OK ? add_records (store, argument, buf, error) : status;
}
