/* sim.c - many worlds, each from its seed: run, heal, judge.
 *
 *   sim [--seeds N] [--seed S] [--steps N] [--plan NAME] [--verbose]
 *
 *   sim --break RULE ...: the engine is broken (break.c), up to the first seed that fails
 *
 * --seeds N runs the seeds 1 to N (S to S + N - 1 with --seed).  A seed that fails is printed with
 * the command that repeats it; --verbose shows every step of it.
 *
 * README: what a failure says, and which rules of the engine it was seen to miss.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"
#include "sync/prune.h"

#include "wire/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct plan plans[] = {
    {"all", 0, ALL_FEATURES & ~(unsigned)WITH_RESTORE},
    {"plain", 0, 0},
    {"keys", WITH_KEYS, WITH_FAMILY | WITH_VALUES},
    {"unique", WITH_UNIQUE, WITH_KEYS | WITH_PARTS},
    {"family", WITH_FAMILY, WITH_KEYS | WITH_PARTS},
    {"triggers", WITH_TRIGGERS, WITH_PARTS | WITH_FIRST},
    {"values", WITH_VALUES, WITH_STRICT | WITH_FIRST | WITH_KEYS},
    {"strict", WITH_STRICT, WITH_VALUES | WITH_FIRST},
    {"bank", WITH_BANK, WITH_CLOCKS | WITH_DISK},
    {"schema", WITH_SCHEMA, WITH_PARTS | WITH_FIRST},
    {"scan", WITH_SCAN, WITH_PARTS | WITH_UNIQUE},
    {"copies", WITH_COPIES, WITH_CLOCKS | WITH_PARTS},
    {"parts", WITH_PARTS, WITH_FIRST | WITH_DISK},
    {"clocks", WITH_CLOCKS, WITH_PARTS},
    {"disk", WITH_DISK, WITH_PARTS | WITH_FAMILY | WITH_FIRST},
    {"first", WITH_FIRST, WITH_PARTS | WITH_UNIQUE},
    {"restored", WITH_RESTORE, WITH_PARTS | WITH_FIRST | WITH_CLOCKS | WITH_UNIQUE},
    {"servers", WITH_SERVERS, ALL_FEATURES & ~(unsigned)WITH_RESTORE},
    {"pruned", WITH_PRUNING, ALL_FEATURES & ~(unsigned)WITH_RESTORE},
    {"groups", WITH_GROUPS, ALL_FEATURES & ~(unsigned)WITH_RESTORE},
    {"tills", WITH_TILLS,
     WITH_PARTS | WITH_CLOCKS | WITH_DISK | WITH_GROUPS | WITH_SERVERS | WITH_PRUNING},
    {"holders", WITH_HOLDERS,
     WITH_PARTS | WITH_DISK | WITH_KEYS | WITH_FIRST | WITH_SERVERS | WITH_PRUNING | WITH_GROUPS |
         WITH_UNIQUE | WITH_TRIGGERS},
    {NULL, 0, 0},
};

bool
odds (uint32_t one_in)
{
  return chance (one_in) == 0;
}

bool
has (enum feature feature)
{
  return (world->features & feature) != 0;
}

void
fail (const char *format, ...)
{
  va_list arguments;

  if (failed ())
    return;
  va_start (arguments, format);
  vsnprintf (world->failure, sizeof world->failure, format, arguments);
  va_end (arguments);
  trace ("FAILED: %s", world->failure);
}

void
trace (const char *format, ...)
{
  va_list arguments;

  if (!world->verbose)
    return;
  printf ("%lld ", (long long)world->step);
  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  putchar ('\n');
}

static void
take_line (enum mantis_level level, const char *line)
{
  if (world)
    trace ("  [%d] %s", world->acting, line);
  else if (level == MANTIS_ERROR)
    fprintf (stderr, "%s\n", line);
}

/* ---- Steps ---- */

static struct node *
some_client (void)
{
  return &world->nodes[1 + chance ((uint32_t)world->node_count - 1)];
}

