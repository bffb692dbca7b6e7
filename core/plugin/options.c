/* options.c - reads what the configuration says into a struct, as a table of options describes it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/options.h"

#include "base/base.h"
#include "plugin/units.h"

#include <string.h>

/* One object that is being read. */
struct reading {
  const struct mantis_option *options;
  const char *owner;
  unsigned char *self;
  const struct option_layer *layer;
  struct mantis_arena *arena;
  struct mantis_error *error;
};

static const char *
expected (const struct mantis_option *option)
{
  switch (option->type) {
  case MANTIS_OPTION_BOOL:
    return "true or false";
  case MANTIS_OPTION_INTEGER:
    return "a whole number";
  case MANTIS_OPTION_SIZE:
    return "a size: a number of bytes, or \"64k\", \"8M\", \"1G\"";
  case MANTIS_OPTION_DURATION:
    return "a duration: a number of seconds, or \"250ms\", \"30s\", \"5m\", \"2h\", \"30d\"";
  case MANTIS_OPTION_REAL:
    return "a number";
  case MANTIS_OPTION_TEXT:
  case MANTIS_OPTION_CHOICE:
    return "a text";
  case MANTIS_OPTION_FILE:
    return "the name of a file";
  case MANTIS_OPTION_LISTS:
    return "a list of lists of texts";
  case MANTIS_OPTION_MAP:
    return "an object of texts";
  default:
    return "a text or a list of texts";
  }
}

static enum mantis_status
wrong_type (struct reading *r, const struct mantis_option *option, const json_t *value,
            const char *path)
{
  return option_fail (r->error, r->layer->place.file, path, "must be %s, not %s", expected (option),
                      json_type_name (value));
}

static enum mantis_status
no_memory (struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FAILED, "no memory left to read the configuration");
}

/* The value of a number, SIZE or DURATION as int64_t. */
static bool
whole_number (const struct mantis_option *option, const json_t *value, int64_t *number)
{
  if (option->type == MANTIS_OPTION_INTEGER) {
    *number = json_integer_value (value);
    return json_is_integer (value);
  }
  if (option->type == MANTIS_OPTION_SIZE) {
    *number = json_integer_value (value);
    return json_is_string (value) ? size_from_text (json_string_value (value), number)
                                  : json_is_integer (value) && *number >= 0;
  }
  return json_is_string (value)
             ? duration_from_text (json_string_value (value), number)
             : json_is_number (value) && duration_from_seconds (json_number_value (value), number);
}

static enum mantis_status
put_whole (struct reading *r, const struct mantis_option *option, const json_t *value,
           const char *path)
{
  CLEANUP_BUF struct mantis_buf range = MANTIS_BUF_INIT;
  int64_t number;

  if (!json_is_number (value) && (!json_is_string (value) || option->type == MANTIS_OPTION_INTEGER))
    return wrong_type (r, option, value, path);
  if (!whole_number (option, value, &number))
    return option_fail (r->error, r->layer->place.file, path, "must be %s", expected (option));
  if ((option->minimum || option->maximum) &&
      (number < option->minimum || number > option->maximum)) {
    range_print (&range, option->type, option->minimum, option->maximum);
    return option_fail (r->error, r->layer->place.file, path, "out of range, must be %s",
                        range.failed ? "smaller or larger" : range.bytes);
  }
  memcpy (r->self + option->offset, &number, sizeof number);
  return MANTIS_OK;
}

static enum mantis_status
put_real (struct reading *r, const struct mantis_option *option, const json_t *value,
          const char *path)
{
  double number = json_number_value (value);

  if (!json_is_number (value))
    return wrong_type (r, option, value, path);
  if ((option->minimum || option->maximum) &&
      (number < (double)option->minimum || number > (double)option->maximum))
    return option_fail (r->error, r->layer->place.file, path, "out of range, must be %lld to %lld",
                        (long long)option->minimum, (long long)option->maximum);
  memcpy (r->self + option->offset, &number, sizeof number);
  return MANTIS_OK;
}

/* Is TEXT one of CHOICES ("a|b|c")?  Tells NEAREST about each. */
static bool
is_choice (const char *choices, const char *text, struct nearest *nearest)
{
  for (const char *at = choices;;) {
    size_t length = strcspn (at, "|");
    if (strlen (text) == length && memcmp (at, text, length) == 0)
      return true;
    nearest_try (nearest, at, length);
    if (!at[length])
      return false;
    at += length + 1;
  }
}

static enum mantis_status
put_text (struct reading *r, const struct mantis_option *option, const json_t *value,
          const char *path)
{
  const char *text = json_string_value (value), *copy;
  struct nearest nearest;

  if (!text)
    return wrong_type (r, option, value, path);
  nearest_begin (&nearest, text);
  if (option->type == MANTIS_OPTION_CHOICE && !is_choice (option->choices, text, &nearest))
    return option_fail (r->error, r->layer->place.file, path, "\"%s\" is none of %s%s", text,
                        option->choices, nearest_hint (&nearest, r->arena));
  if (option->type == MANTIS_OPTION_FILE && !*text)
    return option_fail (r->error, r->layer->place.file, path, "must be %s, not an empty text",
                        expected (option));
  copy = option->type == MANTIS_OPTION_FILE ? path_in (r->arena, r->layer->place.folder, text)
                                            : mantis_arena_strdup (r->arena, text);
  memcpy (r->self + option->offset, &copy, sizeof copy);
  return copy ? MANTIS_OK : no_memory (r->error);
}

