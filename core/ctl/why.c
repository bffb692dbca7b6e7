/* why.c - mantisctl explain --conflict: who decided, what, when, and why.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/explain.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct story {
  const json_t *record;
  const json_t *server; /* its id */
  const json_t *nodes;  /* subjects by id */
  const json_t *now;    /* the row as it is by now; NULL: not known */
  bool client;          /* the record of a client, which knows its own row and what it got for it */
  bool won;
  const char *outcome;
  /* Objects, or NULL: a deletion, or not known. */
  const json_t *base, *local, *change, *stands;
  bool known; /* STANDS is */
};

static const json_t *
member (const json_t *object, const char *name)
{
  const json_t *value = json_object_get (object, name);

  return json_is_null (value) ? NULL : value;
}

static const char *
text_of (const json_t *object, const char *name)
{
  return json_string_value (member (object, name));
}

static struct story
story_of (const json_t *answer, bool client)
{
  const json_t *record = client ? answer : json_object_get (answer, "conflict");
  const char *outcome = text_of (record, "outcome");
  struct story story = {.record = record,
                        .server = member (answer, "server"),
                        .nodes = member (answer, "nodes"),
                        .now = member (answer, "now"),
                        .client = client,
                        .outcome = outcome ? outcome : "",
                        .base = member (record, "base_row"),
                        .known = true};

  story.won = strcmp (story.outcome, "beaten") == 0;
  story.local = member (record, story.won ? "loser" : "winner");
  story.change = member (record, story.won ? "winner" : "loser");
  story.stands = member (record, "stands");
  if (!story.stands && strcmp (story.outcome, "merged") == 0 && !client)
    story.known = false;
  else if (!story.stands)
    story.stands = story.won ? story.change : story.local;
  if (client)
    story.local = NULL; /* it never saw what the server had then */
  return story;
}

/* ---- Column by column ------------------------------------------------------------------------ */

struct column {
  const json_t *base, *local, *change, *stands;
};

static bool
same (const json_t *a, const json_t *b)
{
  return json_equal (a, b);
}

/* Where the value that stands came from. */
static const char *
source_of (const struct story *story, const struct column *c)
{
  if (!story->known || !story->stands)
    return NULL;
  if (story->client)
    return c->change && same (c->stands, c->change) ? "device" : "server";
  if (!c->change || (c->local && same (c->local, c->change)))
    return !c->change || same (c->stands, c->local) ? (c->change ? "both" : "server") : "neither";
  if (c->local && same (c->stands, c->local))
    return "server";
  return same (c->stands, c->change) ? "device" : story->base ? "both" : "neither";
}

/* Who had touched it, where that is known. */
static const char *
changed_by (const struct story *story, const struct column *c)
{
  bool here, there;

  if (!story->base || !c->base)
    return NULL;
  here = c->local && !same (c->local, c->base);
  there = c->change && !same (c->change, c->base);
  return here ? there ? "both" : "server" : there ? "device" : "nobody";
}

static json_t *
column_of (const struct story *story, const char *name)
{
  const struct column c = {
      json_object_get (story->base, name), json_object_get (story->local, name),
      json_object_get (story->change, name), json_object_get (story->stands, name)};
  const json_t *stamp = json_object_get (member (story->record, "stamps"), name);

  return json_pack ("{s:O?, s:O?, s:O?, s:O?, s:s?, s:s?, s:O?, s:O?}", "base", c.base, "server",
                    c.local, "device", c.change, "stands", c.stands, "from", source_of (story, &c),
                    "changed_by", changed_by (story, &c), "server_time", json_array_get (stamp, 0),
                    "server_by", json_array_get (stamp, 1));
}

/* Of all columns that anybody knows a value of. */
static json_t *
columns_of (const struct story *story)
{
  json_t *columns = json_object (), *value;
  const json_t *rows[] = {story->local, story->change, story->stands, story->base};
  const char *name;

  for (size_t i = 0; i < COUNT_OF (rows); i++)
    json_object_foreach ((json_t *)(uintptr_t)rows[i], name,
                         value) if (!json_object_get (columns, name))
        json_object_set_new (columns, name, column_of (story, name));
  return columns;
}

/* ---- For people ------------------------------------------------------------------------------ */

/* To the millisecond: less than that may have decided. */
static void
add_time (struct mantis_buf *text, const json_t *time)
{
  int64_t milliseconds = json_integer_value (time);
  char moment[40];

  print_time (moment, sizeof moment, milliseconds);
  if (milliseconds > 1)
    mantis_buf_printf (text, "%.19s.%03d%s", moment, (int)(milliseconds % 1000), moment + 19);
  else
    mantis_buf_text (text, "at an unknown time");
}

