/* privileges.c - may this user do here what Mantis has to?
 *
 * SHOW GRANTS tells of the user's roles, too, which information_schema does not.  Only what is granted on the
 * whole database counts: tables come, and Mantis makes its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <ctype.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALL "ALL PRIVILEGES"

/* docs/operate.md says what each is for. */
static const char *const needed[] = {"SELECT", "INSERT", "UPDATE",  "DELETE",    "CREATE",
                                     "ALTER",  "DROP",   "TRIGGER", "REFERENCES"};

/* Without these a trigger of ours fails the write that it is run for. */
static const char *const used_by_triggers[] = {"SELECT", "INSERT", "TRIGGER"};

/* Who has one of these may make triggers while the binary log is on. */
static const char *const trusted[] = {"SUPER", "SET_ANY_DEFINER"};

/* ---- One line: GRANT a, b, c ON `database`.* TO ... ---- */

/* As LIKE matches; PATTERN ends with END. */
static bool
is_like (const char *pattern, const char *end, const char *name)
{
  for (; pattern < end; pattern++, name++) {
    if (*pattern == '%') {
      do
        if (is_like (pattern + 1, end, name))
          return true;
      while (*name++);
      return false;
    }
    if (*pattern == '\\' && pattern + 1 < end)
      pattern++;
    else if (*pattern == '_' && *name)
      continue;
    if (*pattern == '`' && pattern + 1 < end) /* it is written twice */
      pattern++;
    if (tolower ((unsigned char)*pattern) != tolower ((unsigned char)*name))
      return false;
  }
  return *name == '\0';
}

/* Is it about all tables of DATABASE (NULL: of the whole server)?  SCOPE: what follows ON. */
static bool
covers (const char *scope, const char *database)
{
  const char *end = strstr (scope, "`.* TO ");

  if (strncmp (scope, "*.* ", 4) == 0)
    return true;
  return database && *scope == '`' && end && is_like (scope + 1, end, database);
}

/* Is WORD one of the words in LIST, which ends with END and has commas between? */
static bool
lists (const char *list, const char *end, const char *word)
{
  size_t length = strlen (word);

  while (list < end) {
    const char *comma = memchr (list, ',', (size_t)(end - list));
    const char *stop = comma ? comma : end;
    if ((size_t)(stop - list) == length && strncasecmp (list, word, length) == 0)
      return true;
    for (list = stop; list < end && (*list == ',' || *list == ' ');)
      list++;
  }
  return false;
}

static bool
holds (struct result *grants, const char *database, const char *privilege)
{
  static const char verb[] = "GRANT ";

  mysql_data_seek (grants->rows, 0);
  while (next_row (grants)) {
    const char *line = grants->row[0], *on = line ? strstr (line, " ON ") : NULL;
    if (!on || strncmp (line, verb, strlen (verb)) != 0 || !covers (on + strlen (" ON "), database))
      continue;
    if (lists (line + strlen (verb), on, privilege) || lists (line + strlen (verb), on, ALL))
      return true;
  }
  return false;
}

/* ---- The account ---- */

void
add_needed_privileges (struct mantis_buf *text)
{
  for (size_t i = 0; i < COUNT_OF (needed); i++)
    mantis_buf_printf (text, "%s%s", i ? ", " : "", needed[i]);
}

static void
warn_of_missing_process (const struct mantis_session *session, const char *grantee)
{
  struct mysql *storage = session->storage;

  pthread_mutex_lock (&storage->lock);
  if (!storage->warned && !session->sees_tables)
    mantis_log (
        MANTIS_WARNING,
        "%s: user %s has not the privilege PROCESS: after a TRUNCATE anywhere on this database"
        " server all tables that may have been meant are compared, and what EXCHANGE PARTITION"
        " does may go unnoticed until mantisctl scan; GRANT PROCESS ON *.* TO %s",
        storage->name, storage->user, grantee);
  storage->warned = true;
  pthread_mutex_unlock (&storage->lock);
}

/* Does the binary log keep this user from making triggers (error 1419)? */
static enum mantis_status
is_distrusted (struct mantis_session *session, struct result *grants, bool *distrusted,
               struct mantis_error *error)
{
  int64_t closed;
  enum mantis_status status = ask_integer (
      session, "SELECT @@log_bin AND NOT @@log_bin_trust_function_creators", 0, &closed, error);

  *distrusted = closed != 0;
  for (size_t i = 0; i < COUNT_OF (trusted) && *distrusted; i++)
    *distrusted = !holds (grants, NULL, trusted[i]);
  return status;
}

