/* hidden.c - columns that the server hides from this client, and that its tables have all the same.
 *
 * In __sync_meta: "hidden", {"orders": ["cost"]}.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/hidden.h"
#include "base/base.h"
#include "wire/json.h"

#include <stdlib.h>

bool
is_hidden (const struct store *store, const char *table, const char *column)
{
  return json_has_text (json_object_get (store->hidden, table), column);
}

static bool
leaves_out (void *context, const char *table, const char *column)
{
  return is_hidden (context, table, column);
}

void
hidden_free (struct store *store)
{
  json_decref (store->hidden);
  store->hidden = NULL;
}

enum mantis_status
hidden_before_attach (struct store *store, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const char *text = NULL;
  enum mantis_status status;

  if (store->role != MANTIS_CLIENT || !store->ops->leave_out)
    return MANTIS_OK;
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = store_meta_text (store, "hidden", arena, &text, error)) != MANTIS_OK)
    return status;
  hidden_free (store);
  store->hidden = text ? json_loads (text, 0, NULL) : NULL; /* if not read: hello tells it again */
  store->ops->leave_out (store->session, leaves_out, store);
  return MANTIS_OK;
}

/* The lists of TABLES alone; NULL: no memory. */
static json_t *
lists_of (const json_t *tables)
{
  json_t *lists = json_object (), *list;
  const char *name;
  const json_t *about;

  json_object_foreach ((json_t *)tables, name, about)
  {
    if (json_array_size (list = json_object_get (about, "hidden")) &&
        json_object_set (lists, name, list) != 0) {
      json_decref (lists);
      return NULL;
    }
  }
  return lists;
}

enum mantis_status
hidden_note (struct store *store, const json_t *tables, struct mantis_error *error)
{
  CLEANUP_JSON json_t *told = lists_of (tables);
  CLEANUP_FREE char *text = NULL;
  bool some = json_object_size (told) > 0;

  if (!store->ops->leave_out || (told && !some && !store->hidden) ||
      json_equal (told, store->hidden))
    return MANTIS_OK;
  if (!told || (some && !(text = json_dumps (told, JSON_COMPACT))))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  mantis_log (MANTIS_INFO, "columns that the server hides stay as they are here: %s",
              some ? text : "none any more");
  store->stale = true;
  return store_put_meta_text (store, "hidden", text, error);
}
