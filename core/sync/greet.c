/* greet.c - hello: do we and the server still know each other, and do our tables fit?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/base.h"
#include "sync/hidden.h"
#include "sync/receive.h"
#include "wire/describe.h"
#include "wire/json.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PROTOCOL = 1 };

/* ---- The request ----------------------------------------------------------------------------- */

static void
add_fingerprints (struct client *client, struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"tables\":{");
  for (size_t i = 0; i < client->phases.count; i++) {
    const struct mantis_table *table = client->phases.tables[i].table;
    mantis_buf_text (buf, i ? "," : "");
    mantis_buf_json (buf, table->name, strlen (table->name));
    mantis_buf_char (buf, ':');
    mantis_buf_json (buf, table->fingerprint, strlen (table->fingerprint));
  }
  mantis_buf_char (buf, '}');
}

/* Our tables that the server lacks. */
static void
add_offers (struct client *client, struct mantis_buf *buf)
{
  const char *before = ",\"offer\":[";

  for (size_t i = 0; client->offers && i < client->phases.count; i++)
    if (client->phases.tables[i].missing) {
      mantis_buf_text (buf, before);
      table_encode (buf, client->phases.tables[i].table);
      before = ",";
    }
  if (strcmp (before, ",") == 0)
    mantis_buf_char (buf, ']');
}

enum mantis_status
hello_request (struct client *client, struct mantis_buf *buf, struct mantis_error *error)
{
  struct cursor cursor;
  /* A look at the schema first: tables may have come since. */
  enum mantis_status status = client_begin (client, MANTIS_READ, error);

  status = client_end (client, status, error);
  cursor = phases_cursor (&client->phases);
  client->told = client->store->attached;
  mantis_buf_printf (buf, "{\"protocol\":%d,\"number\":%lld,\"nonce\":\"%s\"", PROTOCOL,
                     (long long)client->number, client->nonce);
  if (client->flight.number)
    mantis_buf_printf (buf, ",\"in_flight\":{\"number\":%lld,\"nonce\":\"%s\"}",
                       (long long)client->flight.number, client->flight.nonce);
  if (*cursor.epoch) {
    mantis_buf_char (buf, ',');
    cursor_add (buf, "cursor", &cursor);
  }
  ahead_add (client, buf);
  add_fingerprints (client, buf);
  add_offers (client, buf);
  mantis_buf_char (buf, '}');
  return status == MANTIS_OK && buf->failed ? mantis_fail (error, MANTIS_FAILED, "out of memory")
                                            : status;
}

/* ---- Who we are ------------------------------------------------------------------------------ */

/* What this node sent last was never heard of: the server is an older copy of itself, though it may know our cursor.
 * Both meet as if for the first time, in the caller's transaction. */
static enum mantis_status
meet_older_server (struct client *client, struct mantis_error *error)
{
  enum mantis_status status = queue_fold (&client->queue, client->store, error);

  if (status == MANTIS_OK)
    status = queue_forget_revisions (&client->queue, client->store, client->phases.rev, error);
  for (size_t i = 0; i < client->phases.count; i++) {
    phase_set (&client->phases.tables[i], PHASE_FIRST); /* whole up to the same revision */
    phase_forget_bases (&client->phases.tables[i]);
  }
  client->pushed = 0;
  if (status == MANTIS_OK)
    status = ahead_reached (client, INT64_MAX, error);
  return status == MANTIS_OK ? phases_save (&client->phases, client->store, error) : status;
}

/* The server knows another story of this node: the file went back in time, or is a copy.  We go on as a new
 * node; our own lost rows then come back as anybody's.  KNOWN: the number of its last batch. */
