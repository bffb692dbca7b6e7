/* server_rig.c - a server without sockets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "server_rig.h"
#include "base/base.h"
#include "sync/filter.h"
#include "wire/json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct mantis_plugin plugin_timestamp;

const struct caller node_a = {NODE_A, "alice"}, node_b = {NODE_B, "bob"},
                    node_c = {NODE_C, "carol"}, curl = {NULL, "dave"};

struct server rig_server;
struct store rig_store;
struct reply rig_reply;
json_t *rig_answer;
int64_t rig_past;
enum mantis_decision (*rig_decide) (void *, const struct mantis_conflict *, struct mantis_value *,
                                    struct mantis_arena *, struct mantis_error *);
bool rig_waits;
uint32_t rig_wants;

static const struct engine *const engine = &engine_sqlite;
static void *self;

/* ---- Policies ---- */

static enum mantis_decision
decide (void *unused, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  (void)unused;
  return rig_decide (NULL, conflict, merged, arena, error);
}

static struct instance *
policy (void *context, const char *table)
{
  static struct mantis_resolver ops = {.size = sizeof ops, .decide = decide};
  static max_align_t options[8]; /* timestamp's own: all defaults are zero */
  static struct instance own = {.ops = &ops, .name = "rig", .parallel = true},
                         timestamp = {.name = "timestamp", .parallel = true, .self = options};

  (void)context, (void)table;
  timestamp.ops = plugin_timestamp.ops;
  own.waits = rig_waits;
  ops.wants = rig_wants;
  return rig_decide ? &own : &timestamp;
}

/* ---- Filters ---- */

struct rig_filter rig_filter;
static struct filters *filters;

static size_t
column_of (const struct mantis_table *table, const char *name)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, name) == 0)
      return i;
  return 0;
}

static bool
sees (void *unused, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  (void)unused;
  return rig_filter.sees (caller, &row[column_of (table, rig_filter.looks)]);
}

static bool
lets (void *unused, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  size_t at = column_of (table, rig_filter.looks);

  (void)unused, (void)caller;
  if (!rig_filter.lets || rig_filter.lets (before ? &before[at] : NULL, after ? &after[at] : NULL))
    return true;
  mantis_fail (reason, MANTIS_DENIED, "not you");
  return false;
}

static bool
reads_not (void *unused, const struct mantis_principal *principal, const struct mantis_table *table,
           mantis_row row)
{
  (void)unused, (void)principal, (void)table, (void)row;
  return false;
}

static bool
writes_not (void *unused, const struct mantis_principal *principal,
            const struct mantis_table *table, mantis_row before, mantis_row after,
            struct mantis_error *reason)
{
  (void)unused, (void)principal, (void)table, (void)before, (void)after, (void)reason;
  return false;
}

static bool
shows (void *unused, const struct mantis_principal *principal, const struct mantis_table *table,
       size_t column)
{
  (void)unused;
  return !rig_filter.hides || strcmp (table->columns[column].name, rig_filter.hides) != 0 ||
         strcmp (principal->subject, "boss") == 0;
}

static enum mantis_status
prepare (void *unused, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  (void)unused;
  ck_assert (!rig_filter.uses || lender->table (lender, rig_filter.uses));
  ck_assert_ptr_null (lender->table (lender, table->name));
  looks[column_of (table, rig_filter.looks)] = true;
  return rig_filter.unfit ? mantis_fail (error, MANTIS_INVALID, "it does not fit") : MANTIS_OK;
}

static const char *const *
uses (void *unused)
{
  static const char *names[2];

  (void)unused;
  names[0] = rig_filter.uses;
  return names;
}

static struct filter_chain
chain_of (void *context, const char *table)
{
  static const struct mantis_filter ops = {.size = sizeof ops,
                                           .reads = reads_not,
                                           .writes = writes_not,
                                           .column = shows,
                                           .prepare = prepare,
                                           .uses = uses,
                                           .sees = sees,
                                           .lets = lets};
  static struct instance own = {.ops = &ops, .name = "rig", .parallel = true},
                         *instances[] = {&own};

  (void)context;
  if (!rig_filter.table || strcmp (table, rig_filter.table) != 0)
    return (struct filter_chain){.count = 0};
  return (struct filter_chain){.instances = instances, .count = 1, .settings = 7};
}

static enum mantis_status
open_store (struct mantis_error *error)
{
  filters_free (filters);
  filters = rig_filter.table ? filters_new (chain_of, NULL) : NULL;
  return store_open_filtered (&rig_store, engine->plugin->ops, self, MANTIS_SERVER, NULL, NULL,
                              filters, error);
}

/* ---- Life ---- */

bool
rig_open (const char *text)
{
  static bool started;
  struct mantis_error error;

  if (!started)
    json_start ();
  started = true;
  self = engine->make ();
  if (text && !engine->write (text))
    return false;
  if (engine->plugin->start (self, &error) || open_store (&error)) {
    fprintf (stderr, "# %s\n", error.text);
    return false;
  }
  rig_server = (struct server){
      .policy = policy,
      .limits = {.page_rows = 5000, .page_bytes = 1 << 21, .body_bytes = 1 << 25, .wait = 25000}};
  rig_past = mantis_now () - 3600000;
  return true;
}

void
rig_start (const char *text)
{
  ck_assert (rig_open (text));
}

