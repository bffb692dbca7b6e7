/* oracle.c - what must hold, from docs/guarantees.md (numbers in brackets).
 *
 * It follows what every application wrote, on which value it was written, and what the server held
 * after each message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct standing { /* KEY had the value V on the server from then on */
  int table;
  char *key;
  char v[32]; /* "": no row */
  int64_t event;
  bool altered; /* by the server's triggers or cascades: the same v, another row */
  bool undone;  /* the server's file went back to before it */
};

static int64_t
ask (sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement = NULL;
  int64_t answer = -1;

  if (sqlite3_prepare_v2 (db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step (statement) == SQLITE_ROW)
    answer = sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  return answer;
}

/* ---- What was written ---- */

static int
find_version (int table, const char *key, const char *v)
{
  for (int i = world->version_count - 1; i >= 0; i--)
    if (world->versions[i].table == table && strcmp (world->versions[i].v, v) == 0 &&
        strcmp (world->versions[i].key, key) == 0)
      return i;
  return -1;
}

/* What NODE itself made of KEY last, if that is a deletion: a new row there comes after it. */
static int
find_deletion (const struct node *node, int table, const char *key)
{
  for (int i = world->version_count - 1; i >= 0; i--) {
    const struct version *version = &world->versions[i];
    if (version->node == node->index && version->table == table && strcmp (version->key, key) == 0)
      return *version->v ? -1 : i;
  }
  return -1;
}

/* Nobody saw how the row came into the file, or that it was written: Mantis cannot know what it was
 * made on. */
static bool
is_blind (const struct node *node, int table, const char *key, const struct row *before)
{
  const struct row *first = node->met ? image_find (&node->initial, table, key) : before;
  char sql[160];

  snprintf (sql, sizeof sql,
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '%s' AND "
            "name GLOB '__sync_*'",
            world->tables[table]->name);
  if (has (WITH_SCAN) && ask (node->app, sql) == 0)
    return true;
  return node->index && before && first && strcmp (first->v, before->v) == 0;
}

static void
add_version (struct node *node, int table, const char *key, const struct row *before,
             const struct row *after)
{
  struct version *version;
  bool written =
      !before || !after || strcmp (before->v, after->v) != 0; /* else a trigger or cascade did it */
  int parent = before ? find_version (table, key, before->v) : find_deletion (node, table, key);

  if (!written) {
    if (parent >= 0)
      world->versions[parent].altered = true;
    return;
  }
  if (world->version_count == world->version_room) {
    world->version_room = world->version_room ? world->version_room * 2 : 256;
    world->versions =
        realloc (world->versions, (size_t)world->version_room * sizeof *world->versions);
  }
  version = &world->versions[world->version_count++];
  *version = (struct version){.table = table,
                              .node = node->index,
                              .key = strdup (key),
                              .parent = parent,
                              .step = world->step,
                              .event = ++world->event,
                              .anew = world->restored,
                              .blind = is_blind (node, table, key, before)};
  snprintf (version->v, sizeof version->v, "%s", after ? after->v : "");
  trace ("    %s %s: %s -> %s", world->tables[table]->name, key, before ? before->v : "none",
         after ? after->v : "none");
}

/* CALL for each key whose row differs between two images. */
typedef void (*difference) (struct node *node, int table, const char *key, const struct row *before,
                            const struct row *after);

static void
compare_images (struct node *node, const struct image *before, const struct image *after,
                difference call)
{
  for (int t = 0; t < world->table_count; t++) {
    for (size_t i = 0; i < before->of[t].count; i++) {
      const struct row *old = &before->of[t].at[i], *new = image_find (after, t, old->key);
      if (!new || strcmp (new->all, old->all) != 0)
        call (node, t, old->key, old, new);
    }
    for (size_t i = 0; i < after->of[t].count; i++)
      if (!image_find (before, t, after->of[t].at[i].key))
        call (node, t, after->of[t].at[i].key, NULL, &after->of[t].at[i]);
  }
}

void
note_written (struct node *node, const struct image *before, const struct image *after)
{
  compare_images (node, before, after, add_version);
  if (node->index)
    image_read (node->app, &node->seen);
}

void
note_restored (struct node *node, const struct node *author, int64_t since, bool lost)
{
  for (int i = 0; i < world->version_count; i++) {
    struct version *version = &world->versions[i];
    if (version->node != author->index)
      continue;
    version->loose = true;
    if (lost && version->step >= since)
      version->gone = true;
  }
  image_read (node->app, &node->seen);
}

/* ---- What the server held ---- */

static void
add_standing (struct node *node, int table, const char *key, const struct row *before,
              const struct row *after)
{
  struct standing *standing;

  (void)node;
  if (world->standing_count == world->standing_room) {
    world->standing_room = world->standing_room ? world->standing_room * 2 : 256;
    world->standing =
        realloc (world->standing, (size_t)world->standing_room * sizeof *world->standing);
  }
  standing = &world->standing[world->standing_count++];
  *standing = (struct standing){.table = table, .key = strdup (key), .event = ++world->event};
  snprintf (standing->v, sizeof standing->v, "%s", after ? after->v : "");
  standing->altered = before && after && strcmp (before->v, after->v) == 0;
  trace ("    server has %s %s: %s -> %s", world->tables[table]->name, key,
         before ? before->v : "none", standing->v);
}

void
note_server (void)
{
  struct node *server = &world->nodes[0];
  struct image now = {0};
  int64_t mark =
      (ask (server->app, "PRAGMA data_version") << 32) + sqlite3_total_changes (server->app);

  if (server->writing || mark == world->server_mark)
    return;
  world->server_mark = mark;
  image_read (server->app, &now);
  compare_images (server, &world->server_image, &now, add_standing);
  image_free (&world->server_image);
  world->server_image = now;
}

/* Does any file hold VERSION? */
static bool
is_held (const struct version *version)
{
  bool held = false;

  for (int i = 0; i < world->node_count && !held; i++) {
    struct image now = {0};
    const struct row *row;
    image_read (world->nodes[i].app, &now);
    row = image_find (&now, version->table, version->key);
    held = row && strcmp (row->v, version->v) == 0;
    image_free (&now);
  }
  return held;
}

static bool
was_undone (const struct version *version)
{
  for (int i = 0; i < world->standing_count; i++)
    if (world->standing[i].undone && world->standing[i].table == version->table &&
        strcmp (world->standing[i].key, version->key) == 0)
      return true;
  return false;
}

/* [11] is not kept: what no file holds any more is gone, and which of two rows is later is forgotten.  What a
 * device still holds is not lost. */
void
note_server_restored (int64_t event)
{
  for (int i = 0; i < world->standing_count; i++)
    world->standing[i].undone |= world->standing[i].event > event;
  for (int i = 0; i < world->version_count; i++) {
    struct version *version = &world->versions[i];
    if (version->event <= event && !was_undone (version))
      continue;
    version->loose = true;
    version->gone |= !*version->v || !is_held (version);
  }
  world->restored = true;
  world->server_mark = 0;
  note_server ();
}

void
forget_standings (void)
{
  for (int i = 0; i < world->standing_count; i++)
    free (world->standing[i].key);
  free (world->standing);
}

/* The last place in the history where KEY had V; -1: never. */
static int
last_standing (int table, const char *key, const char *v)
{
  for (int i = world->standing_count - 1; i >= 0; i--)
    if (world->standing[i].table == table && strcmp (world->standing[i].v, v) == 0 &&
        strcmp (world->standing[i].key, key) == 0 && !world->standing[i].undone)
      return i;
  return -1;
}

/* ---- While it runs ---- */

/* [4, 5] A row that was the server's never becomes an older one of the server. */
static void
watch_row (struct node *node, int table, const char *key, const struct row *before,
           const struct row *after)
{
  int from, to;

  if (!before || !after || strcmp (before->v, after->v) == 0)
    return;
  from = last_standing (table, key, before->v);
  to = last_standing (table, key, after->v);
  if (from >= 0 && to >= 0 && to < from)
    fail ("client %d: %s %s went back from %s to %s", node->index, world->tables[table]->name, key,
          before->v, after->v);
}

static bool
status_has (struct node *node, const char *text)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;
  struct mantis_error error = {.text = ""};
  bool found = client_status (node->client, &buf, &error) == MANTIS_OK && strstr (buf.bytes, text);

  mantis_buf_free (&buf);
  return found;
}

