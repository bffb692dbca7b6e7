/* attach.c - watch tables: is each captured, and still shaped as it was?
 *
 * __sync_tables remembers what was watched:
 *   id           the number that entries of the log carry
 *   name         of the table
 *   key          its key columns, quoted, with commas between
 *   fingerprint  of its columns, for people
 *   sql          of its CREATE TABLE, and
 *   root         the page where it begins: both differ after a rebuild that brought the triggers
 * along state        watched, unwatched (by configuration), gone (dropped, or renamed) An id stays
 * with its table while name and key do, so that entries keep their meaning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

/* A row of __sync_tables. */
struct remembered {
  int64_t id, root;
  const char *name, *key, *fingerprint, *sql, *state;
  bool found; /* matched by a table of now */
};

/* A trigger of ours as it stands. */
struct standing {
  const char *name, *table, *sql;
  bool wanted;
};

struct attaching {
  struct mantis_session *session;
  struct known_schema *schema;
  struct mantis_arena *arena; /* of the schema */
  struct remembered *remembered;
  size_t remembered_count;
  struct standing *standing;
  size_t standing_count;
  int64_t newest_id;
  struct mantis_error *error;
};

const struct facts *
table_facts (const struct mantis_session *session, const struct mantis_table *table)
{
  const struct known_schema *schema = session->schema;

  for (size_t i = 0; table->id && schema && i < schema->shown.count; i++)
    if (schema->attached[i].table->id == table->id)
      return &schema->facts[i];
  return NULL;
}

/* '*' any characters, '?' one.  Names are compared as SQLite does. */
static bool
matches (const char *pattern, const char *name)
{
  for (; *pattern; pattern++, name++) {
    if (*pattern == '*') {
      for (pattern++; *name; name++)
        if (matches (pattern, name))
          return true;
      return matches (pattern, name);
    }
    if (!*name || (*pattern != '?' && sqlite3_strnicmp (pattern, name, 1) != 0))
      return false;
  }
  return !*name;
}

/* A view is listed only when it is named: nobody expects views to be synced by "all". */
static bool
is_asked_for (const char *const *patterns, const char *name, bool view)
{
  if (!patterns)
    return !view;
  for (; *patterns; patterns++)
    if (view ? sqlite3_stricmp (*patterns, name) == 0 : matches (*patterns, name))
      return true;
  return false;
}

/* ---- What there was ---- */

static enum mantis_status
count_of (struct attaching *a, const char *sql, size_t *count)
{
  int64_t number;
  enum mantis_status status = ask_integer (a->session, sql, 0, &number, a->error);

  *count = (size_t)number;
  return status;
}

static enum mantis_status
load_remembered (struct attaching *a)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  size_t most, i = 0;
  enum mantis_status status = count_of (a, "SELECT count(*) FROM __sync_tables", &most);

  a->remembered = mantis_arena_alloc (a->arena, (most + 1) * sizeof *a->remembered);
  if (status)
    return status;
  if (!a->remembered || sqlite3_prepare_v2 (a->session->db,
                                            "SELECT id, root, name, key, fingerprint, sql, state"
                                            " FROM main.__sync_tables ORDER BY id",
                                            -1, &rows, NULL))
    return sql_failed (a->session, a->error, "read __sync_tables");
  for (; i < most && sqlite3_step (rows) == SQLITE_ROW; i++) {
    const char **texts[] = {&a->remembered[i].name, &a->remembered[i].key,
                            &a->remembered[i].fingerprint, &a->remembered[i].sql,
                            &a->remembered[i].state};
    a->remembered[i].id = a->newest_id = sqlite3_column_int64 (rows, 0);
    a->remembered[i].root = sqlite3_column_int64 (rows, 1);
    for (int t = 0; t < (int)COUNT_OF (texts); t++) {
      const char *text = column_text (rows, t + 2, a->arena);
      *texts[t] = text ? text : "";
    }
  }
  a->remembered_count = i;
  return mantis_arena_exhausted (a->arena) ? no_memory (a->error) : MANTIS_OK;
}

#define OUR_TRIGGERS                                                                               \
  " FROM main.sqlite_master WHERE type = 'trigger' AND name LIKE '\\_\\_sync\\_%' ESCAPE '\\'"

