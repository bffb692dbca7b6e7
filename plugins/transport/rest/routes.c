/* routes.c - which address and method is which message.
 *
 * An address is compared as it stands: nothing is decoded or tidied up, so that no other spelling
 * of it can pass a check that this one would not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_ARGUMENT = 64 };

const struct mantis_route rest_routes[] = {
    {"POST", "/sync/hello", "hello", false},
    {"POST", "/sync/push", "push", false},
    {"POST", "/sync/pull", "pull", false},
    {"GET", "/sync/schema", "schema", false},
    {"GET", "/sync/status", "status", false},
    {"GET", "/sync/conflicts", "conflicts", false},
    {"GET", "/sync/conflicts/{id}", "conflicts", false},
    {"POST", "/sync/conflicts/{id}", "conflicts", false},
    {"GET", "/sync/ws", "connect", false},
    {"POST", "/auth/login", "login", true},
    {"POST", "/auth/logout", "logout", false},
    {"GET", "/healthz", "healthz", true},
    {"GET", "/readyz", "readyz", true},
    {"GET", "/metrics", "metrics", false},
    {NULL, NULL, NULL, false},
};

/* ---- Routes ---------------------------------------------------------------------------------- */

/* RFC 9112, 3.2.2: a whole URL is taken for its path. */
static const char *
path_of (const char *target)
{
  size_t scheme = strncasecmp (target, "http://", 7) == 0    ? 7
                  : strncasecmp (target, "https://", 8) == 0 ? 8
                                                             : 0;

  if (!scheme)
    return target;
  target += scheme + strcspn (target + scheme, "/?");
  return *target == '/' ? target : "/";
}

/* Is PATH (LENGTH bytes) ROUTE's?  Compared as it stands: nothing is decoded or tidied up. */
static bool
route_matches (const struct mantis_route *route, const char *path, size_t length,
               const char **argument)
{
  const char *brace = strchr (route->path, '{');
  size_t fixed = brace ? (size_t)(brace - route->path) : strlen (route->path);

  if (length < fixed || memcmp (path, route->path, fixed) != 0)
    return false;
  if (!brace)
    return length == fixed;
  *argument = path + fixed;
  length -= fixed;
  return length > 0 && length <= MAX_ARGUMENT &&
         strspn (*argument, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~") >=
             length;
}

/* RFC 6750 has a token there, too; but addresses end up in logs. */
static bool
holds_token (const char *query)
{
  static const char *const names[] = {"token", "access_token"};

  for (const char *at = query; *at; at += strcspn (at, "&"), at += *at == '&')
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      if (strncasecmp (at, names[i], strlen (names[i])) == 0 && at[strlen (names[i])] == '=')
        return true;
  return false;
}

static void
add_allowed (char *allow, size_t room, const char *method)
{
  size_t used = strlen (allow);

  snprintf (allow + used, room - used, "%s%s", used ? ", " : "",
            strcmp (method, "GET") == 0 ? "GET, HEAD" : method);
}

/* Sets request->route where path and method match; refusal->allow to what the path knows. */
static bool
find_route (struct request *request, const char *method, const struct rest *rest,
            struct refusal *refusal)
{
  const char *path = path_of (request->target), *argument = NULL;
  size_t length = strcspn (path, "?");
  bool known = false, open = false;

  for (const struct mantis_route *route = rest_routes; route->method; route++) {
    if ((upgrade_only (rest) && !upgrade_is (route)) ||
        !route_matches (route, path, length, &argument))
      continue;
    known = true;
    open |= route->open;
    add_allowed (refusal->allow, sizeof refusal->allow, route->method);
    if (strcmp (route->method, method) == 0)
      request->route = route;
  }
  if (!known)
    return refuse (refusal, 404, "there is nothing at this address");
  add_allowed (refusal->allow, sizeof refusal->allow, "OPTIONS");
  if (browser_asks_first (request, refusal))
    return refuse (refusal, 204, NULL);
  if (path[length] && holds_token (path + length + 1))
    return refuse (
        refusal, 400,
        "a token in the address is not taken: it belongs into \"Authorization: Bearer TOKEN\"");
  if (request->route && upgrade_is (request->route) && !browser_spoken_token (request, refusal))
    return false;
  if (!open && !request->bearer && !request->cookie && !request->certificate_subject)
    return refuse (refusal, 401, "a request needs \"Authorization: Bearer TOKEN\"");
  if (!request->route)
    return refuse (refusal, strcmp (method, "OPTIONS") == 0 ? 204 : 405,
                   "this address does not know this method");
  if (!browser_check (request, refusal))
    return false;
  if (argument) {
    ((char *)(uintptr_t)argument)[length - (size_t)(argument - path)] = '\0';
    request->argument = argument;
  } else if (path[length] && path[length + 1] && strcmp (method, "GET") == 0)
    request->argument = path + length + 1;
  return true;
}

bool
route_find (struct request *request, const struct rest *rest, struct refusal *refusal)
{
  enum http_method method = request->parser.method;

  request->head_only = method == HTTP_HEAD;
  if (method == HTTP_OPTIONS && strcmp (request->target, "*") == 0) {
    add_allowed (refusal->allow, sizeof refusal->allow, "GET");
    add_allowed (refusal->allow, sizeof refusal->allow, "POST, OPTIONS");
    return refuse (refusal, 204, NULL);
  }
  return find_route (request, method == HTTP_HEAD ? "GET" : http_method_str (method), rest,
                     refusal);
}