static enum mantis_status
take_new_id (struct client *client, int64_t known, struct mantis_error *error)
{
  struct store *store = client->store;
  char before[NODE_LENGTH + 1];
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);

  memcpy (before, store->node, sizeof before);
  if (status == MANTIS_OK) {
    random_hex (store->node, NODE_LENGTH);
    status = store_put_meta_text (store, "node", store->node, error);
  }
  if (status == MANTIS_OK)
    status = store_put_meta_integer (store, "number", 0, error);
  if (status == MANTIS_OK)
    status = store_put_meta_text (store, "nonce", NULL, error);
  if (status == MANTIS_OK)
    status = store_put_meta_text (store, "in_flight", NULL, error);
  if (status == MANTIS_OK && known < client->number)
    status = meet_older_server (client, error);
  status = client_end (client, status, error);
  if (status != MANTIS_OK) {
    memcpy (store->node, before, sizeof before);
    return status;
  }
  if (known < client->number)
    mantis_log (MANTIS_WARNING,
                "the server does not know what node %s has sent (was it restored?): this database "
                "goes on as node %s, "
                "and offers it what it lacks",
                before, store->node);
  else
    mantis_log (MANTIS_WARNING,
                "the server knows a later history of node %s: this database is an older copy of "
                "itself, or a copy of another device's; it goes on as node %s, and nothing unsent "
                "is lost",
                before, store->node);
  client->number = 0;
  client->nonce[0] = '\0';
  client->flight = (struct flight){0};
  batch_free (client->batch);
  client->batch = NULL;
  drop_ahead (client);
  return MANTIS_OK;
}

static enum mantis_status
set_cursor (struct client *client, const json_t *head, struct mantis_error *error)
{
  struct phases *phases = &client->phases;
  enum mantis_status status = MANTIS_OK;

  snprintf (phases->epoch, sizeof phases->epoch, "%s",
            json_get_text (head, "epoch", "", &status, error));
  snprintf (phases->mark, sizeof phases->mark, "%s",
            json_get_text (head, "mark", "", &status, error));
  phases->rev = json_get_integer (head, "rev", 0, &status, error);
  phases->changed = true;
  client->pushed = 0;
  if (status == MANTIS_OK && (!*phases->epoch || phases->rev < 1))
    status = mantis_fail (error, MANTIS_INVALID, "$.head: missing");
  return status == MANTIS_OK ? ahead_reached (client, INT64_MAX, error) : status;
}

/* Nothing that we know of the server's rows counts any more, but what it had at revision KNOWN. */
static void
start_anew (struct client *client, int64_t known)
{
  for (size_t i = 0; i < client->phases.count; i++) {
    phase_set (&client->phases.tables[i], PHASE_FIRST);
    phase_forget_bases (&client->phases.tables[i]);
    if (client->phases.tables[i].rev > known)
      client->phases.tables[i].rev = known;
  }
}

enum mantis_status
start_over (struct client *client, struct table_state *state, struct mantis_error *error)
{
  if (state->phase == PHASE_SCAN) {
    /* What differs may be the server's doing as well as ours. */
    phase_set (state, PHASE_FIRST);
    return seen_doubt (&client->queue, client->store, state->table, error);
  }
  if (state->phase == PHASE_LIVE)
    phase_set (state, PHASE_REPAIR);
  else if (state->loaded)
    phase_set (state, state->phase);
  return MANTIS_OK;
}

/* Another server than the one that our cursor is from (or the first one ever). */
static enum mantis_status
meet_server (struct client *client, const char *node, struct mantis_error *error)
{
  enum mantis_status status;

  if (*client->phases.remote) {
    mantis_log (MANTIS_WARNING, "%s is another server than before: all tables are compared with it",
                client->settings.remote_name);
    if ((status = queue_forget_revisions (&client->queue, client->store, 0, error)) != MANTIS_OK)
      return status;
  }
  if ((status = store_put_meta_text (client->store, "remote", node, error)) != MANTIS_OK)
    return status;
  snprintf (client->phases.remote, sizeof client->phases.remote, "%s", node);
  client->phases.epoch[0] = '\0';
  start_anew (client, 0);
  return MANTIS_OK;
}

/* The first revision of a log is in each copy of it: an edit of a row that the server has shown to us was not made on
 * nothing, though nobody can tell any more on what. */
