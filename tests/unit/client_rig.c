/* client_rig.c - a server and two devices without sockets or threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client_rig.h"
#include "../lib/plugin_option.h"
#include "base/base.h"
#include "plugin/plugin.h"
#include "wire/json.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_sqlite, plugin_timestamp;

struct letter {
  char *message, *body, *epoch, *revisions, *answer;
  char node[NODE_LENGTH + 1];
  int status;
};

static struct node {
  char path[100];
  void *self;
  sqlite3 *app;
  struct store store;
  struct client *client;
  bool up;
  struct letter letters[CLIENT_SLOTS];
} nodes[RIG_NODES];

struct client_settings rig_settings;
struct server rig_server;
const char *const *rig_patterns;
int64_t rig_shift;
bool rig_sends;
static char folder[64];

#define OK(call)                                                                                   \
  do {                                                                                             \
    struct mantis_error error;                                                                     \
    enum mantis_status status_ = (call);                                                           \
    ck_assert_msg (status_ == MANTIS_OK, "%s: %s", #call, error.text);                             \
  } while (0)

/* Time goes on from one call of the rig to the next, and stands still within them: what a slow machine takes for a
 * transaction would make clients rest. */
static int64_t moment;

static void
tick (void)
{
  struct timespec time;

  clock_gettime (CLOCK_REALTIME, &time);
  moment = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int64_t
now (void)
{
  return moment + rig_shift;
}

static void
swallow (enum mantis_level level, const char *line)
{
  (void)level, (void)line;
}

static struct instance *
policy (void *context, const char *table)
{
  static max_align_t options[8]; /* timestamp's own: all defaults are zero */
  static struct instance timestamp = {.name = "timestamp", .parallel = true, .self = options};

  (void)context, (void)table;
  timestamp.ops = plugin_timestamp.ops;
  return &timestamp;
}

/* ---- Nodes ---- */

static void
open_app (struct node *node)
{
  ck_assert (sqlite3_open (node->path, &node->app) == SQLITE_OK);
  sqlite3_exec (node->app, "PRAGMA journal_mode = wal; PRAGMA foreign_keys = ON", NULL, NULL, NULL);
}

static void
make_node (int at)
{
  struct node *node = &nodes[at];

  snprintf (node->path, sizeof node->path, "%s/%d.db", folder, at);
  ck_assert_ptr_nonnull (node->self = calloc (1, plugin_sqlite.self_size));
  set_option (plugin_sqlite.options, node->self, "path", node->path, 0);
  set_option (plugin_sqlite.options, node->self, "journal_mode", "wal", 0);
  set_option (plugin_sqlite.options, node->self, "busy_timeout", NULL, 20);
  set_option (plugin_sqlite.options, node->self, "cache", NULL, 1 << 20);
  open_app (node);
  OK (plugin_sqlite.start (node->self, &error));
}

void
node_start (int at)
{
  struct node *node = &nodes[at];

  OK (store_open (&node->store, plugin_sqlite.ops, node->self,
                  at == SERVER ? MANTIS_SERVER : MANTIS_CLIENT, at == SERVER ? NULL : rig_patterns,
                  &error));
  if (at != SERVER)
    OK (client_new (&rig_settings, &node->store, &node->client, &error));
  node->up = true;
}

static void
forget_letter (struct letter *letter)
{
  free (letter->message);
  free (letter->body);
  free (letter->epoch);
  free (letter->revisions);
  free (letter->answer);
  *letter = (struct letter){NULL};
}

void
node_stop (int at)
{
  struct node *node = &nodes[at];

  if (node->client)
    client_free (node->client);
  node->client = NULL;
  if (node->up)
    store_close (&node->store);
  node->up = false;
  for (int slot = 0; slot < CLIENT_SLOTS; slot++)
    forget_letter (&node->letters[slot]);
}

static void
remove_files (const char *path)
{
  static const char *const suffixes[] = {"", "-wal", "-shm"};

  for (size_t i = 0; i < COUNT_OF (suffixes); i++) {
    CLEANUP_BUF struct mantis_buf name = MANTIS_BUF_INIT;
    mantis_buf_printf (&name, "%s%s", path, suffixes[i]);
    unlink (name.bytes);
  }
}

void
node_copy (int from, int to)
{
  char vacuum[200];

  node_stop (from);
  node_stop (to);
  sqlite3_close (nodes[to].app);
  remove_files (nodes[to].path);
  snprintf (vacuum, sizeof vacuum, "VACUUM INTO '%s'", nodes[to].path);
  sql (from, vacuum);
  open_app (&nodes[to]);
}

void
rig_start (const char *tables)
{
  static bool started;

  if (!started)
    json_start ();
  started = true;
  log_set_sink (swallow);
  tick ();
  clock_set (now);
  rig_shift = 0;
  rig_sends = true;
  rig_patterns = NULL;
  rig_settings = (struct client_settings){.remote_name = "the server",
                                          .enabled = true,
                                          .interval = 0, /* whoever is asked is due */
                                          .batch_rows = 5000,
                                          .batch_bytes = 1 << 20,
                                          .whole_rows = 20000,
                                          .whole_bytes = 8 << 20,
                                          .warn_entries = INT64_MAX};
  rig_server =
      (struct server){.policy = policy,
                      .limits = {.page_rows = 5000, .page_bytes = 1 << 20, .body_bytes = 1 << 24}};
  strcpy (folder, "/tmp/mantis-sync-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (folder));
  for (int i = 0; i < RIG_NODES; i++) {
    make_node (i);
    sql (i, tables);
  }
  node_start (SERVER);
}

void
rig_stop (void)
{
  for (int i = 0; i < RIG_NODES; i++) {
    node_stop (i);
    plugin_sqlite.stop (nodes[i].self);
    free (nodes[i].self);
    sqlite3_close (nodes[i].app);
    remove_files (nodes[i].path);
  }
  rmdir (folder);
  clock_set (NULL);
  log_set_sink (NULL);
}

/* ---- Applications ---- */

void
sql (int node, const char *text)
{
  char *message = NULL;
  int code = sqlite3_exec (nodes[node].app, text, NULL, NULL, &message);

  ck_assert_msg (code == SQLITE_OK, "node %d: %s: %s", node, text, message);
}

void
sql_unseen (int node, const char *text)
{
  sqlite3_db_config (nodes[node].app, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  sql (node, text);
  sqlite3_db_config (nodes[node].app, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
}

void
scan (int node)
{
  OK (client_scan (nodes[node].client, NULL, &error));
}

void
is (int node, const char *expected, const char *query)
{
  sqlite3_stmt *statement = NULL;
  const char *found = NULL;

  ck_assert_msg (sqlite3_prepare_v2 (nodes[node].app, query, -1, &statement, NULL) == SQLITE_OK,
                 "node %d: %s: %s", node, query, sqlite3_errmsg (nodes[node].app));
  if (sqlite3_step (statement) == SQLITE_ROW)
    found = (const char *)sqlite3_column_text (statement, 0);
  ck_assert_msg (expected ? found && strcmp (found, expected) == 0 : !found,
                 "node %d: %s: %s, not %s", node, query, found ? found : "nothing",
                 expected ? expected : "nothing");
  sqlite3_finalize (statement);
}

/* ---- Messages ---- */

static char *
copy_text (const char *text)
{
  return text ? strdup (text) : NULL;
}

const char *
request (int node, int slot)
{
  struct letter *letter = &nodes[node].letters[slot];
  struct client_request made;

  tick ();
  if (slot == TALK)
    client_noticed (nodes[node].client);
  client_next (nodes[node].client, slot, &made);
  if (!made.message)
    return NULL;
  forget_letter (letter);
  letter->message = strdup (made.message);
  letter->body = strndup (made.body, made.length);
  letter->epoch = copy_text (made.epoch);
  letter->revisions = copy_text (made.revisions);
  memcpy (letter->node, made.node, sizeof letter->node);
  return letter->body;
}

void
serve (int node, int slot)
{
  struct letter *letter = &nodes[node].letters[slot];
  const struct mantis_principal principal = {sizeof principal, "device", "{}", 0, false};
  const struct mantis_request made = {.size = sizeof made,
                                      .message = letter->message,
                                      .node = letter->node,
                                      .epoch = letter->epoch,
                                      .revisions = letter->revisions,
                                      .body = letter->body,
                                      .length = strlen (letter->body)};
  struct reply reply;

  tick ();
  message_handle (&rig_server, &nodes[SERVER].store, &made, &principal, &reply);
  free (letter->answer);
  letter->answer = strndup (reply.body.bytes ? reply.body.bytes : "", reply.body.length);
  letter->status = reply.status;
  mantis_buf_free (&reply.body);
}

static void
give (int node, int slot, int status, const char *body, const char *why)
{
  const struct mantis_answer given = {.size = sizeof given,
                                      .status = status,
                                      .type = "application/json",
                                      .body = body,
                                      .length = strlen (body),
                                      .error = why};

  tick ();
  client_answered (nodes[node].client, slot, &given);
}

void
answer (int node, int slot)
{
  const struct letter *letter = &nodes[node].letters[slot];

  give (node, slot, letter->status, letter->answer, NULL);
}

void
lose (int node, int slot)
{
  give (node, slot, 0, "", "timed out");
  client_hurry (nodes[node].client);
}

void
refuse (int node, int slot, int status)
{
  give (node, slot, status, "{}", NULL);
}

const char *
answered (int node, int slot)
{
  return nodes[node].letters[slot].answer;
}

bool
look_ahead (int node)
{
  bool looks = client_looks_ahead (nodes[node].client);

  client_look_ahead (nodes[node].client);
  return looks;
}

bool
exchange (int node, int slot)
{
  if (!request (node, slot))
    return false;
  serve (node, slot);
  answer (node, slot);
  return true;
}

void
cycle (int node)
{
  for (int rounds = 0, quiet = 0; rounds < 50; rounds++) {
    bool talked = exchange (node, TALK);
    bool pulled = exchange (node, PULL);
    quiet = !talked && pulled && client_idle (nodes[node].client) ? quiet + 1 : 0;
    if (quiet == 2)
      return;
  }
  ck_abort_msg ("node %d never has enough: %s", node, answered (node, PULL));
}

void
watch (int node)
{
  client_watch (nodes[node].client, rig_sends);
}

bool
status_says (int node, const char *text)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  OK (client_status (nodes[node].client, &buf, &error));
  return strstr (buf.bytes, text) != NULL;
}
