/* tables.c - users and sessions, as they are kept.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <string.h>

static const struct mantis_column user_columns[] = {
    MANTIS_KEPT_TEXT ("user", 1),          MANTIS_KEPT_TEXT ("password", 0),
    MANTIS_KEPT_TEXT ("roles", 0),         MANTIS_KEPT_INTEGER ("disabled", 0),
    MANTIS_KEPT_TEXT ("stamp", 0),         MANTIS_KEPT_INTEGER ("created_at", 0),
    MANTIS_KEPT_INTEGER ("changed_at", 0), MANTIS_KEPT_INTEGER ("login_at", 0)};
static const struct mantis_column session_columns[] = {
    MANTIS_KEPT_TEXT ("hash", 1),       MANTIS_KEPT_TEXT ("user", 0),
    MANTIS_KEPT_TEXT ("stamp", 0),      MANTIS_KEPT_INTEGER ("created_at", 0),
    MANTIS_KEPT_INTEGER ("used_at", 0), MANTIS_KEPT_INTEGER ("expires_at", 0),
    MANTIS_KEPT_TEXT ("peer", 0)};
static const uint32_t first[] = {0};

_Static_assert(sizeof user_columns / sizeof *user_columns == USER_COLUMNS, "users");
_Static_assert(sizeof session_columns / sizeof *session_columns == SESSION_COLUMNS, "sessions");

const struct mantis_table session_users = MANTIS_KEPT_TABLE ("__sync_users", user_columns, first);
const struct mantis_table session_sessions =
    MANTIS_KEPT_TABLE ("__sync_sessions", session_columns, first);
const struct mantis_table *const session_tables[] = {&session_users, &session_sessions, NULL};

struct mantis_value
text_value (const char *text)
{
  if (!text)
    return (struct mantis_value){.type = MANTIS_NULL};
  return (struct mantis_value){
      .type = MANTIS_TEXT, .length = (uint32_t)strlen (text), .as.bytes = text};
}

struct mantis_value
integer_value (int64_t integer)
{
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = integer};
}

const char *
text_of (const struct mantis_value *value)
{
  return value->type == MANTIS_TEXT ? value->as.bytes : "";
}

int64_t
integer_of (const struct mantis_value *value)
{
  return value->type == MANTIS_INTEGER ? value->as.integer : 0;
}

void
hex_text (char *text, const unsigned char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    text[i] = "0123456789abcdef"[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
  text[length] = '\0';
}

void
make_stamp (char stamp[STAMP_LENGTH + 1])
{
  unsigned char chance[STAMP_LENGTH / 2];

  mantis_random (chance, sizeof chance);
  hex_text (stamp, chance, STAMP_LENGTH);
}

enum mantis_status
find_user (struct mantis_keep *keep, const char *user, struct mantis_arena *arena, mantis_row *row,
           struct mantis_error *error)
{
  const struct mantis_value key[USER_COLUMNS] = {[USER_NAME] = text_value (user)};

  return mantis_keep_get (keep, &session_users, key, arena, row, error);
}