/* NODE as somebody knows it. */
static void
add_author (const struct story *story, const char *node, struct mantis_buf *text)
{
  const char *subject = node ? json_string_value (json_object_get (story->nodes, node)) : NULL;

  if (!node || (story->server && strcmp (node, json_string_value (story->server)) == 0))
    mantis_buf_text (text, "the server's own side");
  else if (subject && *subject)
    mantis_buf_printf (text, "node %s (%s)", node, subject);
  else
    mantis_buf_printf (text, "node %s", node);
}

static void
fact (struct grid *grid, const char *name, struct mantis_buf *text)
{
  grid_add (grid, name);
  grid_add (grid, text->bytes ? text->bytes : "-");
  mantis_buf_clear (text);
}

static const char *
in_words (const char *outcome)
{
  static const char *const words[][2] = {
      {"superseded", "superseded: the server's row stands, the change lost"},
      {"beaten", "beaten: the change stands, the server's row gave way"},
      {"merged", "merged: a row made of both stands"},
      {"deferred", "deferred: a person decides; the server's row stands meanwhile"},
      {"rejected", "rejected: the server's row stands, the change was refused"},
  };

  for (size_t i = 0; i < COUNT_OF (words); i++)
    if (strcmp (words[i][0], outcome) == 0)
      return words[i][1];
  return outcome;
}

static void
add_decider (const struct config *config, const char *decider, struct grid *grid)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  const char *name = decider ? decider : "nobody", *kind = NULL;

  for (const struct plugin_use *use = config->uses; use && decider && !kind; use = use->next)
    if (strcmp (use->name, decider) == 0)
      kind = kind_name (use->kind);
  if (strcmp (name, "database") == 0)
    mantis_buf_text (&text, "the database: it refused what would have been stored");
  else if (strcmp (name, "mantis") == 0)
    mantis_buf_text (&text, "a rule of Mantis, before any policy");
  else
    mantis_buf_printf (&text, "%s%s%s%s", name, kind ? " (a " : "", kind ? kind : "",
                       kind ? ")" : "");
  grid_add (grid, "decided by");
  grid_add (grid, text.bytes);
}

static void
add_server_side (const struct story *story, struct grid *grid, struct mantis_buf *text)
{
  const json_t *record = story->record;

  if (story->client)
    return;
  mantis_buf_printf (text, "%srevision %lld, written ", story->local ? "" : "a deletion, ",
                     (long long)json_integer_value (json_object_get (record, "rev")));
  add_time (text, json_object_get (record, story->won ? "loser_time" : "winner_time"));
  mantis_buf_text (text, " by ");
  add_author (story, text_of (record, story->won ? "node" : "winner_origin"), text);
  fact (grid, "the server's", text);
}

static void
add_change (const struct story *story, struct grid *grid, struct mantis_buf *text)
{
  const json_t *record = story->record, *sent = member (record, "sent_time"),
               *time = json_object_get (record, story->won ? "winner_time" : "loser_time");

  mantis_buf_printf (text, "%smade on revision %lld, written ", story->change ? "" : "a deletion, ",
                     (long long)json_integer_value (json_object_get (record, "base")));
  add_time (text, sent ? sent : time);
  mantis_buf_text (text, " by ");
  if (story->client)
    mantis_buf_text (text, "this node");
  else
    add_author (story, text_of (record, story->won ? "winner_origin" : "node"), text);
  fact (grid, "the change", text);
  if (sent && !json_equal (sent, time)) {
    mantis_buf_text (text, "it counts as written ");
    add_time (text, time);
    mantis_buf_text (text, ", as a version is later than the one that it replaces");
    fact (grid, "the clock", text);
  }
}

static void
add_since (const struct story *story, struct grid *grid, struct mantis_buf *text)
{
  const json_t *row = member (story->now, "row");
  bool still = story->known && (row ? json_equal (row, story->stands) : !story->stands);

  if (!story->now)
    return;
  mantis_buf_printf (text, "%s%srevision %lld, written ",
                     still          ? "still as it was decided: "
                     : story->known ? "has changed since: "
                                    : "",
                     row ? "" : "deleted, ",
                     (long long)json_integer_value (json_object_get (story->now, "rev")));
  add_time (text, json_object_get (story->now, "updated_at"));
  if (!still || text_of (story->now, "origin")) { /* what was merged is nobody's alone */
    mantis_buf_text (text, " by ");
    add_author (story, text_of (story->now, "origin"), text);
  }
  fact (grid, "the row now", text);
}

