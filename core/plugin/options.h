/* options.h - option tables: what the configuration says, checked and written into a struct.
 *
 * One reader for the options of plugins (struct mantis_option in their descriptor) and for Mantis's
 * own keys (core/config/keys.c), so that both give the same messages.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PLUGIN_OPTIONS_H
#define MANTIS_PLUGIN_OPTIONS_H

#include <mantis/plugin.h>

#include <jansson.h>

/* Where an object stands, for messages and for relative paths. */
struct option_place {
  const char *file;   /* shown to a person: a file, or what else it is */
  const char *path;   /* JSON path of the object: "$.listen[0]" */
  const char *folder; /* that relative paths belong to, absolute */
};

/* One object that gives values; a later layer overrides an earlier one. */
struct option_layer {
  json_t *json; /* object, or NULL for none */
  struct option_place place;
  const char *const
      *reserved; /* keys of the object that are not options, ends with NULL; NULL: none */
};

/* For Mantis's own keys only: the value as it stands, json_t *, borrowed from the layer. */
enum { OPTION_JSON = 100 };

/* Fill SELF: defaults first, then each layer.  Texts are copied into ARENA.  OWNER, e.g. "plugin
 * sqlite" or "Mantis", is who knows the options.  The last layer's place stands for all that is
 * missing. */
enum mantis_status option_table_fill (const struct mantis_option *options, const char *owner,
                                      void *self, const struct option_layer *layers, size_t count,
                                      struct mantis_arena *arena, struct mantis_error *error);

/* Is the table itself sound: names, types, offsets within SELF_SIZE, defaults that would be
 * accepted? */
enum mantis_status option_table_check (const struct mantis_option *options, size_t self_size,
                                       struct mantis_error *error);

/* A line about OPTION for a person: type, default, range. */
void option_describe (const struct mantis_option *option, struct mantis_buf *buf);

/* MANTIS_INVALID with "FILE: PATH: " before the text. */
enum mantis_status option_fail (struct mantis_error *error, const char *file, const char *path,
                                const char *format, ...) MANTIS_PRINTF (4, 5);

/* PATH with a member or an index added. */
char *json_path_member (struct mantis_arena *arena, const char *path, const char *name);
char *json_path_index (struct mantis_arena *arena, const char *path, size_t index);
/* "an object", "a text", ... */
const char *json_type_name (const json_t *json);

/* PATH made absolute with FOLDER, without "./" before it; of "." FOLDER itself. */
char *path_in (struct mantis_arena *arena, const char *folder, const char *path);

/* A search for the known name that somebody probably meant. */
struct nearest {
  const char *wanted;
  const char *name; /* the best so far, NULL: none is near */
  size_t length;    /* of it, as it may be a part of a longer text */
  size_t distance;
};
void nearest_begin (struct nearest *nearest, const char *wanted);
void nearest_try (struct nearest *nearest, const char *name, size_t length);
/* `, did you mean "NAME"?', or "" when nothing is near.  In ARENA. */
const char *nearest_hint (const struct nearest *nearest, struct mantis_arena *arena);

#endif
