/* conflicts.c - the message "conflicts": what lost, what won, and why.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"

#include <stdlib.h>
#include <string.h>

enum {
  DEFAULT_PAGE = 100,
  LARGEST_PAGE = 1000,
  PAGE_BYTES = 4 * 1024 * 1024 /* one more makes it full, however large that is */
};

struct query {
  int64_t id; /* 0: a list */
  int64_t after;
  size_t limit;
  const char *table, *state; /* NULL: of all */
};

static bool
read_number (const char *text, int64_t *number)
{
  char *end;

  *number = strtoll (text, &end, 10);
  return end != text && *end == '\0' && *number >= 0;
}

static enum mantis_status
read_pair (struct query *query, const char *name, const char *value, struct mantis_error *error)
{
  int64_t number;

  if (strcmp (name, "after") == 0 && read_number (value, &number))
    query->after = number;
  else if (strcmp (name, "limit") == 0 && read_number (value, &number) && number > 0)
    query->limit = number < LARGEST_PAGE ? (size_t)number : LARGEST_PAGE;
  else if (strcmp (name, "table") == 0)
    query->table = value;
  else if (strcmp (name, "state") == 0)
    query->state = value;
  else
    return mantis_fail (error, MANTIS_INVALID, "conflicts: \"%.80s=%.80s\" is not understood", name,
                        value);
  return MANTIS_OK;
}

/* ARGUMENT is decoded where it stands, and QUERY points into it. */
static enum mantis_status
read_query (char *argument, struct query *query, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  char *rest = argument, *pair;

  *query = (struct query){.limit = DEFAULT_PAGE};
  if (*argument && read_number (argument, &query->id))
    return MANTIS_OK;
  while (status == MANTIS_OK && (pair = strsep (&rest, "&"))) {
    char *value = strchr (pair, '=');
    if (!*pair)
      continue;
    if (value)
      *value++ = '\0';
    if (value && !percent_decode (value))
      return mantis_fail (error, MANTIS_INVALID,
                          "conflicts: the value of \"%.80s\" is not percent-encoded", pair);
    status = read_pair (query, pair, value ? value : "", error);
  }
  return status;
}

static void
add_conflict (struct mantis_buf *buf, mantis_row row)
{
  for (size_t i = 0; i < CONFLICT_COLUMNS; i++) {
    const char *name = table_conflicts.columns[i].name;
    bool json = i == CONFLICT_KEY || i == CONFLICT_LOSER || i == CONFLICT_WINNER ||
                i == CONFLICT_BASE_ROW || i == CONFLICT_STAMPS || i == CONFLICT_STANDS;
    mantis_buf_printf (buf, "%s\"%s\":", i ? "," : "{", name);
    if (row[i].type == MANTIS_INTEGER)
      mantis_buf_printf (buf, "%lld", (long long)row[i].as.integer);
    else if (row[i].type != MANTIS_TEXT)
      mantis_buf_text (buf, "null");
    else if (json) /* written by Mantis as JSON */
      mantis_buf_add (buf, row[i].as.bytes, row[i].length);
    else
      mantis_buf_json (buf, row[i].as.bytes, row[i].length);
  }
  mantis_buf_char (buf, '}');
}

static bool
fits (const struct query *query, mantis_row row)
{
  return (!query->table || strcmp (query->table, value_as_text (&row[CONFLICT_TBL])) == 0) &&
         (!query->state || strcmp (query->state, value_as_text (&row[CONFLICT_STATE])) == 0);
}

static enum mantis_status
list (struct store *store, const struct viewer *viewer, const struct query *query,
      struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  int64_t after = query->after;
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  size_t found = 0, most = query->limit;
  bool end = false;

  mantis_buf_text (buf, "{\"conflicts\":[");
  while (status == MANTIS_OK && !end && found < most) {
    struct mantis_value from[CONFLICT_COLUMNS] = {[CONFLICT_ID] = value_integer (after)};
    const mantis_row *rows;
    size_t count = 0;
    mantis_arena_reset (arena);
    status = store->ops->scan (store->session, &table_conflicts, from, NULL, LARGEST_PAGE,
                               1024 * 1024, arena, &rows, &count, &end, error);
    for (size_t i = 0; i < count && status == MANTIS_OK && found < most; i++) {
      mantis_row shown = rows[i];
      after = value_as_integer (&shown[CONFLICT_ID]);
      if (!fits (query, shown))
        continue;
      if (viewer)
        status = conflict_show (viewer, rows[i], arena, &shown, error);
      if (status != MANTIS_OK || !shown)
        continue;
      mantis_buf_text (buf, found++ ? "," : "");
      add_conflict (buf, shown);
      if (buf->length > PAGE_BYTES)
        most = found;
    }
  }
  mantis_buf_printf (buf, "],\"after\":%lld,\"end\":%s}", (long long)after,
                     end && found < most ? "true" : "false");
  return status;
}

static enum mantis_status
show (struct store *store, const struct viewer *viewer, int64_t id, struct mantis_buf *buf,
      struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value key[CONFLICT_COLUMNS] = {[CONFLICT_ID] = value_integer (id)};
  enum mantis_status status;
  mantis_row row;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_get (store, &table_conflicts, key, arena, &row, error);
  if (status == MANTIS_OK && row && viewer)
    status = conflict_show (viewer, row, arena, &row, error);
  if (status == MANTIS_OK && !row)
    return mantis_fail (error, MANTIS_ABSENT, "there is no conflict %lld", (long long)id);
  if (status == MANTIS_OK)
    add_conflict (buf, row);
  return status;
}

/* VIEWER: NULL for somebody who may see all. */
static enum mantis_status
answer (struct store *store, const struct viewer *viewer, const char *argument,
        struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_FREE char *copy = strdup (argument ? argument : "");
  struct query query;
  enum mantis_status status;

  if (!copy)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = read_query (copy, &query, error);
  if (status != MANTIS_OK)
    return status;
  return query.id ? show (store, viewer, query.id, buf, error)
                  : list (store, viewer, &query, buf, error);
}

enum mantis_status
conflicts_list (struct store *store, const char *argument, struct mantis_buf *buf,
                struct mantis_error *error)
{
  return answer (store, NULL, argument, buf, error);
}

void
handle_conflicts (struct server *server, struct store *store, const struct mantis_request *request,
                  const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_LENDING struct lending lending;
  struct mantis_error error;
  enum mantis_status status;
  struct sender sender;
  struct viewer viewer;

  lending_begin (&lending, store);
  if (request->length) {
    conflicts_decide (server, store, request, principal, reply);
    return;
  }
  status = store_begin (store, MANTIS_READ, &error);
  if (status == MANTIS_OK)
    status = conflict_viewer (&lending, request, principal, &sender, &viewer, &error);
  if (status == MANTIS_OK)
    status = answer (store, &viewer, request->argument, &reply->body, &error);
  if (status != MANTIS_OK)
    reply_error (reply, &error);
  else
    reply_done (reply);
}
