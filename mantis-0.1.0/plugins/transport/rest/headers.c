/* headers.c - what the values of header fields say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
refuse (struct refusal *refusal, int status, const char *detail)
{
  refusal->status = status;
  refusal->detail = detail;
  return false;
}

static const char *
skip_blanks (const char *text)
{
  return text + strspn (text, " \t");
}

/* Is the word that begins at TEXT, and ends before a separator, WORD? */
static bool
word_is (const char *text, const char *word)
{
  size_t length = strcspn (text, " \t,;=");

  return length == strlen (word) && strncasecmp (text, word, length) == 0;
}

/* Is WORD a member of the comma separated LIST? */
bool
list_has (const char *list, const char *word)
{
  for (const char *at = list; at; at = strchr (at, ',')) {
    at = skip_blanks (at + (*at == ','));
    if (word_is (at, word))
      return true;
  }
  return false;
}

/* The parameters of a media type: of those only a charset matters here, and JSON is UTF-8. */
static bool
parameters_are_taken (const char *at)
{
  while (*(at = skip_blanks (at)) == ';') {
    size_t length;

    at = skip_blanks (at + 1);
    if (strncasecmp (at, "charset=", 8) == 0) {
      const char *value = at + 8;
      size_t quote = *value == '"';
      if (strncasecmp (value + quote, "utf-8", 5) != 0 || (quote && value[6] != '"') ||
          is_token_char (value[5 + 2 * quote]))
        return false;
    }
    length = strcspn (at, ";");
    at += length;
  }
  return !*at;
}

/* curl -d says application/x-www-form-urlencoded whatever it sends: the body decides. */
bool
media_type_is_taken (const char *value)
{
  static const char *const types[] = {"application/json", "application/octet-stream",
                                      "application/x-www-form-urlencoded"};
  size_t length = strcspn (value, " \t;");

  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (length == strlen (types[i]) && strncasecmp (value, types[i], length) == 0)
      return parameters_are_taken (value + length);
  return false;
}

/* A weight of zero ("gzip;q=0", "gzip; q=0.000") means: not that. */
static bool
weight_is_zero (const char *at)
{
  at = skip_blanks (at);
  if (*at != ';')
    return false;
  at = skip_blanks (at + 1);
  if (strncasecmp (at, "q=0", 3) != 0)
    return false;
  at += 3 + strspn (at + 3, ".0");
  return !*at || strchr (" \t,", *at);
}

bool
accepts_gzip (const char *value)
{
  for (const char *at = value; at; at = strchr (at, ',')) {
    at = skip_blanks (at + (*at == ','));
    if (word_is (at, "gzip") || word_is (at, "x-gzip") || word_is (at, "*"))
      return !weight_is_zero (at + strcspn (at, " \t,;"));
  }
  return false;
}

bool
is_host (const char *value)
{
  return value[strspn (value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "-._~:[]%!$&'()*+;=")] == '\0';
}

/* Printable ASCII, blanks included, and not empty. */
bool
is_visible (const char *value)
{
  const char *at = value;

  while (*at >= 0x20 && *at < 0x7f)
    at++;
  return at > value && !*at;
}

/* The token of RFC 6750, NULL when VALUE is of another scheme or no token is in it. */
const char *
bearer_of (const char *value)
{
  const char *token;

  if (strncasecmp (value, "Bearer", 6) != 0 || value[6] != ' ')
    return NULL;
  token = value + 6 + strspn (value + 6, " ");
  return is_visible (token) && !strchr (token, ' ') ? token : NULL;
}

bool
content_length_of (const char *value, uint64_t *length)
{
  size_t digits = strspn (value, "0123456789");

  if (digits == 0 || digits > 18 || value[digits])
    return false;
  *length = strtoull (value, NULL, 10);
  return true;
}
