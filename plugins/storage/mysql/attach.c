/* attach.c - watch tables: is each captured, and still shaped as it was?
 *
 * __sync_tables remembers what was watched:
 *   id           the number that entries of the log carry
 *   name         of the table
 *   key          its key columns
 *   fingerprint  of its columns
 *   created      when the engine made or rebuilt it (created.c): TRUNCATE and swaps of tables show here
 *   state        watched, unwatched (by configuration), gone (dropped, or renamed), lost (its triggers were
 *                found not to be as they should, and what that means is not written down yet),
 *                truncated (it may have been), waits (new, and its triggers could not be made yet: wait.c)
 *
 * Statements that change the schema commit.  So they come first, and what was found is written down in the
 * transaction that the caller commits, with what it makes of that: whoever is killed in between finds it again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of __sync_tables. */
struct remembered {
  int64_t id;
  const char *name, *key, *fingerprint, *created, *state;
  bool found; /* matched by a table of now */
  bool gone;  /* a table of now has its name, and is another one */
};

/* A trigger of ours as it stands. */
struct standing {
  const char *name, *table, *body, *event; /* "AFTER INSERT" */
  const char *definer;
  bool wanted;
};

/* A table that is watched now, and what was remembered of it. */
struct watched {
  struct remembered *old;    /* NULL: nothing */
  const char *key, *created; /* to be remembered */
  enum mantis_watch watch;
  bool same;            /* there is nothing to write down */
  const char *obstacle; /* why it is left out for now; NULL: it is not */
  int64_t id;           /* of one that is left out */
};

struct attaching {
  struct mantis_session *session;
  struct known_schema *schema;
  struct mantis_arena *arena; /* of the schema */
  struct remembered *remembered;
  size_t remembered_count;
  struct standing *standing;
  size_t standing_count;
  int64_t triggers;        /* hash of all that stood when they were looked at */
  bool made;               /* triggers were made or dropped since */
  struct watched *watched; /* one for each table of the schema */
  const char *account;     /* ours, as triggers name their definer */
  int64_t agreed;          /* hash of the definer that the triggers were given last */
  bool first;              /* of this process */
  bool defined;            /* a trigger was made, with us as definer */
  int64_t newest_id;
  bool may_wait; /* for transactions that use a table */
  int met;       /* so many were in the way */
  bool owes;     /* triggers that could not be made, or dropped */
  struct mantis_error *error;
};

/* ---- What there was ---- */

static enum mantis_status
load_remembered (struct attaching *a)
{
  AUTO_RESULT struct result result;
  enum mantis_status status =
      ask (a->session,
           "SELECT id, name, `key`, fingerprint, created, state FROM __sync_tables ORDER BY id",
           &result, a->error);
  size_t most = !status && result.rows ? (size_t)mysql_num_rows (result.rows) : 0;

  if (status)
    return status;
  if (!(a->remembered = mantis_arena_alloc (a->arena, (most + 1) * sizeof *a->remembered)))
    return no_memory (a->error);
  while (next_row (&result)) {
    struct remembered *old = &a->remembered[a->remembered_count++];
    const char **texts[] = {&old->name, &old->key, &old->fingerprint, &old->created, &old->state};
    old->id = a->newest_id = integer_at (&result, 0);
    for (int t = 0; t < (int)COUNT_OF (texts); t++) {
      const char *text = text_at (&result, t + 1, a->arena);
      *texts[t] = text ? text : "";
    }
  }
  return mantis_arena_exhausted (a->arena) ? no_memory (a->error) : MANTIS_OK;
}

