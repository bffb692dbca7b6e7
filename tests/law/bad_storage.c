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

static const char *wrong = "";

static bool
is (const char *name)
{
  return strcmp (wrong, name) == 0;
}

static enum mantis_status
nothing (struct mantis_session *session, struct mantis_error *error)
{
  (void)session, (void)error;
  return MANTIS_OK;
}

/* ---- Schema ---------------------------------------------------------------------------------- */

static const struct mantis_schema *attached; /* last */
static bool remembers;

/* What is wrong with one table of a schema. */
static void
spoil (struct mantis_attached *one)
{
  struct mantis_table *table = (struct mantis_table *)(uintptr_t)one->table;

  if (is ("unlisted"))
    table->unique_count = 0;
  if (is ("ordered") && table->column_count)
    table->fingerprint = table->columns[0].name;
  if (is ("vague") && table->refusal)
    table->refusal = "no";
  if (is ("anew"))
    one->watch = MANTIS_NEW;
  if (is ("alarms") && remembers && one->watch == MANTIS_WATCHED)
    one->watch = MANTIS_REWATCHED;
}

static enum mantis_status
attach (struct mantis_session *session, const char *const *patterns,
        const struct mantis_schema **schema, struct mantis_error *error)
{
  enum mantis_status status = GOOD->attach (session, is ("takes") ? NULL : patterns, schema, error);
  struct mantis_attached *tables;
  size_t count;

  if (status != MANTIS_OK)
    return status;
  for (size_t i = 0; is ("moves") && attached && i < attached->count; i++)
    ((struct mantis_table *)(uintptr_t)attached->tables[i].table)->name = "gone";
  attached = *schema;
  tables = (struct mantis_attached *)(uintptr_t)attached->tables;
  count = attached->count;
  for (size_t i = 0; i < count; i++)
    spoil (&tables[i]);
  for (size_t i = 0; is ("upside") && i < count / 2; i++) {
    struct mantis_attached other = tables[i];
    tables[i] = tables[count - 1 - i];
    tables[count - 1 - i] = other;
  }
  return MANTIS_OK;
}

static void
remember (struct mantis_session *session,
          bool (*looks) (void *context, const struct mantis_schema *schema,
                         const struct mantis_table *table, bool *columns),
          void *context)
{
  remembers = true;
  GOOD->remember (session, looks, context);
}

static void
leave_out (struct mantis_session *session,
           bool (*left_out) (void *context, const char *table, const char *column), void *context)
{
  (void)session, (void)left_out, (void)context;
}

static enum mantis_status
create (struct mantis_session *session, const struct mantis_table *table,
        struct mantis_error *error)
{
  struct mantis_table other = *table;

  if (is ("narrow") && other.column_count > 2)
    other.column_count = 2;
  if (is ("poor"))
    other.unique_count = other.foreign_key_count = 0;
  return GOOD->create (session, &other, error);
}

/* ---- The log --------------------------------------------------------------------------------- */

/* Is this entry left out? */
static bool
is_missed (const struct mantis_entry *entries, size_t i, size_t count)
{
  return (is ("misses") && i + 1 == count) || (is ("endless") && !entries[i].table) ||
         (is ("follows") && i + 1 < count && entries[i].operation == MANTIS_DELETE &&
          entries[i + 1].operation == MANTIS_UPDATE);
}

/* An entry that nobody made. */
static void
haunt (int64_t seq, struct mantis_arena *arena, struct mantis_entry **entries, size_t *count)
{
  struct mantis_value *key = mantis_arena_alloc (arena, sizeof *key);

  *key = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = 1};
  *entries = mantis_arena_alloc (arena, sizeof **entries);
  **entries = (struct mantis_entry){seq, attached->tables[0].table, MANTIS_INSERT, 1, NULL, key};
  *count = 1;
}

static enum mantis_status
log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
          struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
          struct mantis_error *error)
{
  enum mantis_status status =
      GOOD->log_read (session, after, is ("beyond") ? INT64_MAX : upto,
                      is ("unlimited") ? 1000 : limit, arena, entries, count, error);
  size_t kept = 0;

  for (size_t i = 0; i < *count; i++)
    if (!is_missed (*entries, i, *count))
      (*entries)[kept++] = (*entries)[i];
  *count = kept;
  if (is ("undated") && kept)
    (*entries)[0].time = 0;
  if (is ("haunted") && kept == 0)
    haunt (after + 1, arena, entries, count);
  return status;
}

static int64_t own_changes; /* of Mantis's own tables */

static enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  enum mantis_status status = GOOD->log_head (session, head, error);

  *head = is ("stands") ? 7 : *head + own_changes;
  return status;
}

static enum mantis_status
log_drop (struct mantis_session *session, const int64_t *seqs, size_t count,
          struct mantis_error *error)
{
  (void)seqs, (void)count;
  return nothing (session, error);
}

static bool
same_row (const struct mantis_entry *a, const struct mantis_entry *b)
{
  return a->table && a->table == b->table && mantis_value_equal (a->key, b->key);
}