static enum mantis_status
put_list (struct reading *r, const struct mantis_option *option, const json_t *value,
          const char *path)
{
  size_t count = json_is_array (value) ? json_array_size (value) : 1;
  const char **list = arena_array (r->arena, count + 1, sizeof *list);

  if (!list)
    return no_memory (r->error);
  for (size_t i = 0; i < count; i++) {
    const json_t *item = json_is_array (value) ? json_array_get (value, i) : value;
    if (!json_is_string (item))
      return wrong_type (r, option, item,
                         item == value ? path : json_path_index (r->arena, path, i));
    if (!(list[i] = mantis_arena_strdup (r->arena, json_string_value (item))))
      return no_memory (r->error);
  }
  memcpy (r->self + option->offset, &list, sizeof list);
  return MANTIS_OK;
}

static enum mantis_status
put_lists (struct reading *r, const struct mantis_option *option, const json_t *value,
           const char *path)
{
  const char *const **lists = arena_array (r->arena, json_array_size (value) + 1, sizeof *lists);
  enum mantis_status status = MANTIS_OK;

  if (!lists)
    return no_memory (r->error);
  if (!json_is_array (value))
    return wrong_type (r, option, value, path);
  for (size_t i = 0; i < json_array_size (value) && status == MANTIS_OK; i++) {
    struct mantis_option inner = {.name = option->name, .type = MANTIS_OPTION_LIST};
    struct reading into = *r;
    into.self = (unsigned char *)(lists + i);
    status = json_is_array (json_array_get (value, i))
                 ? put_list (&into, &inner, json_array_get (value, i),
                             json_path_index (r->arena, path, i))
                 : wrong_type (r, option, json_array_get (value, i),
                               json_path_index (r->arena, path, i));
  }
  memcpy (r->self + option->offset, &lists, sizeof lists);
  return status;
}

static enum mantis_status
put_map (struct reading *r, const struct mantis_option *option, json_t *value, const char *path)
{
  const char **map = arena_array (r->arena, 2 * json_object_size (value) + 1, sizeof *map);
  const char *name, **at = map;
  json_t *item;

  if (!map)
    return no_memory (r->error);
  if (!json_is_object (value))
    return wrong_type (r, option, value, path);
  json_object_foreach (value, name, item)
  {
    const char *text = json_string_value (item), *here = json_path_member (r->arena, path, name);
    struct nearest nearest;
    if (!text)
      return wrong_type (r, option, item, here);
    nearest_begin (&nearest, text);
    if (option->choices && !is_choice (option->choices, text, &nearest))
      return option_fail (r->error, r->layer->place.file, here, "\"%s\" is none of %s%s", text,
                          option->choices, nearest_hint (&nearest, r->arena));
    if (!(*at++ = mantis_arena_strdup (r->arena, name)) ||
        !(*at++ = mantis_arena_strdup (r->arena, text)))
      return no_memory (r->error);
  }
  memcpy (r->self + option->offset, &map, sizeof map);
  return MANTIS_OK;
}

static enum mantis_status
put (struct reading *r, const struct mantis_option *option, json_t *value, const char *path)
{
  bool truth = json_is_true (value);

  switch (option->type) {
  case MANTIS_OPTION_BOOL:
    if (!json_is_boolean (value))
      return wrong_type (r, option, value, path);
    memcpy (r->self + option->offset, &truth, sizeof truth);
    return MANTIS_OK;
  case MANTIS_OPTION_INTEGER:
  case MANTIS_OPTION_SIZE:
  case MANTIS_OPTION_DURATION:
    return put_whole (r, option, value, path);
  case MANTIS_OPTION_REAL:
    return put_real (r, option, value, path);
  case MANTIS_OPTION_LIST:
    return put_list (r, option, value, path);
  case MANTIS_OPTION_LISTS:
    return put_lists (r, option, value, path);
  case MANTIS_OPTION_MAP:
    return put_map (r, option, value, path);
  case OPTION_JSON:
    memcpy (r->self + option->offset, &value, sizeof value);
    return MANTIS_OK;
  default:
    return put_text (r, option, value, path);
  }
}

/* The default as the file would say it.  The caller owns it; NULL: it makes no sense for the type.
 */
static json_t *
default_value (const struct mantis_option *option)
{
  const char *text = option->default_value;

  if (option->type == MANTIS_OPTION_BOOL)
    return strcmp (text, "true") == 0    ? json_true ()
           : strcmp (text, "false") == 0 ? json_false ()
                                         : NULL;
  if (option->type == MANTIS_OPTION_INTEGER || option->type == MANTIS_OPTION_REAL)
    return json_loads (text, JSON_DECODE_ANY, NULL);
  return json_string (text);
}

