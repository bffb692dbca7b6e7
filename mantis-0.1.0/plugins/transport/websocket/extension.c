/* extension.c - permessage-deflate is agreed on: RFC 7692, 7.1, and RFC 6455, 9.1.
 *
 * Both sides forget what they have seen when a message ends: else each idle connection would keep two
 * windows of 32 kB.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char extension_offer[] =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

static const char name[] = "permessage-deflate";

enum {
  SERVER_FORGETS = 1,
  CLIENT_FORGETS = 2,
  SERVER_WINDOW = 4,
  CLIENT_WINDOW = 8,
  UNKNOWN = 16, /* or repeated, or with a value that it has not */
};

struct terms {
  bool ours; /* is it permessage-deflate at all? */
  unsigned said;
  unsigned server_bits, client_bits; /* 0: without a value */
};

/* ---- A list of extensions -------------------------------------------------------------------- */
struct word {
  const char *at;
  size_t length;
};

static void
skip_blanks (const char **at)
{
  *at += strspn (*at, " \t");
}

static bool
take_token (const char **at, struct word *word)
{
  static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

  skip_blanks (at);
  *word = (struct word){*at, strspn (*at, token)};
  *at += word->length;
  return word->length > 0;
}

/* What stands in quotes has to be a token, too: RFC 6455, 9.1. */
static bool
take_value (const char **at, struct word *word)
{
  bool quoted;

  skip_blanks (at);
  quoted = **at == '"';
  *at += quoted;
  if (!take_token (at, word) || (quoted && **at != '"'))
    return false;
  *at += quoted;
  return true;
}

static bool
word_is (struct word word, const char *text)
{
  return word.length == strlen (text) && strncasecmp (word.at, text, word.length) == 0;
}

/* ---- What is said of it ---------------------------------------------------------------------- */

/* 8 to 15, without a zero ahead; 0: it is none. */
static unsigned
bits_of (struct word value)
{
  if (value.length == 1 && (*value.at == '8' || *value.at == '9'))
    return (unsigned)(*value.at - '0');
  if (value.length == 2 && value.at[0] == '1' && value.at[1] >= '0' && value.at[1] <= '5')
    return 10 + (unsigned)(value.at[1] - '0');
  return 0;
}

/* VALUE has no bytes where there is none. */
static unsigned
meaning_of (struct terms *terms, struct word parameter, struct word value)
{
  if (word_is (parameter, "server_no_context_takeover"))
    return value.length ? UNKNOWN : SERVER_FORGETS;
  if (word_is (parameter, "client_no_context_takeover"))
    return value.length ? UNKNOWN : CLIENT_FORGETS;
  if (word_is (parameter, "server_max_window_bits"))
    return (terms->server_bits = bits_of (value)) ? SERVER_WINDOW : UNKNOWN;
  if (word_is (parameter, "client_max_window_bits"))
    return (terms->client_bits = bits_of (value)) || !value.length ? CLIENT_WINDOW : UNKNOWN;
  return UNKNOWN;
}

/* One extension with its parameters. */
static bool
read_terms (const char **at, struct terms *terms)
{
  struct word word, value;
  unsigned meaning;

  *terms = (struct terms){.ours = false};
  if (!take_token (at, &word))
    return false;
  terms->ours = word_is (word, name);
  for (skip_blanks (at); **at == ';'; skip_blanks (at)) {
    ++*at;
    value.length = 0;
    if (!take_token (at, &word))
      return false;
    skip_blanks (at);
    if (**at == '=' && (++*at, !take_value (at, &value)))
      return false;
    meaning = meaning_of (terms, word, value);
    terms->said |= terms->said & meaning ? UNKNOWN : meaning;
  }
  return **at == ',' || **at == '\0';
}

/* ---- A server -------------------------------------------------------------------------------- */

/* zlib has no window of 8 bits that others could read. */
static bool
is_acceptable (const struct terms *terms)
{
  return terms->ours && !(terms->said & UNKNOWN) && terms->server_bits != 8;
}

static void
accept_terms (const struct terms *terms, struct deflate *deflate, char agreed[LONGEST_AGREEMENT])
{
  int used = snprintf (agreed, LONGEST_AGREEMENT, "%s", extension_offer);

  if (terms->server_bits)
    snprintf (agreed + used, (size_t)(LONGEST_AGREEMENT - used), "; server_max_window_bits=%u",
              terms->server_bits);
  deflate->in = true;
  deflate->out = (uint8_t)(terms->server_bits ? terms->server_bits : 15);
}

bool
extension_choose (const char *field, struct deflate *deflate, char agreed[LONGEST_AGREEMENT])
{
  struct terms terms;

  *deflate = (struct deflate){.in = false};
  *agreed = '\0';
  for (const char *at = field ? field : ""; *at; at += *at == ',') {
    skip_blanks (&at);
    if (*at == ',' || *at == '\0')
      continue;
    if (!read_terms (&at, &terms))
      return false;
    if (!deflate->in && is_acceptable (&terms))
      accept_terms (&terms, deflate, agreed);
  }
  return true;
}

/* ---- A client -------------------------------------------------------------------------------- */

/* We have offered both to forget, and no windows: those may not be spoken of, but for the server's own.
 * One that does not say that it forgets might expect us to remember. */
bool
extension_agreed (const char *field, struct deflate *deflate)
{
  const char *at = field ? field : "";
  struct terms terms;

  *deflate = (struct deflate){.in = false};
  skip_blanks (&at);
  if (!*at)
    return true;
  if (!read_terms (&at, &terms) || *at || !is_acceptable (&terms) ||
      !(terms.said & SERVER_FORGETS) || terms.said & CLIENT_WINDOW)
    return false;
  deflate->in = true;
  deflate->out = 15;
  return true;
}
