/* fuzz_message.c - bodies of any kind go through the messages of a server, on a real database.
 *
 * The first byte says which message (p push, l pull, h hello, c conflicts, s schema, t status; in
 * upper case from a sender without node), the rest is its body.  Every commit is a rollback, so
 * that each input meets the same database and nothing reaches the disk.
 *
 * What is checked: nothing crashes, each answer is JSON with its status, no transaction stays open,
 * and nothing that a peer sends is an inner error (500).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char tables[] =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, u TEXT UNIQUE);"
    "CREATE TABLE any (a, b, v, PRIMARY KEY (b, a)) WITHOUT ROWID;"
    "CREATE TABLE child (id TEXT PRIMARY KEY, t INTEGER NOT NULL REFERENCES t (id), n REAL CHECK "
    "(n > 0),"
    " g AS (n * 2));"
    "CREATE TABLE loud (id INTEGER PRIMARY KEY, v TEXT);"
    "CREATE TRIGGER louder AFTER INSERT ON loud BEGIN UPDATE loud SET v = upper(v) WHERE id = "
    "NEW.id; END;"
    "INSERT INTO t VALUES (1, 'one', 'a'), (2, 'two', 'b'), (3, NULL, NULL);"
    "INSERT INTO any VALUES (1, 2, 3), ('x', x'00', 1.5); INSERT INTO child (id, t, n) VALUES "
    "('c', 1, 0.5)";
static const char history[] =
    "UPDATE t SET v = 'uno' WHERE id = 1; INSERT INTO t VALUES (4, "
    "'four', 'd'); DELETE FROM t WHERE id = 4;"
    "INSERT INTO loud VALUES (1, 'x');"
    "INSERT INTO __sync_conflicts (id, tbl, key, outcome, node, loser, winner, base_row, base, "
    "rev, "
    "state) VALUES (1, 't', '[1]', 'deferred', 'x', '{\"id\":1,\"v\":\"eins\"}', "
    "'{\"id\":1,\"v\":\"uno\"}', '{\"id\":1,\"v\":\"one\"}', 1, 2, 'open'), (2, 'child', "
    "'[\"c\"]', 'beaten', 'x', '{\"n\":-1}', NULL, NULL, 1, 1, 'closed')";
static const char *const deciders[] = {"alice", "dave", NULL};

static struct mantis_storage forgetful;
static const struct mantis_storage *real;

static enum mantis_status
forget (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = real->check (session, error);

  if (status != MANTIS_OK)
    return status;
  real->rollback (session);
  return MANTIS_OK;
}

static void
prepare (void)
{
  log_set_level (MANTIS_ERROR);
  if (!rig_open (tables) || !engine_sqlite.write (history))
    abort ();
  real = rig_store.ops;
  forgetful = *real;
  forgetful.commit = forget;
  rig_store.ops = &forgetful;
  rig_server.create_tables = true;
  rig_administrators (deciders);
  rig_server.limits.body_bytes = 1 << 20;
  atexit (rig_stop);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char letters[] = "plhcst";
  static const char *const names[] = {"push", "pull", "hello", "conflicts", "schema", "status"};
  const char *letter;
  char *body;

  if (!real)
    prepare ();
  if (size == 0 || !(letter = strchr (letters, tolower (data[0]))) || !*letter)
    return 0;
  if (!(body = malloc (size))) /* a NUL behind it, as a transport gives it */
    abort ();
  memcpy (body, data + 1, size - 1);
  body[size - 1] = '\0';
  if (ask_raw (isupper (data[0]) ? &curl : &node_a, names[letter - letters], body, size - 1) == 500)
    abort ();
  free (body);
  return 0;
}