static void
print_facts (const struct story *story, const struct config *config, const json_t *policy)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  struct grid grid = {.columns = 2};
  const json_t *record = story->record;

  grid_add (&grid, "table");
  grid_add (&grid, text_of (record, "tbl"));
  grid_add (&grid, "key");
  grid_json (&grid, json_object_get (record, "key"));
  grid_add (&grid, "outcome");
  grid_add (&grid, in_words (story->outcome));
  add_decider (config, text_of (record, "decided_by"), &grid);
  grid_add (&grid, "why");
  grid_json (&grid, json_object_get (record, "reason"));
  add_time (&text, json_object_get (record, "at"));
  fact (&grid, story->client ? "heard of" : "decided", &text);
  grid_add (&grid, "state");
  grid_json (&grid, json_object_get (record, "state"));
  if (text_of (record, "resolution")) {
    mantis_buf_printf (&text, "%s, chosen by %s, ", text_of (record, "resolution"),
                       text_of (record, "resolved_by"));
    add_time (&text, json_object_get (record, "resolved_at"));
    fact (&grid, "resolved", &text);
  }
  add_server_side (story, &grid, &text);
  add_change (story, &grid, &text);
  if (!story->client)
    mantis_buf_text (&text, story->base ? "known: see below" : "not known, or not asked for");
  if (!story->client)
    fact (&grid, "their base", &text);
  add_since (story, &grid, &text);
  if (policy)
    mantis_buf_printf (&text, "%s (%s: %s)", text_of (policy, "plugin"), text_of (policy, "file"),
                       text_of (policy, "path"));
  if (policy)
    fact (&grid, "policy today", &text);
  grid_print (&grid);
}

/* From whom, and who else had touched it. */
static void
add_source (const struct story *story, const json_t *column, struct grid *grid)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  const char *from = text_of (column, "from"), *by = text_of (column, "changed_by");
  const json_t *time = member (column, "server_time"), *sent = member (story->record, "sent_time");

  if (!from)
    mantis_buf_text (&text, "?");
  else if (by && strcmp (from, "both") == 0 && strcmp (by, "both") == 0)
    mantis_buf_text (
        &text, json_equal (json_object_get (column, "server"), json_object_get (column, "device"))
                   ? "both made it the same"
                   : "made of both");
  else
    mantis_buf_printf (&text, "%s%s", from,
                       !by                          ? ""
                       : strcmp (by, "both") == 0   ? ", both had changed it"
                       : strcmp (by, "nobody") == 0 ? ", nobody had changed it"
                       : strcmp (by, from) == 0     ? ", which alone had changed it"
                                                    : ", though the other had changed it");
  if (time && sent && by && strcmp (by, "both") == 0 && strcmp (from ? from : by, "both") != 0) {
    mantis_buf_text (&text, ": the server's is of ");
    add_time (&text, time);
    mantis_buf_text (&text, ", the device's of ");
    add_time (&text, sent);
  }
  grid_add (grid, text.bytes);
}

/* Has anybody another value there than somebody else? */
static bool
is_touched (const json_t *column)
{
  static const char *const sides[] = {"base", "server", "device"};
  const json_t *stands = member (column, "stands");

  for (size_t i = 0; i < COUNT_OF (sides); i++)
    if (member (column, sides[i]) && (!stands || !json_equal (member (column, sides[i]), stands)))
      return true;
  return false;
}

static void
print_columns (const struct story *story, const json_t *columns)
{
  static const char *const names[] = {"COLUMN", "BASE", "SERVER", "DEVICE", "STANDS", "FROM"};
  struct grid grid = {.columns = COUNT_OF (names)};
  const json_t *column;
  const char *name;

  for (size_t i = 0; i < COUNT_OF (names); i++)
    grid_add (&grid, names[i]);
  json_object_foreach ((json_t *)(uintptr_t)columns, name, column)
  {
    if (!is_touched (column))
      continue;
    grid_add (&grid, name);
    grid_json (&grid, json_object_get (column, "base"));
    grid_json (&grid, json_object_get (column, "server"));
    grid_json (&grid, json_object_get (column, "device"));
    grid_json (&grid, json_object_get (column, "stands"));
    add_source (story, column, &grid);
  }
  putchar ('\n');
  grid_print (&grid);
}

int
explain_conflict (struct ctl *ctl, const struct config *config)
{
  bool client = config->role == MANTIS_CLIENT;
  CLEANUP_JSON json_t *columns = NULL, *policy = NULL, *all = NULL;
  CLEANUP_BUF struct mantis_buf question = MANTIS_BUF_INIT;
  const json_t *answer;
  struct story story;
  json_t *whole;
  int result;

  mantis_buf_printf (&question, "{\"conflict\":\"%s\"}", ctl->conflict);
  result = client ? ctl_ask (ctl, "conflicts", ctl->conflict, NULL, &whole, &answer)
                  : ctl_ask (ctl, "explain", question.bytes, NULL, &whole, &answer);
  if (result != EXIT_CLEAN)
    return result;
  story = story_of (answer, client);
  columns = columns_of (&story);
  if (!client)
    policy = config_tell_use (config_policy (config, text_of (story.record, "tbl")));
  if (ctl->json) {
    all = json_pack ("{s:O, s:O?, s:O?, s:O?, s:O, s:O?}", "conflict", story.record, "server",
                     story.server, "nodes", story.nodes, "now", story.now, "columns", columns,
                     "policy", policy);
    result = all ? print_json (all) : EXIT_FAILED;
  } else {
    print_facts (&story, config, policy);
    print_columns (&story, columns);
  }
  json_decref (whole);
  return result;
}
