/* browser.c - what only browsers send, and why it is looked at twice.
 *
 * A browser adds a cookie (and a certificate) to each request to us, whatever page made it.  So a request
 * that is known by nothing else has to come from a page of ours: its Origin is the listener's own, or one of
 * allowed_origins.  A page of these may also read our answers (CORS: Fetch, 3.2), with a cookie or with a token.
 *
 * The own origin is the one whose host is that of the request: a page cannot choose what a browser says
 * there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char cookie_name[] =
    "__Host-mantis"; /* RFC 6265bis: set by this host, over TLS, for "/" */
static const char spoken_prefix[] = "mantis.bearer.";

/* ---- Cookies --------------------------------------------------------------------------------- */

/* The one cookie that is ours among TEXT, which is cut there; NULL: there is none. */
static const char *
find_cookie (char *text, bool *twice)
{
  const char *found = NULL;
  char *rest = text, *pair;

  while ((pair = strsep (&rest, ";"))) {
    size_t length = strlen (cookie_name);
    pair += strspn (pair, " \t");
    if (strncmp (pair, cookie_name, length) != 0 || pair[length] != '=')
      continue;
    *twice |= found != NULL;
    found = pair + length + 1;
  }
  return found;
}

bool
browser_cookie (struct mantis_buf *head, const struct mantis_answer *answer)
{
  bool ends = !*answer->cookie;

  mantis_buf_printf (
      head, "Set-Cookie: %s=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=%lld\r\n",
      cookie_name, answer->cookie, ends ? 0LL : (long long)answer->cookie_lifetime);
  return !head->failed;
}

/* ---- Origins --------------------------------------------------------------------------------- */

/* TEXT behind SCHEME; NULL: it is another one. */
static const char *
behind (const char *text, const char *scheme)
{
  size_t length = strlen (scheme);

  return strncasecmp (text, scheme, length) == 0 && text[length] ? text + length : NULL;
}

/* Are A and B one host and port, where PORT (":443") may be left out? */
static bool
same_host (const char *a, const char *b, const char *port)
{
  size_t of_a = strlen (a), of_b = strlen (b), of_port = strlen (port);

  if (of_a > of_port && strcmp (a + of_a - of_port, port) == 0)
    of_a -= of_port;
  if (of_b > of_port && strcmp (b + of_b - of_port, port) == 0)
    of_b -= of_port;
  return of_a == of_b && strncasecmp (a, b, of_a) == 0;
}

/* Without TLS here a proxy may speak it for us. */
static bool
is_own (const char *origin, const char *host, bool tls)
{
  const char *safe = behind (origin, "https://"), *plain = behind (origin, "http://");

  if (!host || !*host)
    return false;
  return safe ? same_host (safe, host, ":443") : plain && !tls && same_host (plain, host, ":80");
}

static bool
is_listed (const char *const *list, const char *origin)
{
  for (; list && *list; list++)
    if (strcasecmp (*list, origin) == 0)
      return true;
  return false;
}

bool
browser_may_list (const char *origin)
{
  const char *host = behind (origin, "https://");

  host = host ? host : behind (origin, "http://");
  return host && host[strcspn (host, "/?#@, *")] == '\0' && is_visible (host);
}

/* ---- A request ------------------------------------------------------------------------------- */

bool
browser_read (struct request *request, const struct rest *rest, struct refusal *refusal)
{
  bool twice = false;
  const char *origin = request_field (request, "Origin", &twice);
  const char *cookies = request_field (request, "Cookie", &twice);
  const char *host = request_field (request, "Host", &twice);

  if (cookies && *cookies)
    request->cookie = find_cookie ((char *)(uintptr_t)cookies, &twice);
  if (twice)
    return refuse (refusal, 400, "Origin, Cookie or the session's cookie stands there twice");
  if (request->cookie && (!is_visible (request->cookie) || strchr (request->cookie, ' ')))
    request->cookie = NULL;
  if (request->bearer) /* who says who he is needs nothing that a browser adds */
    request->cookie = NULL;
  request->origin = origin;
  request->listed = origin && is_listed (rest->allowed_origins, origin);
  request->at_home =
      origin && (request->listed || is_own (origin, host, rest->tls.certificate_file != NULL));
  return true;
}

bool
browser_check (const struct request *request, struct refusal *refusal)
{
  bool post = request->parser.method == HTTP_POST;

  if (request->at_home || request->bearer)
    return true;
  if (request->origin && (post || !request->route->open)) /* certificates come unasked, too */
    return refuse (refusal, 403, "a page of another origin: see allowed_origins of this server");
  if (request->cookie && (post || upgrade_is (request->route)))
    return refuse (refusal, 403, "a cookie counts only with the Origin of a page of this server");
  return true;
}

/* Browsers cannot send Authorization with a handshake: the token is a subprotocol there, and of those
 * none but ours is ever repeated. */
bool
browser_spoken_token (struct request *request, struct refusal *refusal)
{
  bool twice = false;
  const char *list = request_field (request, "Sec-WebSocket-Protocol", &twice);

  for (const char *at = twice ? NULL : list; at; at = strchr (at, ',')) {
    size_t length;
    at += *at == ',';
    at += strspn (at, " \t");
    if (strncmp (at, spoken_prefix, strlen (spoken_prefix)) != 0)
      continue;
    at += strlen (spoken_prefix);
    length = strcspn (at, ", \t");
    if (request->bearer || length == 0)
      return refuse (refusal, 400, "a token stands there twice, or is empty");
    if (!(request->spoken = strndup (at, length)))
      return refuse (refusal, 503, "no memory");
    request->bearer = request->spoken;
    request->cookie = NULL;
  }
  return true;
}

/* ---- Preflights ------------------------------------------------------------------------------ */

bool
browser_asks_first (const struct request *request, struct refusal *refusal)
{
  bool twice = false;

  if (request->parser.method != HTTP_OPTIONS || !request->listed ||
      !request_field (request, "Access-Control-Request-Method", &twice))
    return false;
  refusal->fields = "Access-Control-Allow-Methods: GET, POST\r\n"
                    "Access-Control-Allow-Headers: Authorization, Content-Type, Content-Encoding, "
                    "Mantis-Node, Mantis-Epoch, Mantis-Revision\r\n"
                    "Access-Control-Max-Age: 600\r\n";
  return true;
}

void
browser_share (struct mantis_buf *head, const char *origin)
{
  mantis_buf_printf (head,
                     "Access-Control-Allow-Origin: %s\r\nAccess-Control-Allow-Credentials: true\r\n"
                     "Access-Control-Expose-Headers: Retry-After\r\nVary: Origin\r\n",
                     origin);
}