/* [5] The sum of all accounts is what it always was, wherever the table is there as a whole. */
void
watch_bank (struct node *node)
{
  int64_t sum, all = ask (world->nodes[0].app, "SELECT 100 * count(*) FROM account");

  if (!has (WITH_BANK) || !node->up || node->writing || disk_broken ())
    return;
  if (!status_has (node, "\"in_parts\":false") ||
      !status_has (node, "\"table\":\"account\",\"state\":\"live\""))
    return;
  sum = ask (node->app, "SELECT sum(balance) FROM account");
  if (sum != all)
    fail ("client %d: the accounts hold %lld instead of %lld", node->index, (long long)sum,
          (long long)all);
}

void
note_received (struct node *node)
{
  struct image now = {0};

  if (node->writing)
    return;
  image_read (node->app, &now);
  compare_images (node, &node->seen, &now, watch_row);
  image_free (&node->seen);
  node->seen = now;
  watch_bank (node);
}

/* ---- In the end ---- */

bool
all_quiet (void)
{
  for (int i = 1; i < world->node_count; i++) {
    struct node *node = &world->nodes[i];
    act_as (node);
    if (!client_idle (node->client) || !status_has (node, "\"waiting\":0,\"held\":0,"))
      return false;
  }
  return true;
}

/* [1] */
static void
judge_rows (struct node *node)
{
  struct image now = {0};

  image_read (node->app, &now);
  for (int t = 0; t < world->table_count && !failed (); t++) {
    const char *name = world->tables[t]->name;
    const struct rows *here = &now.of[t], *there = &world->server_image.of[t];
    if (here->absent)
      fail ("client %d has no table %s", node->index, name);
    for (size_t i = 0; i < here->count; i++) {
      const struct row *row = image_find (&world->server_image, t, here->at[i].key);
      if (!row)
        fail ("client %d: %s %s is %s, and not on the server", node->index, name, here->at[i].key,
              here->at[i].all);
      else if (!holders_show (node, t, row))
        fail ("client %d: %s %s is %s, and not for it", node->index, name, here->at[i].key,
              here->at[i].all);
      else if (strcmp (row->all, here->at[i].all) != 0)
        fail ("client %d: %s %s is %s, on the server %s", node->index, name, here->at[i].key,
              here->at[i].all, row->all);
    }
    for (size_t i = 0; i < there->count; i++)
      if (!image_find (&now, t, there->at[i].key) && holders_show (node, t, &there->at[i]))
        fail ("client %d: %s %s is missing: %s", node->index, name, there->at[i].key,
              there->at[i].all);
  }
  image_free (&now);
}

