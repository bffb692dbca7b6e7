/* sight.c - what a principal sees of a table, asked of the server part by part.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/explain.h"

#include "base/base.h"
#include "daemon/token.h"

#include <stdlib.h>
#include <string.h>

/* The JSON value of option NAME; NULL where it is not given, or ERROR has a status. */
static json_t *
read_option (const char *name, const char *text, bool wanted_object, struct mantis_error *error)
{
  json_t *json;

  if (!text)
    return NULL;
  json = json_loads (text, JSON_REJECT_DUPLICATES, NULL);
  if (wanted_object ? json_is_object (json) : json_is_array (json))
    return json;
  json_decref (json);
  mantis_fail (error, MANTIS_INVALID, "%s is JSON, %s, not \"%s\"", name,
               wanted_object ? "an object such as {\"shop\": 7}" : "a list such as [\"n-1\"]",
               text);
  return NULL;
}

static void
add_token (const char *file, json_t *question, struct mantis_error *error)
{
  struct token token = {.file = file};

  if (!token_read (&token))
    mantis_fail (error, MANTIS_INVALID, "there is no token in %s", file);
  else
    json_object_set_new (question, "token", json_string (token.text));
  token_free (&token);
}

json_t *
sight_question (const struct ctl *ctl, struct mantis_error *error)
{
  const char *table = ctl->words[ctl->token_file ? 0 : 1];
  json_t *question = json_object (), *part;

  *error = (struct mantis_error){.status = MANTIS_OK};
  json_object_set_new (question, "table", json_string (table));
  if (ctl->token_file)
    add_token (ctl->token_file, question, error);
  else
    json_object_set_new (question, "principal", json_string (ctl->words[0]));
  if ((part = read_option ("--claims", ctl->claims, true, error)))
    json_object_set_new (question, "claims", part);
  if ((part = read_option ("--key", ctl->key, false, error)))
    json_object_set_new (question, "key", part);
  if (ctl->node)
    json_object_set_new (question, "node", json_string (ctl->node));
  if (ctl->keys && (!*ctl->keys || ctl->keys[strspn (ctl->keys, "0123456789")]))
    mantis_fail (error, MANTIS_INVALID, "--keys is a number, not \"%s\"", ctl->keys);
  if (error->status == MANTIS_OK && !ctl->token_file && !json_object_get (question, "principal"))
    mantis_fail (error, MANTIS_INVALID, "explain: a name that is not UTF-8");
  if (error->status == MANTIS_OK)
    return question;
  json_decref (question);
  return NULL;
}

static int
ask (struct ctl *ctl, const json_t *question, json_t **whole, const json_t **answer)
{
  CLEANUP_FREE char *text = json_dumps (question, JSON_COMPACT);

  return text ? ctl_ask (ctl, "explain", text, NULL, whole, answer) : EXIT_FAILED;
}

/* NAME of SUM grows by what PART says. */
static void
add_number (json_t *sum, const json_t *part, const char *name)
{
  json_int_t more = json_integer_value (json_object_get (part, name));

  json_object_set_new (sum, name,
                       json_integer (json_integer_value (json_object_get (sum, name)) + more));
}

/* What PART, a further look at the same table, adds to SUM. */
static void
add_part (json_t *sum, const json_t *part, size_t keys)
{
  json_t *mine = json_object_get (sum, "hidden_by"), *list = json_object_get (sum, "keys"), *key;
  const json_t *theirs = json_object_get (part, "hidden_by");
  size_t i;

  add_number (sum, part, "rows");
  add_number (sum, part, "seen");
  for (i = 0; i < json_array_size (mine); i++)
    json_array_set_new (mine, i,
                        json_integer (json_integer_value (json_array_get (mine, i)) +
                                      json_integer_value (json_array_get (theirs, i))));
  json_array_foreach (json_object_get (part, "keys"), i, key)
  {
    if (json_array_size (list) < keys)
      json_array_append (list, key);
  }
}

/* What may be written, tried on a row that is seen. */
static int
try_example (struct ctl *ctl, json_t *question, json_t *sum)
{
  json_t *key = json_array_get (json_object_get (sum, "keys"), 0), *whole, *row;
  const json_t *answer;
  int result;

  json_object_del (question, "after");
  json_object_set (question, "key", key);
  if ((result = ask (ctl, question, &whole, &answer)) == EXIT_CLEAN) {
    row = json_object_get (answer, "row");
    json_object_set (row, "key", key);
    json_object_set (sum, "example", row);
  }
  json_decref (whole);
  return result;
}

int
sight_ask (struct ctl *ctl, json_t *question, json_t **sum)
{
  size_t keys = ctl->keys ? strtoul (ctl->keys, NULL, 10) : 0;
  int result = EXIT_CLEAN;
  bool end = false;

  *sum = NULL;
  json_object_set_new (question, "keys", json_integer ((json_int_t)(keys ? keys : 1)));
  while (!end && result == EXIT_CLEAN) {
    const json_t *answer;
    json_t *whole;
    if ((result = ask (ctl, question, &whole, &answer)) == EXIT_CLEAN) {
      end = !json_is_false (json_object_get (answer, "end"));
      json_object_set (question, "after", json_object_get (answer, "after"));
      if (*sum)
        add_part (*sum, answer, keys ? keys : 1);
      else
        *sum = json_deep_copy (answer);
    }
    json_decref (whole);
  }
  if (result == EXIT_CLEAN && json_array_size (json_object_get (*sum, "keys")) > 0)
    result = try_example (ctl, question, *sum);
  if (result == EXIT_CLEAN && !keys)
    json_object_del (*sum, "keys");
  if (result == EXIT_CLEAN) {
    json_object_del (*sum, "after");
    json_object_del (*sum, "end");
  }
  return result;
}
