/* capture.c - the triggers.
 *
 * AFTER triggers append the key of what changed to __sync_outbox and do nothing more.  InnoDB's cascades fire
 * no triggers: where a foreign key acts, a BEFORE trigger of the parent reads the keys of the rows that will
 * be reached, through all levels, and appends those (D23).
 *
 * Where the earlier values of columns are remembered (facts->looks), they stand beside each entry: of the row that OLD
 * is, of none for a new one.  Such a trigger names columns that an application may drop; then it notes the change
 * without them, rather than to fail the application's write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* InnoDB follows no cascade further than this; more paths than that are nobody's schema. */
enum { MOST_LEVELS = 15, MOST_PATHS = 400 };

/* When the program's statement began: seconds, with their fraction, in no time zone. */
#define NOW "@@timestamp * 1000"
#define SPEAKS "@__sync_quiet IS NULL"
/* A column that is not there, a value that is too long for a packet, or for w: no error that has undone more than its
 * statement. */
#define UNKNOWN "1054, 1301, 1406"

struct making {
  struct mantis_session *session;
  const struct known_schema *schema;
  const struct mantis_table *table;
  const struct facts *facts;
  struct mantis_arena *arena;
  bool plain; /* as if nothing was remembered */
  struct mantis_error *error;
};

/* ---- The row itself ---- */

static void
add_columns (struct mantis_buf *sql, const struct mantis_table *table, bool past)
{
  mantis_buf_text (sql, "INSERT INTO __sync_outbox (id, tbl, op, time, session");
  for (size_t i = 0; i < table->key_count; i++)
    mantis_buf_printf (sql, ", k%zu", i);
  mantis_buf_text (sql, past ? ", was, w) " : ") ");
}

static bool
looks_back (const struct making *m)
{
  return m->facts->looked_at && !m->plain;
}

/* No AUTO_INCREMENT: INSERT ... SELECT of a cascade would lock the counter until its statement ends, all other writers
 * would wait for that one, and whom the engine rolls back for it is told error 1467, not of a deadlock. */
static void
add_head (struct mantis_buf *sql, const struct mantis_table *table, char operation)
{
  mantis_buf_printf (sql, "UUID_SHORT(), %lld, '%c', " NOW ", @__sync_session",
                     (long long)table->id, operation);
}

/* No names where all columns that can be seen get a value: looking them up is an eighth of what an entry costs.
 * FRESH: there was no row. */
static void
add_entry (struct mantis_buf *sql, const struct making *m, char operation, const char *prefix,
           bool fresh)
{
  const struct mantis_table *table = m->table;

  if (table->key_count == 1 && may_hide (m->session) && !looks_back (m))
    mantis_buf_text (sql, "INSERT INTO __sync_outbox VALUES (");
  else {
    add_columns (sql, table, looks_back (m));
    mantis_buf_text (sql, "VALUES (");
  }
  add_head (sql, table, operation);
  for (size_t i = 0; i < table->key_count; i++) {
    struct column_facts facts = column_facts (table, table->key[i]);
    mantis_buf_text (sql, ", ");
    add_key_text (sql, prefix, table->columns[table->key[i]].name, &facts);
  }
  if (looks_back (m) && fresh)
    mantis_buf_text (sql, ", 0, NULL");
  else if (looks_back (m))
    mantis_buf_printf (sql, ", %lld, past", (long long)m->facts->look_id);
  mantis_buf_text (sql, "); ");
}

/* What fails it, a value that is too long or a column that is not there any more, leaves it unknown. */
static void
add_past_variable (struct mantis_buf *sql, const struct making *m, const char *speaks)
{
  mantis_buf_printf (sql,
                     "IF %s THEN BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET past = NULL;"
                     " SET past = ",
                     speaks);
  add_past (sql, "OLD.", m->table, m->facts);
  mantis_buf_text (sql, "; END; END IF; ");
}

