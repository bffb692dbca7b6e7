/* questions.c - questions to resolvers that wait: asked outside any transaction, on a thread of somebody else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/questions.h"

#include "base/base.h"
#include "wire/block.h"
#include "wire/describe.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1000, MOST_BYTES = 64 * 1024 * 1024 };

enum stage { NEW, THINKING, ANSWERED };

struct question {
  struct question *next;
  uint64_t number;
  enum stage stage;
  bool heard;    /* the answer was made use of */
  int64_t since; /* as in struct hearing */
  struct instance *policy;
  const char *about; /* the row and who changed it */
  const char *text;  /* all of it: who asks the same has the same text */
  struct mantis_conflict conflict;
  struct mantis_change local, remote;
  enum mantis_decision decision;
  struct mantis_value *merged;
  const char *reason;
  size_t bytes;
  struct mantis_arena *arena; /* that all of this is in */
};

/* ---- Copies ---------------------------------------------------------------------------------- */

static bool
copy_values (struct mantis_value *to, mantis_row from, size_t count, struct mantis_arena *arena)
{
  for (size_t i = 0; i < count; i++) {
    to[i] = from[i];
    if (from[i].type != MANTIS_TEXT && from[i].type != MANTIS_BLOB)
      continue;
    if (!(to[i].as.bytes = mantis_arena_copy (arena, from[i].as.bytes, from[i].length)))
      return false;
  }
  return true;
}

static mantis_row
copy_row (mantis_row row, size_t count, struct mantis_arena *arena)
{
  struct mantis_value *copy = row ? arena_array (arena, count, sizeof *copy) : NULL;

  return copy && copy_values (copy, row, count, arena) ? copy : NULL;
}

/* The session that TABLE belongs to may close meanwhile. */
static enum mantis_status
copy_table (const struct mantis_table *table, struct mantis_arena *arena,
            const struct mantis_table **copy, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  CLEANUP_JSON json_t *json = NULL;

  table_encode (&buf, table);
  if (buf.failed)
    return mantis_fail (error, MANTIS_FULL, "no memory left to ask about a row");
  if (!(json = json_read (buf.bytes, buf.length, error)))
    return error->status;
  return table_decode (json, arena, copy, error);
}

static void
copy_change (struct mantis_change *copy, const struct mantis_change *change,
             const struct mantis_table *table, struct mantis_arena *arena)
{
  *copy = *change;
  copy->table = table;
  copy->row = copy_row (change->row, table->column_count, arena);
  copy->was = copy_row (change->was, table->column_count, arena);
  copy->origin = change->origin ? mantis_arena_strdup (arena, change->origin) : NULL;
}

static const struct mantis_stamp *
copy_stamps (const struct mantis_stamp *stamps, size_t count, struct mantis_arena *arena)
{
  struct mantis_stamp *copy = stamps ? arena_array (arena, count, sizeof *copy) : NULL;

  for (size_t i = 0; copy && i < count; i++)
    copy[i] = (struct mantis_stamp){
        stamps[i].time, stamps[i].origin ? mantis_arena_strdup (arena, stamps[i].origin) : NULL};
  return copy;
}

/* ---- What is asked --------------------------------------------------------------------------- */

static void
add_side (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row)
{
  mantis_buf_char (buf, '\n');
  if (row)
    row_encode (buf, table, row);
}

/* The row, and who changed it. */
static void
tell_about (struct mantis_buf *buf, const struct mantis_conflict *conflict)
{
  mantis_buf_printf (buf, "%s\n%s\n", conflict->table->name, conflict->remote->origin);
  key_encode (buf, conflict->table, conflict->remote->row);
}

/* Not its times: they grow with each try of a device whose clock is ahead. */
static void
tell_all (struct mantis_buf *buf, const struct mantis_conflict *conflict)
{
  const struct mantis_change *local = conflict->local, *remote = conflict->remote;

  tell_about (buf, conflict);
  mantis_buf_printf (buf, "\n%s\n%lld %d %d", conflict->table->fingerprint, (long long)local->rev,
                     local->deleted, remote->deleted);
  add_side (buf, conflict->table, local->row);
  add_side (buf, conflict->table, remote->row);
  add_side (buf, conflict->table, conflict->base);
}