static enum mantis_status
load_standing (struct attaching *a)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  size_t most, i = 0;
  enum mantis_status status = count_of (a, "SELECT count(*)" OUR_TRIGGERS, &most);

  a->standing = mantis_arena_alloc (a->arena, (most + 1) * sizeof *a->standing);
  if (status)
    return status;
  if (!a->standing || sqlite3_prepare_v2 (a->session->db, "SELECT name, tbl_name, sql" OUR_TRIGGERS,
                                          -1, &rows, NULL))
    return sql_failed (a->session, a->error, "read the triggers");
  for (; i < most && sqlite3_step (rows) == SQLITE_ROW; i++)
    a->standing[i] = (struct standing){.name = column_text (rows, 0, a->arena),
                                       .table = column_text (rows, 1, a->arena),
                                       .sql = column_text (rows, 2, a->arena)};
  a->standing_count = i;
  return mantis_arena_exhausted (a->arena) ? no_memory (a->error) : MANTIS_OK;
}

/* ---- What there is ---- */

static enum mantis_status
load_tables (struct attaching *a, const char *const *patterns)
{
  static const char sql[] = "SELECT name, type FROM pragma_table_list WHERE schema = 'main'"
                            " AND type IN ('table', 'view', 'virtual') ORDER BY name";
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  struct known_schema *schema = a->schema;
  size_t most;
  int code = SQLITE_DONE;
  enum mantis_status status = count_of (a, "SELECT count(*) FROM main.sqlite_master", &most);

  schema->attached = mantis_arena_alloc (a->arena, (most + 1) * sizeof *schema->attached);
  schema->facts = mantis_arena_alloc (a->arena, (most + 1) * sizeof *schema->facts);
  if (!status && (!schema->attached || !schema->facts))
    return no_memory (a->error);
  if (!status && sqlite3_prepare_v2 (a->session->db, sql, -1, &rows, NULL))
    return sql_failed (a->session, a->error, "read the schema");
  while (!status && schema->shown.count < most && (code = sqlite3_step (rows)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text (rows, 0);
    const char *type = (const char *)sqlite3_column_text (rows, 1);
    struct mantis_table *table;
    size_t at = schema->shown.count;
    if (is_own (name) || !is_asked_for (patterns, name, strcmp (type, "view") == 0))
      continue;
    if (!(table = mantis_arena_alloc (a->arena, sizeof *table)))
      return no_memory (a->error);
    status = read_table (a->session, name, type, a->arena, table, &schema->facts[at], a->error);
    schema->attached[at] = (struct mantis_attached){table, MANTIS_NOT_WATCHED};
    schema->shown.count++;
  }
  schema->shown.tables = schema->attached;
  return status;
}

/* ---- One table ---- */

static const char *
key_text (struct attaching *a, const struct mantis_table *table)
{
  AUTO_BUF struct mantis_buf key = MANTIS_BUF_INIT;

  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (&key, i ? "," : "");
    add_name (&key, table->columns[table->key[i]].name);
  }
  return key.failed ? NULL : mantis_arena_copy (a->arena, key.bytes, key.length);
}

/* What was remembered under NAME; what has gone is another table's story. */
static struct remembered *
recall (struct attaching *a, const char *name)
{
  for (size_t i = 0; i < a->remembered_count; i++)
    if (sqlite3_stricmp (a->remembered[i].name, name) == 0 &&
        strcmp (a->remembered[i].state, "gone") != 0)
      return &a->remembered[i];
  return NULL;
}

/* Does a trigger of ID stand on another table than NAME?  Then its table was renamed. */
static bool
was_renamed (struct attaching *a, int64_t id, const char *name)
{
  char prefix[40];

  sqlite3_snprintf (sizeof prefix, prefix, "__sync_%lld_", (long long)id);
  for (size_t i = 0; i < a->standing_count; i++)
    if (strncmp (a->standing[i].name, prefix, strlen (prefix)) == 0 &&
        sqlite3_stricmp (a->standing[i].table, name) != 0)
      return true;
  return false;
}

static struct standing *
find_standing (struct attaching *a, const char *name)
{
  for (size_t i = 0; i < a->standing_count; i++)
    if (strcmp (a->standing[i].name, name) == 0)
      return &a->standing[i];
  return NULL;
}

static enum mantis_status
drop (struct attaching *a, const char *kind, const char *name)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_printf (&sql, "DROP %s IF EXISTS main.", kind);
  add_name (&sql, name);
  return run (a->session, sql.failed ? NULL : sql.bytes, a->error);
}

static uint64_t
sum_of (const struct trigger *triggers, size_t count)
{
  uint64_t sum = 0;

  for (size_t i = 0; i < count; i++)
    sum += trigger_sum (triggers[i].name, triggers[i].sql);
  return sum;
}