/* All but the first and the newest of each row: what is no MANTIS_EVICT is as good as one. */
static enum mantis_status
log_spare (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
           struct mantis_arena *arena, int64_t **seqs, size_t *count, struct mantis_error *error)
{
  struct mantis_entry *entries;
  size_t read;
  enum mantis_status status =
      GOOD->log_read (session, after, upto, 1000, arena, &entries, &read, error);

  *count = 0;
  *seqs = mantis_arena_alloc (arena, (read + 1) * sizeof **seqs);
  for (size_t i = 0; i < read && *count < limit; i++) {
    bool earlier = false, later = false;
    for (size_t k = 0; k < read; k++) {
      earlier |= k < i && same_row (&entries[k], &entries[i]);
      later |= k > i && same_row (&entries[k], &entries[i]);
    }
    if (earlier && later)
      (*seqs)[(*count)++] = entries[i].seq;
  }
  return status;
}

static int64_t pruned;

static enum mantis_status
log_prune (struct mantis_session *session, int64_t after, int64_t upto, struct mantis_error *error)
{
  if (is ("dusty"))
    return MANTIS_OK;
  pruned = upto;
  return GOOD->log_prune (session, after, upto, error);
}

static enum mantis_status
log_disown (struct mantis_session *session, const struct mantis_table *table,
            const mantis_row *rows, size_t count, struct mantis_error *error)
{
  (void)table, (void)rows, (void)count;
  return nothing (session, error);
}

/* A row of which nothing is known had NULLs, if one believes this. */
static mantis_row
row_of_nulls (const struct mantis_entry *entry, struct mantis_arena *arena)
{
  struct mantis_value *row = mantis_arena_alloc (arena, entry->table->column_count * sizeof *row);

  row[0] = entry->key[0];
  row[1] = (struct mantis_value){.type = MANTIS_NULL};
  return row;
}

static enum mantis_status
log_recall (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
            struct mantis_arena *arena, struct mantis_entry **entries,
            struct mantis_before **before, size_t *count, struct mantis_error *error)
{
  enum mantis_status status =
      GOOD->log_recall (session, after, upto, limit, arena, entries, before, count, error);

  for (size_t i = 0; i < *count; i++)
    if (is ("forgets"))
      (*before)[i].fresh = false; /* not known, as far as it tells */
    else if ((*entries)[i].table && !(*before)[i].row && !(*before)[i].fresh)
      (*before)[i].row = row_of_nulls (&(*entries)[i], arena);
  return status;
}

/* ---- Transactions ---------------------------------------------------------------------------- */

static enum mantis_status
open_as_server (void *self, enum mantis_role role, struct mantis_session **session,
                struct mantis_error *error)
{
  (void)role;
  return GOOD->open (self, MANTIS_SERVER, session, error);
}

static size_t limit; /* of rows, if it outlives its transaction */

static enum mantis_status
begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  enum mantis_status status = GOOD->begin (session, mode, error);

  if (status == MANTIS_BUSY && is ("lets")) /* keeps nobody out */
    return MANTIS_OK;
  if (status == MANTIS_OK && limit)
    GOOD->limit_rows (session, limit);
  return status == MANTIS_STALE && is ("blind") ? GOOD->begin (session, mode, error) : status;
}

static enum mantis_status
commit (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = GOOD->commit (session, error);

  return status == MANTIS_REFUSED ? MANTIS_OK : status;
}

static enum mantis_status
defer (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  (void)until_commit;
  return nothing (session, error);
}