static enum mantis_status
question_new (struct instance *policy, const struct mantis_conflict *conflict, const char *about,
              const char *text, struct question **made, struct mantis_error *error)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct question *question = arena ? mantis_arena_alloc (arena, sizeof *question) : NULL;
  enum mantis_status status =
      question ? MANTIS_OK : mantis_fail (error, MANTIS_FULL, "no memory left to ask about a row");
  const struct mantis_table *table;
  size_t count = conflict->table->column_count;

  if (status == MANTIS_OK)
    status = copy_table (conflict->table, arena, &table, error);
  if (status == MANTIS_OK && table->column_count != count)
    status = mantis_fail (error, MANTIS_FAILED, "a table that cannot be described");
  if (status == MANTIS_OK) {
    question->arena = arena;
    question->policy = policy;
    question->about = mantis_arena_strdup (arena, about);
    question->text = mantis_arena_strdup (arena, text);
    copy_change (&question->local, conflict->local, table, arena);
    copy_change (&question->remote, conflict->remote, table, arena);
    question->conflict =
        (struct mantis_conflict){.size = sizeof question->conflict,
                                 .table = table,
                                 .base = copy_row (conflict->base, count, arena),
                                 .local = &question->local,
                                 .remote = &question->remote,
                                 .stamps = copy_stamps (conflict->stamps, count, arena)};
    question->merged = arena_array (arena, count, sizeof *question->merged);
    question->bytes = mantis_arena_used (arena);
    if (mantis_arena_exhausted (arena))
      status = mantis_fail (error, MANTIS_FULL, "no memory left to ask about a row");
  }
  if (status == MANTIS_OK)
    *made = question;
  else
    mantis_arena_free (arena);
  return status;
}

/* ---- The list, locked ------------------------------------------------------------------------ */

static void
drop (struct questions *questions, struct question **at)
{
  struct question *question = *at;

  *at = question->next;
  questions->fresh -= question->stage == NEW;
  questions->count--;
  questions->bytes -= question->bytes;
  mantis_arena_free (question->arena);
}

/* Room for a question of BYTES: answers go, the oldest first. */
static bool
make_room (struct questions *questions, size_t bytes)
{
  for (struct question **at = &questions->first;
       *at && (questions->count >= MOST || questions->bytes + bytes > MOST_BYTES);)
    if ((*at)->stage == ANSWERED)
      drop (questions, at);
    else
      at = &(*at)->next;
  return questions->count < MOST && questions->bytes + bytes <= MOST_BYTES;
}

/* The question of POLICY with this TEXT; NULL: it was not asked.  Earlier ones about the same, which nobody will ask
 * again, go; *SINCE: when the first of them was asked. */
static struct question *
find (struct questions *questions, const struct instance *policy, const char *about,
      const char *text, int64_t *since)
{
  struct question *found = NULL;

  for (struct question **at = &questions->first; *at;) {
    struct question *question = *at;
    if (question->policy == policy && strcmp (question->text, text) == 0)
      found = question;
    else if (question->policy == policy && strcmp (question->about, about) == 0) {
      if (!question->heard && question->since < *since)
        *since = question->since;
      if (question->stage != THINKING) {
        drop (questions, at);
        continue;
      }
    }
    at = &question->next;
  }
  return found;
}

static void
append (struct questions *questions, struct question *question)
{
  struct question **end = &questions->first;

  while (*end)
    end = &(*end)->next;
  *end = question;
  questions->fresh++;
  question->number = ++questions->last;
  questions->count++;
  questions->bytes += question->bytes;
}

/* The answer for HEARING.  One that is none is forgotten, to be asked again. */
static enum mantis_status
take_answer (struct questions *questions, struct question *question, struct mantis_arena *arena,
             struct hearing *hearing, struct mantis_error *error)
{
  size_t count = question->conflict.table->column_count;