static enum mantis_status
put_default (struct reading *r, const struct mantis_option *option)
{
  enum mantis_status status;
  json_t *value;

  if (!option->default_value || option->type == OPTION_JSON)
    return MANTIS_OK;
  if (!(value = default_value (option)))
    return option_fail (r->error, r->layer->place.file, r->layer->place.path,
                        "the default of option \"%s\" is not %s", option->name, expected (option));
  status = put (r, option, value, json_path_member (r->arena, r->layer->place.path, option->name));
  json_decref (value);
  return status;
}

static bool
is_reserved (const struct option_layer *layer, const char *name)
{
  for (const char *const *key = layer->reserved; key && *key; key++)
    if (strcmp (*key, name) == 0)
      return true;
  return false;
}

static enum mantis_status
unknown (struct reading *r, const char *prefix, const char *name, const char *path)
{
  size_t length = strlen (prefix);
  struct nearest nearest;

  nearest_begin (&nearest, name);
  for (const struct mantis_option *o = r->options; o && o->name; o++)
    if (strncmp (o->name, prefix, length) == 0)
      nearest_try (&nearest, o->name + length, strcspn (o->name + length, "."));
  for (const char *const *key = r->layer->reserved; !length && key && *key; key++)
    nearest_try (&nearest, *key, strlen (*key));
  return option_fail (r->error, r->layer->place.file, path, "%s knows no such key%s", r->owner,
                      nearest_hint (&nearest, r->arena));
}

/* What is named NAME behind PREFIX: an option, or (GROUP) the object of options whose names go on.
 */
static const struct mantis_option *
find (const struct mantis_option *options, const char *full, bool *group)
{
  size_t length = strlen (full);

  *group = false;
  for (const struct mantis_option *o = options; o && o->name; o++) {
    if (strcmp (o->name, full) == 0)
      return o;
    *group |= strncmp (o->name, full, length) == 0 && o->name[length] == '.';
  }
  return NULL;
}

static enum mantis_status
read_object (struct reading *r, json_t *object, const char *prefix, const char *path)
{
  const char *name;
  json_t *value;

  json_object_foreach (object, name, value)
  {
    char *full = mantis_arena_printf (r->arena, "%s%s", prefix, name);
    char *at = json_path_member (r->arena, path, name);
    const struct mantis_option *option;
    enum mantis_status status = MANTIS_OK;
    bool group;

    if (!full || !at)
      return no_memory (r->error);
    if (!*prefix && is_reserved (r->layer, name))
      continue;
    option = find (r->options, full, &group);
    /* A name that holds the dot itself ("tls.key_file") is not the key inside an object. */
    if (strchr (name, '.') || (!option && !group))
      return unknown (r, prefix, name, at);
    if (option)
      status = put (r, option, value, at);
    else if (!json_is_object (value))
      return option_fail (r->error, r->layer->place.file, at, "must be an object, not %s",
                          json_type_name (value));
    else
      status = read_object (r, value, mantis_arena_printf (r->arena, "%s.", full), at);
    if (status != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

/* Does OBJECT say anything about the option with this (dotted) NAME? */
static bool
is_given (const json_t *object, const char *name, struct mantis_arena *arena)
{
  while (object) {
    size_t length = strcspn (name, ".");
    const char *key = mantis_arena_copy (arena, name, length);
    object = key ? json_object_get (object, key) : NULL;
    if (!name[length])
      return object != NULL;
    name += length + 1;
  }
  return false;
}

static enum mantis_status
check_required (struct reading *r, const struct option_layer *layers, size_t count)
{
  for (const struct mantis_option *o = r->options; o && o->name; o++) {
    bool given = !o->required;
    for (size_t i = 0; i < count; i++)
      given |= is_given (layers[i].json, o->name, r->arena);
    if (!given)
      return option_fail (r->error, r->layer->place.file, r->layer->place.path,
                          "%s needs \"%s\": %s", r->owner, o->name, o->help ? o->help : "");
  }
  return MANTIS_OK;
}

enum mantis_status
option_table_fill (const struct mantis_option *options, const char *owner, void *self,
                   const struct option_layer *layers, size_t count, struct mantis_arena *arena,
                   struct mantis_error *error)
{
  struct reading r = {
      .options = options, .owner = owner, .self = self, .arena = arena, .error = error};
  enum mantis_status status;

  r.layer = layers + count - 1;
  for (const struct mantis_option *o = options; o && o->name; o++)
    if ((status = put_default (&r, o)) != MANTIS_OK)
      return status;
  for (size_t i = 0; i < count; i++) {
    r.layer = layers + i;
    if (r.layer->json && !json_is_object (r.layer->json))
      return option_fail (error, r.layer->place.file, r.layer->place.path,
                          "must be an object, not %s", json_type_name (r.layer->json));
    if ((status = read_object (&r, r.layer->json, "", r.layer->place.path)) != MANTIS_OK)
      return status;
  }
  return check_required (&r, layers, count);
}
