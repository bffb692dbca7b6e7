/* decide.c - the message "conflicts" with a body: a person decides, or brings a loser back.
 *
 *   {"choose": "local" | "remote" | "loser"}
 *   {"choose": "merged", "row": {"title": "milk"}}
 *
 * "id": the conflict, where the address does not say it.  "rev": the revision of the row that was decided about, where
 * that is not the one in the record.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "sync/decide.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TRIES = 5 /* when other programs write to the row meanwhile */ };

static enum mantis_status
read_decision (const json_t *body, const char *argument, struct decision *decision,
               struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *choice = json_get_text (body, "choose", NULL, &status, error);
  char *end = NULL;

  decision->id =
      argument ? strtoll (argument, &end, 10) : json_get_integer (body, "id", 0, &status, error);
  decision->rev = json_get_integer (body, "rev", 0, &status, error);
  decision->row = json_object_get (body, "row");
  if (status != MANTIS_OK)
    return status;
  decision->choice = choice ? choice_from (choice) : CHOICE_COUNT;
  if (decision->id <= 0 || (end && *end))
    return mantis_fail (error, MANTIS_INVALID, "which conflict? its id is a number above 0");
  if (decision->choice == CHOICE_COUNT)
    return mantis_fail (
        error, MANTIS_INVALID,
        "$.choose: must be \"local\", \"remote\", \"merged\" (with a \"row\"), or \"loser\"");
  if ((decision->choice == CHOOSE_MERGED) != (decision->row != NULL) ||
      (decision->row && !json_is_object (decision->row) && !json_is_null (decision->row)))
    return mantis_fail (error, MANTIS_INVALID,
                        "$.row: an object, or null for no row, belongs to the choice \"merged\"");
  return MANTIS_OK;
}

static void
add_row (const struct decided *decided, struct mantis_buf *buf)
{
  mantis_buf_printf (buf, ",\"rev\":%lld,\"row\":", (long long)decided->rev);
  if (decided->row)
    row_encode (buf, decided->table, decided->row);
  else
    mantis_buf_text (buf, "null");
  mantis_buf_char (buf, '}');
}

/* The row that stands is shown, so that the next try can be about that. */
static void
refuse_stale (const struct decision *decision, const struct decided *decided, struct reply *reply)
{
  CLEANUP_BUF struct mantis_buf row = MANTIS_BUF_INIT;
  struct mantis_error error;

  if (decided->row)
    row_encode (&row, decided->table, decided->row);
  mantis_fail (&error, MANTIS_REFUSED,
               "conflict %lld is about a row that has changed since: it has revision %lld now; say "
               "so (\"rev\"; mantisctl: --rev %lld) to decide about it as it is: %.600s",
               (long long)decision->id, (long long)decided->rev, (long long)decided->rev,
               decided->row ? row.bytes : "there is none");
  reply_problem (reply, 409, "stale", error.text);
  reply->body.length--; /* the closing brace */
  add_row (decided, &reply->body);
}

static void
tell (const struct decision *decision, const struct decided *decided, struct reply *reply)
{
  mantis_buf_clear (&reply->body);
  mantis_buf_printf (
      &reply->body, "{\"id\":%lld,\"state\":\"closed\",\"resolution\":\"%s\",\"changed\":%s",
      (long long)decision->id, choice_name (decision->choice), decided->written ? "true" : "false");
  add_row (decided, &reply->body);
  reply_done (reply);
}

/* A conflict that VIEWER does not see is none to it. */
static enum mantis_status
check_seen (const struct viewer *viewer, int64_t id, struct mantis_arena *arena,
            struct mantis_error *error)
{
  struct mantis_value key[CONFLICT_COLUMNS] = {[CONFLICT_ID] = value_integer (id)};
  mantis_row record = NULL;
  enum mantis_status status =
      store_get (viewer->store, &table_conflicts, key, arena, &record, error);

  if (status == MANTIS_OK && record)
    status = conflict_show (viewer, record, arena, &record, error);
  if (status == MANTIS_OK && !record)
    status = mantis_fail (error, MANTIS_ABSENT, "there is no conflict %lld", (long long)id);
  return status;
}

/* Would the decision change column I?  That is no business of who does not see it. */
static bool
touches (const struct decided *decided, size_t i)
{
  mantis_row before = decided->before, after = decided->row;

  if (!decided->written || !after || after[i].type == MANTIS_NONE)
    return false;
  if (!before) /* a new row has the default of what nobody gave */
    return after[i].type != MANTIS_NULL && !decided->table->columns[i].default_value;
  return !mantis_value_equal (&before[i], &after[i]);
}