static int64_t
common_revision (const struct client *client, const json_t *head)
{
  const char *epoch = json_string_value (json_object_get (head, "epoch"));

  return epoch && strcmp (epoch, client->phases.epoch) == 0 ? 1 : 0;
}

static enum mantis_status
judge_cursor (struct client *client, const char *state, const json_t *head,
              struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (strcmp (state, "known") == 0 && *client->phases.epoch)
    return MANTIS_OK;
  if (strcmp (state, "pruned") == 0) {
    mantis_log (MANTIS_WARNING,
                "the server no longer keeps what came after our cursor: comparing all tables");
    status = queue_note_base (&client->queue, client->store, client->phases.rev, error);
    for (size_t i = 0; i < client->phases.count && status == MANTIS_OK; i++)
      status = start_over (client, &client->phases.tables[i], error);
  } else if (*client->phases.epoch) {
    mantis_log (MANTIS_WARNING,
                "the server's history is not the one we know (was it restored?): comparing all "
                "tables, and offering it what it lacks");
    int64_t known = common_revision (client, head);
    status = queue_forget_revisions (&client->queue, client->store, known, error);
    start_anew (client, known);
  }
  return status == MANTIS_OK ? set_cursor (client, head, error) : status;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

enum mantis_status
see_anew (struct client *client, struct table_state *state, int64_t view,
          struct mantis_error *error)
{
  bool loading = state->phase == PHASE_FIRST && state->loaded;

  /* Rows that are loaded already could not be told from ours: they are compared when all are there. */
  state->view = loading ? 0 : view;
  state->changed = true;
  return state->phase == PHASE_FIRST ? MANTIS_OK : start_over (client, state, error);
}

/* VIEW: what the server shows of the table now. */
static enum mantis_status
judge_view (struct client *client, struct table_state *state, int64_t view,
            struct mantis_error *error)
{
  state->shown = view;
  return state->view == view ? MANTIS_OK : see_anew (client, state, view, error);
}

static enum mantis_status
judge_table (struct client *client, struct table_state *state, const json_t *about,
             struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *theirs = json_string_value (json_object_get (about, "state"));
  const char *reason = json_string_value (json_object_get (about, "reason"));
  int64_t generation = json_integer_value (json_object_get (about, "generation"));

  if (theirs && strcmp (theirs, "live") == 0) {
    if (state->paused)
      mantis_log (MANTIS_INFO, "table \"%s\": %s", state->table->name,
                  state->differs ? "both sides have the same columns again"
                                 : "the server has it now");
    state->missing = state->differs = false;
    phase_pause (state, NULL);
    if (state->generation && state->generation != generation)
      status = start_over (client, state, error);
    state->changed |= state->generation != generation;
    state->generation = generation;
    if (status == MANTIS_OK)
      status =
          judge_view (client, state, json_integer_value (json_object_get (about, "view")), error);
    if (status == MANTIS_OK)
      status = base_judge (client, state, json_is_true (json_object_get (about, "base")), error);
    return status;
  }
  state->missing = false;
  if ((state->differs = theirs && strcmp (theirs, "paused") == 0)) {
    if (!state->paused)
      mantis_log (MANTIS_WARNING,
                  "table \"%s\" is paused: its columns here and on the server differ",
                  state->table->name);
    phase_pause (state, "its columns here and on the server differ");
    client->wants_schema = true; /* to say which */
  } else {
    state->missing = !reason;
    phase_pause (state, reason ? reason : "the server has no such table");
  }
  return start_over (client, state, error); /* its changes are skipped from now on */
}

static bool
is_wanted (const struct client *client, const char *name)
{
  if (!client->store->patterns)
    return true;
  for (const char *const *pattern = client->store->patterns; *pattern; pattern++)
    if (fnmatch (*pattern, name, 0) == 0)
      return true;
  return false;
}

static void
tell_wish (struct client *client, const char *table, const char *policy)
{
  if (client->wish_told || !client->settings.wish || !policy ||
      strcmp (policy, client->settings.wish) == 0)
    return;
  client->wish_told = true;
  mantis_log (MANTIS_INFO,
              "conflict_policy \"%s\" is only a wish on a client: the server decides table \"%s\" "
              "by \"%s\"",
              client->settings.wish, table, policy);
}

static enum mantis_status
judge_tables (struct client *client, const json_t *tables, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *name;
  const json_t *about;
  bool offered = client->offers;

  client->wants_schema = false;
  client->offers = false;
  json_object_foreach ((json_t *)tables, name, about)
  {
    struct table_state *state = phase_named (&client->phases, name);
    const char *theirs = json_string_value (json_object_get (about, "state"));
    bool declined = offered && state && state->missing; /* it was among those, see add_offers() */
    tell_wish (client, name, json_string_value (json_object_get (about, "policy")));
    if (state && status == MANTIS_OK)
      status = judge_table (client, state, about, error);
    else if (!state && theirs && strcmp (theirs, "missing") == 0 &&
             !store_table (client->store, name) && is_wanted (client, name))
      client->wants_schema = true;
    if (state && state->missing && client->creates && !declined)
      client->offers = true;
  }
  return status;
}

static void
measure_clock (struct client *client, const json_t *answer)
{
  int64_t theirs = json_integer_value (json_object_get (answer, "clock"));
  int64_t took = (mantis_monotonic () - client->slots[CLIENT_TALK].sent_at) / 1000;
  int64_t ahead = mantis_now () - took / 2 - theirs;

  if (!theirs)
    return;
  if (ahead < 2000 && ahead > -2000)
    ahead = 0;
  if (ahead && !client->clock_ahead)
    mantis_log (MANTIS_WARNING,
                "this machine's clock is %lld s %s the server's: times are corrected by that",
                (long long)(ahead > 0 ? ahead : -ahead) / 1000, ahead > 0 ? "ahead of" : "behind");
  client->clock_ahead = ahead;
}

static void
take_limits (struct client *client, const json_t *answer)
{
  const json_t *limits = json_object_get (answer, "limits");

  client->creates = json_is_true (json_object_get (answer, "create_tables"));
  client->generation = json_integer_value (json_object_get (answer, "generation"));
  client->policies = json_integer_value (json_object_get (answer, "policies"));
  client->filters = json_integer_value (json_object_get (answer, "filters"));
  client->view = json_integer_value (json_object_get (answer, "view"));
  client->page_rows = (size_t)json_integer_value (json_object_get (limits, "page_rows"));
  client->page_bytes = (size_t)json_integer_value (json_object_get (limits, "page_bytes"));
}

enum mantis_status
hello_answer (struct client *client, const json_t *answer, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *verdict = json_get_text (answer, "verdict", "ok", &status, error);
  const char *node = json_get_text (answer, "node", "", &status, error);
  const char *cursor = json_get_text (answer, "cursor", "none", &status, error);
  const json_t *tables = json_get_object (answer, "tables", &status, error);
  const json_t *head = json_get_object (answer, "head", &status, error);

  if (status == MANTIS_OK && strlen (node) != NODE_LENGTH)
    status = mantis_fail (error, MANTIS_INVALID, "$.node: not a node id: is this a Mantis server?");
  if (status != MANTIS_OK)
    return status;
  if (strcmp (verdict, "fork") == 0) /* and say hello again */
    return take_new_id (client, json_integer_value (json_object_get (answer, "number")), error);
  measure_clock (client, answer);
  take_limits (client, answer);
  status = client_begin (client, MANTIS_WRITE, error);
  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK && client->told != client->woken)
    status = held_wake (&client->queue, client->store, error);
  if (status == MANTIS_OK && strcmp (node, client->phases.remote) != 0)
    status = meet_server (client, node, error);
  if (status == MANTIS_OK)
    status = judge_cursor (client, cursor, head, error);
  if (status == MANTIS_OK)
    status = hidden_note (client->store, tables, error);
  if (status == MANTIS_OK &&
      !client->store->stale) /* else hello is said again, with what they are then */
    status = judge_tables (client, tables, error);
  if (status == MANTIS_OK)
    status = phases_save (&client->phases, client->store, error);
  status = client_end (client, status, error);
  if (status == MANTIS_OK)
    client->woken = client->told;
  client->greeted = status == MANTIS_OK && !client->offers && !client->store->stale &&
                    client->told == client->store->attached;
  client->partly = client->greeted && reconcile_next (&client->phases);
  client->caught_up = client->may_pull = false;
  client->noticed = true;
  return status;
}