/* What lost, of all nodes: "TABLE OUTCOME LOSER" in lines. */
static void
read_conflicts (struct mantis_buf *buf)
{
  for (int i = 0; i < world->node_count; i++) {
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2 (world->nodes[i].app, "SELECT tbl, outcome, loser FROM __sync_conflicts", -1,
                        &statement, NULL);
    while (statement && sqlite3_step (statement) == SQLITE_ROW)
      mantis_buf_printf (buf, "%s %s %s\n", (const char *)sqlite3_column_text (statement, 0),
                         (const char *)sqlite3_column_text (statement, 1),
                         sqlite3_column_text (statement, 2)
                             ? (const char *)sqlite3_column_text (statement, 2)
                             : "deletion");
    sqlite3_finalize (statement);
  }
}

/* Is VERSION among the CONFLICTS, with OUTCOME (NULL: any)? */
static bool
in_conflicts (const char *conflicts, const struct version *version, const char *outcome)
{
  char start[64], sign[64];

  snprintf (start, sizeof start, "%s %s", world->tables[version->table]->name,
            outcome ? outcome : "");
  snprintf (sign, sizeof sign, *version->v ? "\"v\":\"%s\"" : "deletion%s", version->v);
  for (const char *line = conflicts, *end; line && *line; line = end + 1) {
    const char *found;
    if (!(end = strchr (line, '\n')))
      break;
    if (strncmp (line, start, strlen (start)) == 0 && (found = strstr (line, sign)) && found < end)
      return true;
  }
  return false;
}

/* Was there no such row on the server at some moment since the deletion VERSION? */
static bool
was_absent (const struct version *version)
{
  bool absent = true; /* when the deletion was made */

  for (int i = 0; i < world->standing_count; i++) {
    const struct standing *standing = &world->standing[i];
    if (standing->table != version->table || strcmp (standing->key, version->key) != 0 ||
        standing->undone)
      continue;
    if (standing->event > version->event && absent)
      return true;
    absent = !*standing->v;
  }
  return absent;
}

