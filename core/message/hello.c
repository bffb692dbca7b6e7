/* hello.c - the message "hello": do client and server still know each other, and do their tables fit?
 *
 *   {"protocol": 1, "number": 7, "nonce": "ab..", "in_flight": {"number": 8, "nonce": "cd.."},
 *    "cursor": {"epoch": "..", "rev": 41, "mark": ".."}, "ahead": {..., as in pull}, "tables": {"todos": "FINGERPRINT"},
 *    "offer": [TABLE, ...]}
 *
 * The numbers of both sides tell whether the client's file went back in time or was copied (`fork': it has
 * to take another node id before it pulls, or it would never see its own lost rows again).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "plugin/plugin.h"
#include "wire/describe.h"
#include "wire/json.h"

#include <mantis/resolver.h>
#include <stdio.h>
#include <string.h>

enum { PROTOCOL = 1 };

struct greeting {
  int64_t protocol, number, flying_number;
  const char *nonce, *flying_nonce;
  struct cursor cursor, ahead;
  bool has_cursor, has_ahead;
  const json_t *tables, *offer;
};

static enum mantis_status
read_greeting (const json_t *body, struct greeting *greeting, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *flying = json_get_object (body, "in_flight", &status, error);

  greeting->protocol = json_get_integer (body, "protocol", PROTOCOL, &status, error);
  greeting->number = json_get_integer (body, "number", 0, &status, error);
  greeting->nonce = json_get_text (body, "nonce", "", &status, error);
  greeting->flying_number = json_get_integer (flying, "number", 0, &status, error);
  greeting->flying_nonce = json_get_text (flying, "nonce", "", &status, error);
  greeting->tables = json_get_object (body, "tables", &status, error);
  greeting->offer = json_get_array (body, "offer", &status, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "cursor", &greeting->cursor, &greeting->has_cursor, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "ahead", &greeting->ahead, &greeting->has_ahead, error);
  if (status == MANTIS_OK && greeting->protocol != PROTOCOL)
    return mantis_fail (error, MANTIS_INVALID, "$.protocol: this server speaks %d, not %lld",
                        PROTOCOL, (long long)greeting->protocol);
  return status;
}

/* Is the server's last batch of this node the client's last, or the one that it has under way? */
static bool
is_fork (const struct greeting *greeting, const struct sender *sender)
{
  if (sender->number == greeting->number)
    return greeting->number > 0 && strcmp (sender->nonce, greeting->nonce) != 0;
  return !(greeting->flying_number > 0 && greeting->flying_number == sender->number &&
           strcmp (sender->nonce, greeting->flying_nonce) == 0);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* One that cannot be made stops no other: its client keeps it, paused, as the server has no such table. */
static enum mantis_status
create_one (struct store *store, const struct mantis_table *table, struct mantis_error *error)
{
  enum mantis_status status = store->ops->create (store->session, table, error);

  if (status == MANTIS_INVALID)
    mantis_log (MANTIS_WARNING, "a table that a client offers is not made: %s", error->text);
  else if (status != MANTIS_OK)
    return mantis_fail_in (error, "cannot create table \"%s\"", table->name);
  else
    mantis_log (MANTIS_INFO, "table \"%s\": made as a client offered it", table->name);
  return MANTIS_OK;
}

static enum mantis_status
create_offered (struct store *store, const json_t *offer, struct mantis_arena *arena,
                struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *json;
  size_t i;

  json_array_foreach (offer, i, json)
  {
    const struct mantis_table *table;
    if ((status = table_decode (json, arena, &table, error)) != MANTIS_OK)
      return mantis_fail_in (error, "$.offer[%zu]", i);
    if (!store_table (store, table->name) &&
        (status = create_one (store, table, error)) != MANTIS_OK)
      return status;
  }
  return status;
}

static enum mantis_status
generation_of (struct store *store, const struct mantis_table *table, struct mantis_arena *arena,
               int64_t *generation, struct mantis_error *error)
{
  struct mantis_value key[STATE_COLUMNS] = {
      [STATE_REMOTE] = value_text (""), [STATE_TBL] = value_text (table->name)};
  mantis_row row;
  enum mantis_status status = store_get (store, &table_state, key, arena, &row, error);

  *generation = status == MANTIS_OK && row ? value_as_integer (&row[STATE_GENERATION]) : 0;
  return status;
}

/* Columns of TABLE that SHOWN, what somebody sees of it, lacks. */
static void
add_hidden (const struct mantis_table *table, const struct mantis_table *shown,
            struct mantis_buf *buf)
{
  const char *before = ",\"hidden\":[";

  for (size_t i = 0, s = 0; i < table->column_count; i++) {
    const char *name = table->columns[i].name;
    if (s < shown->column_count && strcmp (shown->columns[s].name, name) == 0) {
      s++; /* both are in the same order */
      continue;
    }
    mantis_buf_text (buf, before);
    mantis_buf_json (buf, name, strlen (name));
    before = ",";
  }
  if (strcmp (before, ",") == 0)
    mantis_buf_char (buf, ']');
}

static enum mantis_status
add_table (struct server *server, const struct viewer *viewer, const struct mantis_table *table,
           const json_t *client, struct mantis_arena *arena, struct mantis_buf *buf,
           struct mantis_error *error)
{
  struct store *store = viewer->store;
  const struct mantis_table *shown = viewer_table (viewer, table, arena);
  int64_t view = filter_view (viewer_filtered (viewer, table), viewer);
  const char *theirs = json_string_value (json_object_get (client, table->name));
  const char *state = !theirs || !shown                          ? "missing"
                      : strcmp (theirs, shown->fingerprint) == 0 ? "live"
                                                                 : "paused";
  const struct instance *policy = server->policy (server->policy_context, table->name);
  bool base = ((const struct mantis_resolver *)policy->ops)->wants & MANTIS_WANTS_BASE;
  enum mantis_status status;
  int64_t generation;

  if (!shown)
    return mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  if ((status = generation_of (store, table, arena, &generation, error)) != MANTIS_OK)
    return status;
  mantis_buf_json (buf, table->name, strlen (table->name));
  mantis_buf_printf (buf, ":{\"state\":\"%s\",\"generation\":%lld,\"policy\":", state,
                     (long long)generation);
  mantis_buf_json (buf, policy->name, strlen (policy->name));
  if (view)
    mantis_buf_printf (buf, ",\"view\":%lld", (long long)view);
  add_hidden (table, shown, buf);
  mantis_buf_text (buf, base ? ",\"base\":true}" : "}");
  return MANTIS_OK;
}

/* Why nobody is told anything of it; NULL: it is synced. */
static const char *
refusal_of (const struct store *store, const struct mantis_table *table)
{
  return table->refusal ? table->refusal : filters_unfit (store, table) ? UNFIT : NULL;
}

static enum mantis_status
add_tables (struct server *server, const struct viewer *viewer, const json_t *client,
            struct mantis_arena *arena, struct mantis_buf *buf, struct mantis_error *error)
{
  struct store *store = viewer->store;
  enum mantis_status status = MANTIS_OK;
  const char *comma = "", *name;
  const json_t *value;

  mantis_buf_text (buf, ",\"tables\":{");
  for (size_t i = 0; i < store->schema->count && status == MANTIS_OK; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    if (refusal_of (store, table))
      continue;
    mantis_buf_text (buf, comma);
    status = add_table (server, viewer, table, client, arena, buf, error);
    comma = ",";
  }
  json_object_foreach ((json_t *)client, name, value)
  {
    const struct mantis_attached *attached = store_table (store, name);
    const char *refusal = attached ? refusal_of (store, attached->table) : NULL;
    if (attached && !refusal)
      continue;
    mantis_buf_text (buf, comma);
    mantis_buf_json (buf, name, strlen (name));
    mantis_buf_text (buf, ":{\"state\":\"unknown\"");
    if (attached) {
      mantis_buf_text (buf, ",\"reason\":");
      mantis_buf_json (buf, refusal, strlen (refusal));
    }
    mantis_buf_char (buf, '}');
    comma = ",";
  }
  mantis_buf_char (buf, '}');
  return status;
}

/* ---- Answer ---------------------------------------------------------------------------------- */

static enum mantis_status
add_cursor (struct store *store, const struct greeting *greeting, struct mantis_buf *buf,
            struct mantis_error *error)
{
  static const char *const states[] = {"known", "pruned", "foreign"};
  enum cursor_state state = CURSOR_KNOWN;
  struct cursor head;
  enum mantis_status status = feed_head (store, &head, error);

  if (status == MANTIS_OK && greeting->has_cursor)
    status = feed_check (store, &greeting->cursor, &state, error);
  if (status == MANTIS_OK && greeting->has_ahead && state == CURSOR_KNOWN)
    status = feed_check (store, &greeting->ahead, &state, error);
  if (status == MANTIS_OK) {
    mantis_buf_printf (buf, ",\"cursor\":\"%s\",", greeting->has_cursor ? states[state] : "none");
    cursor_add (buf, "head", &head);
  }
  return status;
}

static enum mantis_status
greet (struct server *server, struct store *store, const struct mantis_request *request,
       const struct mantis_principal *principal, const struct greeting *greeting,
       struct mantis_arena *arena, struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_LENDING struct lending lending;
  enum mantis_status status;
  struct viewer viewer;
  struct sender sender;
  bool fork;

  lending_begin (&lending, store);
  if ((status = sender_find (store, request, principal, arena, &sender, error)) != MANTIS_OK)
    return status;
  viewer = viewer_of (&lending, principal, sender.node);
  fork = !sender.anonymous && is_fork (greeting, &sender);
  sender.generation = store->generation;
  if (!sender.anonymous && !fork)
    status = sender_save (server, store, &sender, principal, greeting->cursor.rev, error);
  mantis_buf_printf (
      buf,
      "{\"protocol\":%d,\"node\":\"%s\",\"verdict\":\"%s\",\"number\":%lld,\"clock\":%lld,"
      "\"generation\":%lld,\"policies\":%llu,\"filters\":%lld,\"view\":%lld,\"create_tables\":%s,"
      "\"limits\":{\"page_"
      "rows\":%zu,"
      "\"page_bytes\":%zu,\"wait\":%lld}",
      PROTOCOL, store->node, fork ? "fork" : "ok", (long long)sender.number,
      (long long)mantis_now (), (long long)sender.generation, (unsigned long long)server->policies,
      (long long)filters_number (store), (long long)viewer_view (&viewer),
      server->create_tables ? "true" : "false", server->limits.page_rows, server->limits.page_bytes,
      (long long)server->limits.wait / 1000);
  if (status == MANTIS_OK)
    status = add_cursor (store, greeting, buf, error);
  if (status == MANTIS_OK)
    status = add_tables (server, &viewer, greeting->tables, arena, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}

void
handle_hello (struct server *server, struct store *store, const struct mantis_request *request,
              const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_JSON json_t *body = json_read (request->body, request->length, &error);
  struct greeting greeting = {0};
  enum mantis_status status =
      body && arena ? read_greeting (body, &greeting, &error) : error.status;

  if (status == MANTIS_OK)
    status = store_begin_fresh (store, MANTIS_WRITE, &error);
  if (status == MANTIS_OK && server->create_tables && json_array_size (greeting.offer)) {
    if ((status = create_offered (store, greeting.offer, arena, &error)) == MANTIS_OK &&
        (status = store_commit (store, &error)) == MANTIS_OK)
      status = store_begin_fresh (store, MANTIS_WRITE, &error); /* attaches what was just made */
  }
  if (status == MANTIS_OK)
    status = greet (server, store, request, principal, &greeting, arena, &reply->body, &error);
  if (status == MANTIS_OK)
    status = store_commit (store, &error);
  if (status != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  reply_done (reply);
}