/* ---- The server's schema --------------------------------------------------------------------- */

static bool
has_column (const struct mantis_table *table, const char *name)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, name) == 0)
      return true;
  return false;
}

/* Say in what a paused table differs. */
static void
explain_pause (const struct client *client, struct table_state *state,
               const struct mantis_table *theirs)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  for (size_t i = 0; i < theirs->column_count; i++)
    if (!has_column (state->table, theirs->columns[i].name))
      mantis_buf_printf (&buf, "%scolumn \"%s\" is only on the server", buf.length ? "; " : "",
                         theirs->columns[i].name);
  for (size_t i = 0; i < state->table->column_count; i++)
    if (!has_column (theirs, state->table->columns[i].name))
      mantis_buf_printf (&buf, "%scolumn \"%s\" is %s", buf.length ? "; " : "",
                         state->table->columns[i].name,
                         is_hidden (client->store, theirs->name, state->table->columns[i].name)
                             ? "hidden from this device, and NOT NULL without a default here"
                             : "only here");
  if (!buf.length)
    mantis_buf_text (
        &buf, "a column's type, NOT NULL or place in the primary key differs from the server's");
  if (buf.failed || (state->paused && strcmp (state->paused, buf.bytes) == 0))
    return;
  mantis_log (MANTIS_WARNING, "table \"%s\" is paused: %s", state->table->name, buf.bytes);
  phase_pause (state, buf.bytes);
  state->changed = true;
}