static void
something_special (struct node *node)
{
  static const int64_t jumps[] = {-7200000, -60000, 60000, 86400000};
  int table = (int)chance ((uint32_t)world->table_count);
  struct mantis_error error;

  if (has (WITH_CLOCKS) && odds (3)) {
    node->skew = odds (3) ? 0 : node->skew + jumps[chance (COUNT_OF (jumps))];
    trace ("  the clock of client %d is %lld s ahead", node->index, (long long)node->skew / 1000);
  } else if (has (WITH_SCHEMA) && odds (3))
    add_column (odds (3) ? &world->nodes[0] : node, table);
  else if (has (WITH_SCAN) && odds (3))
    rebuild_table (odds (4) ? &world->nodes[0] : node, table);
  else if (has (WITH_SCAN) && node->up && odds (3))
    client_scan (node->client, NULL, &error);
  else if (has (WITH_RESTORE) && world->nodes[0].copied && odds (2)) {
    network_hang_up ();
    restore_node (&world->nodes[0]);
  } else if (has (WITH_RESTORE) && odds (2))
    copy_node (&world->nodes[0]);
  else if (has (WITH_COPIES) && odds (3))
    fork_node (node);
  else if (has (WITH_COPIES) && node->copied && odds (2))
    restore_node (node);
  else if (has (WITH_COPIES))
    copy_node (node);
}

/* The retention is as short as the plan is fast. */
static void
prune_log (struct node *server)
{
  struct mantis_error error;
  bool more = false;

  act_as (server);
  if (server->up && prune_step (&server->store, chance (60000), &more, &error) == MANTIS_OK)
    trace ("the server's log is pruned");
}

static void
one_step (void)
{
  struct node *node = some_client ();
  uint32_t what = chance (100);

  world->step++;
  world->now += chance (odds (20) ? 100000 : 1500);
  act_as (node);
  if (what < 25)
    write_something (node);
  else if (what < 32)
    write_something (&world->nodes[0]);
  else if (what < 60)
    client_talks (node);
  else if (what < 92)
    network_step ();
  else if (what < 94)
    crash_node (node);
  else if (what < 95)
    crash_node (&world->nodes[0]);
  else if (what < 97)
    node->offline = !node->offline;
  else
    something_special (node);
  if (has (WITH_TILLS) && odds (2))
    tills_sell (odds (6) ? &world->nodes[0] : some_client ());
  if (has (WITH_PRUNING) && odds (8))
    prune_log (&world->nodes[0]);
  for (int i = 0; i < world->node_count; i++)
    if (!world->nodes[i].up && odds (5))
      start_node (&world->nodes[i]);
}

/* ---- The end ---- */

static void
heal (void)
{
  trace ("all is healed");
  disk_heal ();
  network_heal ();
  for (int i = 0; i < world->node_count; i++) {
    struct node *node = &world->nodes[i];
    act_as (node);
    end_writing (node);
    node->offline = false;
    for (int t = 0; t < world->table_count; t++) {
      bool any = false;
      for (int n = 0; n < world->node_count; n++)
        any |= has_extra (world->nodes[n].app, world->tables[t]);
      if (any)
        add_column (node, t);
    }
    start_node (node);
    if (!node->up)
      fail ("node %d does not start", i);
  }
}

static void
wake_all (void)
{
  for (int i = 1; i < world->node_count; i++) {
    act_as (&world->nodes[i]);
    client_noticed (world->nodes[i].client);
    client_hurry (world->nodes[i].client);
  }
}

/* [1, 7] Everybody talks until nobody has anything to say; after that, one more cycle moves
 * nothing. */
static void
settle_world (void)
{
  for (int cycle = 0; cycle < 60 && !failed (); cycle++) {
    world->now += 15 * 60 * 1000;
    world->pushed_rows = world->pulled_rows = 0;
    wake_all ();
    if (!network_drain ())
      fail ("the clients never stop talking");
    if (!world->pushed_rows && !world->pulled_rows && all_quiet ())
      return;
  }
  fail ("it does not settle");
}

