/* world.c - nodes: databases, stores, clients; and what befalls them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"
#include "../lib/plugin_option.h"
#include "sync/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_sqlite, plugin_timestamp, plugin_version;

struct world *world;

int
run_sql (sqlite3 *db, const char *format, ...)
{
  va_list arguments;
  char *sql;
  int code;

  va_start (arguments, format);
  sql = sqlite3_vmprintf (format, arguments);
  va_end (arguments);
  code = sqlite3_exec (db, sql, NULL, NULL, NULL);
  sqlite3_free (sql);
  return code;
}

void
act_as (struct node *node)
{
  world->acting = node->index;
}

/* ---- The application's side ---- */

static void
enforce_keys (struct node *node)
{
  run_sql (node->app, "PRAGMA foreign_keys = %s",
           node->index == 0 || world->seed % 3 ? "ON" : "OFF");
}

static void
open_app (struct node *node)
{
  if (sqlite3_open_v2 (node->path, &node->app, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                       "simulation"))
    fail ("cannot open %s: %s", node->path, sqlite3_errmsg (node->app));
  run_sql (node->app, "PRAGMA journal_mode = wal");
  enforce_keys (node);
}

static void
make_tables (struct node *node)
{
  for (int i = 0; i < world->table_count; i++) {
    const struct table *table = world->tables[i];
    const char *trigger = node->index ? table->client_trigger : table->server_trigger;
    if (run_sql (node->app, "%s", table->sql))
      fail ("%s: %s", table->sql, sqlite3_errmsg (node->app));
    if (trigger && (node->index == 0 || world->seed % 2) && run_sql (node->app, "%s", trigger))
      fail ("%s: %s", trigger, sqlite3_errmsg (node->app));
  }
  node->made_tables = true;
}

/* Accounts are made on the server, three for each node. */
static void
make_accounts (void)
{
  struct node *server = &world->nodes[0];
  struct image before = {0}, after = {0};

  for (int i = 0; i < world->table_count; i++)
    if (world->tables[i]->bank) {
      image_read (server->app, &before);
      for (int n = 0; n < world->node_count; n++)
        for (int a = 0; a < 3; a++)
          run_sql (server->app, "INSERT INTO account VALUES ('a%d.%d', 'w0', 100)", n, a);
      image_read (server->app, &after);
      note_written (server, &before, &after);
    }
  image_free (&before);
  image_free (&after);
}

/* ---- Mantis ---- */

static void
make_storage (struct node *node)
{
  struct mantis_error error;

  node->self = calloc (1, plugin_sqlite.self_size);
  set_option (plugin_sqlite.options, node->self, "path", node->path, 0);
  set_option (plugin_sqlite.options, node->self, "journal_mode", "wal", 0);
  set_option (plugin_sqlite.options, node->self, "busy_timeout", NULL, 0);
  set_option (plugin_sqlite.options, node->self, "cache", NULL, 1 << 18);
  if (plugin_sqlite.start (node->self, &error) != MANTIS_OK)
    fail ("storage: %s", error.text);
}

void
start_node (struct node *node)
{
  enum mantis_role role = node->index ? MANTIS_CLIENT : MANTIS_SERVER;
  struct mantis_error error;

  act_as (node);
  if (node->up)
    return;
  for (int i = 0; i < 2 && !node->index; i++) {
    filters_free (node->filters[i]);
    node->filters[i] = holders_filters ();
  }
  if (store_open_filtered (&node->store, storage_of (node), node->self, role, NULL, NULL,
                           node->filters[0], &error) != MANTIS_OK) {
    trace ("  node %d does not start: %s", node->index, error.text);
    return;
  }
  if (node->index == 0 && has (WITH_SERVERS) &&
      store_open_filtered (&node->second, storage_of (node), node->self, role, NULL, NULL,
                           node->filters[1], &error) != MANTIS_OK) {
    trace ("  the second server does not start: %s", error.text);
    store_close (&node->store);
    return;
  }
  if (node->index &&
      client_new (&world->settings, &node->store, &node->client, &error) != MANTIS_OK) {
    trace ("  client %d does not start: %s", node->index, error.text);
    store_close (&node->store);
    return;
  }
  if (!node->met)
    image_read (node->app, &node->initial);
  node->up = node->met = true;
  node->waits[CLIENT_TALK] = node->waits[CLIENT_PULL] = false;
  trace ("  node %d starts as %.6s", node->index, node->store.node);
}

