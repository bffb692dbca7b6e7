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

static int
bind_json (sqlite3_stmt *statement, int at, const json_t *value)
{
  char *text;

  switch (json_typeof (value)) {
  case JSON_NULL:
    return sqlite3_bind_null (statement, at);
  case JSON_TRUE:
  case JSON_FALSE:
    return sqlite3_bind_int (statement, at, json_is_true (value));
  case JSON_INTEGER:
    return sqlite3_bind_int64 (statement, at, json_integer_value (value));
  case JSON_REAL:
    return sqlite3_bind_double (statement, at, json_real_value (value));
  case JSON_STRING:
    return sqlite3_bind_text (statement, at, json_string_value (value),
                              (int)json_string_length (value), SQLITE_TRANSIENT);
  default:
    text = json_dumps (value, JSON_COMPACT);
    return text ? sqlite3_bind_text (statement, at, text, -1, free) : SQLITE_NOMEM;
  }
}

static bool
bind_all (sqlite3_stmt *statement, const struct mantis_caller *caller, const json_t *claims)
{
  int count = sqlite3_bind_parameter_count (statement), code = SQLITE_OK;

  sqlite3_reset (statement);
  for (int at = 1; at <= count && code == SQLITE_OK; at++) {
    json_t *value = value_of (sqlite3_bind_parameter_name (statement, at) + 1, caller, claims);
    code = value ? bind_json (statement, at, value) : SQLITE_NOMEM;
    json_decref (value);
  }
  return code == SQLITE_OK;
}

/* A caller as bytes that tell it from any other. */
struct identity {
  const char *parts[3];
};

static struct identity
identity_of (const struct mantis_caller *caller)
{
  const struct mantis_principal *principal = caller->principal;

  return (struct identity){{principal->subject, principal->claims, caller->node}};
}

/* BUF has each part with its NUL; one that is not there has none. */
static bool
is_bound (const struct mantis_buf *buf, const struct identity *identity)
{
  size_t at = 0;

  for (size_t i = 0; i < 3; i++) {
    size_t length = identity->parts[i] ? strlen (identity->parts[i]) + 1 : 0;
    if (buf->length - at < length ||
        (length && memcmp (buf->bytes + at, identity->parts[i], length)))
      return false;
    at += length;
  }
  return at && at == buf->length;
}

bool
caller_bind (struct asker *asker, const struct mantis_caller *caller)
{
  const struct identity identity = identity_of (caller);
  const struct rule *rules = asker->form->rules;
  json_t *claims;
  bool done;

  if (is_bound (&asker->bound, &identity))
    return true;
  mantis_buf_clear (&asker->bound);
  claims = rules[READ].asks_claims || rules[WRITE].asks_claims ? read_claims (caller) : NULL;
  done = bind_all (asker->statements[READ], caller, claims) &&
         bind_all (asker->statements[WRITE], caller, claims);
  json_decref (claims);
  for (size_t i = 0; done && i < 3; i++)
    if (identity.parts[i])
      mantis_buf_add (&asker->bound, identity.parts[i], strlen (identity.parts[i]) + 1);
  return done && !asker->bound.failed;
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
