/* users.c - what an administrator says of users.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <string.h>

enum { SHORTEST_PASSWORD = 8, PAGE = 500, MOST_ROLES = 64 };

/* ---- Texts ----------------------------------------------------------------------------------- */

/* UTF-8 (RFC 3629) without control characters. */
static bool
is_plain (const char *text)
{
  const unsigned char *at = (const unsigned char *)text;

  while (*at) {
    size_t more = *at < 0x80                  ? 0
                  : *at >= 0xc2 && *at < 0xe0 ? 1
                  : *at >= 0xe0 && *at < 0xf0 ? 2
                                              : 3;
    if (*at < 0x20 || *at == 0x7f || (*at >= 0x80 && *at < 0xc2) || *at > 0xf4 ||
        (*at == 0xc2 && at[1] < 0xa0) || (*at == 0xe0 && at[1] < 0xa0) ||
        (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
        (*at == 0xf4 && at[1] > 0x8f))
      return false;
    for (at++; more; more--, at++)
      if ((*at & 0xc0) != 0x80)
        return false;
  }
  return true;
}

bool
user_is_valid (const char *user)
{
  return *user && strlen (user) <= LONGEST_USER && is_plain (user);
}

static enum mantis_status
check_password (const char *password, struct mantis_error *error)
{
  size_t length = password ? strlen (password) : 0;

  if (length < SHORTEST_PASSWORD)
    return mantis_fail (error, MANTIS_INVALID, "a password has at least %d bytes",
                        SHORTEST_PASSWORD);
  if (length > LONGEST_PASSWORD)
    return mantis_fail (error, MANTIS_INVALID, "a password has at most %d bytes", LONGEST_PASSWORD);
  return MANTIS_OK;
}

static enum mantis_status
add_roles (struct mantis_buf *buf, const char *const *roles, struct mantis_error *error)
{
  size_t count = 0;

  mantis_buf_char (buf, '[');
  for (; roles && roles[count]; count++) {
    if (!user_is_valid (roles[count]) || count == MOST_ROLES)
      return mantis_fail (error, MANTIS_INVALID,
                          "a role is a text of 1 to %d bytes without control characters, and there "
                          "are %d at most",
                          LONGEST_USER, MOST_ROLES);
    if (count)
      mantis_buf_char (buf, ',');
    mantis_buf_json (buf, roles[count], strlen (roles[count]));
  }
  mantis_buf_char (buf, ']');
  return MANTIS_OK;
}

/* ---- One user -------------------------------------------------------------------------------- */

/* ROW is written where a user of that name is there (or, with NEW, is not). */
static enum mantis_status
write_user (struct mantis_keep *keep, mantis_row row, bool new, struct mantis_error *error)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  const char *name = text_of (&row[USER_NAME]);
  mantis_row found = NULL;
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if ((status = mantis_keep_begin (keep, true, error)) == MANTIS_OK)
    status = find_user (keep, name, arena, &found, error);
  if (status == MANTIS_OK && new &&found)
    status = mantis_fail (error, MANTIS_REFUSED, "there is a user \"%s\" already", name);
  else if (status == MANTIS_OK && !new && !found)
    status = mantis_fail (error, MANTIS_ABSENT, "there is no user \"%s\"", name);
  if (status == MANTIS_OK)
    status = mantis_keep_put (keep, &session_users, row, error);
  if (status == MANTIS_OK && !new)
    status = mantis_keep_revoke (keep, error);
  if (status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  mantis_arena_free (arena);
  return status;
}

/* "add" and "passwd": with another password the sessions of the old one are over. */
static enum mantis_status
set_password (const struct session *self, struct mantis_keep *keep,
              const struct mantis_user_order *order, bool new, struct mantis_error *error)
{
  struct mantis_buf stored = MANTIS_BUF_INIT, roles = MANTIS_BUF_INIT;
  struct mantis_value row[USER_COLUMNS] = {[USER_NAME] = text_value (order->user)};
  char stamp[STAMP_LENGTH + 1];
  enum mantis_status status = check_password (order->password, error);

  make_stamp (stamp);
  if (status == MANTIS_OK)
    status = add_roles (&roles, order->roles, error);
  if (status == MANTIS_OK)
    status = password_hash (order->password, self->cost, &stored, error);
  if (status == MANTIS_OK && (roles.failed || stored.failed))
    status = mantis_fail (error, MANTIS_FAILED, "no memory left");
  row[USER_PASSWORD] = text_value (stored.bytes);
  row[USER_STAMP] = text_value (stamp);
  row[USER_CHANGED_AT] = integer_value (mantis_now ());
  if (new) {
    row[USER_ROLES] = text_value (roles.bytes);
    row[USER_CREATED_AT] = row[USER_CHANGED_AT];
    row[USER_DISABLED] = integer_value (0);
  }
  if (status == MANTIS_OK)
    status = write_user (keep, row, new, error);
  mantis_buf_free (&stored);
  mantis_buf_free (&roles);
  return status;
}

static enum mantis_status
set_disabled (struct mantis_keep *keep, const char *user, bool disabled, struct mantis_error *error)
{
  char stamp[STAMP_LENGTH + 1];
  struct mantis_value row[USER_COLUMNS] = {[USER_NAME] = text_value (user),
                                           [USER_DISABLED] = integer_value (disabled),
                                           [USER_CHANGED_AT] = integer_value (mantis_now ())};

  make_stamp (stamp);
  row[USER_STAMP] = text_value (stamp);
  return write_user (keep, row, false, error);
}

static enum mantis_status
remove_user (struct mantis_keep *keep, const char *user, struct mantis_error *error)
{
  const struct mantis_value key[USER_COLUMNS] = {[USER_NAME] = text_value (user)};
  struct mantis_arena *arena = mantis_arena_new (0);
  mantis_row found = NULL;
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if ((status = mantis_keep_begin (keep, true, error)) == MANTIS_OK)
    status = find_user (keep, user, arena, &found, error);
  if (status == MANTIS_OK && !found)
    status = mantis_fail (error, MANTIS_ABSENT, "there is no user \"%s\"", user);
  if (status == MANTIS_OK)
    status = mantis_keep_delete (keep, &session_users, key, error);
  if (status == MANTIS_OK)
    status = mantis_keep_revoke (keep, error);
  if (status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  mantis_arena_free (arena);
  return status;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void
add_user (struct mantis_buf *answer, mantis_row row)
{
  const char *roles = text_of (&row[USER_ROLES]);

  mantis_buf_text (answer, "{\"user\":");
  mantis_buf_json (answer, row[USER_NAME].as.bytes, row[USER_NAME].length);
  mantis_buf_printf (answer,
                     ",\"roles\":%s,\"disabled\":%s,\"created_at\":%lld,\"changed_at\":%lld,"
                     "\"login_at\":%lld}",
                     *roles ? roles : "[]", integer_of (&row[USER_DISABLED]) ? "true" : "false",
                     (long long)integer_of (&row[USER_CREATED_AT]),
                     (long long)integer_of (&row[USER_CHANGED_AT]),
                     (long long)integer_of (&row[USER_LOGIN_AT]));
}

static enum mantis_status
list_users (struct mantis_keep *keep, struct mantis_buf *answer, struct mantis_error *error)
{
  struct mantis_arena *arena = mantis_arena_new (0), *older = mantis_arena_new (0), *swap;
  enum mantis_status status = arena && older ? mantis_keep_begin (keep, false, error)
                                             : mantis_fail (error, MANTIS_FAILED, "no memory left");
  mantis_row after = NULL;
  bool end = false;

  mantis_buf_char (answer, '[');
  for (size_t listed = 0; status == MANTIS_OK && !end;) {
    const mantis_row *rows;
    size_t count;
    mantis_arena_reset (arena);
    status =
        mantis_keep_scan (keep, &session_users, after, PAGE, arena, &rows, &count, &end, error);
    for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
      mantis_buf_text (answer, listed++ ? "," : "");
      add_user (answer, after = rows[i]);
    }
    swap = arena, arena = older, older = swap; /* AFTER lives until the next page is there */
  }
  mantis_buf_char (answer, ']');
  mantis_keep_rollback (keep);
  mantis_arena_free (arena);
  mantis_arena_free (older);
  return status;
}

enum mantis_status
session_users_order (void *data, struct mantis_keep *keep, const struct mantis_user_order *order,
                     struct mantis_buf *answer, struct mantis_error *error)
{
  const struct session *self = data;
  const char *what = order->what;

  if (strcmp (what, "list") == 0)
    return list_users (keep, answer, error);
  if (!order->user || !user_is_valid (order->user))
    return mantis_fail (error, MANTIS_INVALID,
                        "a user's name is a text of 1 to %d bytes without control characters",
                        LONGEST_USER);
  mantis_buf_text (answer, "{}");
  if (strcmp (what, "add") == 0 || strcmp (what, "passwd") == 0)
    return set_password (self, keep, order, strcmp (what, "add") == 0, error);
  if (strcmp (what, "disable") == 0 || strcmp (what, "enable") == 0)
    return set_disabled (keep, order->user, strcmp (what, "disable") == 0, error);
  if (strcmp (what, "remove") == 0)
    return remove_user (keep, order->user, error);
  return mantis_fail (error, MANTIS_INVALID, "\"%s\" is nothing that can be done with users", what);
}
