/* table.c - is a plugin's table of options sound?  And a table in words.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/options.h"

#include "base/base.h"
#include "plugin/units.h"

#include <ctype.h>
#include <string.h>

/* A table without its last row would be read for ever: this many options no plugin has. */
enum { MOST_OPTIONS = 256 };

static const char *const type_names[] = {"true or false", "number",        "size",   "duration",
                                         "real",          "text",          "choice", "file",
                                         "list",          "list of lists", "object"};

static size_t
size_of_type (uint32_t type)
{
  switch (type) {
  case MANTIS_OPTION_BOOL:
    return sizeof (bool);
  case MANTIS_OPTION_INTEGER:
  case MANTIS_OPTION_SIZE:
  case MANTIS_OPTION_DURATION:
    return sizeof (int64_t);
  case MANTIS_OPTION_REAL:
    return sizeof (double);
  default:
    return sizeof (void *);
  }
}

static bool
name_is_sound (const char *name)
{
  for (const char *c = name; *c; c++)
    if (!islower ((unsigned char)*c) && !isdigit ((unsigned char)*c) && *c != '_' &&
        (*c != '.' || c == name || !c[1] || c[1] == '.'))
      return false;
  return *name && strcmp (name, "plugin") != 0 && strcmp (name, "transport") != 0;
}

static enum mantis_status
check_row (const struct mantis_option *options, const struct mantis_option *option,
           size_t self_size, struct mantis_error *error)
{
  size_t size = size_of_type (option->type);

  if (!name_is_sound (option->name))
    return mantis_fail (error, MANTIS_INVALID,
                        "option name \"%s\": use lower case letters, digits, '_' and '.', and "
                        "neither \"plugin\" nor \"transport\"",
                        option->name);
  for (const struct mantis_option *o = options; o < option; o++)
    if (strcmp (o->name, option->name) == 0)
      return mantis_fail (error, MANTIS_INVALID, "option \"%s\" is in the table twice",
                          option->name);
  if (option->type > MANTIS_OPTION_MAP)
    return mantis_fail (error, MANTIS_INVALID,
                        "option \"%s\" has type %u, this Mantis knows 0 to %d", option->name,
                        option->type, MANTIS_OPTION_MAP);
  if (option->offset > self_size || size > self_size - option->offset || option->offset % size)
    return mantis_fail (
        error, MANTIS_INVALID,
        "option \"%s\" lies at offset %u of a struct of %zu bytes: set self_size to "
        "the size of the struct that the table describes",
        option->name, option->offset, self_size);
  if (option->type == MANTIS_OPTION_CHOICE && !option->choices)
    return mantis_fail (error, MANTIS_INVALID, "option \"%s\" offers no choices", option->name);
  if (option->type >= MANTIS_OPTION_LISTS && option->default_value)
    return mantis_fail (error, MANTIS_INVALID, "option \"%s\" is of a type that has no default",
                        option->name);
  if (option->minimum > option->maximum)
    return mantis_fail (error, MANTIS_INVALID, "option \"%s\" has its minimum above its maximum",
                        option->name);
  return MANTIS_OK;
}

/* Would the defaults be accepted?  Required options count as given. */
static enum mantis_status
check_defaults (const struct mantis_option *options, size_t count, size_t self_size,
                struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct option_layer layer = {.place = {"table of options", "$", "/"}};
  struct mantis_option *rows = arena ? arena_array (arena, count + 1, sizeof *rows) : NULL;
  void *self = arena ? mantis_arena_alloc (arena, self_size + 1) : NULL;

  if (!rows || !self)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to check the options");
  memcpy (rows, options, count * sizeof *rows);
  for (size_t i = 0; i < count; i++)
    rows[i].required = false;
  return option_table_fill (rows, "the plugin", self, &layer, 1, arena, error);
}

enum mantis_status
option_table_check (const struct mantis_option *options, size_t self_size,
                    struct mantis_error *error)
{
  enum mantis_status status;
  size_t count = 0;

  for (; options && options[count].name; count++) {
    if (count == MOST_OPTIONS)
      return mantis_fail (error, MANTIS_INVALID,
                          "the table of options does not end: its last row has the name NULL");
    if ((status = check_row (options, options + count, self_size, error)) != MANTIS_OK)
      return status;
  }
  return count ? check_defaults (options, count, self_size, error) : MANTIS_OK;
}

void
option_describe (const struct mantis_option *option, struct mantis_buf *buf)
{
  mantis_buf_text (buf, option->type == MANTIS_OPTION_CHOICE ? option->choices
                                                             : type_names[option->type]);
  if (option->required)
    mantis_buf_text (buf, ", required");
  else if (option->default_value)
    mantis_buf_printf (buf, ", default %s",
                       *option->default_value ? option->default_value : "\"\"");
  else
    mantis_buf_text (buf, ", not set by default");
  if (option->minimum || option->maximum) {
    mantis_buf_text (buf, ", ");
    range_print (buf, option->type, option->minimum, option->maximum);
  }
}
