/* jwks.c - a set of keys (RFC 7517).
 *
 * A set may hold keys for other purposes and of kinds still unknown: they are passed over with a
 * warning. A key that claims to be for us and is broken or weak is an error: whoever edits the file
 * hears of it at once, and the keys in use stay.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <openssl/crypto.h>
#include <string.h>

static const char *
text_of (const json_t *object, const char *name)
{
  return json_string_value (json_object_get (object, name));
}

/* key_ops, where given, allow checking or making signatures? */
static bool
for_signatures (const json_t *key)
{
  const json_t *operations = json_object_get (key, "key_ops"), *element;
  const char *use = text_of (key, "use");
  size_t i;

  if (json_object_get (key, "use") && (!use || strcmp (use, "sig")))
    return false;
  if (!operations)
    return true;
  json_array_foreach ((json_t *)operations, i,
                      element) if (json_is_string (element) &&
                                   (!strcmp (json_string_value (element), "verify") ||
                                    !strcmp (json_string_value (element), "sign"))) return true;
  return false;
}

static bool
fits (const struct jwt_algorithm *algorithm, const char *type, const char *curve)
{
  if (algorithm->family == JWT_HMAC)
    return !strcmp (type, "oct");
  if (algorithm->family == JWT_ECDSA)
    return !strcmp (type, "EC") && curve && !strcmp (curve, algorithm->curve);
  return !strcmp (type, "RSA");
}

/* The algorithm that KEY is pinned to: its own word, else what its kind implies, else the option.
 * NULL, with the reason in *WHY: none of ours. */
static const struct jwt_algorithm *
pin (const json_t *key, const struct jwt_algorithm *otherwise, const char **why)
{
  const char *type = text_of (key, "kty"), *curve = text_of (key, "crv");
  const struct jwt_algorithm *algorithm = otherwise;

  if (!type || (strcmp (type, "oct") && strcmp (type, "RSA") && strcmp (type, "EC"))) {
    *why = "its kty is not oct, RSA or EC";
    return NULL;
  }
  if (json_object_get (key, "alg"))
    algorithm = jwt_algorithm (text_of (key, "alg"));
  else if (!strcmp (type, "EC"))
    algorithm = jwt_algorithm_of_curve (curve);
  if (!algorithm) {
    *why = "its alg or crv is not one of ours";
    return NULL;
  }
  if (!fits (algorithm, type, curve)) {
    *why = json_object_get (key, "alg")
               ? "its alg does not fit its kty and crv"
               : "it has no alg, and the option algorithm is not for its kty";
    return NULL;
  }
  return algorithm;
}

/* The numbers of KEY.  A symmetric key's is "k", whatever else it says. */
static enum mantis_status
take_parts (const json_t *key, const struct jwt_algorithm *algorithm, struct jwt_material *material,
            struct mantis_error *error)
{
  static const char *const names[PART_COUNT] = {"n",  "e",  "d", "p", "q", "dp",
                                                "dq", "qi", "x", "y", "k"};

  for (size_t i = 0; i < PART_COUNT; i++) {
    const json_t *value = json_object_get (key, names[i]);

    if (!value || (algorithm->family == JWT_HMAC) != (i == PART_K))
      continue;
    if (json_is_string (value))
      material->part[i].bytes = jwt_base64url (
          json_string_value (value), json_string_length (value), &material->part[i].length);
    if (!material->part[i].bytes)
      return mantis_fail (error, MANTIS_INVALID, "\"%s\" is not base64url without padding",
                          names[i]);
  }
  return MANTIS_OK;
}

static enum mantis_status
add_key (struct jwt_keys *keys, const json_t *key, const struct jwt_algorithm *otherwise,
         size_t index, struct mantis_error *error)
{
  const json_t *kid = json_object_get (key, "kid");
  const struct jwt_algorithm *algorithm;
  struct jwt_material material = {0};
  const char *why = NULL;
  enum mantis_status status;

  if (!json_is_object (key))
    return mantis_fail (error, MANTIS_INVALID, "$.keys[%zu] is not an object", index);
  if (kid && !json_is_string (kid))
    return mantis_fail (error, MANTIS_INVALID, "$.keys[%zu].kid is not a string", index);
  algorithm = pin (key, otherwise, &why);
  if (algorithm && !for_signatures (key))
    why = "it is not for signatures";
  if (why) {
    mantis_log (MANTIS_WARNING, "jwt: $.keys[%zu] of jwks_file is passed over: %s", index, why);
    return MANTIS_OK;
  }
  status = take_parts (key, algorithm, &material, error);
  if (!status)
    status = jwt_keys_add (keys, &material, algorithm, json_string_value (kid), error);
  jwt_material_free (&material);
  return jwt_inside (error, status, "$.keys[%zu]", index);
}

enum mantis_status
jwt_add_set (struct jwt_keys *keys, const char *text, size_t length,
             const struct jwt_algorithm *algorithm, struct mantis_error *error)
{
  size_t before = keys->count, index;
  enum mantis_status status = MANTIS_OK;
  json_error_t problem;
  json_t *set = json_loadb (text, length, JSON_REJECT_DUPLICATES, &problem), *list, *key;

  /* jansson's own words may quote the text, and with it a secret. */
  if (!set)
    return mantis_fail (error, MANTIS_INVALID, "line %d, column %d: not JSON, or a name twice",
                        problem.line, problem.column);
  list = json_object_get (set, "keys");
  if (!json_is_array (list))
    status = mantis_fail (error, MANTIS_INVALID, "not a JWK set: $.keys is not an array");
  json_array_foreach (list, index, key) if (!status) status =
      add_key (keys, key, algorithm, index, error);
  if (!status && keys->count == before)
    status = mantis_fail (error, MANTIS_INVALID, "no key that could check a signature");
  json_decref (set);
  return status;
}

enum mantis_status
jwt_read_set (struct jwt_keys *keys, const char *path, const struct jwt_algorithm *algorithm,
              struct mantis_error *error)
{
  struct mantis_buf text = MANTIS_BUF_INIT;
  enum mantis_status status = jwt_read_file (path, false, &text, error);

  if (status) {
    mantis_buf_free (&text);
    return jwt_inside (error, status, "jwt: jwks_file");
  }
  status = jwt_add_set (keys, text.bytes ? text.bytes : "", text.length, algorithm, error);
  if (text.bytes)
    OPENSSL_cleanse (text.bytes, text.room);
  mantis_buf_free (&text);
  return jwt_inside (error, status, "jwt: jwks_file %s", path);
}
