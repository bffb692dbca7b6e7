/* claims.c - who is it, since when and until when, from whom and for whom (RFC 7519, section 4.1).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <math.h>
#include <string.h>

#define YEAR_10000 INT64_C (253402300800) /* seconds since 1970 */

enum moment { MISSING, WRONG, GIVEN };

/* A NumericDate, in milliseconds.  Fractions are allowed. */
static enum moment
moment_of (const json_t *claims, const char *name, int64_t *milliseconds)
{
  const json_t *value = json_object_get (claims, name);
  double seconds;

  if (!value)
    return MISSING;
  if (!json_is_number (value))
    return WRONG;
  seconds = json_number_value (value);
  if (!isfinite (seconds) || seconds < 0 || seconds >= (double)YEAR_10000)
    return WRONG;
  *milliseconds = (int64_t)(seconds * 1000);
  return GIVEN;
}

static enum mantis_status
check_times (const json_t *claims, const struct jwt_rules *rules, int64_t now, int64_t *expires,
             struct mantis_error *error)
{
  int64_t not_before = 0, issued = 0;
  enum moment exp = moment_of (claims, "exp", expires);
  enum moment nbf = moment_of (claims, "nbf", &not_before);
  enum moment iat = moment_of (claims, "iat", &issued);

  if (exp == MISSING)
    return mantis_fail (error, MANTIS_DENIED, "the token has no \"exp\"");
  if (exp == WRONG || nbf == WRONG || iat == WRONG)
    return mantis_fail (error, MANTIS_DENIED,
                        "the token's \"%s\" is not a number of seconds since 1970",
                        exp == WRONG   ? "exp"
                        : nbf == WRONG ? "nbf"
                                       : "iat");
  if (now - rules->leeway >= *expires)
    return mantis_fail (error, MANTIS_DENIED, "the token has expired");
  if (not_before > now + rules->leeway)
    return mantis_fail (error, MANTIS_DENIED, "the token is not valid yet");
  if (issued > now + rules->leeway)
    return mantis_fail (error, MANTIS_DENIED,
                        "the token was issued in the future: do the clocks differ?");
  if (rules->maximum_lifetime && (iat == MISSING || *expires - issued > rules->maximum_lifetime))
    return mantis_fail (error, MANTIS_DENIED,
                        iat == MISSING ? "the token has no \"iat\", so its lifetime is not known"
                                       : "the token is made for longer than is allowed here");
  return MANTIS_OK;
}

static bool
audience_holds (const json_t *value, const char *wanted)
{
  const json_t *element;
  size_t i;

  if (json_is_string (value))
    return !strcmp (json_string_value (value), wanted);
  json_array_foreach ((json_t *)value, i,
                      element) if (json_is_string (element) &&
                                   !strcmp (json_string_value (element), wanted)) return true;
  return false;
}

bool
jwt_subject_valid (const char *subject, size_t length)
{
  if (!length || length > 255)
    return false;
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)subject[i] < 0x20 || subject[i] == 0x7f)
      return false;
  return true;
}

enum mantis_status
jwt_check_claims (const json_t *claims, const struct jwt_rules *rules, int64_t now,
                  const char **subject, int64_t *expires, struct mantis_error *error)
{
  const json_t *name = json_object_get (claims, rules->subject_claim);
  const char *issuer = json_string_value (json_object_get (claims, "iss"));
  enum mantis_status status = check_times (claims, rules, now, expires, error);

  if (status)
    return status;
  if (rules->issuer && (!issuer || strcmp (issuer, rules->issuer)))
    return mantis_fail (error, MANTIS_DENIED, "the token comes from another issuer");
  if (rules->audience && !audience_holds (json_object_get (claims, "aud"), rules->audience))
    return mantis_fail (error, MANTIS_DENIED, "the token is meant for another audience");
  if (!json_is_string (name) ||
      !jwt_subject_valid (json_string_value (name), json_string_length (name)))
    return mantis_fail (error, MANTIS_DENIED,
                        "the token's \"%s\" is not a text of 1 to 255 bytes without control "
                        "characters",
                        rules->subject_claim);
  *subject = json_string_value (name);
  return MANTIS_OK;
}
