/* handshake.c - may this request become a WebSocket?  RFC 6455, 4.2.
 *
 * Who is calling is not asked here: the core says that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_LENGTH = 24 }; /* base64 of 16 bytes */

static void
refuse (struct mantis_verdict *verdict, int status, const char *detail, const char *fields)
{
  verdict->status = status;
  verdict->detail = detail;
  snprintf (verdict->fields, sizeof verdict->fields, "%s", fields);
}

/* Is WORD a member of the comma separated LIST? */
static bool
list_has (const char *list, const char *word, bool any_case)
{
  size_t length = strlen (word);

  for (const char *at = list; at; at = strchr (at, ',')) {
    size_t found;
    at += *at == ',';
    at += strspn (at, " \t");
    found = strcspn (at, ",");
    while (found && strchr (" \t", at[found - 1]))
      found--;
    if (found == length &&
        (any_case ? strncasecmp (at, word, length) : strncmp (at, word, length)) == 0)
      return true;
  }
  return false;
}

static bool
is_key (const char *key)
{
  return key && strlen (key) == KEY_LENGTH &&
         strspn (key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") ==
             KEY_LENGTH - 2 &&
         strcmp (key + KEY_LENGTH - 2, "==") == 0;
}

bool
handshake_list_has (const char *list, const char *word)
{
  return list_has (list, word, true);
}

bool
handshake_digest (const char *key, char *text, size_t room)
{
  unsigned char digest[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
  char both[KEY_LENGTH + sizeof GUID];
  unsigned length;

  snprintf (both, sizeof both, "%s%s", key, GUID);
  if (!EVP_Digest (both, strlen (both), digest, &length, EVP_sha1 (), NULL))
    return false;
  EVP_EncodeBlock (base64, digest, (int)length);
  snprintf (text, room, "%s", base64);
  return true;
}

static bool
accept_key (const char *key, const char *protocol, const char *agreed,
            struct mantis_verdict *verdict)
{
  char text[LONGEST_DIGEST];
  int used;

  if (!handshake_digest (key, text, sizeof text))
    return false;
  used = snprintf (verdict->fields, sizeof verdict->fields, "Sec-WebSocket-Accept: %s\r\n%s%s%s%s",
                   text, protocol ? "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n" : "",
                   *agreed ? "Sec-WebSocket-Extensions: " : "", agreed, *agreed ? "\r\n" : "");
  return used < (int)sizeof verdict->fields;
}

/* In several lines, which may be cut anywhere, nothing is taken: a server need not. */
static bool
choose_extension (const struct websocket *websocket, const struct mantis_offer *offer,
                  struct mantis_verdict *verdict, char agreed[LONGEST_AGREEMENT])
{
  bool several = false;
  const char *extensions = offer->field (offer->context, "Sec-WebSocket-Extensions", &several);
  struct deflate deflate;
  bool good =
      extension_choose (several || !websocket->compress ? NULL : extensions, &deflate, agreed);

  verdict->memo = memo_write (deflate);
  return good;
}

void
handshake_weigh (void *self, const struct mantis_offer *offer, struct mantis_verdict *verdict)
{
  char agreed[LONGEST_AGREEMENT];
  bool twice = false;
  const char *upgrade = offer->field (offer->context, "Upgrade", &twice);
  const char *connection = offer->field (offer->context, "Connection", &twice);
  const char *version = offer->field (offer->context, "Sec-WebSocket-Version", &twice);
  const char *key = offer->field (offer->context, "Sec-WebSocket-Key", &twice);
  const char *protocol = offer->field (offer->context, "Sec-WebSocket-Protocol", &twice);

  if (twice)
    refuse (verdict, 400, "a field of the handshake stands there twice", "");
  else if (!list_has (upgrade, "websocket", true))
    refuse (verdict, 426, "this address is for WebSocket: \"Upgrade: websocket\"",
            "Upgrade: websocket\r\n");
  else if (!list_has (connection, "upgrade", true))
    refuse (verdict, 400, "a handshake needs \"Connection: Upgrade\"", "");
  else if (!version || strcmp (version, "13") != 0)
    refuse (verdict, 426, "of WebSocket only version 13 is understood",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  else if (!is_key (key))
    refuse (verdict, 400, "Sec-WebSocket-Key is not 16 bytes in base64", "");
  else if (protocol && !list_has (protocol, SUBPROTOCOL, false))
    refuse (verdict, 400, "the subprotocol of this server is " SUBPROTOCOL, "");
  else if (!choose_extension (self, offer, verdict, agreed))
    refuse (verdict, 400, "Sec-WebSocket-Extensions is no list of extensions", "");
  else if (accept_key (key, protocol, agreed, verdict))
    verdict->status = 101;
  else
    refuse (verdict, 500, "no SHA-1 on this server", "");
}