/* [2] VERSION stood on the server, or is kept, or was replaced where it was written by one that
 * did. */
static bool
is_found (const char *conflicts, int version)
{
  const struct version *of = &world->versions[version];

  if (of->gone || of->node == 0 || (of->blind && !*of->v) || in_conflicts (conflicts, of, NULL))
    return true;
  if (*of->v ? last_standing (of->table, of->key, of->v) >= 0 : was_absent (of))
    return true;
  /* Of a row that never left the device: who does not see another one in its place is told that it is gone. */
  if (!*of->v && has (WITH_HOLDERS) && of->parent >= 0 &&
      last_standing (of->table, of->key, world->versions[of->parent].v) < 0)
    return true;
  for (int i = version + 1; i < world->version_count; i++)
    if (world->versions[i].parent == version && is_found (conflicts, i))
      return true;
  return false;
}

/* Was VERSION made on OLDER; BLIND: also where Mantis could not know? */
static bool
is_ancestor (int older, int version, bool blind)
{
  while (version >= 0 && (blind || !world->versions[version].blind))
    if ((version = world->versions[version].parent) == older)
      return version >= 0;
  return false;
}

/* A trigger or cascade changed the row: that is a later version than V, though it says V. */
static bool
was_altered (int table, const char *key, const char *v)
{
  int version = find_version (table, key, v);

  if (version >= 0 && world->versions[version].altered)
    return true;
  for (int i = 0; i < world->standing_count; i++)
    if (world->standing[i].altered && world->standing[i].table == table &&
        strcmp (world->standing[i].key, key) == 0 && strcmp (world->standing[i].v, v) == 0)
      return true;
  return false;
}

static bool
is_loose (int table, const char *key)
{
  for (int i = 0; i < world->version_count; i++)
    if (world->versions[i].loose && world->versions[i].table == table &&
        strcmp (world->versions[i].key, key) == 0)
      return true;
  return false;
}

/* The database refused VERSION, or what was written on it before both were sent as one. */
static bool
was_rejected (const char *conflicts, int version)
{
  if (in_conflicts (conflicts, &world->versions[version], "rejected"))
    return true;
  for (int i = version + 1; i < world->version_count; i++)
    if (world->versions[i].parent == version && was_rejected (conflicts, i))
      return true;
  return false;
}

/* VERSION is kept, or (pushes that share a transaction: nobody saw it stand) what was written on it. */
static bool
is_kept (const char *conflicts, int version)
{
  if (in_conflicts (conflicts, &world->versions[version], NULL))
    return true;
  for (int i = version + 1; i < world->version_count && has (WITH_GROUPS); i++)
    if (world->versions[i].parent == version && is_kept (conflicts, i))
      return true;
  return false;
}

/* [2] What stood on the server was replaced by somebody who knew it, or is kept. */
static void
judge_history (const char *conflicts)
{
  for (int i = 0; i < world->standing_count && !failed (); i++) {
    const struct standing *old = &world->standing[i], *new = NULL;
    int older, newer;
    for (int n = i + 1; n < world->standing_count && !new; n++)
      if (world->standing[n].table == old->table && strcmp (world->standing[n].key, old->key) == 0)
        new = &world->standing[n];
    if (!*old->v || !new || !*new->v || strcmp (old->v, new->v) == 0 || old->undone ||
        new->undone || is_loose (old->table, old->key))
      continue;
    older = find_version (old->table, old->key, old->v);
    newer = find_version (new->table, new->key, new->v);
    if (older >= 0 && newer >= 0 && !is_ancestor (older, newer, true) &&
        !is_kept (conflicts, older))
      fail ("%s %s: %s was overwritten by %s of node %d, which did not know it, and is not kept",
            world->tables[old->table]->name, old->key, old->v, new->v, world->versions[newer].node);
  }
}

/* Where the server has forgotten a deletion, and a device cannot know whether a row that only it has came to
 * nobody's notice or was deleted there, the row stays.  So it is with tables that it has not compared to the end. */
static bool
may_come_back (void)
{
  return has (WITH_PRUNING) && (has (WITH_SCAN) || has (WITH_FIRST) || has (WITH_PARTS));
}