void
rig_reopen (void)
{
  struct mantis_error error;

  store_close (&rig_store);
  ck_assert_msg (open_store (&error) == MANTIS_OK, "%s", error.text);
}

static void
forget_answer (void)
{
  json_decref (rig_answer);
  rig_answer = NULL;
  mantis_buf_free (&rig_reply.body);
}

void
rig_stop (void)
{
  forget_answer ();
  access_free (&rig_server.access);
  store_close (&rig_store);
  filters_free (filters);
  filters = NULL;
  rig_filter = (struct rig_filter){.table = NULL};
  engine->plugin->stop (self);
  engine->discard (self);
  rig_decide = NULL;
  rig_waits = false;
  rig_wants = 0;
}

/* ---- Requests ---- */

/* Fuzzers, which are no tests of check, come here, too. */
static void
must (bool holds, const char *what)
{
  if (holds)
    return;
  fprintf (stderr, "# %s: %d %s\n", what, rig_reply.status,
           rig_reply.body.bytes ? rig_reply.body.bytes : "");
  abort ();
}

void
rig_administrators (const char *const *names)
{
  const struct config config = {.administrators = names};
  struct mantis_error error;

  must (access_configure (&rig_server.access, &config, &error) == MANTIS_OK, "no memory");
}

int
ask_raw (const struct caller *caller, const char *message, const char *body, size_t length)
{
  struct mantis_principal principal = {
      .size = sizeof principal, .subject = caller->subject, .claims = "{}"};
  struct mantis_request request = {.size = sizeof request,
                                   .message = message,
                                   .argument = body,
                                   .node = caller->node,
                                   .body = body,
                                   .length = length};
  bool refused;

  if (strcmp (message, "conflicts") != 0 || (length && *body == '{')) /* a decision */
    request.argument = NULL;
  forget_answer ();
  message_handle (&rig_server, &rig_store, &request, &principal, &rig_reply);
  must (!rig_store.in_transaction, "a transaction is still open");
  if (strcmp (message, "metrics") == 0 && rig_reply.status == 200)
    return rig_reply.status;
  rig_answer = json_loadb (rig_reply.body.bytes, rig_reply.body.length,
                           JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
  must (json_is_object (rig_answer), "the answer is no JSON object");
  refused = rig_reply.status >= 400;
  must (refused || rig_reply.status == 200, "a strange status");
  must (!refused || json_integer_value (json_object_get (rig_answer, "status")) == rig_reply.status,
        "the problem has another status");
  must (refused == (strcmp (rig_reply.type, "application/problem+json") == 0),
        "the wrong media type");
  return rig_reply.status;
}

static void
double_quotes (char *text)
{
  for (; *text; text++)
    if (*text == '\'')
      *text = '"';
}

int
ask (const struct caller *caller, const char *message, const char *format, ...)
{
  char *body;
  va_list args;
  int length, status;

  va_start (args, format);
  length = vasprintf (&body, format, args);
  va_end (args);
  ck_assert_int_ge (length, 0);
  double_quotes (body);
  status = ask_raw (caller, message, body, (size_t)length);
  free (body);
  return status;
}

int
push (const struct caller *caller, int number, const char *format, ...)
{
  char *blocks;
  va_list args;
  int status;

  va_start (args, format);
  ck_assert_int_ge (vasprintf (&blocks, format, args), 0);
  va_end (args);
  if (number)
    status =
        ask (caller, "push", "{'number':%d,'nonce':'n%d','changes':[%s]}", number, number, blocks);
  else
    status = ask (caller, "push", "{'changes':[%s]}", blocks);
  free (blocks);
  return status;
}

/* ---- Answers ---- */

const json_t *
exception_of (const char *table, const char *key)
{
  json_t *list = json_object_get (rig_answer, "exceptions"), *item, *wanted;
  const json_t *found = NULL;
  size_t i;

  ck_assert_msg (json_is_array (list), "%s", rig_reply.body.bytes);
  ck_assert_ptr_nonnull (wanted = json_loads (key, 0, NULL));
  json_array_foreach (
      list, i, item) if (strcmp (json_string_value (json_object_get (item, "table")), table) == 0 &&
                         json_equal (json_object_get (item, "key"), wanted)) found = item;
  json_decref (wanted);
  return found;
}

const char *
outcome_of (const char *table, const char *key)
{
  const json_t *item = exception_of (table, key);

  return item ? json_string_value (json_object_get (item, "outcome")) : "applied";
}

int
outcomes (const char *outcome)
{
  return (int)json_integer_value (
      json_object_get (json_object_get (rig_answer, "outcomes"), outcome));
}

/* ---- The database ---- */

void
sql (const char *text)
{
  ck_assert_msg (engine->write (text), "%s", text);
}

void
is (const char *expected, const char *query)
{
  char *answer = engine->ask (query);

  if (expected)
    ck_assert_msg (answer && strcmp (answer, expected) == 0, "%s: %s, not %s", query,
                   answer ? answer : "nothing", expected);
  else
    ck_assert_msg (!answer, "%s: %s", query, answer);
  free (answer);
}

int64_t
number_of (const char *query)
{
  char *answer = engine->ask (query);
  int64_t number = answer ? strtoll (answer, NULL, 10) : 0;

  free (answer);
  return number;
}

int64_t
head (void)
{
  return number_of ("SELECT max(seq) FROM __sync_log");
}