/* Are the triggers that stand on TABLE the ones that we made, for other columns to be remembered? */
static enum mantis_status
stand_as_made (struct attaching *a, const struct mantis_table *table, const struct facts *facts,
               bool *as_made)
{
  struct facts plain = *facts;
  struct trigger triggers[MOST_TRIGGERS];
  uint64_t standing = 0, made;
  char prefix[40];
  size_t count;
  enum mantis_status status = looks_sum (a->session, table, &made, a->error);

  plain.looked_at = false;
  if (!status)
    status = capture_triggers (a->session, table, &plain, table->id, a->arena, triggers, &count,
                               a->error);
  if (status)
    return status;
  sqlite3_snprintf (sizeof prefix, prefix, "__sync_%lld_", (long long)table->id);
  for (size_t i = 0; i < a->standing_count; i++)
    if (strncmp (a->standing[i].name, prefix, strlen (prefix)) == 0)
      standing += trigger_sum (a->standing[i].name, a->standing[i].sql);
  *as_made =
      (made && standing == made) || (facts->looked_at && standing == sum_of (triggers, count));
  return MANTIS_OK;
}

/* Make the triggers of TABLE that are not as they should be.  *HARM: why writes may have gone unseen. */
static enum mantis_status
put_triggers (struct attaching *a, const struct mantis_table *table, const struct facts *facts,
              const char **harm)
{
  struct trigger triggers[MOST_TRIGGERS];
  bool as_made = false, asked = a->session->role != MANTIS_SERVER;
  size_t count;
  enum mantis_status status =
      capture_triggers (a->session, table, facts, table->id, a->arena, triggers, &count, a->error);

  for (size_t i = 0; i < count && !status; i++) {
    struct standing *standing = find_standing (a, triggers[i].name);
    if (standing && strcmp (standing->sql, triggers[i].sql) == 0) {
      standing->wanted = true;
      continue;
    }
    if (!asked && (status = stand_as_made (a, table, facts, &as_made)))
      return status;
    asked = true;
    if (!as_made)
      *harm = standing ? "a trigger of the capture was altered, or the table was"
                       : "a trigger of the capture was dropped, or the table was rebuilt";
    if (standing)
      status = drop (a, "TRIGGER", triggers[i].name);
    if (!status)
      status = run (a->session, triggers[i].sql, a->error);
    if (standing)
      standing->wanted = true; /* it has been made anew */
  }
  return !status && facts->looked_at
             ? looks_note (a->session, table, facts, sum_of (triggers, count), a->error)
             : status;
}

