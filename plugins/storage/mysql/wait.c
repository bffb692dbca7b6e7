/* wait.c - who waits for whom, where tables are changed.
 *
 * Whoever changes a table waits for the transactions that use it, and everybody who comes later waits behind
 * him.  So attach() waits for a second at most, and then leaves the application alone for longer: a truce.
 * There are two.  One is of the triggers: tables that lack theirs are left out until they can be made, which
 * the session that looks for news tries again; all others are synced.  One is of all that attach() does: while
 * others hold what it needs for all tables, it is not tried at all.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <stdio.h>

enum { FIRST_TRUCE_US = 1000 * 1000, LAST_TRUCE_US = 10 * 1000 * 1000 };

static void
lengthen (struct truce *truce)
{
  truce->length = truce->length ? truce->length * 2 : FIRST_TRUCE_US;
  if (truce->length > LAST_TRUCE_US)
    truce->length = LAST_TRUCE_US;
  truce->until = mantis_monotonic () + truce->length;
}

enum mantis_status
wait_for_tables (struct mantis_session *session, long long seconds, struct mantis_error *error)
{
  if (seconds == 0 && !session->mariadb) /* whose shortest is this */
    seconds = 1;
  return runf (session, error, "SET SESSION lock_wait_timeout = %lld", seconds);
}

/* ---- All that attach() does ---- */

enum mantis_status
may_change_tables (struct mysql *storage, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  pthread_mutex_lock (&storage->lock);
  if (mantis_monotonic () < storage->truce.until) {
    status = storage->waits_for.status;
    if (error)
      *error = storage->waits_for;
  }
  pthread_mutex_unlock (&storage->lock);
  return status;
}

void
note_attach (struct mysql *storage, enum mantis_status status, const struct mantis_error *error)
{
  pthread_mutex_lock (&storage->lock);
  if (status == MANTIS_BUSY) {
    if (storage->truce.length == 0 && storage->was_attached) /* else mantisd says that it waits */
      mantis_log (MANTIS_WARNING, "%s", error->text);
    lengthen (&storage->truce);
    storage->waits_for = *error;
  } else if (status == MANTIS_OK) {
    storage->was_attached = true;
    storage->truce = (struct truce){0};
  }
  pthread_mutex_unlock (&storage->lock);
}

/* ---- Triggers ---- */

void
note_tables (struct mysql *storage, bool owed)
{
  pthread_mutex_lock (&storage->lock);
  if (owed)
    lengthen (&storage->tables);
  else
    storage->tables = (struct truce){0};
  pthread_mutex_unlock (&storage->lock);
}

bool
tables_are_due (struct mysql *storage)
{
  bool due;

  pthread_mutex_lock (&storage->lock);
  due = mantis_monotonic () >= storage->tables.until;
  pthread_mutex_unlock (&storage->lock);
  return due;
}

bool
owes_triggers (struct mysql *storage)
{
  bool owes;

  pthread_mutex_lock (&storage->lock);
  owes = !storage->was_attached || storage->tables.length > 0;
  pthread_mutex_unlock (&storage->lock);
  return owes;
}

/* ---- Another attach() ---- */

/* What changes the schema commits: a lock of the session keeps another attach() out, until what was found is
 * committed. */
#define LOCK_NAME "concat('mantis/', left(DATABASE(), 50))"

enum mantis_status
lock_schema (struct mantis_session *session, struct mantis_error *error)
{
  char sql[200];
  int64_t got;
  enum mantis_status status;

  snprintf (sql, sizeof sql, "SELECT GET_LOCK(" LOCK_NAME ", %lld)",
            lock_seconds (session->storage));
  status = ask_integer (session, sql, 0, &got, error);
  if (!status && !got)
    return mantis_fail (error, MANTIS_BUSY, "%s: another mantisd is attaching to it",
                        session->storage->name);
  session->holds_schema = !status;
  return status;
}

void
leave_schema (struct mantis_session *session)
{
  session->holds_schema = false;
  run (session, "DO RELEASE_LOCK(" LOCK_NAME ")", NULL);
  wait_for_tables (session, lock_seconds (session->storage), NULL);
}
