/* access.c - who is turned away, by the id of a node or by a subject; and who decides for others.
 *
 * Each request asks, so the names are kept in memory: those of this server's configuration, and those of
 * __sync_disabled, which are read again when the fact "access" of the database has changed.  A name in either
 * list is enough.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "message/access.h"

#include "base/base.h"
#include "sync/keep.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

/* ---- Asking ---------------------------------------------------------------------------------- */

static int
compare_names (const void *a, const void *b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static bool
has_name (const struct access_names *names, const char *name)
{
  return name && names->count &&
         bsearch (&name, names->list, names->count, sizeof *names->list, compare_names);
}

static bool
has_either (const struct access_names *names, const char *node, const char *subject)
{
  return has_name (names, node) || has_name (names, subject);
}

enum access_verdict
access_of (struct access *access, const char *node, const char *subject)
{
  enum access_verdict verdict = ACCESS_OPEN;

  pthread_mutex_lock (&access->lock);
  if (has_either (&access->configured, node, subject))
    verdict = ACCESS_CONFIGURED;
  else if (has_either (&access->ordered, node, subject))
    verdict = ACCESS_ORDERED;
  pthread_mutex_unlock (&access->lock);
  return verdict;
}

const char *
access_reason (enum access_verdict verdict)
{
  return verdict == ACCESS_CONFIGURED ? "this node is disabled by the server's configuration"
                                      : "this node is disabled by an administrator of the server";
}

void
access_each (struct access *access,
             void (*each) (void *context, const char *name, enum access_verdict verdict),
             void *context)
{
  pthread_mutex_lock (&access->lock);
  for (size_t i = 0; i < access->configured.count; i++)
    each (context, access->configured.list[i], ACCESS_CONFIGURED);
  for (size_t i = 0; i < access->ordered.count; i++)
    each (context, access->ordered.list[i], ACCESS_ORDERED);
  pthread_mutex_unlock (&access->lock);
}

/* ---- Administrators ---------------------------------------------------------------------------- */

static bool
has_role (const json_t *claims, const char *role)
{
  const char *single = json_string_value (json_object_get (claims, "role"));

  return (single && strcmp (single, role) == 0) ||
         json_has_text (json_object_get (claims, "roles"), role);
}

bool
access_administers (struct access *access, const struct mantis_principal *principal)
{
  struct mantis_error error;
  CLEANUP_JSON json_t *claims = NULL;
  bool found = principal->local;

  if (found)
    return true;
  claims = json_read (principal->claims, strlen (principal->claims), &error);
  pthread_mutex_lock (&access->lock);
  for (size_t i = 0; i < access->administrators.count && !found; i++) {
    const char *name = access->administrators.list[i];
    found = strncmp (name, "role:", 5) == 0 ? has_role (claims, name + 5)
                                            : strcmp (name, principal->subject) == 0;
  }
  pthread_mutex_unlock (&access->lock);
  return found;
}

/* ---- The lists ------------------------------------------------------------------------------- */

static bool
add_name (struct access_names *names, const char *name)
{
  const char **list = realloc (names->list, (names->count + 1) * sizeof *list);
  char *copy = strdup (name);

  if (list)
    names->list = list;
  if (!list || !copy) {
    free (copy);
    return false;
  }
  list[names->count++] = copy;
  return true;
}

static void
free_names (struct access_names *names)
{
  for (size_t i = 0; i < names->count; i++)
    free ((char *)(uintptr_t)names->list[i]);
  free (names->list);
  *names = (struct access_names){.list = NULL};
}

/* FRESH takes the place of NAMES. */
static void
replace_names (struct access *access, struct access_names *names, struct access_names *fresh)
{
  struct access_names before;

  if (fresh->count)
    qsort (fresh->list, fresh->count, sizeof *fresh->list, compare_names);
  pthread_mutex_lock (&access->lock);
  before = *names;
  *names = *fresh;
  pthread_mutex_unlock (&access->lock);
  free_names (&before);
}

enum mantis_status
access_configure (struct access *access, const struct config *config, struct mantis_error *error)
{
  struct access_names off = {.list = NULL}, administrators = {.list = NULL};
  bool enough = true;

  for (size_t i = 0; i < config->node_count && enough; i++)
    enough = config->nodes[i].enabled || add_name (&off, config->nodes[i].id);
  for (const char *const *name = config->administrators; name && *name && enough; name++)
    enough = add_name (&administrators, *name);
  if (!enough) {
    free_names (&off);
    free_names (&administrators);
    return mantis_fail (error, MANTIS_FAILED,
                        "no memory left for \"nodes\" and \"administrators\"");
  }
  replace_names (access, &access->configured, &off);
  replace_names (access, &access->administrators, &administrators);
  return MANTIS_OK;
}

/* In a transaction. */
static enum mantis_status
read_names (struct store *store, struct access_names *names, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_disabled);
  enum mantis_status status;
  mantis_row row;

  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row)
    if (!add_name (names, value_as_text (&row[DISABLED_NAME])))
      return mantis_fail (error, MANTIS_FAILED, "no memory left for the names that are disabled");
  return status;
}