/* "OLD.a <=> NEW.a": the same bytes, whatever the collation says. */
static void
add_same (struct mantis_buf *sql, const struct mantis_table *table, size_t at)
{
  struct column_facts facts = column_facts (table, at);
  const char *binary = facts.kind == KIND_TEXT ? "BINARY " : "";

  mantis_buf_printf (sql, "%sOLD.", binary);
  add_name (sql, table->columns[at].name);
  mantis_buf_printf (sql, " <=> %sNEW.", binary);
  add_name (sql, table->columns[at].name);
}

static void
add_same_key (struct mantis_buf *sql, const struct mantis_table *table)
{
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? " AND " : "");
    add_same (sql, table, table->key[i]);
  }
}

static void
add_insert_body (struct mantis_buf *sql, const struct making *m)
{
  mantis_buf_text (sql, "IF " SPEAKS " THEN ");
  add_entry (sql, m, MANTIS_INSERT, "NEW.", true);
  mantis_buf_text (sql, "END IF; ");
}

static void
add_delete_body (struct mantis_buf *sql, const struct making *m)
{
  if (looks_back (m)) {
    mantis_buf_text (sql, "DECLARE past BLOB; ");
    add_past_variable (sql, m, SPEAKS);
  }
  mantis_buf_text (sql, "IF " SPEAKS " THEN ");
  add_entry (sql, m, MANTIS_DELETE, "OLD.", false);
  mantis_buf_text (sql, "END IF; ");
}

/* ---- An UPDATE that changes nothing ---- */

static bool
skips_unchanged (const struct making *m)
{
  const char *const *pattern = m->session->storage->skip_unchanged;

  while (pattern && *pattern && fnmatch (*pattern, m->table->name, FNM_NOESCAPE) != 0)
    pattern++;
  return pattern && *pattern;
}

/* True only of values that travel as the same: to <=> shapes may be equal that are written differently, and in MySQL, and
 * MariaDB before 10.4, the two hours that a clock which is set back has one name for. */
static void
add_unchanged (struct mantis_buf *sql, const struct mantis_table *table, size_t at)
{
  enum kind kind = column_facts (table, at).kind;
  const char *as = kind == KIND_TIMESTAMP  ? "UNIX_TIMESTAMP"
                   : kind == KIND_GEOMETRY ? "BINARY "
                                           : "";

  add_same (sql, table, at);
  if (!*as)
    return;
  mantis_buf_printf (sql, " AND %s(OLD.", as);
  add_name (sql, table->columns[at].name);
  mantis_buf_printf (sql, ") <=> %s(NEW.", as);
  add_name (sql, table->columns[at].name);
  mantis_buf_char (sql, ')');
}

/* Where the comparison itself fails, as a column has been dropped that it names, the row counts as changed; what
 * Mantis stores always does, as it needs a version for it. */
static void
add_comparison (struct mantis_buf *sql, const struct making *m)
{
  const char *between = "";

  mantis_buf_text (sql, "DECLARE told BOOL DEFAULT " SPEAKS
                        "; IF told AND @__sync_session IS NULL THEN BEGIN"
                        " DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET told = TRUE;"
                        " SET told = NOT (");
  for (size_t i = 0; i < m->table->column_count; i++)
    if (!m->table->columns[i].generated) {
      mantis_buf_text (sql, between);
      add_unchanged (sql, m->table, i);
      between = " AND ";
    }
  mantis_buf_text (sql, "); END; END IF; ");
}

/* It names no column but those of the key: one that is dropped, or came later, is nothing to it.  One question
 * where the key stays: each costs a program's statement a tenth of what the trigger does. */
static void
add_update_body (struct mantis_buf *sql, const struct making *m)
{
  const char *speaks = skips_unchanged (m) ? "told" : SPEAKS;

  mantis_buf_text (sql, looks_back (m) ? "DECLARE past BLOB; " : "");
  if (skips_unchanged (m))
    add_comparison (sql, m);
  if (looks_back (m))
    add_past_variable (sql, m, speaks);
  mantis_buf_printf (sql, "IF %s AND ", speaks);
  add_same_key (sql, m->table);
  mantis_buf_text (sql, " THEN ");
  add_entry (sql, m, MANTIS_UPDATE, "NEW.", false);
  mantis_buf_printf (sql, "ELSEIF %s THEN ", speaks);
  add_entry (sql, m, MANTIS_DELETE, "OLD.", false);
  add_entry (sql, m, MANTIS_UPDATE, "NEW.", true);
  mantis_buf_text (sql, "END IF; ");
}