void
stop_node (struct node *node)
{
  act_as (node);
  node->life++; /* answers that are under way come to nobody */
  client_free (node->client);
  node->client = NULL;
  if (node->up)
    store_close (&node->store);
  if (node->up && node->index == 0 && has (WITH_SERVERS))
    store_close (&node->second);
  node->up = false;
}

/* Killed: whatever it was about to write is not written. */
void
crash_node (struct node *node)
{
  trace ("  node %d crashes", node->index);
  disk_break (0);
  stop_node (node);
  disk_heal ();
  if (node->index == 0)
    note_server ();
}

/* ---- Files ---- */

static void
copy_file (sqlite3 *from, const char *path)
{
  sqlite3 *to = NULL;
  sqlite3_backup *backup;

  unlink (path);
  sqlite3_open_v2 (path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "simulation");
  backup = sqlite3_backup_init (to, "main", from, "main");
  if (!backup || sqlite3_backup_step (backup, -1) != SQLITE_DONE)
    fail ("cannot copy to %s: %s", path, sqlite3_errmsg (to));
  sqlite3_backup_finish (backup);
  sqlite3_close (to);
}

static void
remove_file (const char *path)
{
  char name[160];

  unlink (path);
  snprintf (name, sizeof name, "%s-wal", path);
  unlink (name);
  snprintf (name, sizeof name, "%s-shm", path);
  unlink (name);
  snprintf (name, sizeof name, "%s-journal", path);
  unlink (name);
}

static void
copy_name (const struct node *node, char *name, size_t room)
{
  snprintf (name, room, "%s.copy", node->path);
}

void
copy_node (struct node *node)
{
  char name[160];

  end_writing (node);
  copy_name (node, name, sizeof name);
  copy_file (node->app, name);
  node->copied = true;
  node->copied_at = world->step;
  node->copied_event = world->event;
  trace ("  the file of node %d is copied", node->index);
}

void
restore_node (struct node *node)
{
  char name[160];

  end_writing (node);
  stop_node (node);
  sqlite3_close (node->app);
  copy_name (node, name, sizeof name);
  remove_file (node->path);
  if (rename (name, node->path))
    fail ("cannot rename %s", name);
  open_app (node);
  node->copied = false;
  trace ("  the file of node %d is replaced by an older copy", node->index);
  if (node->index)
    note_restored (node, node, node->copied_at, true);
  else
    note_server_restored (node->copied_event);
}

static struct node *
add_node (void)
{
  struct node *node = &world->nodes[world->node_count];

  node->index = world->node_count++;
  snprintf (node->path, sizeof node->path, "%s/%s%d.db", world->folder,
            node->index ? "client" : "server", node->index);
  make_storage (node);
  return node;
}

/* The file of NODE goes on as a second device. */
void
fork_node (struct node *node)
{
  struct node *twin;

  if (world->node_count == MOST_NODES)
    return;
  end_writing (node);
  twin = add_node ();
  copy_file (node->app, twin->path);
  open_app (twin);
  twin->skew = node->skew;
  trace ("  node %d is a copy of node %d", twin->index, node->index);
  note_restored (twin, node, world->step, false);
  start_node (twin);
}

void
add_column (struct node *node, int table)
{
  end_writing (node);
  if (has_extra (node->app, world->tables[table]))
    return;
  if (run_sql (node->app, "ALTER TABLE %s ADD COLUMN extra%s", world->tables[table]->name,
               world->seed % 2 ? " DEFAULT 5" : "")) {
    trace ("  node %d adds no column: %s", node->index, sqlite3_errmsg (node->app));
    return;
  }
  trace ("  node %d adds a column to %s", node->index, world->tables[table]->name);
  if (node->index == 0)
    note_server ();
}

/* A table that is not live yet and loses its triggers: what it holds may be anybody's. */
static void
forget_origin (struct node *node, int table)
{
  sqlite3_stmt *statement = NULL;
  bool live = false;

  if (sqlite3_prepare_v2 (node->app,
                          "SELECT 1 FROM __sync_state WHERE tbl = ?1 AND phase IN ('live', 'scan')",
                          -1, &statement, NULL) == SQLITE_OK) {
    sqlite3_bind_text (statement, 1, world->tables[table]->name, -1, SQLITE_STATIC);
    live = sqlite3_step (statement) == SQLITE_ROW;
  }
  sqlite3_finalize (statement);
  if (live)
    return;
  image_read (node->app, &node->initial);
  for (int i = 0; i < world->version_count; i++)
    world->versions[i].blind |=
        world->versions[i].node == node->index && world->versions[i].table == table;
}