  hearing->state = ASKED_ANSWERED;
  hearing->decision = question->decision;
  hearing->merged = arena_array (arena, count, sizeof *hearing->merged);
  hearing->reason = question->reason ? mantis_arena_strdup (arena, question->reason) : NULL;
  if (!hearing->merged || !copy_values (hearing->merged, question->merged, count, arena))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  question->heard = true;
  if (question->decision < MANTIS_KEEP_LOCAL || question->decision > MANTIS_JOIN)
    for (struct question **at = &questions->first; *at; at = &(*at)->next)
      if (*at == question) {
        drop (questions, at);
        break;
      }
  return MANTIS_OK;
}

static enum mantis_status
hear (struct questions *questions, struct instance *policy, const struct mantis_conflict *conflict,
      const char *about, const char *text, struct mantis_arena *arena, struct hearing *hearing,
      struct mantis_error *error)
{
  int64_t now = mantis_monotonic (), since = now;
  struct question *question = find (questions, policy, about, text, &since);
  enum mantis_status status;

  if (question && question->stage == ANSWERED)
    return take_answer (questions, question, arena, hearing, error);
  if (!question) {
    if ((status = question_new (policy, conflict, about, text, &question, error)) != MANTIS_OK)
      return status;
    if (!make_room (questions, question->bytes)) {
      mantis_arena_free (question->arena);
      hearing->state = ASKED_FULL;
      return MANTIS_OK;
    }
    question->since = since;
    append (questions, question);
  }
  hearing->state = ASKED_WAITS;
  hearing->question = question->number;
  hearing->since = question->since;
  return MANTIS_OK;
}

/* ---- For all ---------------------------------------------------------------------------------- */

enum mantis_status
questions_hear (struct questions *questions, struct instance *policy,
                const struct mantis_conflict *conflict, struct mantis_arena *arena,
                struct hearing *hearing, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf about = MANTIS_BUF_INIT;
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  enum mantis_status status;

  *hearing = (struct hearing){.state = ASKED_FULL};
  tell_about (&about, conflict);
  tell_all (&text, conflict);
  if (about.failed || text.failed)
    return mantis_fail (error, MANTIS_FULL, "no memory left to ask about a row");
  pthread_mutex_lock (&questions->lock);
  status = hear (questions, policy, conflict, about.bytes, text.bytes, arena, hearing, error);
  pthread_mutex_unlock (&questions->lock);
  return status;
}

bool
questions_settled (struct questions *questions, uint64_t number)
{
  const struct question *question;
  bool settled;

  pthread_mutex_lock (&questions->lock);
  for (question = questions->first; question && question->number != number;)
    question = question->next;
  settled = !question || question->stage == ANSWERED;
  pthread_mutex_unlock (&questions->lock);
  return settled;
}

static bool
is_busy (const struct questions *questions, const struct instance *policy)
{
  for (const struct question *q = questions->first; q && !policy->parallel; q = q->next)
    if (q->policy == policy && q->stage == THINKING)
      return true;
  return false;
}

struct question *
questions_next (struct questions *questions)
{
  struct question *question;

  pthread_mutex_lock (&questions->lock);
  for (question = questions->first;
       question && (question->stage != NEW || is_busy (questions, question->policy));)
    question = question->next;
  if (question) {
    question->stage = THINKING;
    questions->fresh--;
  }
  pthread_mutex_unlock (&questions->lock);
  return question;
}

void
question_ask (struct questions *questions, struct question *question)
{
  const struct mantis_resolver *ops = question->policy->ops;
  struct mantis_error reason = {.status = MANTIS_OK};
  enum mantis_decision decision;
  const char *text;

  instance_lock (question->policy);
  decision = ops->decide (question->policy->self, &question->conflict, question->merged,
                          question->arena, &reason);
  instance_unlock (question->policy);
  text = *reason.text ? mantis_arena_strdup (question->arena, reason.text) : NULL;
  pthread_mutex_lock (&questions->lock);
  question->decision = decision;
  question->reason = text;
  question->stage = ANSWERED;
  questions->bytes += mantis_arena_used (question->arena) - question->bytes;
  question->bytes = mantis_arena_used (question->arena);
  pthread_mutex_unlock (&questions->lock);
}

void
questions_free (struct questions *questions)
{
  while (questions->first)
    drop (questions, &questions->first);
}