/* ---- What foreign keys do ---- */

/* One step of a cascade: rows of CHILD that refer to the level above by KEY. */
struct level {
  size_t child; /* in the schema */
  const struct mantis_foreign_key *key;
  bool deleted; /* else its columns of KEY change */
};

struct path {
  const struct making *m;
  struct mantis_buf *sql;
  struct level levels[MOST_LEVELS];
  size_t depth, paths;
  bool update; /* of the row where it begins; else its deletion */
  bool whole;  /* false: there are more paths than are followed */
};

static const struct mantis_table *
table_at (const struct path *p, size_t level)
{
  return p->m->schema->attached[p->levels[level].child].table;
}

/* What the column AT of the row at LEVEL becomes, where that is known: "NEW.x" of the row where it begins;
 * false: it stays as it is, or becomes NULL. */
static bool
becomes (const struct path *p, size_t level, const char *column, const char **source)
{
  const struct level *at = &p->levels[level];

  if (!p->update || at->deleted || strcmp (at->key->on_update, "CASCADE") != 0)
    return false;
  for (size_t i = 0; i < at->key->count; i++)
    if (same_name (at->key->columns[i], column)) {
      *source = at->key->parents[i];
      return level == 0 || becomes (p, level - 1, at->key->parents[i], source);
    }
  return false;
}

static void
add_from (const struct path *p)
{
  struct mantis_buf *sql = p->sql;

  mantis_buf_text (sql, " FROM ");
  for (size_t i = 0; i < p->depth; i++) {
    mantis_buf_text (sql, i ? " JOIN " : "");
    add_name (sql, table_at (p, i)->name);
    mantis_buf_printf (sql, " AS t%zu", i);
    for (size_t c = 0; i && c < p->levels[i].key->count; c++) {
      mantis_buf_printf (sql, "%s t%zu.", c ? " AND" : " ON", i);
      add_name (sql, p->levels[i].key->columns[c]);
      mantis_buf_printf (sql, " = t%zu.", i - 1);
      add_name (sql, p->levels[i].key->parents[c]);
    }
  }
  for (size_t c = 0; c < p->levels[0].key->count; c++) {
    mantis_buf_text (sql, c ? " AND t0." : " WHERE t0.");
    add_name (sql, p->levels[0].key->columns[c]);
    mantis_buf_text (sql, " = OLD.");
    add_name (sql, p->levels[0].key->parents[c]);
  }
}

/* The rows at the end of the path, as they are now: without the lock, what another program commits between this
 * look and the cascade would be missed at READ COMMITTED.  NEW_KEY: under the keys that they will have.  PAST: with what
 * they are. */
static void
add_selection (const struct path *p, char operation, bool new_key, bool past)
{
  const struct mantis_table *table = table_at (p, p->depth - 1);
  const struct facts *remembered = table_facts (table);
  char prefix[24];

  snprintf (prefix, sizeof prefix, "t%zu.", p->depth - 1);
  add_columns (p->sql, table, past);
  mantis_buf_text (p->sql, "SELECT ");
  add_head (p->sql, table, operation);
  for (size_t i = 0; i < table->key_count; i++) {
    struct column_facts facts = column_facts (table, table->key[i]);
    const char *name = table->columns[table->key[i]].name, *source;
    mantis_buf_text (p->sql, ", ");
    if (new_key && becomes (p, p->depth - 1, name, &source))
      add_key_text (p->sql, "NEW.", source, &facts);
    else
      add_key_text (p->sql, prefix, name, &facts);
  }
  if (past && new_key)
    mantis_buf_text (p->sql, ", 0, NULL");
  else if (past) {
    mantis_buf_printf (p->sql, ", %lld, ", (long long)remembered->look_id);
    add_past (p->sql, prefix, table, remembered);
  }
  add_from (p);
  mantis_buf_text (p->sql, " LOCK IN SHARE MODE; ");
}