enum mantis_status
access_read (struct access *access, struct store *store, bool anew, int64_t *count,
             struct mantis_error *error)
{
  struct access_names fresh = {.list = NULL};
  enum mantis_status status = store_begin (store, MANTIS_READ, error);

  if (status == MANTIS_OK)
    status = store_meta_integer (store, "access", 0, count, error);
  if (status == MANTIS_OK && (anew || *count != atomic_load (&access->count))) {
    if ((status = read_names (store, &fresh, error)) == MANTIS_OK) {
      replace_names (access, &access->ordered, &fresh);
      atomic_store (&access->count, *count);
    } else
      free_names (&fresh);
  }
  store_rollback (store);
  return status;
}

void
access_free (struct access *access)
{
  free_names (&access->configured);
  free_names (&access->ordered);
  free_names (&access->administrators);
}

/* ---- Orders ---------------------------------------------------------------------------------- */

static enum mantis_status
is_ordered (struct store *store, const struct mantis_value *name, bool *disabled,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const struct mantis_value key[DISABLED_COLUMNS] = {[DISABLED_NAME] = *name};
  mantis_row row = NULL;
  enum mantis_status status = arena ? store_get (store, &table_disabled, key, arena, &row, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");

  *disabled |= row != NULL;
  return status;
}

/* A node's row says what its two names come to, so that a push that has got in cannot pass it by. */
static enum mantis_status
mark_node (struct store *store, mantis_row node, struct mantis_error *error)
{
  struct mantis_value row[NODE_COLUMNS] = {[NODE_ID] = node[NODE_ID]};
  bool disabled = false;
  enum mantis_status status = is_ordered (store, &node[NODE_ID], &disabled, error);

  if (status == MANTIS_OK)
    status = is_ordered (store, &node[NODE_SUBJECT], &disabled, error);
  row[NODE_DISABLED] = value_integer (disabled);
  return status == MANTIS_OK ? store_put (store, &table_nodes, row, error) : status;
}

bool
access_names_node (const char *name, mantis_row node)
{
  return strcmp (value_as_text (&node[NODE_ID]), name) == 0 ||
         strcmp (value_as_text (&node[NODE_SUBJECT]), name) == 0;
}

static enum mantis_status
mark_nodes (struct store *store, const char *name, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_nodes);
  enum mantis_status status;
  mantis_row row;

  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row)
    if (access_names_node (name, row) && (status = mark_node (store, row, error)) != MANTIS_OK)
      break;
  return status;
}

enum mantis_status
access_touch (struct store *store, struct mantis_error *error)
{
  int64_t count;
  enum mantis_status status = store_meta_integer (store, "access", 0, &count, error);

  return status == MANTIS_OK ? store_put_meta_integer (store, "access", count + 1, error) : status;
}

enum mantis_status
mantis_keep_revoke (struct mantis_keep *keep, struct mantis_error *error)
{
  return access_touch (keep->store, error);
}

enum mantis_status
access_order (struct store *store, const char *name, bool disabled, struct mantis_error *error)
{
  const struct mantis_value row[DISABLED_COLUMNS] = {value_text (name),
                                                     value_integer (mantis_now ())};
  enum mantis_status status;

  if (!*name || strlen (name) > ACCESS_NAME)
    return mantis_fail (error, MANTIS_INVALID, "the id of a node or a subject has 1 to %d bytes",
                        ACCESS_NAME);
  status = disabled ? store_put (store, &table_disabled, row, error)
                    : store_delete (store, &table_disabled, row, error);
  if (status == MANTIS_OK)
    status = mark_nodes (store, name, error);
  return status == MANTIS_OK ? access_touch (store, error) : status;
}
