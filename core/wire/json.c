/* json.c - reading a message: jansson within a budget, and members with their JSON path in errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/json.h"

#include "base/base.h"

#include <locale.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tree of many tiny values takes a hundred times the memory of its text.  While a message is read, each
 * thread counts what jansson takes, and jansson is told "no memory" when the budget is used up.  The memory
 * itself is malloc's own, as others in this process (cjose, an embedding application) free with free() what
 * jansson gave them, and have us free what they took before json_start(). */
enum { BUDGET_FACTOR = 16, BUDGET_BASE = 1024 * 1024 };

static _Thread_local size_t budget = SIZE_MAX;
static _Thread_local bool used_up; /* jansson has other words for it, wherever it was just then */

/* An application that Mantis is part of may have set any locale; jansson only knows decimal points of one
 * byte, and gives up the process over another. */
static locale_t plain_locale;

static void *
counted_malloc (size_t size)
{
  size_t got;
  void *pointer = size <= budget ? malloc (size) : NULL;

  used_up |= size > budget;
  if (pointer && budget != SIZE_MAX) {
    got = malloc_usable_size (pointer);
    budget -= got < budget ? got : budget;
  }
  return pointer;
}

static void
counted_free (void *pointer)
{
  if (pointer && budget != SIZE_MAX)
    budget += malloc_usable_size (pointer);
  free (pointer);
}

void
json_start (void)
{
  json_set_alloc_funcs (counted_malloc, counted_free);
  if (!plain_locale)
    plain_locale = newlocale (LC_NUMERIC_MASK, "C", NULL);
}

json_t *
json_read (const char *body, size_t length, struct mantis_error *error)
{
  json_error_t where;
  locale_t locale;
  json_t *json;

  /* To jansson a NUL byte after the document is its end, whatever follows. */
  if (length && memchr (body, '\0', length)) {
    mantis_fail (error, MANTIS_INVALID, "the body is not JSON: it holds a NUL byte");
    return NULL;
  }
  locale = uselocale (plain_locale);
  budget = length * BUDGET_FACTOR + BUDGET_BASE;
  used_up = false;
  json = json_loadb (body, length, JSON_ALLOW_NUL, &where);
  budget = SIZE_MAX;
  uselocale (locale);
  if (!json && used_up) {
    mantis_fail (error, MANTIS_INVALID,
                 "the body has far more members or elements than others of its size: send less");
    return NULL;
  }
  if (!json) {
    mantis_fail (error, MANTIS_INVALID, "the body is not JSON: line %d, column %d: %s", where.line,
                 where.column, where.text);
    return NULL;
  }
  if (!json_is_object (json)) {
    mantis_fail (error, MANTIS_INVALID, "the body is not a JSON object");
    json_decref (json);
    return NULL;
  }
  return json;
}

bool
json_number (const char *text, size_t length, double *real)
{
  char small[64], *copy = length < sizeof small ? small : malloc (length + 1);
  locale_t locale;

  if (!copy)
    return false;
  memcpy (copy, text, length);
  copy[length] = '\0';
  locale = uselocale (plain_locale);
  *real = strtod (copy, NULL);
  uselocale (locale);
  if (copy != small)
    free (copy);
  return isfinite (*real);
}

/* Member NAME if it is there and not null; one that FITS not is an error. */
static const json_t *
get (const json_t *object, const char *name, const char *wanted, bool (*fits) (const json_t *),
     enum mantis_status *status, struct mantis_error *error)
{
  const json_t *member = json_object_get (object, name);

  if (!member || json_is_null (member))
    return NULL;
  if (fits (member))
    return member;
  if (*status == MANTIS_OK)
    *status = mantis_fail (error, MANTIS_INVALID, "$.%s: %s belongs here", name, wanted);
  return NULL;
}

static bool
is_integer (const json_t *json)
{
  return json_is_integer (json);
}
static bool
is_bool (const json_t *json)
{
  return json_is_boolean (json);
}
static bool
is_text (const json_t *json)
{
  return json_is_string (json) && strlen (json_string_value (json)) == json_string_length (json);
}
static bool
is_array (const json_t *json)
{
  return json_is_array (json);
}
static bool
is_object (const json_t *json)
{
  return json_is_object (json);
}

int64_t
json_get_integer (const json_t *object, const char *name, int64_t fallback,
                  enum mantis_status *status, struct mantis_error *error)
{
  const json_t *member = get (object, name, "an integer", is_integer, status, error);

  return member ? json_integer_value (member) : fallback;
}

bool
json_get_bool (const json_t *object, const char *name, bool fallback, enum mantis_status *status,
               struct mantis_error *error)
{
  const json_t *member = get (object, name, "true or false", is_bool, status, error);

  return member ? json_is_true (member) : fallback;
}

const char *
json_get_text (const json_t *object, const char *name, const char *fallback,
               enum mantis_status *status, struct mantis_error *error)
{
  const json_t *member = get (object, name, "a string without NUL", is_text, status, error);

  return member ? json_string_value (member) : fallback;
}

const json_t *
json_get_array (const json_t *object, const char *name, enum mantis_status *status,
                struct mantis_error *error)
{
  return get (object, name, "an array", is_array, status, error);
}

const json_t *
json_get_object (const json_t *object, const char *name, enum mantis_status *status,
                 struct mantis_error *error)
{
  return get (object, name, "an object", is_object, status, error);
}

bool
json_has_text (const json_t *array, const char *text)
{
  const json_t *one;
  size_t i;

  json_array_foreach (array, i, one)
  {
    if (json_is_string (one) && strcmp (json_string_value (one), text) == 0)
      return true;
  }
  return false;
}

void
json_add_text (struct mantis_buf *buf, const char *name, const char *text)
{
  if (!text || !*text)
    return;
  mantis_buf_printf (buf, ",\"%s\":", name);
  mantis_buf_json (buf, text, strlen (text));
}

uint64_t
json_hash (const json_t *json, uint64_t seed)
{
  char *text = json ? json_dumps (json, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
  uint64_t hash = hash_bytes (text ? text : "-", text ? strlen (text) : 1, seed);

  free (text);
  return hash;
}