static enum mantis_status
load_standing (struct attaching *a)
{
  AUTO_RESULT struct result result;
  enum mantis_status status =
      ask (a->session,
           "SELECT trigger_name, event_object_table, action_statement,"
           " concat(action_timing, ' ', event_manipulation), definer"
           " FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
           " AND trigger_name LIKE '\\_\\_sync\\_%'",
           &result, a->error);
  size_t most = !status && result.rows ? (size_t)mysql_num_rows (result.rows) : 0;

  if (status)
    return status;
  if (!(a->standing = mantis_arena_alloc (a->arena, (most + 1) * sizeof *a->standing)))
    return no_memory (a->error);
  while (next_row (&result))
    a->standing[a->standing_count++] = (struct standing){.name = text_at (&result, 0, a->arena),
                                                         .table = text_at (&result, 1, a->arena),
                                                         .body = text_at (&result, 2, a->arena),
                                                         .event = text_at (&result, 3, a->arena),
                                                         .definer = text_at (&result, 4, a->arena)};
  return mantis_arena_exhausted (a->arena) ? no_memory (a->error) : MANTIS_OK;
}

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
    if (strcmp (a->remembered[i].name, name) == 0 && strcmp (a->remembered[i].state, "gone") != 0)
      return &a->remembered[i];
  return NULL;
}

/* Does a trigger of ID stand on another table than NAME?  Then its table was renamed. */
static bool
was_renamed (const struct attaching *a, int64_t id, const char *name)
{
  char prefix[40];

  snprintf (prefix, sizeof prefix, "__sync_%lld_", (long long)id);
  for (size_t i = 0; i < a->standing_count; i++)
    if (strncmp (a->standing[i].name, prefix, strlen (prefix)) == 0 &&
        strcmp (a->standing[i].table, name) != 0)
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

/* ---- Writing it down ---- */

static enum mantis_status
remember (struct attaching *a, const struct known_table *known, const struct watched *watched)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  const struct mantis_table *table = &known->table;
  const char *created = watched->obstacle ? known->facts.created : watched->created;
  const char *const texts[] = {table->name, watched->key, table->fingerprint, created};

  mantis_buf_printf (&sql,
                     "REPLACE INTO __sync_tables (state, id, name, `key`, fingerprint, created)"
                     " VALUES ('%s', %lld",
                     watched->obstacle ? "waits" : "watched",
                     (long long)(watched->obstacle ? watched->id : table->id));
  for (size_t i = 0; i < COUNT_OF (texts); i++) {
    mantis_buf_text (&sql, ", ");
    add_string (a->session, &sql, texts[i]);
  }
  mantis_buf_text (&sql, ")");
  return query (a->session, &sql, NULL, a->error);
}

static enum mantis_status
set_state (struct attaching *a, struct remembered *old, const char *state)
{
  old->state = state;
  return runf (a->session, a->error, "UPDATE __sync_tables SET state = '%s' WHERE id = %lld", state,
               (long long)old->id);
}

/* ---- Triggers ---- */

#define IN_USE "a transaction that uses it is open, which its triggers have to wait for"

static enum mantis_status
trigger_failed (struct attaching *a, const char *table)
{
  const char *name = a->session->storage->name;

  if (last_code (a->session) == ER_LOCK_WAIT_TIMEOUT)
    return mantis_fail (a->error, MANTIS_BUSY, "%s: table \"%s\": " IN_USE, name, table);
  if (last_code (a->session) == ER_TRG_ALREADY_EXISTS) /* on another node, where no lock reaches */
    return mantis_fail (a->error, MANTIS_BUSY, "%s: another mantisd is attaching to it", name);
  if (last_code (a->session) == ER_BINLOG_CREATE_ROUTINE_NEED_SUPER)
    return mantis_fail (a->error, MANTIS_INVALID, "%s: " DISTRUSTED, name);
  return mantis_fail_in (a->error, "table \"%s\"", table);
}

static enum mantis_status
drop_trigger (struct attaching *a, const struct standing *standing)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  a->made = true;
  mantis_buf_text (&sql, "DROP TRIGGER IF EXISTS ");
  add_name (&sql, standing->name);
  return query (a->session, &sql, NULL, a->error) ? trigger_failed (a, standing->table) : MANTIS_OK;
}

/* In place of the one that stands, if there is one; MariaDB does that without a moment in between.  (There may be one
 * though none was seen: while others change a table, the engine's lists leave it out.) */
