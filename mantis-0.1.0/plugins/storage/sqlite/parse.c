/* parse.c - the little of SQL that pragmas do not tell, and what may be taken from a peer.
 *
 * SQL is cut into tokens as SQLite does (https://sqlite.org/lang_keywords.html and tokenize.c):
 * names in four kinds of quotes, strings, numbers, comments, single signs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum token_kind { END, WORD, NAME, STRING, NUMBER, SIGN, COMMENT, BROKEN };

struct token {
  enum token_kind kind;
  const char *text;
  size_t length;
};

static bool
is_word (unsigned char c)
{
  return isalnum (c) || c == '_' || c == '$' || c >= 0x80;
}

/* Length of what is in quotes at TEXT, quotes included; 0 when they do not end. */
static size_t
quoted_length (const char *text, char end)
{
  size_t i = 1;

  for (; text[i]; i++)
    if (text[i] == end) {
      if (end == ']' || text[i + 1] != end)
        return i + 1;
      i++;
    }
  return 0;
}

static size_t
comment_length (const char *text)
{
  const char *end;

  if (text[0] == '-')
    return strcspn (text, "\n");
  end = strstr (text + 2, "*/");
  return end ? (size_t)(end - text) + 2 : strlen (text);
}

/* Digits, point, exponent with its sign, 0x...: and whatever is glued to them. */
static size_t
number_length (const char *text)
{
  size_t i = 0;

  while (is_word ((unsigned char)text[i]) || text[i] == '.' ||
         (i > 0 && (text[i] == '+' || text[i] == '-') && (text[i - 1] | 32) == 'e' &&
          text[1] != 'x' && text[1] != 'X'))
    i++;
  return i;
}

static struct token
scan_token (const char *text)
{
  struct token token = {END, text, 0};
  unsigned char c = (unsigned char)*text;

  if (!c)
    return token;
  token.length = 1;
  if ((c == '-' && text[1] == '-') || (c == '/' && text[1] == '*')) {
    token.kind = COMMENT;
    token.length = comment_length (text);
  } else if (c == '\'' || c == '"' || c == '`' || c == '[') {
    token.kind = c == '\'' ? STRING : NAME;
    if (!(token.length = quoted_length (text, c == '[' ? ']' : (char)c)))
      token.kind = BROKEN;
  } else if (isdigit (c) || (c == '.' && isdigit ((unsigned char)text[1]))) {
    token.kind = NUMBER;
    token.length = number_length (text);
  } else if (is_word (c)) {
    token.kind = WORD;
    while (is_word ((unsigned char)text[token.length]))
      token.length++;
  } else
    token.kind = SIGN;
  return token;
}

/* The token at *AT that is not space or comment; *AT moves behind it. */
static struct token
next_token (const char **at)
{
  struct token token;

  do {
    *at += strspn (*at, " \t\r\n\f");
    token = scan_token (*at);
    *at += token.length;
  } while (token.kind == COMMENT);
  return token;
}

static bool
is (const struct token *token, const char *word)
{
  return (token->kind == WORD || token->kind == SIGN) && token->length == strlen (word) &&
         strncasecmp (token->text, word, token->length) == 0;
}

/* Is TOKEN the name NAME, quoted or not? */
static bool
names (const struct token *token, const char *name)
{
  char plain[1024];
  size_t length = 0;
  char quote = token->text[0];

  if (token->kind == WORD)
    return strlen (name) == token->length &&
           sqlite3_strnicmp (token->text, name, (int)token->length) == 0;
  if ((token->kind != NAME && token->kind != STRING) || token->length > sizeof plain)
    return false;
  for (size_t i = 1; i + 1 < token->length; i++) {
    plain[length++] = token->text[i];
    if (token->text[i] == quote)
      i++;
  }
  plain[length] = '\0';
  return sqlite3_stricmp (plain, name) == 0;
}

/* ---- CREATE INDEX ---- */

/* FROM up to END without spaces at both ends, and without a last ASC or DESC. */
static char *
cut_term (const char *from, const char *end, struct mantis_arena *arena)
{
  char *term;
  size_t length;

  from += strspn (from, " \t\r\n\f");
  for (int round = 0; round < 2; round++) {
    while (end > from && isspace ((unsigned char)end[-1]))
      end--;
    for (size_t i = 0; round == 0 && i < 2; i++) {
      const char *word = i ? "DESC" : "ASC";
      length = strlen (word);
      if ((size_t)(end - from) > length && strncasecmp (end - length, word, length) == 0 &&
          !is_word ((unsigned char)end[-(ptrdiff_t)length - 1])) {
        end -= length;
        break;
      }
    }
  }
  term = mantis_arena_copy (arena, from, (size_t)(end - from));
  return term && *term ? term : NULL;
}

/* The terms between the parentheses, the first of which is behind *AT. */
static bool
cut_terms (const char **at, struct mantis_arena *arena, struct index_parts *parts)
{
  const char *from = *at;
  int depth = 1;
  const size_t most = 2000;

  parts->terms = mantis_arena_alloc (arena, most * sizeof *parts->terms);
  while (parts->terms && depth > 0) {
    struct token token = next_token (at);
    if (token.kind == END || token.kind == BROKEN)
      return false;
    if (is (&token, "("))
      depth++;
    if (is (&token, ")"))
      depth--;
    if (depth == 0 || (depth == 1 && is (&token, ","))) {
      if (parts->count == most ||
          !(parts->terms[parts->count++] = cut_term (from, token.text, arena)))
        return false;
      from = *at;
    }
  }
  return depth == 0;
}