/* Again without what they are, where that fails: as add_past_variable() does. */
static void
add_reached (const struct path *p, char operation, bool new_key)
{
  const struct facts *facts = table_facts (table_at (p, p->depth - 1));
  bool past = facts->looked_at && !p->m->plain;

  if (past && !new_key) {
    mantis_buf_text (p->sql, "BEGIN DECLARE EXIT HANDLER FOR " UNKNOWN " ");
    add_selection (p, operation, false, false);
  }
  add_selection (p, operation, new_key, past);
  if (past && !new_key)
    mantis_buf_text (p->sql, "END; ");
}

static void
add_path (const struct path *p)
{
  const struct mantis_table *table = table_at (p, p->depth - 1);
  bool moves = false;
  const char *source;

  if (table->refusal || !table->id)
    return;
  for (size_t i = 0; i < table->key_count && !p->levels[p->depth - 1].deleted; i++)
    moves |= becomes (p, p->depth - 1, table->columns[table->key[i]].name, &source);
  if (p->levels[p->depth - 1].deleted || moves)
    add_reached (p, MANTIS_DELETE, false);
  if (!p->levels[p->depth - 1].deleted)
    add_reached (p, MANTIS_UPDATE, moves);
}

/* Does a change of LEVEL's columns (or its deletion) reach rows that refer to it by KEY? */
static bool
reaches (const struct level *above, bool deletion, const struct mantis_foreign_key *key)
{
  const char *action = deletion ? key->on_delete : key->on_update;

  if (strcmp (action, "CASCADE") != 0 && strcmp (action, "SET NULL") != 0 &&
      strcmp (action, "SET DEFAULT") != 0)
    return false;
  if (deletion || !above)
    return true;
  for (size_t i = 0; i < key->count; i++)
    for (size_t c = 0; c < above->key->count; c++)
      if (same_name (key->parents[i], above->key->columns[c]))
        return true;
  return false;
}

static void
follow (struct path *p, const struct mantis_table *parent)
{
  const struct level *above = p->depth ? &p->levels[p->depth - 1] : NULL;
  bool deletion = above ? above->deleted : !p->update;

  for (size_t c = 0; c < p->m->schema->shown.count; c++) {
    const struct mantis_table *child = p->m->schema->attached[c].table;
    for (size_t k = 0; k < child->foreign_key_count; k++) {
      const struct mantis_foreign_key *key = &child->foreign_keys[k];
      if (strcmp (key->parent, parent->name) != 0 || !reaches (above, deletion, key) ||
          p->depth == MOST_LEVELS)
        continue;
      if (++p->paths > MOST_PATHS) {
        p->whole = false;
        return;
      }
      p->levels[p->depth++] =
          (struct level){c, key, deletion && strcmp (key->on_delete, "CASCADE") == 0};
      add_path (p);
      follow (p, child);
      p->depth--;
    }
  }
}

/* "NOT (OLD.a <=> NEW.a ...)" of all columns that some child refers to. */
static void
add_referred_differs (struct mantis_buf *sql, const struct making *m)
{
  const char *between = "";

  mantis_buf_text (sql, "NOT (");
  for (size_t i = 0; i < m->table->column_count; i++) {
    bool referred = false;
    for (size_t c = 0; c < m->schema->shown.count; c++) {
      const struct mantis_table *child = m->schema->attached[c].table;
      for (size_t k = 0; k < child->foreign_key_count; k++)
        for (size_t n = 0; n < child->foreign_keys[k].count; n++)
          referred |= strcmp (child->foreign_keys[k].parent, m->table->name) == 0 &&
                      same_name (child->foreign_keys[k].parents[n], m->table->columns[i].name);
    }
    if (referred) {
      mantis_buf_text (sql, between);
      add_same (sql, m->table, i);
      between = " AND ";
    }
  }
  mantis_buf_text (sql, ")");
}

static void
add_cascades (struct mantis_buf *sql, const struct making *m, bool update)
{
  struct path p = {.m = m, .sql = sql, .update = update, .whole = true};

  follow (&p, m->table);
  if (!p.whole)
    mantis_log (MANTIS_WARNING,
                "table \"%s\": more than %d ways of foreign keys lead from it: what its cascades"
                " change beyond those is found by scan only",
                m->table->name, MOST_PATHS);
}