/* Does the account open no more connections?  Who may not ask is told nothing. */
static bool
is_locked (struct mantis_session *session)
{
  AUTO_RESULT struct result result = {0};

  return !ask (session, "SHOW CREATE USER CURRENT_USER()", &result, NULL) && next_row (&result) &&
         result.row[0] && strstr (result.row[0], " ACCOUNT LOCK");
}

/* ---- What a person has to mend ---- */

static void
set_trouble (struct mysql *storage, const char *text, bool tell)
{
  bool news;

  pthread_mutex_lock (&storage->lock);
  news = strcmp (storage->trouble, text) != 0;
  if (news && !*text) {
    mantis_log (MANTIS_INFO, "%s: user %s is as it should be again", storage->name, storage->user);
    storage->pause = storage->not_before = 0; /* who could not connect because of that may now */
  }
  if (news && tell)
    mantis_log (MANTIS_WARNING, "%s", text);
  if (news) {
    snprintf (storage->trouble, sizeof storage->trouble, "%s", text);
    storage->trouble_since = mantis_now ();
  }
  pthread_mutex_unlock (&storage->lock);
}

bool
storage_trouble (void *self, struct mantis_buf *text, int64_t *since)
{
  struct mysql *storage = self;
  bool some;

  pthread_mutex_lock (&storage->lock);
  some = *storage->trouble;
  mantis_buf_text (text, storage->trouble);
  *since = storage->trouble_since;
  pthread_mutex_unlock (&storage->lock);
  return some;
}

/* ---- All of them ---- */

static enum mantis_status
account_gone (struct mantis_session *session, const char *grantee, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf list = MANTIS_BUF_INIT;

  add_needed_privileges (&list);
  session->fails_others = true;
  return mantis_fail (
      error, MANTIS_INVALID,
      "%s: user %s was dropped: triggers of its own fail every write of others (error"
      " 1449): CREATE USER it again and GRANT %s ON `%s`.* TO it",
      session->storage->name, grantee, list.bytes ? list.bytes : "", session->storage->database);
}

static enum mantis_status
account_lacks (struct mantis_session *session, struct result *grants, bool distrusted,
               const char *grantee, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf missing = MANTIS_BUF_INIT;
  const struct mysql *storage = session->storage;

  for (size_t i = 0; i < COUNT_OF (needed); i++)
    if (!holds (grants, storage->database, needed[i]))
      mantis_buf_printf (&missing, "%s%s", missing.length ? ", " : "", needed[i]);
  for (size_t i = 0; i < COUNT_OF (used_by_triggers); i++)
    session->fails_others |= !holds (grants, storage->database, used_by_triggers[i]);
  if (!missing.length && !distrusted)
    return MANTIS_OK;
  if (missing.length)
    mantis_buf_printf (&missing, " ON `%s`.* TO %s%s", storage->database, grantee,
                       distrusted ? "; " : "");
  return mantis_fail (error, MANTIS_INVALID, "%s: user %s lacks privileges: %s%s%s", storage->name,
                      storage->user, missing.length ? "GRANT " : "",
                      missing.length ? missing.bytes : "", distrusted ? DISTRUSTED : "");
}

static enum mantis_status
look_at_account (struct mantis_session *session, const char *grantee, struct mantis_error *error)
{
  AUTO_RESULT struct result grants = {0};
  bool distrusted;
  enum mantis_status status = ask (session, "SHOW GRANTS", &grants, error);

  if (status && last_code (session) == ER_NONEXISTING_GRANT)
    return account_gone (session, grantee, error);
  if (status || (status = is_distrusted (session, &grants, &distrusted, error)))
    return status;
  session->sees_tables = holds (&grants, NULL, "PROCESS");
  warn_of_missing_process (session, grantee);
  return account_lacks (session, &grants, distrusted, grantee, error);
}

enum mantis_status
check_privileges (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_RESULT struct result who = {0};
  struct mantis_error own = {.status = MANTIS_OK};
  struct mysql *storage = session->storage;
  const char *grantee;
  enum mantis_status status = ask (
      session, "SELECT concat('''', replace(CURRENT_USER(), '@', '''@'''), '''')", &who, error);

  if (status)
    return status;
  session->fails_others = false;
  grantee = next_row (&who) && who.row[0] ? who.row[0] : "it";
  status = look_at_account (session, grantee, &own);
  if (!status && is_locked (session))
    snprintf (own.text, sizeof own.text,
              "%s: the account %s is locked: a connection that is lost cannot be made again: ALTER"
              " USER %s ACCOUNT UNLOCK",
              storage->name, grantee, grantee);
  if (!status || status == MANTIS_INVALID)
    set_trouble (storage, own.text,
                 storage->was_attached && *own.text); /* at the start it is the caller's to tell */
  if (status && error)
    *error = own;
  return status;
}