static enum mantis_status
make_trigger (struct attaching *a, const struct trigger *trigger, const struct standing *stands,
              bool in_place)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  bool replace = (in_place || !stands) && a->session->mariadb;
  enum mantis_status status = stands && !replace ? drop_trigger (a, stands) : MANTIS_OK;

  a->made = true;
  if (status)
    return status;
  mantis_buf_text (&sql, replace ? "CREATE OR REPLACE TRIGGER " : "CREATE TRIGGER ");
  add_name (&sql, trigger->name);
  mantis_buf_printf (&sql, " %s ON ", trigger->event);
  add_name (&sql, trigger->table);
  mantis_buf_printf (&sql, " FOR EACH ROW %s", trigger->body);
  return query (a->session, &sql, NULL, a->error) ? trigger_failed (a, trigger->table) : MANTIS_OK;
}

/* A transaction that uses the table may be in the way: after some of these, nobody is waited for any more.  *LATER:
 * this one has not become what it should. */
static enum mantis_status
meet (struct attaching *a, enum mantis_status status, bool *later)
{
  enum { MOST_MET = 3 };

  if (status != MANTIS_BUSY || last_code (a->session) != ER_LOCK_WAIT_TIMEOUT)
    return status;
  *later = a->owes = true;
  return ++a->met == MOST_MET ? wait_for_tables (a->session, 0, a->error) : MANTIS_OK;
}

/* What happened to the trigger that stands (NULL: there is none) for WANTED; NULL: nothing. */
static const char *
harm_of (const struct standing *standing, const struct trigger *wanted)
{
  if (!standing)
    return "a trigger of the capture was dropped or renamed";
  if (strcmp (standing->table, wanted->table) != 0)
    return "the triggers of the capture went to another table: this one was put in its place";
  if ((strcmp (standing->body, wanted->body) != 0 && !captures_alike (standing->body, wanted)) ||
      strcmp (standing->event, wanted->event) != 0)
    return "a trigger of the capture was altered, or the table's keys were";
  return NULL;
}

/* A trigger acts as its definer.  One that is not us is left alone if it is another server's user; when a
 * process starts, and when somebody else has made them, they become ours: the user may be gone. */
static bool
is_well_defined (const struct attaching *a, const struct standing *standing)
{
  const char *definer = standing->definer ? standing->definer : "";

  return strcmp (definer, a->account) == 0 ||
         (!a->first &&
          (int64_t)(uint32_t)hash_on (HASH_START, definer, strlen (definer)) == a->agreed);
}

/* Make the triggers of table AT that are not as they should be.  *HARM: why writes may have gone unseen.  *LATER: some
 * cannot be made now. */
static enum mantis_status
put_triggers (struct attaching *a, size_t at, struct remembered *old, const char **harm,
              bool *later)
{
  struct trigger triggers[MOST_TRIGGERS];
  size_t count;
  enum mantis_status status =
      capture_triggers (a->session, a->schema, at, a->arena, triggers, &count, a->error);

  for (size_t i = 0; i < count && !status; i++) {
    struct standing *standing = find_standing (a, triggers[i].name);
    const char *found = harm_of (standing, &triggers[i]);
    bool in_place = standing && strcmp (standing->table, triggers[i].table) == 0;
    bool alike = !found && strcmp (standing->body, triggers[i].body) != 0;
    if (standing)
      standing->wanted = true;
    if (!found && !alike && is_well_defined (a, standing))
      continue;
    if (!found && !a->session->mariadb) /* it is dropped, and then made */
      found = alike ? "what is remembered of its rows was changed"
                    : "the triggers of the capture belonged to another user";
    if (found && !*harm && old && strcmp (old->state, "watched") == 0)
      status = set_state (a, old, "lost");
    if (!*harm)
      *harm = found;
    *later |= !a->may_wait;
    if (!status && !*later) {
      status = meet (a, make_trigger (a, &triggers[i], standing, in_place), later);
      a->defined = true;
    }
  }
  a->owes |= *later;
  return status;
}

static enum mantis_status
drop_unwanted (struct attaching *a)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < a->standing_count && !status; i++) {
    bool later = false;
    if (a->standing[i].wanted)
      continue;
    a->owes |= !a->may_wait;
    if (a->may_wait)
      status = meet (a, drop_trigger (a, &a->standing[i]), &later);
  }
  return status;
}

/* ---- One table ---- */