/* The tables of an answer. */
struct offered {
  const struct mantis_table **tables;
  size_t count;
};

static const struct mantis_table *
offered_named (const struct offered *offered, const char *name)
{
  for (size_t i = 0; i < offered->count; i++)
    if (strcmp (offered->tables[i]->name, name) == 0)
      return offered->tables[i];
  return NULL;
}

static bool
has_name (const char *const *names, size_t count, const char *name)
{
  for (size_t i = 0; i < count; i++)
    if (strcasecmp (names[i], name) == 0)
      return true;
  return false;
}

/* Is what KEY refers to unique in PARENT? */
static bool
is_unique (const struct mantis_table *parent, const struct mantis_foreign_key *key)
{
  size_t found = 0;

  for (size_t i = 0; i < parent->key_count; i++)
    found += has_name (key->parents, key->count, parent->columns[parent->key[i]].name);
  if (found == key->count && parent->key_count == key->count)
    return true;
  for (size_t u = 0; u < parent->unique_count; u++) {
    const struct mantis_unique *unique = &parent->uniques[u];
    found = 0;
    for (size_t i = 0; i < unique->count; i++)
      found += has_name (key->parents, key->count, unique->columns[i]);
    if (found == key->count && unique->count == key->count)
      return true;
  }
  return false;
}

static const struct mantis_table *
table_here (const struct client *client, const char *name)
{
  const struct mantis_attached *attached = store_table (client->store, name);

  return attached ? attached->table : NULL;
}

/* Why a table here would let nobody write who looks at foreign keys, if it had KEY; NULL: it would not. */
static const char *
foreign_obstacle (const struct client *client, const struct offered *offered,
                  const struct mantis_foreign_key *key)
{
  const struct mantis_table *parent = offered_named (offered, key->parent);

  if (!parent || !is_wanted (client, parent->name))
    parent = table_here (client, key->parent);
  if (!parent)
    return "which is not synced";
  return key->parents && !is_unique (parent, key) ? "where what it refers to is not unique" : NULL;
}