bool
parse_index (const char *sql, struct mantis_arena *arena, struct index_parts *parts)
{
  struct token token;

  *parts = (struct index_parts){NULL, 0, NULL};
  do
    token = next_token (&sql);
  while (token.kind != END && token.kind != BROKEN && !is (&token, "("));
  if (!is (&token, "(") || !cut_terms (&sql, arena, parts))
    return false;
  token = next_token (&sql);
  if (is (&token, "WHERE"))
    parts->where = mantis_arena_strdup (arena, sql);
  return token.kind == END || parts->where;
}

/* ---- CREATE TABLE ---- */

/* The text in the parentheses that begin with the next token. */
static const char *
cut_parentheses (const char *at, struct mantis_arena *arena)
{
  const char *from;
  int depth = 1;
  struct token token = next_token (&at);

  if (!is (&token, "("))
    return "";
  from = at;
  while (depth > 0) {
    token = next_token (&at);
    if (token.kind == END || token.kind == BROKEN)
      return "";
    depth += is (&token, "(") ? 1 : is (&token, ")") ? -1 : 0;
  }
  return mantis_arena_copy (arena, from, (size_t)(token.text - from));
}

const char *
parse_generated (const char *sql, const char *name, struct mantis_arena *arena)
{
  struct token token;
  bool first = false, ours = false; /* first token of a column; in the column NAME */
  int depth = 0;

  for (token = next_token (&sql); token.kind != END && token.kind != BROKEN;
       token = next_token (&sql)) {
    if (first)
      ours = names (&token, name);
    first = (depth == 0 && is (&token, "(")) || (depth == 1 && is (&token, ","));
    if (ours && depth == 1 && is (&token, "AS"))
      return cut_parentheses (sql, arena);
    depth += is (&token, "(") ? 1 : is (&token, ")") ? -1 : 0;
  }
  return "";
}

/* ---- What comes from a peer ---- */

static bool
is_listed (const struct token *token, const char *const *words)
{
  for (; *words; words++)
    if (is (token, *words))
      return true;
  return false;
}

static bool
is_column (const struct token *token, const struct mantis_table *table)
{
  for (size_t i = 0; table && i < table->column_count; i++)
    if (names (token, table->columns[i].name))
      return true;
  return false;
}

/* What an expression of a peer may name besides columns. */
static const char *const harmless_words[] = {"NULL",
                                             "TRUE",
                                             "FALSE",
                                             "CURRENT_TIME",
                                             "CURRENT_DATE",
                                             "CURRENT_TIMESTAMP",
                                             "datetime",
                                             "date",
                                             "time",
                                             "strftime",
                                             "julianday",
                                             "unixepoch",
                                             "random",
                                             "hex",
                                             "lower",
                                             "upper",
                                             "abs",
                                             "round",
                                             "coalesce",
                                             "ifnull",
                                             "nullif",
                                             "length",
                                             "substr",
                                             "trim",
                                             "ltrim",
                                             "rtrim",
                                             "instr",
                                             "min",
                                             "max",
                                             "randomblob",
                                             "typeof",
                                             "iif",
                                             "AND",
                                             "OR",
                                             "NOT",
                                             "IS",
                                             "CASE",
                                             "WHEN",
                                             "THEN",
                                             "ELSE",
                                             "END",
                                             "CAST",
                                             "AS",
                                             "INTEGER",
                                             "TEXT",
                                             "REAL",
                                             "BLOB",
                                             "NUMERIC",
                                             "BETWEEN",
                                             "IN",
                                             "x",
                                             NULL};

bool
harmless_expression (const char *text, const struct mantis_table *table)
{
  struct token token;
  int depth = 0;

  if (strlen (text) > 4000 || strstr (text, "--") || strstr (text, "/*"))
    return false;
  while ((token = next_token (&text)).kind != END) {
    if (token.kind == BROKEN || (token.kind == SIGN && !strchr ("()+-*/%|&<>=!~,", *token.text)))
      return false;
    if ((token.kind == WORD && !is_listed (&token, harmless_words) && !is_column (&token, table)) ||
        (token.kind == NAME && !is_column (&token, table)))
      return false;
    depth += is (&token, "(") ? 1 : is (&token, ")") ? -1 : 0;
    if (depth < 0 || depth > 50)
      return false;
  }
  return depth == 0;
}

bool
plain_type (const char *text)
{
  static const char *const clauses[] = {
      "CONSTRAINT", "PRIMARY",    "NOT",    "NULL",      "UNIQUE",  "CHECK",
      "DEFAULT",    "COLLATE",    "AS",     "GENERATED", "ALWAYS",  "ON",
      "REFERENCES", "DEFERRABLE", "HIDDEN", "STORED",    "VIRTUAL", NULL};
  struct token token;
  bool word = false, sizes = false, done = false;

  if (strlen (text) > 200 || strstr (text, "--") || strstr (text, "/*"))
    return false;
  while ((token = next_token (&text)).kind != END) {
    if (done || token.length > 100)
      return false;
    if (token.kind == WORD && !sizes && !is_listed (&token, clauses))
      word = true;
    else if (is (&token, "(") && word && !sizes)
      sizes = true;
    else if (is (&token, ")") && sizes)
      done = true;
    else if (!sizes || !(token.kind == NUMBER || is (&token, ",")))
      return false;
  }
  return sizes == done;
}