/* K23. */
static void
warn_of_shared_numbers (const struct mantis_table *table)
{
  if (table->autoincrement)
    mantis_log (
        MANTIS_WARNING,
        "table \"%s\": its AUTO_INCREMENT key is counted by each side alone: devices that add rows"
        " offline give one number to several rows, and all but one of these are set aside as"
        " conflicts.  Use a UUID as key, or give each device a range of numbers",
        table->name);
}

/* Which id has the table, and what happened to it? */
static void
identify (struct attaching *a, size_t at, struct watched *watched)
{
  struct known_table *known = known_at (a->schema, at);
  struct remembered *old = recall (a, known->table.name);

  bool waited = old && strcmp (old->state, "waits") == 0;

  watched->watch = old && !waited ? MANTIS_WATCHED : MANTIS_NEW;
  if (old &&
      (strcmp (old->key, watched->key) != 0 || was_renamed (a, old->id, known->table.name))) {
    known->facts.incident = strcmp (old->key, watched->key) != 0
                                ? "its primary key was altered"
                                : "the triggers of the capture went to another table: this one was"
                                  " put in its place";
    old->gone = true; /* entries under its id speak of other keys, or of another table */
    old = NULL;
    if (!waited)
      watched->watch = MANTIS_REWATCHED;
  }
  watched->old = waited ? NULL : old;
  known->table.id = old ? old->id : ++a->newest_id;
  if (old)
    old->found = true;
}

/* The engine made it anew, and no ALTER TABLE explains that. */
static bool
was_replaced (const struct remembered *old, const struct mantis_table *table,
              const struct facts *facts)
{
  return created_differs (old->created, facts->created) &&
         strcmp (old->fingerprint, table->fingerprint) == 0;
}

static enum mantis_status
watch_table (struct attaching *a, size_t at, struct watched *watched)
{
  struct known_table *known = known_at (a->schema, at);
  struct remembered *old = watched->old;
  const char *harm = NULL;
  bool later = false;
  enum mantis_status status = put_triggers (a, at, old, &harm, &later);

  if (later && harm)
    watched->obstacle = IN_USE;
  if (status || watched->obstacle)
    return status;
  if (old && !harm &&
      (was_replaced (old, &known->table, &known->facts) || strcmp (old->state, "truncated") == 0))
    harm = "it was truncated, rebuilt, or a partition of it was";
  if (old && !harm && strcmp (old->state, "watched") != 0)
    harm = strcmp (old->state, "lost") == 0 ? "the triggers of the capture were lost"
                                            : "it was left out for a while";
  if (old && harm) {
    watched->watch = MANTIS_REWATCHED;
    known->facts.incident = harm;
  }
  a->schema->attached[at].watch = watched->watch;
  if (watched->watch == MANTIS_NEW)
    warn_of_shared_numbers (&known->table);
  watched->same =
      watched->watch == MANTIS_WATCHED && strcmp (old->fingerprint, known->table.fingerprint) == 0;
  watched->created = known->facts.created;
  if (watched->same)
    watched->created = created_join (old->created, known->facts.created, a->arena);
  watched->same = watched->same && watched->created && strcmp (old->created, watched->created) == 0;
  return watched->created ? MANTIS_OK : no_memory (a->error);
}

/* ---- Those that are left out for now ---- */

static bool
refers_to_left_out (const struct attaching *a, const struct mantis_table *table)
{
  for (size_t i = 0; i < table->foreign_key_count; i++) {
    size_t parent = find_table (a->schema, table->foreign_keys[i].parent);
    if (parent != SIZE_MAX && a->watched[parent].obstacle)
      return true;
  }
  return false;
}

/* What refers to a table that is left out is left out along with it: rows would be refused for those that they
 * need.  True: there was one more. */
static bool
leave_out_more (struct attaching *a)
{
  bool more = false;

  for (size_t i = 0; i < a->schema->shown.count; i++) {
    const struct mantis_table *table = a->schema->attached[i].table;
    if (table->refusal || a->watched[i].obstacle || !refers_to_left_out (a, table))
      continue;
    a->watched[i].obstacle = "it refers to a table whose triggers have to wait for a transaction";
    more = true;
  }
  return more;
}

