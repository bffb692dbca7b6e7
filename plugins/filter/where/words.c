/* words.c - what an expression consists of.
 *
 * SQLite parses it.  This looks at the words before, as SQLite's tokenizer divides them (https://sqlite.org/lang_expr.html
 * and src/tokenize.c), so that the expression cannot end before its end: what is put around it stays around it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { SPACE, WORD, QUOTED, PARAMETER, NUMBER, OPERATOR, WRONG };

struct token {
  enum kind kind;
  const char *at;
  size_t length;
  const char *wrong; /* why */
};

static bool
in_word (char c)
{
  return isalnum ((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static size_t
word_length (const char *at)
{
  size_t length = 0;

  while (in_word (at[length]))
    length++;
  return length;
}

/* AT stands before the quote; 0: it has no end. */
static size_t
quoted_length (const char *at)
{
  char end = *at == '[' ? ']' : *at;

  for (size_t i = 1; at[i]; i++)
    if (at[i] == end) {
      if (end == ']' || at[i + 1] != end)
        return i + 1;
      i++;
    }
  return 0;
}

static struct token
wrong (const char *at, const char *why)
{
  return (struct token){.kind = WRONG, .at = at, .length = 1, .wrong = why};
}

/* A letter after the colon; what follows is no part of the parameter for anybody (SQLite has Tcl's forms, too). */
static struct token
parameter (const char *at)
{
  size_t length = word_length (at + 1);

  if (length == 0)
    return wrong (at, "a parameter is a colon and a name, as :sub");
  if (strchr (at + 1, '$') && memchr (at + 1, '$', length))
    return wrong (at, "a parameter's name has letters, digits and _ only");
  if (at[1 + length] == '(' || (at[1 + length] == ':' && at[2 + length] == ':'))
    return wrong (at, "a parameter is a colon and a name, and nothing that follows at once");
  return (struct token){.kind = PARAMETER, .at = at, .length = 1 + length};
}

static struct token
next_token (const char *at)
{
  size_t length;

  if (strchr (" \t\r\n\f", *at))
    return (struct token){.kind = SPACE, .at = at, .length = strspn (at, " \t\r\n\f")};
  if (strchr ("'\"`[", *at)) {
    length = quoted_length (at);
    return length ? (struct token){.kind = QUOTED, .at = at, .length = length}
                  : wrong (at, "this quote has no end");
  }
  if (*at == ':')
    return parameter (at);
  if (strchr ("?@#$", *at))
    return wrong (at, "parameters are written :name");
  if (strncmp (at, "--", 2) == 0 || strncmp (at, "/*", 2) == 0)
    return wrong (at, "comments are not for expressions; write - - 1 for what is not meant as one");
  if (*at == ';')
    return wrong (at, "it is one expression, and no statement");
  if (isdigit ((unsigned char)*at))
    return (struct token){.kind = NUMBER, .at = at, .length = word_length (at)};
  if (in_word (*at))
    return (struct token){.kind = WORD, .at = at, .length = word_length (at)};
  if (iscntrl ((unsigned char)*at))
    return wrong (at, "a control character");
  return (struct token){.kind = OPERATOR, .at = at, .length = 1};
}

static bool
is (const struct token *token, const char *word)
{
  return token->length == strlen (word) && strncasecmp (token->at, word, token->length) == 0;
}

/* Words that begin what can grow without bound, or is of no use where a question has one answer. */
static bool
is_refused (const struct token *token)
{
  static const char *const words[] = {"with",  "recursive", "union", "intersect", "except",
                                      "order", "group",     "over",  "window"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (is (token, words[i]))
      return true;
  return false;
}

int
rule_shown (const char *at)
{
  size_t length = strnlen (at, 20);

  while (length && ((unsigned char)at[length] & 0xc0) == 0x80)
    length--;
  return (int)length;
}

static enum mantis_status
refuse (const struct rule *rule, const struct token *token, const char *why,
        struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_INVALID, "\"%s\", character %zu, at %.*s: %s", rule->option,
                      (size_t)(token->at - rule->text) + 1, rule_shown (token->at), token->at, why);
}

static enum mantis_status
note_parameter (struct rule *rule, const struct token *token, struct mantis_error *error)
{
  for (size_t i = 0; i < rule->parameter_count; i++)
    if (strlen (rule->parameters[i]) == token->length - 1 &&
        memcmp (rule->parameters[i], token->at + 1, token->length - 1) == 0)
      return MANTIS_OK;
  if (rule->parameter_count == MOST_PARAMETERS)
    return refuse (rule, token, "too many different parameters", error);
  if (!(rule->parameters[rule->parameter_count] = strndup (token->at + 1, token->length - 1)))
    return mantis_fail (error, MANTIS_FAILED, "no memory for the parameters of \"%s\"",
                        rule->option);
  rule->asks_claims |= strcmp (rule->parameters[rule->parameter_count], "sub") != 0 &&
                       strcmp (rule->parameters[rule->parameter_count], "node") != 0;
  rule->parameter_count++;
  return MANTIS_OK;
}

static enum mantis_status
read_token (struct rule *rule, const struct token *token, long *depth, struct mantis_error *error)
{
  switch (token->kind) {
  case WRONG:
    return refuse (rule, token, token->wrong, error);
  case PARAMETER:
    return note_parameter (rule, token, error);
  case WORD:
    return is_refused (token) ? refuse (rule, token,
                                        "this is not for filters (a column of this name is written "
                                        "in double quotes)",
                                        error)
                              : MANTIS_OK;
  case OPERATOR:
    *depth += (*token->at == '(') - (*token->at == ')');
    return *depth < 0 ? refuse (rule, token, "this parenthesis was never opened", error)
                      : MANTIS_OK;
  default:
    return MANTIS_OK;
  }
}

enum mantis_status
rule_read (struct rule *rule, struct mantis_error *error)
{
  struct token token;
  long depth = 0;
  bool empty = true;

  if (!rule->text)
    return MANTIS_OK;
  if (strlen (rule->text) > MOST_TEXT)
    return mantis_fail (error, MANTIS_INVALID, "\"%s\" has more than %d bytes", rule->option,
                        MOST_TEXT);
  for (const char *at = rule->text; *at; at += token.length) {
    enum mantis_status status;
    token = next_token (at);
    empty &= token.kind == SPACE;
    if ((status = read_token (rule, &token, &depth, error)))
      return status;
  }
  if (empty)
    return mantis_fail (error, MANTIS_INVALID,
                        "\"%s\" is empty: write an expression, or leave it out", rule->option);
  if (depth > 0)
    return mantis_fail (error, MANTIS_INVALID, "\"%s\": a parenthesis is not closed", rule->option);
  return MANTIS_OK;
}

void
rule_clear (struct rule *rule)
{
  for (size_t i = 0; i < rule->parameter_count; i++)
    free (rule->parameters[i]);
  rule->parameter_count = 0;
  rule->asks_claims = false;
}

size_t
rule_find (const char *text, const char *word)
{
  struct token token;

  for (const char *at = text; *at; at += token.length) {
    token = next_token (at);
    if (token.kind == QUOTED
            ? token.length == strlen (word) + 2 && strncasecmp (at + 1, word, token.length - 2) == 0
            : is (&token, word))
      return (size_t)(at - text);
  }
  return strlen (text);
}
