/* check.c - is this a plugin that can be called?  Nothing of it has run yet.
 *
 * A struct of an older header is shorter: it is copied into one of full size, so that nobody else
 * has to look at sizes.  A longer or newer one may mean other things by the same bytes: it is
 * refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/plugin.h"

#include "base/base.h"
#include "plugin/kinds.h"

#include <string.h>

enum { LARGEST_SELF = 16 * 1024 * 1024, LONGEST_NAME = 40 };

/* The shortest struct that was ever a plugin: that of the first header. */
#define FIRST_SIZE (offsetof (struct mantis_plugin, stop) + sizeof (void (*) (void *)))

static enum mantis_status
check_header (const struct mantis_plugin *about, size_t room, struct mantis_error *error)
{
  if (room && room < offsetof (struct mantis_plugin, kind))
    return mantis_fail (error, MANTIS_INVALID,
                        "its mantis_plugin has %zu bytes and is no struct mantis_plugin", room);
  if (about->magic != MANTIS_MAGIC)
    return mantis_fail (error, MANTIS_INVALID,
                        "its mantis_plugin begins with 0x%08x instead of 0x%08x: make it with the "
                        "macro of its kind, e.g. MANTIS_RESOLVER_PLUGIN",
                        about->magic, MANTIS_MAGIC);
  if (about->abi == 0 || about->abi > MANTIS_ABI)
    return mantis_fail (
        error, MANTIS_INVALID,
        "it was built for plugin ABI %u, this Mantis speaks 1 to %u: update Mantis, "
        "or build the plugin with this Mantis's headers",
        about->abi, MANTIS_ABI);
  if (about->size < FIRST_SIZE || about->size > sizeof *about || (room && about->size > room))
    return mantis_fail (
        error, MANTIS_INVALID,
        "its mantis_plugin claims %zu bytes, this Mantis reads %zu to %zu%s: build it "
        "again with the installed headers",
        about->size, (size_t)FIRST_SIZE, sizeof *about,
        room && about->size > room ? ", and the file holds fewer" : "");
  return MANTIS_OK;
}

static bool
name_is_sound (const char *name)
{
  size_t length = name ? strlen (name) : 0;

  return length > 0 && length <= LONGEST_NAME &&
         strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static enum mantis_status
check_kind (const struct mantis_plugin *about, struct mantis_error *error)
{
  const struct kind *kind = kind_find (about->kind);

  if (!name_is_sound (about->name))
    return mantis_fail (
        error, MANTIS_INVALID,
        "its name \"%.60s\" will not do: use 1 to %d lower case letters, digits, '_' "
        "and '-'",
        about->name ? about->name : "", LONGEST_NAME);
  if (!kind)
    return mantis_fail (error, MANTIS_INVALID,
                        "plugin \"%s\" is of kind %u, this Mantis knows %d to %d: update Mantis",
                        about->name, about->kind, MANTIS_KIND_TRANSPORT, MANTIS_KIND_HOOK);
  if (about->kind_abi == 0 || about->kind_abi > kind->abi)
    return mantis_fail (error, MANTIS_INVALID,
                        "plugin \"%s\" was built for %s ABI %u, this Mantis speaks 1 to %u: update "
                        "Mantis, or build the plugin with this Mantis's headers",
                        about->name, kind->name, about->kind_abi, kind->abi);
  return MANTIS_OK;
}

/* The ops of PLUGIN, which are as long as they say, in a struct of full size. */
static enum mantis_status
copy_ops (struct plugin *plugin, struct mantis_arena *arena, struct mantis_error *error)
{
  const struct kind *kind = kind_find (plugin->about.kind);
  const char *name = plugin->about.name;
  size_t size;
  void *ops;

  if (!plugin->about.ops)
    return mantis_fail (error, MANTIS_INVALID,
                        "plugin \"%s\" brings no operations: give the macro a struct mantis_%s",
                        name, kind->name);
  memcpy (&size, plugin->about.ops, sizeof size);
  if (size < sizeof size || size > kind->ops_size)
    return mantis_fail (
        error, MANTIS_INVALID,
        "the operations of plugin \"%s\" claim %zu bytes, struct mantis_%s has %zu: "
        "begin it with .size = sizeof ops",
        name, size, kind->name, kind->ops_size);
  if (!(ops = mantis_arena_alloc (arena, kind->ops_size)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left to open plugin \"%s\"", name);
  memcpy (ops, plugin->about.ops, size);
  plugin->about.ops = ops;
  return MANTIS_OK;
}

static bool
is_set (const void *ops, const struct callback *callback)
{
  void (*pointer) (void);

  memcpy (&pointer, (const char *)ops + callback->offset, sizeof pointer);
  return pointer != NULL;
}

static enum mantis_status
check_callbacks (const struct mantis_plugin *about, struct mantis_error *error)
{
  const struct kind *kind = kind_find (about->kind);
  unsigned groups = 0;

  for (const struct callback *c = kind->callbacks; c->name; c++)
    if (is_set (about->ops, c))
      groups |= 1u << c->group;
  if (kind->callbacks->group)
    groups &= ~1u;
  for (const struct callback *c = kind->callbacks; c->name; c++)
    if (!is_set (about->ops, c) && (!c->group || !groups || groups & 1u << c->group))
      return mantis_fail (error, MANTIS_INVALID,
                          "plugin \"%s\" does not bring %s(), which a %s needs", about->name,
                          c->name, kind->name);
  return MANTIS_OK;
}

static enum mantis_status
check_rest (const struct mantis_plugin *about, struct mantis_error *error)
{
  enum mantis_status status;

  if (about->self_size > LARGEST_SELF)
    return mantis_fail (error, MANTIS_INVALID,
                        "plugin \"%s\" asks for %zu bytes of its own, %d at most: set self_size to "
                        "the size of its struct",
                        about->name, about->self_size, LARGEST_SELF);
  if (about->threads & ~(uint32_t)(MANTIS_PARALLEL | MANTIS_WAITS))
    return mantis_fail (error, MANTIS_INVALID,
                        "plugin \"%s\" declares threads 0x%x, which this Mantis does not know",
                        about->name, about->threads);
  status = option_table_check (about->options, about->self_size, error);
  if (status != MANTIS_OK)
    mantis_fail_in (error, "plugin \"%s\"", about->name);
  return status;
}

enum mantis_status
plugin_check (const struct mantis_plugin *about, size_t room, struct mantis_arena *arena,
              struct plugin *plugin, struct mantis_error *error)
{
  enum mantis_status status;

  if ((status = check_header (about, room, error)) != MANTIS_OK)
    return status;
  plugin->about = (struct mantis_plugin){0};
  memcpy (&plugin->about, about, about->size);
  if ((status = check_kind (&plugin->about, error)) != MANTIS_OK ||
      (status = copy_ops (plugin, arena, error)) != MANTIS_OK ||
      (status = check_callbacks (&plugin->about, error)) != MANTIS_OK)
    return status;
  return check_rest (&plugin->about, error);
}