/* They are as tables that cannot be synced, when the triggers of all others are as if they could. */
static enum mantis_status
leave_out (struct attaching *a)
{
  enum mantis_status status = MANTIS_OK;

  while (a->owes && leave_out_more (a))
    ;
  for (size_t i = 0; i < a->schema->shown.count && !status; i++) {
    struct known_table *known = known_at (a->schema, i);
    struct watched *watched = &a->watched[i];
    if (!watched->obstacle)
      continue;
    known->table.refusal = watched->obstacle;
    watched->id = known->table.id;
    known->table.id = 0;
    a->schema->attached[i].watch = MANTIS_NOT_WATCHED;
    if (watched->old && strcmp (watched->old->state, "watched") == 0)
      status = set_state (a, watched->old, "unwatched");
  }
  return status;
}

/* ---- All of them ---- */

/* Ids first: cascades lead from table to table. */
static enum mantis_status
watch_tables (struct attaching *a)
{
  size_t count = a->schema->shown.count;
  enum mantis_status status = MANTIS_OK;

  if (!(a->watched = mantis_arena_alloc (a->arena, (count + 1) * sizeof *a->watched)))
    return no_memory (a->error);
  for (size_t i = 0; i < count; i++) {
    if (a->schema->attached[i].table->refusal)
      continue;
    if (!(a->watched[i].key = key_text (a, a->schema->attached[i].table)))
      return no_memory (a->error);
    identify (a, i, &a->watched[i]);
  }
  status = looks_ask (a->session, a->schema, a->first, a->error);
  for (size_t i = 0; i < count && !status; i++)
    if (!a->schema->attached[i].table->refusal)
      status = watch_table (a, i, &a->watched[i]);
  return status ? status : leave_out (a);
}

static enum mantis_status
remember_tables (struct attaching *a)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < a->schema->shown.count && !status; i++) {
    const struct watched *watched = &a->watched[i];
    const struct known_table *known = known_at (a->schema, i);
    if (watched->obstacle ? !watched->old : !known->table.refusal && !watched->same)
      status = remember (a, known, watched);
  }
  return status;
}

/* While others change a table, the engine's list of tables leaves it out.  So it is asked for itself. */
static enum mantis_status
is_there (struct attaching *a, const char *name, bool *there)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  mantis_buf_text (&sql, "SELECT 1 FROM ");
  add_name (&sql, name);
  mantis_buf_text (&sql, " LIMIT 0");
  status = query (a->session, &sql, &result, a->error);
  *there = !status;
  return status == MANTIS_BUSY || status == MANTIS_LOST ? status : MANTIS_OK;
}

static enum mantis_status
note_missing (struct attaching *a)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < a->remembered_count && !status; i++) {
    struct remembered *old = &a->remembered[i];
    bool there = false;
    if (old->found || strcmp (old->state, "gone") == 0)
      continue;
    if (!old->gone && (status = is_there (a, old->name, &there)))
      return status;
    if (strcmp (old->state, there ? "unwatched" : "gone") != 0)
      status = set_state (a, old, there ? "unwatched" : "gone");
  }
  return status;
}

/* The triggers as they were looked at, and whose they are, for all sessions on this database: what somebody
 * drops after that look has to be seen by the next. */
static enum mantis_status
note_triggers (struct attaching *a)
{
  struct mantis_session *session = a->session;
  enum mantis_status status =
      a->made ? read_trigger_hash (session, &a->triggers, a->error) : MANTIS_OK;

  session->triggers = a->triggers;
  session->triggers_at = mantis_monotonic ();
  if (a->defined)
    a->agreed = (int64_t)(uint32_t)hash_on (HASH_START, a->account, strlen (a->account));
  return status ? status
                : runf (session, a->error,
                        "REPLACE INTO __sync_counter (id, seq) VALUES (2, %lld), (3, %lld)",
                        (long long)session->triggers, (long long)a->agreed);
}