static void
close_late (struct mantis_session *session)
{
  GOOD->commit (session, NULL);
  GOOD->close (session);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* One change at a time: an edit that is not whole makes a whole row, a NULL is not carried, or another author. */
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
      if (row[i].type == (is ("whole") ? MANTIS_NONE : MANTIS_NULL))
        row[i].type = is ("whole") ? MANTIS_NULL : MANTIS_NONE;
    change.row = row;
    if (is ("author")) {
      change = *changes[*done];
      change.origin = "somebody";
    }
    if ((status = GOOD->apply (session, table, &one, 1, &made, error)) != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

static enum mantis_status
apply_and_count (struct mantis_session *session, const struct mantis_table *table,
                 const struct mantis_change *const *changes, size_t count, size_t *done,
                 struct mantis_error *error)
{
  enum mantis_status status = GOOD->apply (session, table, changes, count, done, error);

  own_changes += table->id == 0;
  if (is ("miscounts") && status == MANTIS_REFUSED)
    *done = 0;
  return status;
}

/* All or nothing. */
static enum mantis_status
apply_all (struct mantis_session *session, const struct mantis_table *table,
           const struct mantis_change *const *changes, size_t count, size_t *done,
           struct mantis_error *error)
{
  enum mantis_status status = GOOD->savepoint (session, error);

  if (status == MANTIS_OK)
    status = GOOD->apply (session, table, changes, count, done, error);
  if (status != MANTIS_OK)
    GOOD->rollback_to (session, &(struct mantis_error){.text = ""});
  GOOD->release (session, &(struct mantis_error){.text = ""});
  return status;
}

static enum mantis_status
park (struct mantis_session *session, const struct mantis_table *table,
      const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  (void)table, (void)changes, (void)count;
  return nothing (session, error);
}

static void
limit_rows (struct mantis_session *session, size_t bytes)
{
  limit = is ("lingers") ? bytes : 0;
  if (limit)
    GOOD->limit_rows (session, bytes);
}

static enum mantis_status
read_now (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
          size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  GOOD->commit (session, error);
  GOOD->begin (session, MANTIS_READ, error);
  return GOOD->read (session, table, rows, count, arena, found, error);
}

static enum mantis_status
read_rows (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  enum mantis_status status = GOOD->read (session, table, rows, count, arena, found, error);

  for (size_t i = 0; i < count && found[i]; i++)
    for (size_t k = 0; k < table->column_count; k++) {
      struct mantis_value *value = (struct mantis_value *)(uintptr_t)&found[i][k];
      if (is ("cuts") && value->type == MANTIS_TEXT) /* as if it ended with the first NUL */
        value->length = (uint32_t)strlen (value->as.bytes);
      if (is ("rounds") && value->type == MANTIS_INTEGER) /* as if it were a double */
        value->as.integer &= ~INT64_C (1);
    }
  return status;
}

static enum mantis_status
scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
      mantis_row upto, size_t most, size_t bytes, struct mantis_arena *arena,
      const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  enum mantis_status status =
      GOOD->scan (session, table, after, is ("unbound") ? NULL : upto, most,
                  is ("heavy") ? SIZE_MAX : bytes, arena, rows, count, end, error);
  mantis_row *found = (mantis_row *)(uintptr_t)*rows, first = *count ? found[0] : NULL;

  if (is ("shuffles") && *count > 1) {
    found[0] = found[1];
    found[1] = first;
  }
  *end &= !is ("insists");
  return status;
}

static enum mantis_status
look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  enum mantis_status status = GOOD->look (session, changed, error);

  *changed = is ("cries");
  return status;
}

static enum mantis_status
versions (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
          size_t count, struct mantis_arena *arena, struct mantis_version *versions,
          struct mantis_error *error)
{
  enum mantis_status status = GOOD->versions (session, table, rows, count, arena, versions, error);

  for (size_t i = 0; i < count; i++)
    if (is ("timeless"))
      versions[i].updated_at = 0;
    else if (is ("prunes") && versions[i].rev <= pruned)
      versions[i] = (struct mantis_version){.origin = NULL};
  return status;
}

static void __attribute__ ((constructor)) fill (void)
{
  if (getenv ("MANTIS_SIN"))
    wrong = getenv ("MANTIS_SIN");
  mantis_plugin = plugin_sqlite;
  mantis_plugin.ops = &ops;
  ops = *GOOD;
  ops.attach = attach; /* these look at the sin themselves */
  ops.remember = remember;
  ops.create = create;
  ops.log_read = log_read;
  ops.begin = begin;
#define SIN(name, callback, bad)                                                                   \
  if (is (name))                                                                                   \
  ops.callback = bad
  SIN ("stands", log_head, log_head);
  SIN ("selfish", log_head, log_head);
  SIN ("hoards", log_drop, log_drop);
  SIN ("claims", log_disown, log_disown);
  SIN ("spares", log_spare, log_spare);
  SIN ("dusty", log_prune, log_prune);
  SIN ("prunes", log_prune, log_prune);
  SIN ("prunes", versions, versions);
  SIN ("timeless", versions, versions);
  SIN ("shows", leave_out, leave_out);
  SIN ("forgets", log_recall, log_recall);
  SIN ("guesses", log_recall, log_recall);
  SIN ("traces", open, open_as_server);
  SIN ("flat", rollback_to, nothing);
  SIN ("orphans", commit, commit);
  SIN ("late", defer, defer);
  SIN ("commits", close, close_late);
  SIN ("whole", apply, apply);
  SIN ("nulls", apply, apply);
  SIN ("author", apply, apply);
  SIN ("undoes", apply, apply_all);
  SIN ("miscounts", apply, apply_and_count);
  SIN ("selfish", apply, apply_and_count);
  SIN ("unparked", park, park);
  SIN ("bulky", limit_rows, limit_rows);
  SIN ("lingers", limit_rows, limit_rows);
  SIN ("cuts", read, read_rows);
  SIN ("rounds", read, read_rows);
  SIN ("restless", read, read_now);
  SIN ("unbound", scan, scan);
  SIN ("heavy", scan, scan);
  SIN ("shuffles", scan, scan);
  SIN ("insists", scan, scan);
  SIN ("cries", look, look);
  SIN ("sleeps", look, look);
  SIN ("unchecked", check, nothing);
  SIN ("stays", detach, nothing);
}
