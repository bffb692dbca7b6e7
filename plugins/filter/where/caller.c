/* caller.c - values of the parameters, from who is asking.
 *
 * :sub is the principal's subject, :node the id of the node, and any other name a claim of that name: text, a number, true
 * and false as 1 and 0, arrays and objects as JSON text.  A claim that is missing is NULL.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *
read_claims (const struct mantis_caller *caller)
{
  const char *text = caller->principal->claims;

  return text ? json_loads (text, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static json_t *
text_or_null (const char *text)
{
  return text ? json_string (text) : json_null ();
}

/* A new reference; NULL: it has no JSON form (no UTF-8), or there is no memory. */
static json_t *
value_of (const char *name, const struct mantis_caller *caller, const json_t *claims)
{
  json_t *claim;

  if (strcmp (name, "sub") == 0)
    return text_or_null (caller->principal->subject);
  if (strcmp (name, "node") == 0)
    return text_or_null (caller->node);
  claim = json_object_get (claims, name);
  return claim ? json_incref (claim) : json_null ();
}

/* VALUE stays where it is as long as it is bound. */
static int
bind_json (sqlite3_stmt *statement, int at, const json_t *value)
{
  switch (json_typeof (value)) {
  case JSON_TRUE:
  case JSON_FALSE:
    return sqlite3_bind_int (statement, at, json_is_true (value));
  case JSON_INTEGER:
    return sqlite3_bind_int64 (statement, at, json_integer_value (value));
  case JSON_REAL:
    return sqlite3_bind_double (statement, at, json_real_value (value));
  case JSON_STRING:
    return sqlite3_bind_text64 (statement, at, json_string_value (value),
                                json_string_length (value), SQLITE_STATIC, SQLITE_UTF8);
  default:
    return sqlite3_bind_null (statement, at);
  }
}

/* ---- Who is known ------------------------------------------------------------------------------- */

/* A caller, and the values of the parameters of both statements, one behind the other. */
struct known {
  struct known *next;
  uint64_t hash;
  size_t length; /* of the identity: bytes that tell it from any other, behind the values */
  size_t count;
  json_t *values[];
};

/* A caller as bytes that tell it from any other. */
struct identity {
  const char *parts[3];
  size_t lengths[3]; /* each with its NUL; one that is not there has none */
  size_t length;
  uint64_t hash;
};

