/* hidden.c - columns that the server hides from this client, and that its tables have all the same.
 *
 * In __sync_meta: "hidden", {"orders": ["cost"]}.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/hidden.h"
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static bool
has_text (const json_t *array, const char *text)
{
  const json_t *one;
  size_t i;

  json_array_foreach (array, i, one)
  {
    if (json_is_string (one) && strcmp (json_string_value (one), text) == 0)
      return true;
  }
  return false;
}

bool
is_hidden (const struct store *store, const char *table, const char *column)
{
  return has_text (json_object_get (store->hidden, table), column);
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
  store->hidden = text ? json_loads (text, 0, NULL) : NULL;
  store->ops->leave_out (store->session, leaves_out, store);
  return MANTIS_OK;
}

/* The lists of TABLES alone, as text; NULL: there are none. */
static char *
lists_of (const json_t *tables)
{
  json_t *lists = json_object (), *list;
  const char *name;
  const json_t *about;
  char *text = NULL;

  json_object_foreach ((json_t *)tables, name, about)
  {
    if (json_array_size (list = json_object_get (about, "hidden")))
      json_object_set (lists, name, list);
  }
  if (json_object_size (lists))
    text = json_dumps (lists, JSON_SORT_KEYS | JSON_COMPACT);
  json_decref (lists);
  return text;
}

static bool
same_text (const char *a, const char *b)
{
  return a && b ? strcmp (a, b) == 0 : a == b;
}

enum mantis_status
hidden_note (struct store *store, const json_t *tables, struct mantis_error *error)
{
  CLEANUP_FREE char *told = lists_of (tables);
  CLEANUP_FREE char *known =
      store->hidden ? json_dumps (store->hidden, JSON_SORT_KEYS | JSON_COMPACT) : NULL;

  if (!store->ops->leave_out || same_text (told, known))
    return MANTIS_OK;
  mantis_log (MANTIS_INFO, "columns that the server hides stay as they are here: %s",
              told ? told : "none any more");
  store->stale = true;
  return store_put_meta_text (store, "hidden", told, error);
}