/* [2, 8] */
static void
judge_versions (void)
{
  struct mantis_buf conflicts = MANTIS_BUF_INIT;

  read_conflicts (&conflicts);
  for (int i = 0; i < world->version_count && !failed (); i++) {
    const struct version *version = &world->versions[i];
    const char *name = world->tables[version->table]->name;
    const struct row *final = image_find (&world->server_image, version->table, version->key);
    int stands = final ? find_version (version->table, version->key, final->v) : -1;
    if (!is_found (conflicts.bytes, i))
      fail ("%s %s: %s of client %d is lost", name, version->key,
            *version->v ? version->v : "the deletion", version->node);
    if (final && stands < 0)
      fail ("%s %s: %s on the server is of nobody", name, version->key, final->v);
    if (stands >= 0 && !version->gone && !version->anew && is_ancestor (stands, i, false) &&
        !is_loose (version->table, version->key) && !may_come_back () &&
        !was_altered (version->table, version->key, final->v) && !was_rejected (conflicts.bytes, i))
      fail ("%s %s: %s of node %d was beaten by %s, which it was made on", name, version->key,
            *version->v ? version->v : "the deletion", version->node, final->v);
  }
  judge_history (conflicts.bytes);
  mantis_buf_free (&conflicts);
}

static void
judge_database (struct node *node)
{
  sqlite3_stmt *statement = NULL;

  if (ask (node->app, "SELECT count(*) FROM pragma_foreign_key_check") != 0)
    fail ("node %d has rows without their parents", node->index);
  sqlite3_prepare_v2 (node->app, "PRAGMA integrity_check", -1, &statement, NULL);
  if (sqlite3_step (statement) != SQLITE_ROW ||
      strcmp ((const char *)sqlite3_column_text (statement, 0), "ok"))
    fail ("node %d: %s", node->index, (const char *)sqlite3_column_text (statement, 0));
  sqlite3_finalize (statement);
}

/* [8] Nobody's time is ahead of the server's clock, whatever his own says: else he would win for ever. */
static void
judge_times (void)
{
  int64_t ahead = ask (world->nodes[0].app, "SELECT max(time) FROM __sync_log") - world->now;

  if (ahead > 1000)
    fail ("a row's time is %lld s ahead of the server's clock", (long long)ahead / 1000);
}

void
judge (void)
{
  world->server_mark = 0;
  note_server ();
  for (int i = 1; i < world->node_count && !failed (); i++)
    judge_rows (&world->nodes[i]);
  if (!failed ())
    judge_times ();
  if (!failed ())
    judge_versions ();
  for (int i = 0; i < world->node_count && !failed (); i++)
    judge_database (&world->nodes[i]);
  for (int i = 1; i < world->node_count && !failed (); i++)
    watch_bank (&world->nodes[i]);
}

/* ---- For a person ---- */

static void
show_own (struct node *node, const char *name)
{
  sqlite3_stmt *statement = NULL;
  char sql[80];

  snprintf (sql, sizeof sql, "SELECT * FROM %s", name);
  if (sqlite3_prepare_v2 (node->app, sql, -1, &statement, NULL) != SQLITE_OK)
    return;
  while (sqlite3_step (statement) == SQLITE_ROW) {
    printf ("    %s", name);
    for (int i = 0; i < sqlite3_column_count (statement); i++)
      printf (" | %s", sqlite3_column_text (statement, i)
                           ? (const char *)sqlite3_column_text (statement, i)
                           : "-");
    putchar ('\n');
  }
  sqlite3_finalize (statement);
}

/* All that every node holds. */
void
show_world (void)
{
  for (int n = 0; n < world->node_count; n++) {
    struct image image = {0};
    printf ("  node %d\n", n);
    image_read (world->nodes[n].app, &image);
    for (int t = 0; t < world->table_count; t++)
      for (size_t i = 0; i < image.of[t].count; i++)
        printf ("    %s %s: %s\n", world->tables[t]->name, image.of[t].at[i].key,
                image.of[t].at[i].all);
    image_free (&image);
    show_own (&world->nodes[n], "__sync_state");
    show_own (&world->nodes[n], "__sync_pending");
    show_own (&world->nodes[n], "__sync_held");
    show_own (&world->nodes[n], "__sync_seen");
    show_own (&world->nodes[n], "__sync_conflicts");
  }
}
