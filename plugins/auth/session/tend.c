/* tend.c - what is done now and then: uses are written down, expired sessions go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <string.h>

enum {
  PAGE = 500,
  PARTS = 16, /* of the shorter time: how exact it is */
  SOONEST = 1000,
  LATEST = 5 * 60 * 1000 /* milliseconds between two times */
};

static int64_t
interval_of (const struct session *self)
{
  int64_t shorter = self->lifetime < self->idle_timeout ? self->lifetime : self->idle_timeout;
  int64_t interval = shorter / PARTS;

  return interval < SOONEST ? SOONEST : interval > LATEST ? LATEST : interval;
}

/* ---- Uses ------------------------------------------------------------------------------------ */

/* In a write transaction.  A session that has ended meanwhile must not come back as half a row. */
static enum mantis_status
write_use (struct mantis_keep *keep, const struct use *use, struct mantis_arena *arena,
           struct mantis_error *error)
{
  struct mantis_value row[SESSION_COLUMNS] = {[SESSION_HASH] = text_value (use->hash)};
  mantis_row found;
  enum mantis_status status = mantis_keep_get (keep, &session_sessions, row, arena, &found, error);

  if (status != MANTIS_OK || !found || integer_of (&found[SESSION_USED_AT]) >= use->at)
    return status;
  row[SESSION_USED_AT] = integer_value (use->at);
  return mantis_keep_put (keep, &session_sessions, row, error);
}

static enum mantis_status
write_uses (struct session *self, struct mantis_keep *keep, struct mantis_arena *arena,
            struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  bool begun = false;
  struct use use;

  for (;;) {
    bool more;
    pthread_mutex_lock (&self->lock);
    more = uses_take (&self->uses, &use);
    pthread_mutex_unlock (&self->lock);
    if (!more || status != MANTIS_OK)
      break;
    if (!begun)
      status = mantis_keep_begin (keep, true, error);
    begun = true;
    mantis_arena_reset (arena);
    if (status == MANTIS_OK)
      status = write_use (keep, &use, arena, error);
  }
  if (begun && status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  return status;
}

/* ---- Expired sessions ------------------------------------------------------------------------ */

static bool
is_over (const struct session *self, mantis_row row, int64_t now)
{
  return now >= integer_of (&row[SESSION_EXPIRES_AT]) ||
         now - integer_of (&row[SESSION_USED_AT]) >= self->idle_timeout;
}

/* A page of sessions after *LAST ("": from the first): those that are over go. */
static enum mantis_status
sweep_page (const struct session *self, struct mantis_keep *keep, char last[HASH_LENGTH + 1],
            struct mantis_arena *arena, bool *end, struct mantis_error *error)
{
  const struct mantis_value after[SESSION_COLUMNS] = {[SESSION_HASH] = text_value (last)};
  int64_t now = mantis_now ();
  const mantis_row *rows;
  bool writing = false;
  size_t count;
  enum mantis_status status = mantis_keep_begin (keep, false, error);

  if (status == MANTIS_OK)
    status = mantis_keep_scan (keep, &session_sessions, *last ? after : NULL, PAGE, arena, &rows,
                               &count, end, error);
  mantis_keep_rollback (keep);
  for (size_t i = 0; status == MANTIS_OK && i < count; i++) {
    const char *hash = text_of (&rows[i][SESSION_HASH]);
    if (i + 1 == count && strlen (hash) <= HASH_LENGTH)
      strcpy (last, hash);
    if (!is_over (self, rows[i], now))
      continue;
    if (!writing)
      status = mantis_keep_begin (keep, true, error);
    writing = true;
    if (status == MANTIS_OK)
      status = mantis_keep_delete (keep, &session_sessions, rows[i], error);
  }
  if (writing && status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  return status;
}

static enum mantis_status
sweep (const struct session *self, struct mantis_keep *keep, struct mantis_arena *arena,
       struct mantis_error *error)
{
  char last[HASH_LENGTH + 1] = "";
  enum mantis_status status = MANTIS_OK;

  for (bool end = false; status == MANTIS_OK && !end;) {
    mantis_arena_reset (arena);
    status = sweep_page (self, keep, last, arena, &end, error);
  }
  return status;
}

enum mantis_status
session_tend (void *data, struct mantis_keep *keep, int64_t *after, struct mantis_error *error)
{
  struct session *self = data;
  struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status = arena ? write_uses (self, keep, arena, error)
                                    : mantis_fail (error, MANTIS_FAILED, "no memory left");

  if (status == MANTIS_OK)
    status = sweep (self, keep, arena, error);
  *after = interval_of (self);
  mantis_arena_free (arena);
  return status;
}
