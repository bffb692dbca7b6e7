/* read.c - from a file to struct config.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/internal.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST_FILE = 4 * 1024 * 1024 };

enum mantis_status
config_no_memory (struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FAILED, "no memory left to read the configuration");
}

void
config_free (struct config *config)
{
  if (!config)
    return;
  json_decref (config->root);
  json_decref (config->made);
  mantis_arena_free (config->arena);
}

static struct config *
config_new (const char *file, const char *folder)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct config *config = arena ? mantis_arena_alloc (arena, sizeof *config) : NULL;

  if (!config) {
    mantis_arena_free (arena);
    return NULL;
  }
  config->arena = arena;
  config->file = mantis_arena_strdup (arena, file);
  config->folder = mantis_arena_strdup (arena, folder);
  config->made = json_object ();
  if (!config->file || !config->folder || !config->made) {
    config_free (config);
    return NULL;
  }
  return config;
}

/* The mode of the file and that of the command line: one is needed, two have to agree. */
static enum mantis_status
settle_role (struct config *config, enum mantis_role role, struct mantis_error *error)
{
  const char *mode = config->raw.mode;
  enum mantis_role said = !mode ? 0 : strcmp (mode, "server") == 0 ? MANTIS_SERVER : MANTIS_CLIENT;

  if (role && said && role != said)
    return CONFIG_FAIL (
        config, error, "$.mode",
        "the file says \"%s\", the command line --mode %s; give the file that you mean "
        "with --config",
        mode, role == MANTIS_SERVER ? "server" : "client");
  if (!(config->role = said ? said : role))
    return CONFIG_FAIL (config, error, "$",
                        "needs \"mode\": \"server\" or \"client\" (or --mode on the command line)");
  return MANTIS_OK;
}

static enum mantis_level
level_of (const char *name)
{
  return strcmp (name, "error") == 0     ? MANTIS_ERROR
         : strcmp (name, "warning") == 0 ? MANTIS_WARNING
         : strcmp (name, "debug") == 0   ? MANTIS_DEBUG
                                         : MANTIS_INFO;
}

/* What config->root says. */
static enum mantis_status
interpret (struct config *config, enum mantis_role role, struct mantis_error *error)
{
  struct option_layer layer = {config->root, {config->file, "$", config->folder}, NULL};
  enum mantis_status status;

  status = option_table_fill (config_keys, "Mantis", config, &layer, 1, config->arena, error);
  if (status != MANTIS_OK || (status = settle_role (config, role, error)) != MANTIS_OK)
    return status;
  config->log_level = level_of (config->raw.log_level);
  if ((status = plugins_read (config, error)) != MANTIS_OK ||
      (status = config_fill_defaults (config, error)) != MANTIS_OK ||
      (status = tables_read (config, error)) != MANTIS_OK ||
      (status = nodes_read (config, error)) != MANTIS_OK)
    return status;
  status = uses_read (config, MANTIS_KIND_FILTER, config->raw.filters, "$.filters", selector_plugin,
                      NULL, &config->filters, &config->filter_count, error);
  if (status != MANTIS_OK)
    return status;
  return hooks_read (config, error);
}

/* Two slips that one does not see in an editor, and that jansson has strange words for. */
static enum mantis_status
refuse_invisible (const char *text, size_t length, const char *file, struct mantis_error *error)
{
  const char *nul = length ? memchr (text, '\0', length) : NULL, *line = text;
  int number = 1;

  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s:1:1: a byte order mark: save the file as UTF-8 without one", file);
  if (!nul)
    return MANTIS_OK;
  for (const char *c = text; c < nul; c++)
    if (*c == '\n') {
      number++;
      line = c + 1;
    }
  return mantis_fail (error, MANTIS_INVALID,
                      "%s:%d:%d: a NUL byte: the file is damaged, or is not a text in UTF-8", file,
                      number, (int)(nul - line) + 1);
}

static enum mantis_status
parse (const char *text, size_t length, const char *file, const char *folder, enum mantis_role role,
       struct config **read, struct mantis_error *error)
{
  enum mantis_status status = refuse_invisible (text, length, file, error);
  struct config *config;
  json_error_t place;

  if (status != MANTIS_OK)
    return status;
  if (!(config = config_new (file, folder)))
    return config_no_memory (error);
  config->root = json_loadb (text, length, JSON_REJECT_DUPLICATES, &place);
  if (!config->root)
    status = mantis_fail (error, MANTIS_INVALID, "%s:%d:%d: %s", file, place.line, place.column,
                          place.text);
  else
    status = interpret (config, role, error);
  if (status != MANTIS_OK)
    config_free (config);
  else
    *read = config;
  return status;
}

enum mantis_status
config_parse (const char *text, const char *folder, enum mantis_role role, struct config **config,
              struct mantis_error *error)
{
  return parse (text, strlen (text), "configuration", folder, role, config, error);
}

enum mantis_status
config_default (enum mantis_role role, struct config **config, struct mantis_error *error)
{
  static const char server[] = "{\"create_tables\": true}", client[] = "{}";
  const char *text = role == MANTIS_SERVER ? server : client;

  return parse (text, strlen (text), "built-in defaults", "/", role, config, error);
}

static enum mantis_status
read_file (const char *path, struct mantis_buf *text, struct mantis_error *error)
{
  int file = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t got = 0;
  char *end = NULL;
  int reason;

  if (file < 0)
    return mantis_fail (error, errno == ENOENT ? MANTIS_ABSENT : MANTIS_FAILED,
                        "cannot read the configuration %s: %s", path, strerror (errno));
  text->limit = LARGEST_FILE;
  while ((end = mantis_buf_reserve (text, 4096)) && (got = read (file, end, 4096)) > 0)
    text->length += (size_t)got;
  reason = errno;
  close (file);
  if (!end)
    return mantis_fail (
        error, MANTIS_INVALID,
        "%s: a configuration of more than %d bytes is none: is this the right file?", path,
        LARGEST_FILE);
  if (got < 0)
    return mantis_fail (error, MANTIS_FAILED, "cannot read the configuration %s: %s", path,
                        strerror (reason));
  return MANTIS_OK;
}

enum mantis_status
config_read (const char *path, enum mantis_role role, struct config **config,
             struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  CLEANUP_FREE char *real = NULL;
  enum mantis_status status;
  char *slash;

  if ((status = read_file (path, &text, error)) != MANTIS_OK)
    return status;
  if (!(real = realpath (path, NULL)))
    return mantis_fail (error, MANTIS_FAILED, "cannot find the folder of %s: %s", path,
                        strerror (errno));
  slash = strrchr (real, '/');
  slash[slash == real] = '\0';
  return parse (text.bytes ? text.bytes : "", text.length, path, real, role, config, error);
}
