/* notice.c - did somebody commit?  Is the schema still the one that was attached to?
 *
 * The engine tells nobody of commits, so this asks: two look-ups by key while nothing happens.  What it
 * finds in the outbox is numbered at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

enum { TRIGGERS_US = 2 * 1000 * 1000 };

/* There is no descriptor: look() is asked again and again. */
int
notice_watch (void *self, struct mantis_error *error)
{
  (void)self, (void)error;
  return -1;
}

enum mantis_status
check_schema (struct mantis_session *session, struct mantis_error *error)
{
  int64_t now = mantis_monotonic ();
  long long news = session->storage->news;
  uint64_t signature, shape;
  enum mantis_status status;

  if (!session->attached ||
      (session->checked_at && session->news == news &&
       now - session->checked_at < session->storage->schema_check * 1000))
    return MANTIS_OK;
  session->news = news;
  if ((status = read_signature (session, &signature, &shape, error)))
    return status;
  session->checked_at = now;
  if (signature == session->signature)
    return MANTIS_OK;
  session->attached = false; /* so that the next begin() lets the caller attach */
  return mantis_fail (error, MANTIS_STALE, "%s: the schema has changed", session->storage->name);
}

/* What a program did to the schema: *CHANGED, and begin() will say MANTIS_STALE. */
static enum mantis_status
look_at_schema (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  int64_t now = mantis_monotonic (), triggers;
  uint64_t signature, shape;
  enum mantis_status status = MANTIS_OK;

  if (now - session->checked_at < session->storage->schema_check * 1000)
    return MANTIS_OK;
  session->checked_at = now;
  if ((*changed = !session->attached)) /* attach() was kept from it, e.g. by another's */
    return MANTIS_OK;
  if (now - session->triggers_at > TRIGGERS_US) {
    session->triggers_at = now;
    if ((status = read_trigger_hash (session, &triggers, error)))
      return status;
    if (triggers != session->triggers)
      status = runf (session, error, "REPLACE INTO __sync_counter (id, seq) VALUES (2, %lld)",
                     (long long)triggers);
  }
  if (status || (status = read_signature (session, &signature, &shape, error)))
    return status;
  if ((*changed = signature != session->signature))
    session->storage->news++; /* begin() looks for itself, in each session */
  return MANTIS_OK;
}

enum mantis_status
notice_look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status = find_connection (session, error);
  int64_t seq;

  *changed = false;
  if (!status)
    status = look_at_schema (session, changed, error);
  if (!status)
    status =
        ask (session,
             "SELECT seq, EXISTS (SELECT 1 FROM __sync_outbox) FROM __sync_counter WHERE id = 1",
             &result, error);
  if (status || !next_row (&result))
    return status;
  seq = integer_at (&result, 0);
  if (integer_at (&result, 1)) {
    if ((status = number_now (session, error)))
      return status;
    seq = session->seq;
  }
  *changed |= !session->looked || (seq != session->looked_seq && seq != session->own_seq);
  session->looked = true;
  session->looked_seq = seq;
  return MANTIS_OK;
}