static enum mantis_status
remember (struct attaching *a, const struct mantis_table *table, const struct facts *facts,
          const char *key, const char *state)
{
  AUTO_RESET sqlite3_stmt *write = NULL;
  const char *const texts[] = {table->name, key, table->fingerprint, facts->sql, state};
  enum mantis_status status = statement (
      a->session,
      "INSERT OR REPLACE INTO main.__sync_tables"
      "(name, key, fingerprint, sql, state, id, root) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      false, &write, a->error);

  if (status)
    return status;
  for (int i = 0; i < (int)COUNT_OF (texts); i++)
    sqlite3_bind_text (write, i + 1, texts[i], -1, SQLITE_STATIC);
  sqlite3_bind_int64 (write, 6, table->id);
  sqlite3_bind_int64 (write, 7, facts->root);
  return sqlite3_step (write) == SQLITE_DONE
             ? MANTIS_OK
             : sql_failed (a->session, a->error, "write __sync_tables");
}

static enum mantis_status
set_state (struct attaching *a, struct remembered *old, const char *state)
{
  old->state = state;
  return runf (a->session, a->error, "UPDATE main.__sync_tables SET state = '%s' WHERE id = %lld",
               state, (long long)old->id);
}

static bool
same_as_before (const struct remembered *old, const struct mantis_table *table,
                const struct facts *facts, const char *key)
{
  return strcmp (old->name, table->name) == 0 && strcmp (old->key, key) == 0 &&
         strcmp (old->fingerprint, table->fingerprint) == 0 && strcmp (old->sql, facts->sql) == 0 &&
         old->root == facts->root && strcmp (old->state, "watched") == 0;
}

/* K23. */
static void
warn_of_shared_numbers (struct attaching *a, const struct mantis_table *table,
                        const struct facts *facts)
{
  if (a->session->role == MANTIS_CLIENT && facts->rowid_alias)
    mantis_log (
        MANTIS_WARNING,
        "table %s: its INTEGER PRIMARY KEY is counted on each device: two devices that add rows"
        " offline give one number to two rows, and one of these is set aside as a conflict."
        " Use a UUID as key, or give each device a range of numbers",
        table->name);
}

/* Why writes to a table that is watched again may have gone unseen; NULL: they cannot.  LOST: of the triggers. */
static const char *
harm_of (const struct remembered *old, const struct facts *facts, const char *lost)
{
  if (lost)
    return lost;
  if (strcmp (old->state, "watched") != 0)
    return "it was left out for a while";
  if (old->root != facts->root && strcmp (old->sql, facts->sql) != 0)
    return "the table was rebuilt";
  return NULL;
}

static enum mantis_status
watch_table (struct attaching *a, size_t at)
{
  struct mantis_table *table = (struct mantis_table *)a->schema->attached[at].table;
  struct facts *facts = &a->schema->facts[at];
  struct remembered *old = recall (a, table->name);
  enum mantis_watch watch = old ? MANTIS_WATCHED : MANTIS_NEW;
  const char *key = key_text (a, table);
  const char *lost = NULL;
  enum mantis_status status = MANTIS_OK;

  if (!key)
    return no_memory (a->error);
  if (old && (strcmp (old->key, key) != 0 || was_renamed (a, old->id, table->name))) {
    if ((status = set_state (a, old, "gone")))
      return status;
    facts->incident = strcmp (old->key, key) != 0
                          ? "its primary key was altered"
                          : "the triggers of the capture went to another table: this one was put in"
                            " its place";
    old = NULL; /* entries under its id speak of other keys, or of another table */
    watch = MANTIS_REWATCHED;
  }
  table->id = old ? old->id : ++a->newest_id;
  if ((status = looks_ask (a->session, a->schema, table, facts, a->arena, a->error)) ||
      (facts->looked_at && (status = looks_number (a->session, table, facts, a->error))))
    return status;
  if ((status = put_triggers (a, table, facts, &lost)))
    return status;
  if (old && (facts->incident = harm_of (old, facts, lost)))
    watch = MANTIS_REWATCHED;
  a->schema->attached[at].watch = watch;
  if (watch == MANTIS_NEW)
    warn_of_shared_numbers (a, table, facts);
  if (old)
    old->found = true;
  if ((status = versions_watch (a->session, table, watch != MANTIS_WATCHED, a->error)))
    return status;
  return old && same_as_before (old, table, facts, key)
             ? MANTIS_OK
             : remember (a, table, facts, key, "watched");
}

/* ---- All of them ---- */

static enum mantis_status
watch_tables (struct attaching *a)
{
  size_t keys = 1;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < a->schema->shown.count; i++) {
    struct mantis_table *table = (struct mantis_table *)a->schema->attached[i].table;
    if (!table->refusal && !a->schema->facts[i].virtual)
      table->refusal = write_obstacle (a->session, table, a->arena);
    if (!table->refusal && table->key_count > keys)
      keys = table->key_count;
  }
  if ((status = make_log (a->session, keys, a->error)))
    return status;
  for (size_t i = 0; i < a->schema->shown.count && !status; i++)
    if (!a->schema->attached[i].table->refusal)
      status = watch_table (a, i);
  return status;
}

static bool
exists (struct attaching *a, const char *name)
{
  return sqlite3_table_column_metadata (a->session->db, "main", name, NULL, NULL, NULL, NULL, NULL,
                                        NULL) == SQLITE_OK;
}

/* Is NAME, "__sync_row_TABLE" or "__sync_versions_ID", of a table that is watched? */
static bool
is_wanted (struct attaching *a, const char *name)
{
  static const char view[] = "__sync_row_", keys[] = "__sync_versions_";

  for (size_t i = 0; i < a->schema->shown.count; i++) {
    const struct mantis_table *table = a->schema->attached[i].table;
    if (table->refusal)
      continue;
    if (strncmp (name, view, sizeof view - 1) == 0 &&
        strcmp (name + sizeof view - 1, table->name) == 0)
      return true;
    if (strncmp (name, keys, sizeof keys - 1) == 0 && atoll (name + sizeof keys - 1) == table->id)
      return true;
  }
  return false;
}

