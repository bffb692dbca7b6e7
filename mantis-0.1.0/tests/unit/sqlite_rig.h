/* sqlite_rig.h - a database, an application that writes to it, and a session of the storage.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SQLITE_RIG_H
#define MANTIS_SQLITE_RIG_H

#include "law.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct engine *const engine = &engine_sqlite;
static const struct mantis_storage *storage;
static void *self;
static struct mantis_session *session;
static struct mantis_error error;
static const struct mantis_schema *schema;

#define OK(call)                                                                                   \
  do {                                                                                             \
    enum mantis_status status_ = (call);                                                           \
    ck_assert_msg (status_ == MANTIS_OK, "%s: status %d: %s", #call, status_, error.text);         \
  } while (0)
#define WRITES(sql) ck_assert_msg (engine->write (sql), "%s", sql)

static inline void
set_up (void)
{
  storage = engine->plugin->ops;
  self = engine->make ();
  OK (engine->plugin->start (self, &error));
}

static inline void
tear_down (void)
{
  if (session)
    storage->close (session);
  session = NULL;
  engine->plugin->stop (self);
  engine->discard (self);
}

static inline void
attach (enum mantis_role role)
{
  if (!session)
    OK (storage->open (self, role, &session, &error));
  while (storage->begin (session, MANTIS_WRITE, &error) == MANTIS_STALE)
    ;
  OK (storage->attach (session, NULL, &schema, &error));
  OK (storage->commit (session, &error));
}

static inline const struct mantis_attached *
find (const char *name)
{
  for (size_t i = 0; i < schema->count; i++)
    if (strcmp (schema->tables[i].table->name, name) == 0)
      return &schema->tables[i];
  ck_abort_msg ("%s is not listed", name);
}

static inline const char *
refusal_of (const char *name)
{
  return find (name)->table->refusal ? find (name)->table->refusal : "";
}

/* The number that SQL gives. */
static inline long
number (const char *sql)
{
  char *text = engine->ask (sql);
  long value = text ? atol (text) : -1;

  free (text);
  return value;
}

#endif