/* What this session may ask, and has to; who made the triggers that stand. */
static enum mantis_status
look_around (struct attaching *a)
{
  struct mantis_session *session = a->session;
  AUTO_RESULT struct result result = {0};
  enum mantis_status status =
      ask (session,
           "SELECT CURRENT_USER(), (SELECT seq FROM __sync_counter WHERE id = 3),"
           " (SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
           " AND table_name = '__sync_meta')",
           &result, a->error);

  if (status || !next_row (&result))
    return status;
  a->account = text_at (&result, 0, a->arena);
  a->agreed = integer_at (&result, 1);
  a->first = owes_triggers (session->storage);
  session->has_meta = integer_at (&result, 2) > 0;
  return a->account ? MANTIS_OK : no_memory (a->error);
}

/* What commits. */
static enum mantis_status
change_schema (struct attaching *a, const char *const *patterns)
{
  size_t keys = 1;
  enum mantis_status status;

  if ((status = describe_tables (a->session, patterns, a->schema, a->error)))
    return status;
  for (size_t i = 0; i < a->schema->shown.count; i++) {
    const struct mantis_table *table = a->schema->attached[i].table;
    if (!table->refusal && table->key_count > keys)
      keys = table->key_count;
  }
  if ((status = make_log (a->session, keys, a->error)) ||
      (status = renew_outbox (a->session, a->error)) ||
      (status = look_for_truncated (a->session, a->error)) || (status = load_remembered (a)) ||
      (status = read_trigger_hash (a->session, &a->triggers, a->error)) ||
      (status = load_standing (a)) || (status = watch_tables (a)) ||
      (status = note_shapes (a->session, a->schema, a->error)))
    return status;
  return drop_unwanted (a);
}

/* With the counter locked again, in the transaction that the caller commits. */
static enum mantis_status
write_down (struct attaching *a, uint64_t shape)
{
  struct mantis_session *session = a->session;
  uint64_t after;
  enum mantis_status status;

  if ((status = remember_tables (a)) || (status = note_missing (a)) ||
      (status = note_triggers (a)) ||
      (status = read_signature (session, &session->signature, &after, a->error)))
    return status;
  if (shape != after)
    return mantis_fail (a->error, MANTIS_STALE, "%s: the schema was changed just now",
                        session->storage->name);
  return MANTIS_OK;
}

enum mantis_status
storage_attach (struct mantis_session *session, const char *const *patterns,
                const struct mantis_schema **schema, struct mantis_error *error)
{
  struct known_schema *made;
  struct attaching a = {.session = session, .error = error};
  uint64_t shape;
  enum mantis_status status = need_transaction (session, true, error);

  if (status || (status = may_change_tables (session->storage, error)))
    return status;
  if (!(a.arena = mantis_arena_new (0)) || !(made = mantis_arena_alloc (a.arena, sizeof *made))) {
    mantis_arena_free (a.arena);
    return no_memory (error);
  }
  made->shown.size = sizeof made->shown;
  made->arena = a.arena;
  made->older = session->schema;
  a.schema = session->schema = made; /* it lives until close(), whatever comes */
  if ((status = runf (session, error, "UPDATE __sync_counter SET seq = %lld WHERE id = 1; COMMIT",
                      (long long)session->seq)) || /* what begin() numbered */
      (status = lock_schema (session, error)))
    return status;
  a.may_wait = tables_are_due (session->storage);
  if (!(status = wait_for_tables (session, BRIEF_SECONDS, error)) &&
      !(status = check_privileges (session, error)) && !(status = look_around (&a)) &&
      !(status = read_signature (session, &session->signature, &shape, error)))
    status = change_schema (&a, patterns);
  note_attach (session->storage, status, error);
  if (a.may_wait && !status)
    note_tables (session->storage, a.owes);
  session->owes = a.owes;
  if (status || (status = wait_for_tables (session, lock_seconds (session->storage), error)) ||
      (status = lock_again (session, error)) || (status = write_down (&a, shape)))
    return status;
  session->attached = true;
  session->rescued = false;
  session->checked_at = mantis_monotonic ();
  *schema = &made->shown;
  return MANTIS_OK;
}

const char *
storage_incident (struct mantis_session *session, const struct mantis_table *table)
{
  const struct facts *facts = table_facts (table);

  (void)session;
  return facts ? facts->incident : NULL;
}
