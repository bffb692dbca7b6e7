/* client_hooks.c - hooks on a client: before and after what it sends, and the rows that it takes in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/receive.h"
#include "wire/json.h"
#include "wire/key.h"

#include <string.h>

static const struct {
  const char *message;
  enum mantis_moment before, after;
} seen[] = {{"hello", MANTIS_BEFORE_CONNECT, MANTIS_AFTER_CONNECT},
            {"push", MANTIS_BEFORE_PUSH, MANTIS_AFTER_PUSH},
            {"pull", MANTIS_BEFORE_PULL, MANTIS_AFTER_PULL}};

static struct hook_caller
caller_of (const struct client *client)
{
  return (struct hook_caller){.node = client->store->node};
}

enum mantis_status
client_ask_hooks (struct client *client, const char *message, struct mantis_error *error)
{
  struct hooks *hooks = client->store->hooks;

  for (size_t i = 0; hooks && i < COUNT_OF (seen); i++)
    if (strcmp (seen[i].message, message) == 0 && hooks_want (hooks, seen[i].before)) {
      struct hook_question question = {.moment = seen[i].before, .caller = caller_of (client)};
      return hooks_ask (hooks, &question, error);
    }
  return MANTIS_OK;
}

void
client_tell_hooks (struct client *client, const char *message)
{
  const struct hook_caller caller = caller_of (client);

  for (size_t i = 0; client->store->hooks && i < COUNT_OF (seen); i++)
    if (strcmp (seen[i].message, message) == 0)
      hooks_tell (client->store->hooks, seen[i].after, &caller, NULL);
}

void
client_tell_trouble (struct client *client, const char *message, const char *text)
{
  const struct hook_caller caller = caller_of (client);

  hooks_tell_error (client->store->hooks, &caller, message, text);
}

/* ---- A page, before ----------------------------------------------------------------------------- */

/* Add the changes of LIST to those that are asked about. */
static enum mantis_status
add_changes (struct page_in *page, const json_t *array, const char *path, struct happened *all,
             struct mantis_error *error)
{
  struct block_changes changes = {.count = 0};
  enum mantis_status status = page_decode (page, array, path, &changes, error);

  for (size_t i = 0; i < changes.count && status == MANTIS_OK; i++)
    status = happened_add (all, page->arena, &changes.changes[i], NULL, NULL, NULL, NULL, error);
  return status;
}

/* As page_decode() will give them again, in a transaction that sees to it that tables are known. */
static enum mantis_status
read_page (struct page_in *page, const json_t *json, struct happened *all,
           struct mantis_error *error)
{
  enum mantis_status status = client_begin (page->client, MANTIS_READ, error);
  const json_t *changes = json_get_array (json, "changes", &status, error);
  const json_t *keys = json_get_array (json, "keys", &status, error);
  const json_t *load = json_get_object (json, "load", &status, error);
  const json_t *loaded = json_get_array (load, "changes", &status, error);

  if (status == MANTIS_OK)
    status = add_changes (page, changes, "$.changes", all, error);
  if (status == MANTIS_OK)
    status = add_changes (page, keys, "$.keys", all, error);
  if (status == MANTIS_OK)
    status = add_changes (page, loaded, "$.load.changes", all, error);
  return client_end (page->client, status, error);
}

/* By key: what is refused, and why. */
static enum mantis_status
note_refusals (struct page_in *page, const struct hook_question *question,
               struct mantis_error *error)
{
  for (size_t i = 0; i < question->count; i++) {
    const struct mantis_change *change = &question->changes[i];
    const char *reason;
    int64_t *place;
    if (!question->refusals[i])
      continue;
    reason = mantis_arena_printf (page->arena, "hook \"%s\": %s", question->refused_by[i],
                                  question->refusals[i]);
    place = map_at (&page->refused, key_hash (change->table, change->row), true);
    if (!reason || !place)
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    *place = (int64_t)(intptr_t)reason;
  }
  return MANTIS_OK;
}

enum mantis_status
page_ask (struct page_in *page, const json_t *json, struct mantis_arena **arena,
          struct mantis_error *error)
{
  struct hooks *hooks = page->client->store->hooks;
  struct hook_question question = {.moment = MANTIS_BEFORE_APPLY,
                                   .caller = caller_of (page->client)};
  struct happened all = {.count = 0};
  enum mantis_status status;

  if (!hooks_want (hooks, MANTIS_BEFORE_APPLY))
    return MANTIS_OK;
  if (!(page->arena = question.arena = *arena = mantis_arena_new (0)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = read_page (page, json, &all, error);
  lists_again (page->lists);
  question.changes = all.changes;
  question.count = all.count;
  if (status == MANTIS_OK && all.count)
    status = hooks_ask (hooks, &question, error);
  return status == MANTIS_OK && all.count ? note_refusals (page, &question, error) : status;
}

void
page_refuse (struct page_in *page)
{
  for (size_t i = 0; i < page->count && page->refused.count; i++) {
    const struct mantis_change *change = page->items[i].change;
    const int64_t *place = map_at (&page->refused, key_hash (change->table, change->row), false);
    if (place)
      page->items[i].refusal = (const char *)(intptr_t)*place;
  }
}

/* ---- After -------------------------------------------------------------------------------------- */
void
client_tell_rows (struct client *client, enum mantis_moment moment, const struct happened *happened)
{
  const struct hook_caller caller = caller_of (client);

  hooks_tell (client->store->hooks, moment, &caller, happened);
}

void
client_tell_applied (struct client *client, const struct apply_item *items, size_t count,
                     struct mantis_arena *arena)
{
  struct happened happened = {.count = 0};
  struct mantis_error error;
  enum mantis_status status = MANTIS_OK;

  if (!hooks_want (client->store->hooks, MANTIS_AFTER_APPLY))
    return;
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    if (items[i].done)
      status = happened_add (&happened, arena, items[i].change, NULL, NULL, NULL, NULL, &error);
  if (status == MANTIS_OK)
    client_tell_rows (client, MANTIS_AFTER_APPLY, &happened);
  else
    mantis_log (MANTIS_ERROR, "after_apply: %s", error.text);
}
