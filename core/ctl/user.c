/* user.c - mantisctl user: who may log in at a server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>

static bool
needs_password (const char *what)
{
  return strcmp (what, "add") == 0 || strcmp (what, "passwd") == 0;
}

/* The roles that are separated by commas in TEXT. */
static json_t *
roles_of (const char *text)
{
  json_t *roles = json_array ();

  while (text && *text) {
    size_t length = strcspn (text, ",");
    json_array_append_new (roles, json_stringn (text, length));
    text += length + (text[length] == ',');
  }
  return roles;
}

/* The order as JSON, with the password; the caller's to free.  NULL: ERROR says why. */
static char *
make_order (const struct ctl *ctl, const char *what, const char *user, struct mantis_error *error)
{
  CLEANUP_SECRET struct mantis_buf password = MANTIS_BUF_INIT;
  json_t *order = json_pack ("{s:s}", "what", what);
  char *text = NULL;

  if (user)
    json_object_set_new (order, "user", json_string (user));
  if (ctl->role)
    json_object_set_new (order, "roles", roles_of (ctl->role));
  if (!needs_password (what) || password_take (ctl, user, true, &password, error) == MANTIS_OK) {
    if (password.length)
      json_object_set_new (order, "password", json_string (password.bytes));
    if (!json_object_get (order, "user") && user)
      mantis_fail (error, MANTIS_INVALID, "the user's name is not UTF-8");
    else if (password.length && !json_object_get (order, "password"))
      mantis_fail (error, MANTIS_INVALID, "the password is not UTF-8");
    else if (!(text = json_dumps (order, JSON_COMPACT)))
      mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  json_decref (order);
  return text;
}

static void
add_roles (struct grid *grid, const json_t *roles)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  const json_t *role;
  size_t i;

  json_array_foreach ((json_t *)(uintptr_t)roles, i, role)
      mantis_buf_printf (&text, "%s%s", i ? "," : "", json_string_value (role));
  grid_add (grid, text.length ? text.bytes : "-");
}

static void
print_users (const json_t *users)
{
  static const char *const names[] = {"USER", "STATE", "ROLES", "LAST LOGIN", "CHANGED"};
  struct grid grid = {.columns = COUNT_OF (names)};
  const json_t *user;
  size_t i;

  for (i = 0; i < COUNT_OF (names); i++)
    grid_add (&grid, names[i]);
  json_array_foreach ((json_t *)(uintptr_t)users, i, user)
  {
    grid_json (&grid, json_object_get (user, "user"));
    grid_add (&grid, json_is_true (json_object_get (user, "disabled")) ? "disabled" : "enabled");
    add_roles (&grid, json_object_get (user, "roles"));
    grid_time (&grid, json_object_get (user, "login_at"));
    grid_time (&grid, json_object_get (user, "changed_at"));
  }
  grid_print (&grid);
  grid_free (&grid);
}

static const char usage[] =
    "usage: mantisctl user add|passwd|disable|enable|remove NAME, or mantisctl user list";

int
ctl_user (struct ctl *ctl)
{
  static const char *const words[] = {"add", "passwd", "disable", "enable", "remove"};
  const char *what = ctl->words[0], *user = ctl->words[1];
  bool list = strcmp (what, "list") == 0 && !user;
  struct mantis_error error = {.status = MANTIS_OK};
  const json_t *reply;
  bool known = false;
  json_t *whole;
  char *order;
  int result;

  for (size_t i = 0; i < COUNT_OF (words); i++)
    known |= user && strcmp (what, words[i]) == 0;
  if (!known && !list) {
    mantis_fail (&error, MANTIS_INVALID, "%s", usage);
    return ctl_complain (&error);
  }
  if (!(order = make_order (ctl, what, user, &error)))
    return ctl_complain (&error);
  result = ctl_ask (ctl, "users", order, NULL, &whole, &reply);
  secret_wipe (order, strlen (order));
  free (order);
  if (result == EXIT_CLEAN && ctl->json)
    result = print_json (reply);
  else if (result == EXIT_CLEAN && list)
    print_users (reply);
  json_decref (whole);
  return result;
}