/* THEIRS without the foreign keys that cannot be here; NULL: no memory. */
static const struct mantis_table *
without_obstacles (const struct client *client, const struct offered *offered,
                   const struct mantis_table *theirs, struct mantis_arena *arena)
{
  struct mantis_table *table = mantis_arena_alloc (arena, sizeof *table);
  struct mantis_foreign_key *keys = arena_array (arena, theirs->foreign_key_count, sizeof *keys);

  if (!table || !keys)
    return NULL;
  *table = *theirs;
  table->foreign_keys = keys;
  table->foreign_key_count = 0;
  for (size_t i = 0; i < theirs->foreign_key_count; i++) {
    const char *why = foreign_obstacle (client, offered, &theirs->foreign_keys[i]);
    if (!why)
      keys[table->foreign_key_count++] = theirs->foreign_keys[i];
    else
      mantis_log (MANTIS_WARNING, "table \"%s\": made without its foreign key to \"%s\", %s",
                  theirs->name, theirs->foreign_keys[i].parent, why);
  }
  return table;
}

/* One that cannot be made stops no other. */
static enum mantis_status
make_table (struct client *client, const struct mantis_table *table, struct mantis_error *error)
{
  enum mantis_status status = client->store->ops->create (client->store->session, table, error);

  if (status == MANTIS_INVALID) {
    mantis_log (MANTIS_WARNING,
                "table \"%s\" is not synced: it cannot be made as the server has it: %s",
                table->name, error->text);
    return MANTIS_OK;
  }
  if (status != MANTIS_OK)
    return mantis_fail_in (error, "cannot create table \"%s\" as the server has it", table->name);
  mantis_log (MANTIS_INFO, "table \"%s\": made as the server has it", table->name);
  client->greeted = false; /* hello again, with it */
  return MANTIS_OK;
}

static enum mantis_status
take_table (struct client *client, const struct offered *offered, const struct mantis_table *theirs,
            struct mantis_arena *arena, struct mantis_error *error)
{
  struct table_state *state = phase_named (&client->phases, theirs->name);
  const struct mantis_table *table;

  if (state && state->paused && !state->missing)
    explain_pause (client, state, theirs);
  if (state || store_table (client->store, theirs->name) || !is_wanted (client, theirs->name))
    return MANTIS_OK;
  if (!(table = without_obstacles (client, offered, theirs, arena)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return make_table (client, table, error);
}

static enum mantis_status
decode_offered (const json_t *array, struct mantis_arena *arena, struct offered *offered,
                struct mantis_error *error)
{
  enum mantis_status status;
  const json_t *json;
  size_t i;

  offered->tables = arena_array (arena, json_array_size (array), sizeof *offered->tables);
  if (!offered->tables)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  json_array_foreach (array, i, json)
  {
    status = table_decode (json, arena, &offered->tables[offered->count], error);
    if (status == MANTIS_OK)
      offered->count++;
    else if (status == MANTIS_INVALID)
      mantis_log (MANTIS_WARNING, "table \"%s\" is not synced: %s",
                  json_get_text (json, "table", "", &status, NULL), error->text);
    else
      return status;
  }
  return MANTIS_OK;
}

enum mantis_status
schema_answer (struct client *client, json_t *answer, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct offered offered = {0};
  enum mantis_status status =
      arena ? decode_offered (json_object_get (answer, "tables"), arena, &offered, error)
            : mantis_fail (error, MANTIS_FAILED, "out of memory");

  if (status != MANTIS_OK || (status = client_begin (client, MANTIS_WRITE, error)) != MANTIS_OK)
    return status;
  for (size_t i = 0; i < offered.count && status == MANTIS_OK; i++)
    status = take_table (client, &offered, offered.tables[i], arena, error);
  if (status == MANTIS_OK)
    status = phases_save (&client->phases, client->store, error);
  if ((status = client_end (client, status, error)) != MANTIS_OK)
    return status;
  client->wants_schema = false;
  /* What was made is captured at once, not only when hello is said again. */
  status = client_begin (client, MANTIS_READ, error);
  return client_end (client, status, error);
}