static void
add_cascade_body (struct mantis_buf *sql, const struct making *m, bool update)
{
  AUTO_BUF struct mantis_buf inner = MANTIS_BUF_INIT;

  add_cascades (&inner, m, update);
  sql->failed |= inner.failed;
  if (inner.length == 0)
    return;
  mantis_buf_text (sql, "IF " SPEAKS);
  if (update) {
    mantis_buf_text (sql, " AND ");
    add_referred_differs (sql, m);
  }
  mantis_buf_text (sql, " THEN ");
  mantis_buf_add (sql, inner.bytes, inner.length);
  mantis_buf_text (sql, "END IF; ");
}

/* ---- One of them ---- */

enum { INSERTED, UPDATED, DELETED, BEFORE_DELETED, BEFORE_UPDATED };

static const struct {
  const char *suffix, *event;
} kinds[] = {[INSERTED] = {"ins", "AFTER INSERT"},
             [UPDATED] = {"upd", "AFTER UPDATE"},
             [DELETED] = {"del", "AFTER DELETE"},
             [BEFORE_DELETED] = {"bdl", "BEFORE DELETE"},
             [BEFORE_UPDATED] = {"bup", "BEFORE UPDATE"}};

/* "": there is nothing to do for it. */
static const char *
make_body (const struct making *m, int kind)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_text (&sql, "");
  if (kind == INSERTED)
    add_insert_body (&sql, m);
  else if (kind == UPDATED)
    add_update_body (&sql, m);
  else if (kind == DELETED)
    add_delete_body (&sql, m);
  else
    add_cascade_body (&sql, m, kind == BEFORE_UPDATED);
  if (sql.failed)
    return NULL;
  return sql.length ? mantis_arena_printf (m->arena, "BEGIN %sEND", sql.bytes) : "";
}

/* ---- Which changes a trigger notes, whatever it remembers ----
 *
 * One that remembers begins with two sums: of the same trigger without that, and of the rest of itself.  So other
 * columns can be asked for, and nobody has to fear that writes went unseen before. */

#define SUMS "BEGIN /* %016llx %016llx */ "

static unsigned long long
sum_of (const char *text)
{
  return hash_on (HASH_START, text, strlen (text));
}

static const char *
seal (const struct making *m, const char *body, const char *plain)
{
  const char *inner = body + strlen ("BEGIN ");

  return mantis_arena_printf (m->arena, SUMS "%s", sum_of (plain), sum_of (inner), inner);
}

bool
captures_alike (const char *body, const struct trigger *wanted)
{
  unsigned long long plain, own;
  int length = 0;

  if (strcmp (body, wanted->plain) == 0)
    return true;
  return sscanf (body, "BEGIN /* %16llx %16llx */ %n", &plain, &own, &length) == 2 && length > 0 &&
         plain == sum_of (wanted->plain) && own == sum_of (body + length);
}

/* ---- All of them ---- */

enum mantis_status
capture_triggers (struct mantis_session *session, const struct known_schema *schema, size_t at,
                  struct mantis_arena *arena, struct trigger *triggers, size_t *count,
                  struct mantis_error *error)
{
  const struct mantis_table *table = schema->attached[at].table;
  const struct facts *facts = &known_at (schema, at)->facts;
  const struct making m = {session, schema, table, facts, arena, false, error};
  const struct making plainly = {session, schema, table, facts, arena, true, error};

  *count = 0;
  for (int kind = 0; kind < (int)COUNT_OF (kinds); kind++) {
    const char *body = make_body (&m, kind), *plain = make_body (&plainly, kind);
    if (!body || !plain)
      return no_memory (error);
    if (!*body)
      continue;
    triggers[(*count)++] =
        (struct trigger){.name = mantis_arena_printf (arena, "__sync_%lld_%s", (long long)table->id,
                                                      kinds[kind].suffix),
                         .table = table->name,
                         .event = kinds[kind].event,
                         .body = strcmp (body, plain) == 0 ? plain : seal (&m, body, plain),
                         .plain = plain};
  }
  return mantis_arena_exhausted (arena) ? no_memory (error) : MANTIS_OK;
}
