/* look.c - what mantisctl replay and mantisctl explain ask of a server: it looks, and changes nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "wire/block.h"
#include "wire/describe.h"
#include "wire/json.h"
#include "wire/key.h"

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

enum mantis_status
order_look (struct store *store, const char *message, const char *argument, struct mantis_buf *buf,
            struct mantis_error *error)
{
  if (strcmp (message, "replay") == 0)
    return add_records (store, argument, buf, error);
  return add_conflict (store, argument, buf, error);
}