/* Nobody writes, in deciding either, what his filters do not let him write; nor names what he does not see, which would
 * be refused or not as he has guessed it. */
static enum mantis_status
check_written (const struct viewer *viewer, const struct decision *decision,
               const struct decided *decided, struct mantis_error *error)
{
  const struct filtered *filtered = viewer_filtered (viewer, decided->table);
  struct mantis_error reason = {.status = MANTIS_OK};
  const char *by;

  for (size_t i = 0; filtered && filtered->hides && i < filtered->table->column_count; i++) {
    const char *name = filtered->table->columns[i].name;
    if ((json_object_get (decision->row, name) || touches (decided, i)) &&
        filter_hides (filtered, viewer, i))
      return mantis_fail (error, MANTIS_DENIED, "column \"%s\" may not be written", name);
  }
  if (!filtered || !decided->written ||
      filter_lets (filtered, viewer, decided->before, decided->row, &by, &reason))
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_DENIED, "%s", reason.text);
}

/* What VIEWER sees of the row that stands now. */
static enum mantis_status
hide_row (const struct viewer *viewer, struct decided *decided, struct mantis_arena *arena,
          struct mantis_error *error)
{
  const struct filtered *filtered = viewer_filtered (viewer, decided->table);

  if (!decided->row || !filtered)
    return MANTIS_OK;
  if (!filter_sees (filtered, viewer, decided->row))
    decided->row = NULL;
  else if (!(decided->row = filter_blank (filtered, viewer, decided->row, arena)))
    return mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  return MANTIS_OK;
}

/* One transaction; MANTIS_OK: REPLY is filled. */
static enum mantis_status
try_once (struct lending *lending, const struct fellow *fellow, const struct decision *decision,
          struct mantis_arena *arena, struct mantis_error *error)
{
  struct store *store = lending->store;
  struct reply *reply = fellow->reply;
  struct decided decided;
  struct sender sender;
  struct viewer viewer;
  enum mantis_status status = store_begin (store, MANTIS_WRITE, error);

  lending_renew (lending);
  if (status == MANTIS_OK)
    status = conflict_viewer (lending, fellow->request, fellow->principal, &sender, &viewer, error);
  if (status == MANTIS_OK)
    status = check_seen (&viewer, decision->id, arena, error);
  if (status == MANTIS_OK)
    status = decide_conflict (store, decision, arena, &decided, error);
  if (status == MANTIS_OK)
    status = check_written (&viewer, decision, &decided, error);
  if (status == MANTIS_OK)
    status = hide_row (&viewer, &decided, arena, error);
  if (status == MANTIS_OK && decided.stale) {
    refuse_stale (decision, &decided, reply);
    store_rollback (store);
    return MANTIS_OK;
  }
  if (status == MANTIS_OK)
    status = store_commit (store, error);
  if (status != MANTIS_OK) {
    store_rollback (store);
    return status;
  }
  reply->committed = decided.written;
  tell (decision, &decided, reply);
  return MANTIS_OK;
}

void
conflicts_decide (struct server *server, struct store *store, const struct mantis_request *request,
                  const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_JSON json_t *body = NULL;
  CLEANUP_LENDING struct lending lending;
  const struct fellow fellow = {request, principal, reply};
  struct decision decision = {
      .by = principal->subject, .policy = server->policy, .policy_context = server->policy_context};
  enum mantis_status status = MANTIS_FAILED;

  lending_begin (&lending, store);
  if (!access_administers (&server->access, principal)) {
    reply_problem (reply, 403, NULL,
                   "who decides conflicts has to be among the server's \"administrators\"");
    return;
  }
  if (arena && (body = json_read (request->body, request->length, &error)))
    status = read_decision (body, request->argument, &decision, &error);
  else
    status = error.status;
  if (status == MANTIS_OK)
    for (int tries = 0; tries == 0 || (status == MANTIS_BUSY && tries < MOST_TRIES); tries++) {
      mantis_arena_reset (arena);
      status = try_once (&lending, &fellow, &decision, arena, &error);
    }
  error.status = status;
  if (status == MANTIS_OK) {
    if (reply->status == 200)
      mantis_log (MANTIS_INFO, "conflict %lld was decided by %s: %s", (long long)decision.id,
                  principal->subject, choice_name (decision.choice));
  } else if (status == MANTIS_REFUSED)
    reply_problem (reply, 409, "refused", error.text);
  else
    reply_error (reply, &error);
}