static uint64_t
add_hash (uint64_t hash, const char *bytes, size_t length)
{
  uint64_t word;

  for (; length; bytes += word, length -= word) {
    uint64_t some = 0;
    word = length < sizeof some ? length : sizeof some;
    memcpy (&some, bytes, word);
    hash = (hash ^ some) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash;
}

static struct identity
identity_of (const struct mantis_caller *caller)
{
  const struct mantis_principal *principal = caller->principal;
  struct identity identity = {.parts = {principal->subject, principal->claims, caller->node}};

  for (size_t i = 0; i < 3; i++) {
    identity.lengths[i] = identity.parts[i] ? strlen (identity.parts[i]) + 1 : 0;
    identity.length += identity.lengths[i];
    identity.hash = add_hash (identity.hash + i, identity.parts[i], identity.lengths[i]);
  }
  return identity;
}

static bool
is_known_as (const struct known *known, const struct identity *identity)
{
  const char *at = (const char *)&known->values[known->count];

  if (known->hash != identity->hash || known->length != identity->length)
    return false;
  for (size_t i = 0; i < 3; at += identity->lengths[i++])
    if (memcmp (at, identity->parts[i] ? identity->parts[i] : "", identity->lengths[i]) != 0)
      return false;
  return true;
}

static void
known_free (struct known *known)
{
  for (size_t i = 0; i < known->count; i++)
    json_decref (known->values[i]);
  free (known);
}

void
callers_forget (struct asker *asker)
{
  for (size_t i = 0; i < KNOWN_CHAINS; i++)
    for (struct known *known; (known = asker->known[i]);) {
      asker->known[i] = known->next;
      known_free (known);
    }
  asker->known_bytes = 0;
  asker->bound[READ] = asker->bound[WRITE] = NULL;
}

/* What is no single value is its JSON text. */
static json_t *
parameter_of (const char *name, const struct mantis_caller *caller, const json_t *claims)
{
  json_t *value = value_of (name, caller, claims), *made;
  char *text;

  if (!value || !(json_is_array (value) || json_is_object (value)))
    return value;
  text = json_dumps (value, JSON_COMPACT);
  made = text ? json_string (text) : NULL;
  free (text);
  json_decref (value);
  return made;
}

static bool
find_values (struct known *known, const struct asker *asker, const struct mantis_caller *caller,
             const json_t *claims)
{
  size_t at = 0;

  for (int rule = READ; rule <= WRITE; rule++) {
    int count = sqlite3_bind_parameter_count (asker->statements[rule]);
    for (int i = 1; i <= count; i++, at++) {
      const char *name = sqlite3_bind_parameter_name (asker->statements[rule], i) + 1;
      if (!(known->values[at] = parameter_of (name, caller, claims)))
        return false;
    }
  }
  return true;
}

/* NULL: its values cannot be had. */
static struct known *
learn (struct asker *asker, const struct mantis_caller *caller, const struct identity *identity)
{
  const struct rule *rules = asker->form->rules;
  size_t count = (size_t)sqlite3_bind_parameter_count (asker->statements[READ]) +
                 (size_t)sqlite3_bind_parameter_count (asker->statements[WRITE]);
  size_t size = sizeof (struct known) + count * sizeof (json_t *) + identity->length;
  struct known *known = calloc (1, size), **chain = &asker->known[identity->hash % KNOWN_CHAINS];
  json_t *claims;
  char *at;
  bool done;

  if (!known)
    return NULL;
  known->hash = identity->hash;
  known->length = identity->length;
  known->count = count;
  at = (char *)&known->values[count];
  for (size_t i = 0; i < 3; at += identity->lengths[i++])
    memcpy (at, identity->parts[i] ? identity->parts[i] : "", identity->lengths[i]);
  claims = rules[READ].asks_claims || rules[WRITE].asks_claims ? read_claims (caller) : NULL;
  done = find_values (known, asker, caller, claims);
  json_decref (claims);
  if (!done) {
    known_free (known);
    return NULL;
  }
  if (asker->known_bytes > MOST_KNOWN)
    callers_forget (asker);
  asker->known_bytes += size + count * VALUE_BYTES;
  known->next = *chain;
  return *chain = known;
}

bool
caller_bind (struct asker *asker, int rule, const struct mantis_caller *caller)
{
  const struct identity identity = identity_of (caller);
  sqlite3_stmt *statement = asker->statements[rule];
  struct known *known = asker->bound[rule];
  size_t first = 0;
  int count = sqlite3_bind_parameter_count (statement), code = SQLITE_OK;

  if (known && is_known_as (known, &identity))
    return true;
  known = asker->known[identity.hash % KNOWN_CHAINS];
  while (known && !is_known_as (known, &identity))
    known = known->next;
  asker->bound[rule] = NULL;
  if (!known && !(known = learn (asker, caller, &identity)))
    return false;
  if (rule == WRITE)
    first = (size_t)sqlite3_bind_parameter_count (asker->statements[READ]);
  sqlite3_reset (statement);
  for (int at = 1; at <= count && code == SQLITE_OK; at++)
    code = bind_json (statement, at, known->values[first + (size_t)at - 1]);
  if (code == SQLITE_OK)
    asker->bound[rule] = known;
  return code == SQLITE_OK;
}

void
caller_view (const struct rule *rule, const struct mantis_caller *caller, struct mantis_buf *view)
{
  json_t *claims = rule->asks_claims ? read_claims (caller) : NULL;

  for (size_t i = 0; i < rule->parameter_count; i++) {
    json_t *value = value_of (rule->parameters[i], caller, claims);
    char *text = value ? json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    mantis_buf_printf (view, "%s=%s\n", rule->parameters[i], text ? text : "");
    free (text);
    json_decref (value);
  }
  json_decref (claims);
}
