/* A storage built against the first headers: an empty database that counts what is asked of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/storage.h>

#include <stdlib.h>

struct old_storage {
  const char *path;
};

struct mantis_session {
  int64_t head;
  int depth;
};

static const struct mantis_option options[] = {
    MANTIS_FILE (struct old_storage, path, "nowhere.db", "the database"),
    {.name = NULL},
};

static enum mantis_status
open_session (void *self, enum mantis_role role, struct mantis_session **session,
              struct mantis_error *error)
{
  (void)self;
  if (!(*session = calloc (1, sizeof **session)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  (*session)->head = role == MANTIS_SERVER ? 40 : 0;
  return MANTIS_OK;
}

static void
close_session (struct mantis_session *session)
{
  free (session);
}

static const char *
place (void *self)
{
  return ((const struct old_storage *)self)->path;
}

static enum mantis_status
begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  (void)error;
  session->depth++;
  session->head += mode == MANTIS_WRITE;
  return MANTIS_OK;
}

static enum mantis_status
leave (struct mantis_session *session, struct mantis_error *error)
{
  if (session->depth == 0)
    return mantis_fail (error, MANTIS_FAILED, "there is no transaction");
  session->depth--;
  return MANTIS_OK;
}

static void
rollback (struct mantis_session *session)
{
  session->depth = 0;
}

static enum mantis_status
enter (struct mantis_session *session, struct mantis_error *error)
{
  return begin (session, MANTIS_READ, error);
}

static enum mantis_status
defer (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  (void)session, (void)until_commit, (void)error;
  return MANTIS_OK;
}

static enum mantis_status
nothing (struct mantis_session *session, struct mantis_error *error)
{
  (void)session, (void)error;
  return MANTIS_OK;
}

static enum mantis_status
attach (struct mantis_session *session, const char *const *patterns,
        const struct mantis_schema **schema, struct mantis_error *error)
{
  static const struct mantis_schema empty = {.size = sizeof empty};

  (void)session, (void)patterns, (void)error;
  *schema = &empty;
  return MANTIS_OK;
}

static enum mantis_status
create (struct mantis_session *session, const struct mantis_table *table,
        struct mantis_error *error)
{
  (void)session;
  return mantis_fail (error, MANTIS_REFUSED, "no room for table \"%s\"", table->name);
}

static enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  (void)error;
  *head = session->head;
  return MANTIS_OK;
}

static enum mantis_status
log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
          struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
          struct mantis_error *error)
{
  (void)session, (void)limit, (void)error;
  if (!(*entries = mantis_arena_alloc (arena, sizeof **entries)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  **entries = (struct mantis_entry){.seq = upto, .operation = MANTIS_DELETE, .time = after};
  *count = 1;
  return MANTIS_OK;
}

static enum mantis_status
log_trim (struct mantis_session *session, int64_t upto, struct mantis_error *error)
{
  (void)session, (void)upto, (void)error;
  return MANTIS_OK;
}

static enum mantis_status
log_disown (struct mantis_session *session, const struct mantis_table *table,
            const mantis_row *rows, size_t count, struct mantis_error *error)
{
  (void)session, (void)table, (void)rows, (void)count, (void)error;
  return MANTIS_OK;
}

static enum mantis_status
versions (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
          size_t count, struct mantis_arena *arena, struct mantis_version *versions,
          struct mantis_error *error)
{
  (void)table, (void)rows, (void)arena, (void)error;
  for (size_t i = 0; i < count; i++)
    versions[i] = (struct mantis_version){.rev = session->head, .updated_at = 7, .origin = "old"};
  return MANTIS_OK;
}

static enum mantis_status
read_rows (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  (void)session, (void)table, (void)arena, (void)error;
  for (size_t i = 0; i < count; i++)
    found[i] = i % 2 ? rows[i] : NULL;
  return MANTIS_OK;
}

static enum mantis_status
scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
      mantis_row upto, size_t limit, size_t bytes, struct mantis_arena *arena,
      const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  (void)session, (void)table, (void)after, (void)upto, (void)limit, (void)bytes, (void)arena;
  (void)rows, (void)error;
  *count = 0;
  *end = true;
  return MANTIS_OK;
}

static enum mantis_status
apply (struct mantis_session *session, const struct mantis_table *table,
       const struct mantis_change *const *changes, size_t count, size_t *done,
       struct mantis_error *error)
{
  (void)session, (void)changes;
  *done = count - 1;
  return mantis_fail (error, MANTIS_REFUSED, "the last row of table \"%s\"", table->name);
}

static enum mantis_status
park (struct mantis_session *session, const struct mantis_table *table,
      const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  (void)session, (void)table, (void)changes, (void)count, (void)error;
  return MANTIS_OK;
}

static int
watch (void *self, struct mantis_error *error)
{
  (void)self, (void)error;
  return -1;
}

static enum mantis_status
look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  (void)session, (void)error;
  *changed = true;
  return MANTIS_OK;
}

static const struct mantis_storage ops = {
    .size = sizeof ops,
    .open = open_session,
    .close = close_session,
    .place = place,
    .begin = begin,
    .commit = leave,
    .rollback = rollback,
    .savepoint = enter,
    .rollback_to = nothing,
    .release = leave,
    .defer = defer,
    .check = nothing,
    .attach = attach,
    .create = create,
    .detach = nothing,
    .log_head = log_head,
    .log_read = log_read,
    .log_trim = log_trim,
    .log_disown = log_disown,
    .versions = versions,
    .read = read_rows,
    .scan = scan,
    .apply = apply,
    .park = park,
    .watch = watch,
    .look = look,
};

MANTIS_STORAGE_PLUGIN (old_storage, &ops, .summary = "as of the first headers",
                       .self_size = sizeof (struct old_storage), .options = options);
