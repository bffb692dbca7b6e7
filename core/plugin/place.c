/* place.c - where something stands: JSON paths, files, and messages that begin with both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/options.h"

#include "base/base.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum mantis_status
option_fail (struct mantis_error *error, const char *file, const char *path, const char *format,
             ...)
{
  char text[800];
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  for (char *c = text; *c; c++) /* a text of the file may hold anything; a message is one line */
    if (iscntrl ((unsigned char)*c))
      *c = '?';
  return mantis_fail (error, MANTIS_INVALID, "%s: %s: %s", file ? file : "configuration",
                      path ? path : "$", text);
}

static bool
is_plain (const char *name)
{
  if (!isalpha ((unsigned char)*name) && *name != '_')
    return false;
  for (; *name; name++)
    if (!isalnum ((unsigned char)*name) && *name != '_')
      return false;
  return true;
}

char *
json_path_member (struct mantis_arena *arena, const char *path, const char *name)
{
  CLEANUP_BUF struct mantis_buf quoted = MANTIS_BUF_INIT;

  if (is_plain (name))
    return mantis_arena_printf (arena, "%s.%s", path, name);
  mantis_buf_json (&quoted, name, strlen (name));
  return mantis_arena_printf (arena, "%s[%s]", path, quoted.failed ? "..." : quoted.bytes);
}

char *
json_path_index (struct mantis_arena *arena, const char *path, size_t index)
{
  return mantis_arena_printf (arena, "%s[%zu]", path, index);
}

const char *
json_type_name (const json_t *json)
{
  switch (json_typeof (json)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "a list";
  case JSON_STRING:
    return "a text";
  case JSON_INTEGER:
  case JSON_REAL:
    return "a number";
  case JSON_TRUE:
  case JSON_FALSE:
    return "true or false";
  case JSON_NULL:
    break;
  }
  return "null";
}

char *
path_in (struct mantis_arena *arena, const char *folder, const char *path)
{
  if (path[0] == '/' || !folder || !*folder)
    return mantis_arena_strdup (arena, path);
  while (path[0] == '.' && path[1] == '/')
    for (path += 2; *path == '/';)
      path++;
  if (!*path || strcmp (path, ".") == 0)
    return mantis_arena_strdup (arena, folder);
  return mantis_arena_printf (arena, "%s%s%s", folder,
                              folder[strlen (folder) - 1] == '/' ? "" : "/", path);
}
