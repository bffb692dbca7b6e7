/* bad_storage - the storage sqlite, but for one law that $MANTIS_SIN names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/storage.h>

#include <stdlib.h>
#include <string.h>

extern const struct mantis_plugin plugin_sqlite;
/* No macro, as it is filled when it is opened: a good plugin does not run then. */
extern MANTIS_PUBLIC struct mantis_plugin mantis_plugin;
MANTIS_PUBLIC struct mantis_plugin mantis_plugin;

static struct mantis_storage ops;
#define GOOD ((const struct mantis_storage *)plugin_sqlite.ops)

static enum mantis_status
nothing (struct mantis_session *session, struct mantis_error *error)
{
  (void)session, (void)error;
  return MANTIS_OK;
}

static enum mantis_status
log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
          struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
          struct mantis_error *error)
{
  enum mantis_status status =
      GOOD->log_read (session, after, upto, limit, arena, entries, count, error);

  *count -= *count > 0; /* the newest is missing */
  return status;
}

static enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  enum mantis_status status = GOOD->log_head (session, head, error);

  *head = 7;
  return status;
}

static enum mantis_status
begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  enum mantis_status status = GOOD->begin (session, mode, error);

  return status == MANTIS_BUSY ? MANTIS_OK : status; /* keeps nobody out */
}

static void
close_late (struct mantis_session *session)
{
  GOOD->commit (session, NULL);
  GOOD->close (session);
}

/* An edit that is not whole makes a whole row. */
static enum mantis_status
apply (struct mantis_session *session, const struct mantis_table *table,
       const struct mantis_change *const *changes, size_t count, size_t *done,
       struct mantis_error *error)
{
  for (*done = 0; *done < count; ++*done) {
    struct mantis_value row[16];
    struct mantis_change change = *changes[*done];
    const struct mantis_change *one = &change;
    size_t made;
    enum mantis_status status;
    memcpy (row, change.row, table->column_count * sizeof *row);
    for (size_t i = 0; i < table->column_count; i++)
      if (row[i].type == MANTIS_NONE)
        row[i].type = MANTIS_NULL;
    change.row = row;
    if (strcmp (getenv ("MANTIS_SIN"), "author") == 0) {
      change = *changes[*done];
      change.origin = "somebody";
    }
    if ((status = GOOD->apply (session, table, &one, 1, &made, error)) != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

static enum mantis_status
read_rows (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  enum mantis_status status = GOOD->read (session, table, rows, count, arena, found, error);

  for (size_t i = 0; i < count && found[i]; i++)
    for (size_t k = 0; k < table->column_count; k++) {
      struct mantis_value *value = (struct mantis_value *)(uintptr_t)&found[i][k];
      if (value->type == MANTIS_TEXT) /* as if it ended with the first NUL */
        value->length = (uint32_t)strlen (value->as.bytes);
    }
  return status;
}

static enum mantis_status
scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
      mantis_row upto, size_t limit, size_t bytes, struct mantis_arena *arena,
      const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  (void)upto;
  return GOOD->scan (session, table, after, NULL, limit, bytes, arena, rows, count, end, error);
}

static enum mantis_status
look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  enum mantis_status status = GOOD->look (session, changed, error);

  *changed = true;
  return status;
}

static enum mantis_status
versions (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
          size_t count, struct mantis_arena *arena, struct mantis_version *versions,
          struct mantis_error *error)
{
  enum mantis_status status = GOOD->versions (session, table, rows, count, arena, versions, error);

  for (size_t i = 0; i < count; i++)
    versions[i].updated_at = 0;
  return status;
}

static void __attribute__ ((constructor)) fill (void)
{
  const char *sin = getenv ("MANTIS_SIN");

  mantis_plugin = plugin_sqlite;
  mantis_plugin.ops = &ops;
  ops = *GOOD;
#define SIN(name, callback, wrong)                                                                 \
  if (sin && strcmp (sin, name) == 0)                                                              \
  ops.callback = wrong
  SIN ("misses", log_read, log_read);
  SIN ("stands", log_head, log_head);
  SIN ("lets", begin, begin);
  SIN ("flat", rollback_to, nothing);
  SIN ("commits", close, close_late);
  SIN ("whole", apply, apply);
  SIN ("author", apply, apply);
  SIN ("cuts", read, read_rows);
  SIN ("unbound", scan, scan);
  SIN ("cries", look, look);
  SIN ("timeless", versions, versions);
  SIN ("unchecked", check, nothing);
  SIN ("stays", detach, nothing);
}