/* Drop the views and tables of rows' versions that no watched table has. */
static enum mantis_status
sweep_versions (struct attaching *a)
{
  AUTO_FINALIZE sqlite3_stmt *rows = NULL;
  const char **names;
  size_t count = 0, most;
  enum mantis_status status = count_of (a, "SELECT count(*) FROM main.sqlite_master", &most);

  if (status)
    return status;
  if (!(names = mantis_arena_alloc (a->arena, (most + 1) * sizeof *names)) ||
      sqlite3_prepare_v2 (a->session->db,
                          "SELECT name FROM main.sqlite_master WHERE (type = 'view' AND name GLOB"
                          " '__sync_row_*') OR (type = 'table' AND name GLOB '__sync_versions_*')",
                          -1, &rows, NULL))
    return sql_failed (a->session, a->error, "read the schema");
  while (count < most && sqlite3_step (rows) == SQLITE_ROW)
    if (!is_wanted (a, (const char *)sqlite3_column_text (rows, 0)))
      names[count++] = column_text (rows, 0, a->arena);
  sqlite3_reset (rows);
  for (size_t i = 0; i < count && names[i] && !status; i++)
    status = drop (a, strncmp (names[i], "__sync_row_", 11) == 0 ? "VIEW" : "TABLE", names[i]);
  return status;
}

/* What was watched and is not any more; triggers that nobody wants. */
static enum mantis_status
clean_up (struct attaching *a)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < a->remembered_count && !status; i++) {
    struct remembered *old = &a->remembered[i];
    if (!old->found && strcmp (old->state, "gone") != 0 && !exists (a, old->name))
      status = set_state (a, old, "gone");
    else if (!old->found && strcmp (old->state, "watched") == 0)
      status = set_state (a, old, "unwatched");
  }
  for (size_t i = 0; i < a->standing_count && !status; i++)
    if (!a->standing[i].wanted)
      status = drop (a, "TRIGGER", a->standing[i].name);
  return status ? status : sweep_versions (a);
}

/* Client: which tables have triggers that run when rows are applied? */
static void
find_feeding (struct attaching *a)
{
  for (size_t i = 0; i < a->schema->shown.count; i++)
    if (a->session->role == MANTIS_CLIENT && a->schema->facts[i].own_trigger &&
        !a->schema->attached[i].table->refusal)
      a->schema->facts[i].feeds =
          triggers_only_feed (a->session, a->schema->attached[i].table, a->schema);
}

static enum mantis_status
attach_tables (struct attaching *a, const char *const *patterns)
{
  enum mantis_status status;

  forget_statements (a->session);
  if ((status = make_log (a->session, 1, a->error)) || (status = load_remembered (a)) ||
      (status = load_standing (a)) || (status = load_tables (a, patterns)) ||
      (status = mark_parents (a->session, a->schema, a->error)) || (status = watch_tables (a)) ||
      (status = clean_up (a)))
    return status;
  find_feeding (a);
  order_tables (a->schema);
  if (mantis_arena_exhausted (a->arena))
    return no_memory (a->error);
  return ask_integer (a->session, "PRAGMA schema_version", 0, &a->session->schema_version,
                      a->error);
}

/* Does any table, watched or not, refer to another?  Where none does, nothing has to be deferred. */
static enum mantis_status
find_references (struct mantis_session *session, struct mantis_error *error)
{
  int64_t references;
  enum mantis_status status = ask_integer (
      session,
      "SELECT EXISTS (SELECT 1 FROM main.sqlite_master AS t, pragma_foreign_key_list(t.name)"
      " WHERE t.type = 'table')",
      0, &references, error);

  session->references = references;
  return status;
}

enum mantis_status
storage_attach (struct mantis_session *session, const char *const *patterns,
                const struct mantis_schema **schema, struct mantis_error *error)
{
  struct attaching a = {.session = session, .arena = mantis_arena_new (0), .error = error};
  enum mantis_status status = need_transaction (session, true, error);

  *schema = NULL;
  if (!status && a.arena && (a.schema = mantis_arena_alloc (a.arena, sizeof *a.schema))) {
    a.schema->arena = a.arena;
    a.schema->shown.size = sizeof a.schema->shown;
    status = attach_tables (&a, patterns);
    if (!status)
      status = find_references (session, error);
  } else if (!status)
    status = no_memory (error);
  if (status) {
    mantis_arena_free (a.arena);
    return status;
  }
  a.schema->older = session->schema;
  session->schema = a.schema;
  session->attached = session->attached_now = true;
  *schema = &a.schema->shown;
  return MANTIS_OK;
}

const char *
storage_incident (struct mantis_session *session, const struct mantis_table *table)
{
  const struct facts *facts = table_facts (session, table);

  return facts ? facts->incident : NULL;
}