/* As SQLite's documentation advises for ALTER: a new table takes the old one's rows and name;
 * triggers go. https://www.sqlite.org/lang_altertable.html#otheralter */
void
rebuild_table (struct node *node, int table)
{
  const char *name = world->tables[table]->name;

  end_writing (node);
  trace ("  node %d rebuilds %s", node->index, name);
  run_sql (node->app, "PRAGMA foreign_keys = OFF");
  if (run_sql (node->app,
               "BEGIN IMMEDIATE; CREATE TEMP TABLE keep AS SELECT sql FROM sqlite_master WHERE "
               "name = '%s'",
               name) == SQLITE_OK) {
    sqlite3_stmt *statement = NULL;
    char *sql = NULL;
    if (sqlite3_prepare_v2 (node->app, "SELECT sql FROM temp.keep", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step (statement) == SQLITE_ROW)
      sql = sqlite3_mprintf ("%s", (const char *)sqlite3_column_text (statement, 0));
    sqlite3_finalize (statement);
    if (!sql ||
        run_sql (node->app,
                 "DROP TABLE temp.keep; CREATE TEMP TABLE keep AS SELECT * FROM main.%s; DROP "
                 "TABLE main.%s; %s; "
                 "INSERT INTO main.%s SELECT * FROM temp.keep; DROP TABLE temp.keep; COMMIT",
                 name, name, sql, name)) {
      trace ("    not: %s", sqlite3_errmsg (node->app));
      run_sql (node->app, "ROLLBACK");
    }
    sqlite3_free (sql);
  }
  if (node->index)
    forget_origin (node, table);
  else
    note_server ();
  enforce_keys (node);
}

/* ---- The world ---- */

static struct instance *
find_policy (void *context, const char *table)
{
  (void)context;
  return strcmp (table, "stock") == 0 ? world->merges : world->policy;
}

static bool
make_policy (void)
{
  static struct plugins *plugins;
  static struct instance *policy, *merges;
  const struct plugin_use use = {.kind = MANTIS_KIND_RESOLVER, .name = "timestamp"};
  struct plugin_use merging = {.kind = MANTIS_KIND_RESOLVER,
                               .name = "version",
                               .options.json = json_pack ("{s:{s:s,s:s,s:s}}", "columns", "qty",
                                                          "add", "price", "add", "hi", "max")};
  struct mantis_error error;

  if (!policy && ((!plugins && !(plugins = plugins_new ((const char *const[]){NULL}))) ||
                  plugins_add_static (plugins, &plugin_timestamp, &error) != MANTIS_OK ||
                  plugins_add_static (plugins, &plugin_version, &error) != MANTIS_OK ||
                  instance_new (plugins, &merging, &merges, &error) != MANTIS_OK ||
                  instance_new (plugins, &use, &policy, &error) != MANTIS_OK)) {
    fail ("resolver: %s", error.text);
    return false;
  }
  json_decref (merging.options.json);
  world->policy = policy;
  world->merges = merges;
  return true;
}

static void
choose_tables (void)
{
  int count = 0, wanted = 1 + (int)chance (MOST_TABLES);

  while (tables[count].name)
    count++;
  if (has (WITH_BANK))
    for (int i = 0; i < count; i++)
      if (tables[i].bank)
        world->tables[world->table_count++] = &tables[i];
  for (int i = 0; i < count && has (WITH_HOLDERS); i++)
    if (tables[i].needs == WITH_HOLDERS)
      world->tables[world->table_count++] = &tables[i];
  for (int tries = 0; world->table_count < wanted && tries < 40; tries++) {
    const struct table *table = &tables[chance ((uint32_t)count)];
    bool there = false, parent = !table->with;
    for (int i = 0; i < world->table_count; i++) {
      there |= world->tables[i] == table;
      parent |= table->with && world->tables[i] == &tables[table->with - 1];
    }
    if (there || table->bank || (table->needs & world->features) != table->needs ||
        (!parent && world->table_count + 2 > MOST_TABLES))
      continue;
    if (!parent)
      world->tables[world->table_count++] = &tables[table->with - 1];
    world->tables[world->table_count++] = table;
  }
  if (!world->table_count)
    world->tables[world->table_count++] = tables;
}

static void
choose_settings (void)
{
  bool parts = has (WITH_PARTS);

  world->settings = (struct client_settings){
      .remote_name = "the server",
      .enabled = true,
      .interval = 5000,
      .batch_rows = parts ? 1 + chance (7) : 5000,
      .batch_bytes = 1 << 20,
      .whole_rows = parts ? 3 + chance (30) : 20000,
      .whole_bytes = 8 << 20,
      .warn_entries = INT64_MAX,
      .fold_entries = 4,
  };
  world->server = (struct server){
      .policy = find_policy,
      .create_tables = odds (2),
      .limits = {.page_rows = parts ? 1 + chance (30) : 5000,
                 .page_bytes = 1 << 20,
                 .body_bytes = 64 << 20},
      .started = world->now,
  };
}

static void
write_before (struct node *node, int count)
{
  for (int i = 0; i < count; i++) {
    write_something (node);
    end_writing (node);
  }
}

static void
choose_skew (struct node *node)
{
  static const int64_t skews[] = {0, -1000, 3000, -86400000, 3600000, INT64_C (365) * 86400000};

  node->skew = has (WITH_CLOCKS) && node->index ? skews[chance (COUNT_OF (skews))] : 0;
}

/* Who has tables and rows before Mantis comes? */
static void
make_nodes (void)
{
  int clients = 1 + (int)chance (4);

  for (int i = 0; i <= clients; i++) {
    struct node *node = add_node ();
    choose_skew (node);
    open_app (node);
    act_as (node);
    if (i == 0 || has (WITH_FIRST) || odds (2))
      make_tables (node);
  }
  make_accounts ();
  tills_make (&world->nodes[0]);
  if (odds (2))
    write_before (&world->nodes[0], (int)chance (20));
  note_server ();
  for (int i = 1; i <= clients && has (WITH_FIRST); i++) {
    struct node *node = &world->nodes[i];
    if (odds (2)) { /* the same rows as the server, or some of them */
      sqlite3_close (node->app);
      copy_file (world->nodes[0].app, node->path);
      open_app (node);
    }
    if (odds (2))
      write_before (node, (int)chance (8));
  }
}

bool
world_new (uint64_t seed, const struct plan *plan, bool verbose)
{
  const char *place = access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

  world = calloc (1, sizeof *world);
  *world = (struct world){.seed = seed,
                          .chance = seed * 0x2545f4914f6cdd1d + 1,
                          .mantis_chance = ~seed,
                          .verbose = verbose,
                          .now = INT64_C (1763800000000)};
  sqlite3_randomness (0, NULL);
  world->features = plan->always;
  for (unsigned feature = 1; feature <= ALL_FEATURES; feature <<= 1)
    if ((plan->maybe & feature) && odds (3))
      world->features |= feature;
  if (has (WITH_COPIES) || has (WITH_PARTS) || has (WITH_FIRST) || has (WITH_SCAN) ||
      has (WITH_RESTORE))
    world->features &= ~(unsigned)WITH_BANK; /* what these do breaks sums rightly */
  trace ("features %#x", world->features);
  snprintf (world->folder, sizeof world->folder, "%s/mantis-sim-XXXXXX", place);
  if (!mkdtemp (world->folder) || !make_policy ())
    return false;
  choose_tables ();
  choose_settings ();
  make_nodes ();
  for (int i = 0; i < world->node_count; i++)
    start_node (&world->nodes[i]);
  return !failed ();
}

void
world_free (void)
{
  char name[160];

  for (int i = 0; i < world->node_count; i++) {
    struct node *node = &world->nodes[i];
    stop_node (node);
    sqlite3_close (node->app);
    plugin_sqlite.stop (node->self);
    free (node->self);
    free (node->page);
    image_free (&node->seen);
    image_free (&node->initial);
    image_free (&node->before);
    for (int f = 0; f < 2; f++)
      filters_free (node->filters[f]);
    remove_file (node->path);
    copy_name (node, name, sizeof name);
    remove_file (name);
  }
  forget_parcels ();
  forget_standings ();
  image_free (&world->server_image);
  rmdir (world->folder);
  for (int i = 0; i < world->version_count; i++)
    free (world->versions[i].key);
  free (world->versions);
  free (world);
  world = NULL;
}
