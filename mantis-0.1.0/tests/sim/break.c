/* break.c - an engine that is broken on purpose, one rule at a time, to see that the oracle notices.
 *
 * What is between the engine and its storage, or between two engines, is bent: a rule that is so
 * undermined is as good as taken out, and nothing of this is in the engine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

extern const struct mantis_plugin plugin_sqlite;

enum flaw {
  NO_FLAW,
  LOSE_ENTRY,      /* a device's log loses one entry in ten */
  FORGET_VERSIONS, /* a server does not know which version a row has */
  FORGET_AUTHORS,  /* ... nor who wrote it */
  KEEP_NO_LOSER,   /* nothing is ever written into __sync_conflicts */
  ONLY_PROMISE,    /* a push is answered, and not applied */
  APPLY_AGAIN,     /* a push that comes once more is applied once more */
  SKIP_ROWS,       /* a page moves the cursor, and lacks its rows */
  OLD_ROWS         /* a page has the rows of the page before */
};

static const char *const names[] = {"",
                                    "lose-entry",
                                    "forget-versions",
                                    "forget-authors",
                                    "keep-no-loser",
                                    "only-promise",
                                    "apply-again",
                                    "skip-rows",
                                    "old-rows"};

static enum flaw flaw;

bool
break_rule (const char *name)
{
  for (size_t i = 1; i < COUNT_OF (names); i++)
    if (strcmp (names[i], name) == 0) {
      flaw = (enum flaw)i;
      return true;
    }
  return false;
}

const char *
broken_rule (void)
{
  return names[flaw];
}

/* ---- Storage ---- */

static const struct mantis_storage *
sound (void)
{
  return plugin_sqlite.ops;
}

/* Always the same entries: a lost one does not come back. */
static enum mantis_status
lossy_log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
                struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
                struct mantis_error *error)
{
  enum mantis_status status =
      sound ()->log_read (session, after, upto, limit, arena, entries, count, error);

  for (size_t i = 0; i < *count && status == MANTIS_OK; i++)
    if ((*entries)[i].seq % 10 == 7)
      (*entries)[i].table = NULL;
  return status;
}

static enum mantis_status
forgetful_versions (struct mantis_session *session, const struct mantis_table *table,
                    const mantis_row *keys, size_t count, struct mantis_arena *arena,
                    struct mantis_version *versions, struct mantis_error *error)
{
  enum mantis_status status =
      sound ()->versions (session, table, keys, count, arena, versions, error);

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    versions[i].origin = NULL;
    if (flaw == FORGET_VERSIONS)
      versions[i].rev = 0;
  }
  return status;
}

static enum mantis_status
careless_apply (struct mantis_session *session, const struct mantis_table *table,
                const struct mantis_change *const *changes, size_t count, size_t *done,
                struct mantis_error *error)
{
  if (strcmp (table->name, "__sync_conflicts") == 0) {
    *done = count;
    return MANTIS_OK;
  }
  return sound ()->apply (session, table, changes, count, done, error);
}

const struct mantis_storage *
storage_of (const struct node *node)
{
  static struct mantis_storage ops[2]; /* of the server, of devices */
  bool device = node->index > 0;
  struct mantis_storage *own = &ops[device];

  *own = *sound ();
  if (flaw == LOSE_ENTRY && device)
    own->log_read = lossy_log_read;
  if ((flaw == FORGET_VERSIONS || flaw == FORGET_AUTHORS) && !device)
    own->versions = forgetful_versions;
  if (flaw == KEEP_NO_LOSER)
    own->apply = careless_apply;
  return own;
}

/* ---- Messages ---- */

static bool
is_message (const struct parcel *parcel, const char *name)
{
  return strcmp (parcel->message, name) == 0;
}

static json_t *
read_text (const char *text)
{
  return json_loads (text, JSON_ALLOW_NUL, NULL);
}

static char *
write_text (json_t *json)
{
  return json_dumps (json, JSON_COMPACT | JSON_REAL_PRECISION (17));
}

void
break_repetition (struct parcel *parcel)
{
  json_t *body;

  if (flaw != APPLY_AGAIN || !is_message (parcel, "push") || !(body = read_text (parcel->body)))
    return;
  json_object_del (body, "number"); /* by which the server would know it */
  json_object_del (body, "nonce");
  free (parcel->body);
  parcel->body = write_text (body);
  parcel->length = strlen (parcel->body);
  json_decref (body);
}

bool
break_request (struct parcel *parcel)
{
  json_t *body, *answer;

  if (flaw != ONLY_PROMISE || !is_message (parcel, "push") ||
      !strstr (parcel->body, "\"rows\":[[") || !odds (8))
    return false;
  body = read_text (parcel->body);
  answer = json_pack ("{s:{}, s:[], s:O}", "outcomes", "exceptions", "number",
                      json_object_get (body, "number"));
  parcel->status = 200;
  parcel->answer = write_text (answer);
  parcel->answer_length = strlen (parcel->answer);
  json_decref (answer);
  json_decref (body);
  return true;
}

void
break_answer (struct parcel *parcel)
{
  char **last = &world->nodes[parcel->client].page;
  json_t *answer, *changes;

  if ((flaw != SKIP_ROWS && flaw != OLD_ROWS) || !is_message (parcel, "pull") ||
      parcel->status != 200 || !(answer = read_text (parcel->answer)))
    return;
  changes = json_incref (json_object_get (answer, "changes"));
  if (json_array_size (changes) && odds (8)) {
    json_t *other = flaw == OLD_ROWS && *last ? read_text (*last) : json_array ();
    json_object_set_new (answer, "changes", other);
    free (parcel->answer);
    parcel->answer = write_text (answer);
    parcel->answer_length = strlen (parcel->answer);
  }
  if (json_array_size (changes)) {
    free (*last);
    *last = write_text (changes);
  }
  json_decref (changes);
  json_decref (answer);
}