/* [8] Whatever the clocks say: who has seen a row and changes it, wins. */
static void
write_later (void)
{
  for (int i = 1; i < world->node_count && !failed (); i++)
    for (int t = 0; t < world->table_count && !failed (); t++) {
      struct node *node = &world->nodes[i];
      const struct table *table = world->tables[t];
      struct image before = {0}, after = {0};
      act_as (node);
      image_read (node->app, &before);
      run_sql (node->app, "UPDATE %s SET v = 'w%d.' || substr(v, 1, 10)", table->name,
               ++world->statements);
      image_read (node->app, &after);
      note_written (node, &before, &after);
      settle_world ();
      for (size_t r = 0; r < after.of[t].count && !failed (); r++) {
        const struct row *row = &after.of[t].at[r], *stands;
        note_server ();
        stands = image_find (&world->server_image, t, row->key);
        if (!stands || strcmp (stands->v, row->v) != 0)
          fail ("%s %s: a later write of client %d does not win", table->name, row->key, i);
      }
      image_free (&before);
      image_free (&after);
    }
}

struct totals {
  long worlds, failures, writes;
};

static void
run (uint64_t seed, const struct plan *plan, int steps, bool verbose, struct totals *totals)
{
  if (world_new (seed, plan, verbose))
    for (int i = 0; i < steps && !failed (); i++)
      one_step ();
  if (!failed ())
    heal ();
  if (!failed ())
    settle_world ();
  if (!failed ())
    judge ();
  for (int i = 0; has (WITH_TILLS) && i < world->node_count && !failed (); i++)
    tills_judge (&world->nodes[i]);
  if (!failed () && (has (WITH_CLOCKS) || odds (10))) {
    write_later ();
    judge ();
  }
  totals->worlds++;
  totals->writes += world->version_count;
  if (failed ()) {
    totals->failures++;
    if (verbose)
      show_world ();
    printf (
        "seed %llu: %s\n  repeat: tests/sim/sim%s%s --plan %s --steps %d --seed %llu --verbose\n",
        (unsigned long long)seed, world->failure, *broken_rule () ? " --break " : "",
        broken_rule (), plan->name, steps, (unsigned long long)seed);
    fflush (stdout);
  }
  world_free ();
}

static const struct plan *
find_plan (const char *name)
{
  for (const struct plan *plan = plans; plan->name; plan++)
    if (strcmp (plan->name, name) == 0)
      return plan;
  fprintf (stderr, "sim: there is no plan \"%s\"; there are:", name);
  for (const struct plan *plan = plans; plan->name; plan++)
    fprintf (stderr, " %s", plan->name);
  fputc ('\n', stderr);
  exit (2);
}

int
main (int argc, char **argv)
{
  static const struct option options[] = {
      {"seeds", required_argument, NULL, 'n'},
      {"seed", required_argument, NULL, 's'},
      {"steps", required_argument, NULL, 't'},
      {"plan", required_argument, NULL, 'p'},
      {"verbose", no_argument, NULL, 'v'},
      {"break", required_argument, NULL, 'b'},
      {NULL, 0, NULL, 0},
  };
  const struct plan *plan = plans;
  struct totals totals = {0};
  uint64_t first = 1, count = 0;
  bool verbose = false;
  int steps = 300, option;

  while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
    switch (option) {
    case 'n':
      count = strtoull (optarg, NULL, 10);
      break;
    case 's':
      first = strtoull (optarg, NULL, 10);
      break;
    case 't':
      steps = atoi (optarg);
      break;
    case 'p':
      plan = find_plan (optarg);
      break;
    case 'v':
      verbose = true;
      break;
    case 'b':
      if (break_rule (optarg))
        break;
      fprintf (stderr, "sim: there is no rule \"%s\" to break\n", optarg);
      return 2;
    default:
      fprintf (stderr, "usage: sim [--seeds N] [--seed S] [--steps N] [--plan NAME] [--verbose]\n");
      return 2;
    }
  json_start ();
  disk_start ();
  clock_set (world_time);
  random_set (mantis_chance);
  log_set_level (MANTIS_DEBUG);
  log_set_sink (take_line);
  if (!count)
    count = first > 1 || verbose ? 1 : 150;
  for (uint64_t i = 0; i < count && !(*broken_rule () && totals.failures); i++)
    run (first + i, plan, steps, verbose, &totals);
  printf ("simulation: %ld worlds, %ld writes, %ld failed\n", totals.worlds, totals.writes,
          totals.failures);
  return totals.failures ? 1 : 0;
}
