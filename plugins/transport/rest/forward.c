/* forward.c - who called the proxy that calls us.
 *
 * Each proxy adds the address that called it at the end of X-Forwarded-For; what stands before it came from
 * outside.  So it is read from its end, and only as far as those who said it are proxies that the configuration
 * trusts: from anybody else the field is nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BITS = 128, BITS_OF_V4 = 32 };

/* Of IPv4 as IPv6 has it: ::ffff:10.0.0.1 is 10.0.0.1. */
struct address {
  unsigned char bytes[BITS / 8];
};

static bool
read_address (const char *text, struct address *address)
{
  static const unsigned char mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

  memcpy (address->bytes, mapped, sizeof mapped);
  return inet_pton (AF_INET, text, address->bytes + sizeof mapped) == 1 ||
         inet_pton (AF_INET6, text, address->bytes) == 1;
}

/* "10.0.0.0/8", or one address.  *BITS of it count. */
static bool
read_network (const char *text, struct address *address, int *bits)
{
  char host[INET6_ADDRSTRLEN];
  size_t length = strcspn (text, "/");
  char *end;
  long most;

  if (length >= sizeof host)
    return false;
  memcpy (host, text, length);
  host[length] = '\0';
  if (!read_address (host, address))
    return false;
  most = strchr (host, ':') ? BITS : BITS_OF_V4;
  *bits = BITS;
  if (!text[length])
    return true;
  if (!strchr ("0123456789", text[length + 1]) || !text[length + 1])
    return false;
  *bits = (int)(BITS - most + strtol (text + length + 1, &end, 10));
  return *end == '\0' && end - text - (ptrdiff_t)length <= 4 && *bits <= BITS;
}

bool
forward_may_trust (const char *network)
{
  struct address address;
  int bits;

  return read_network (network, &address, &bits);
}

static bool
is_within (const struct address *address, const struct address *network, int bits)
{
  int whole = bits / 8, mask = 0xff00 >> bits % 8 & 0xff;

  return memcmp (address->bytes, network->bytes, (size_t)whole) == 0 &&
         (bits % 8 == 0 || ((address->bytes[whole] ^ network->bytes[whole]) & mask) == 0);
}

static bool
is_trusted (const struct rest *rest, const struct address *address)
{
  struct address network;
  int bits;

  for (const char *const *item = rest->trusted_proxies; *item; item++)
    if (read_network (*item, &network, &bits) && is_within (address, &network, bits))
      return true;
  return false;
}

/* ---- The field ------------------------------------------------------------------------------- */

/* "10.0.0.1", "10.0.0.1:4711", "2001:db8::1", "[2001:db8::1]:4711"; some proxies add the port. */
static bool
read_element (const char *text, size_t length, struct address *address)
{
  char host[INET6_ADDRSTRLEN + 10], *from = host, *end;

  while (length && strchr (" \t", *text))
    text++, length--;
  while (length && strchr (" \t", text[length - 1]))
    length--;
  if (length >= sizeof host)
    return false;
  memcpy (host, text, length);
  host[length] = '\0';
  if (*host == '[' && (end = strchr (host, ']'))) {
    from++;
    *end = '\0';
  } else if ((end = strchr (host, ':')) && end == strrchr (host, ':'))
    *end = '\0';
  return read_address (from, address);
}

/* What stands behind the last comma of the *LENGTH bytes of VALUE, which then end before it. */
static bool
last_element (const char *value, size_t *length, struct address *address)
{
  const char *comma = memrchr (value, ',', *length);
  size_t begin = comma ? (size_t)(comma + 1 - value) : 0;
  bool good = read_element (value + begin, *length - begin, address);

  *length = comma ? begin - 1 : 0;
  return good;
}

/* Go back through one field.  True: *CALLER is a trusted proxy still, and what stands before was heard by him. */
static bool
go_back (const struct rest *rest, const char *value, struct address *caller)
{
  size_t length = strlen (value);
  struct address before;

  while (length > 0) {
    if (!last_element (value, &length, &before))
      return false; /* nobody knows who called: it counts as the proxy */
    *caller = before;
    if (!is_trusted (rest, caller))
      return false;
  }
  return true;
}

static char *
text_of (const struct address *address)
{
  bool v4 = IN6_IS_ADDR_V4MAPPED ((const struct in6_addr *)(const void *)address->bytes);
  char text[INET6_ADDRSTRLEN];

  return inet_ntop (v4 ? AF_INET : AF_INET6, address->bytes + (v4 ? (BITS - BITS_OF_V4) / 8 : 0),
                    text, sizeof text)
             ? strdup (text)
             : NULL;
}

char *
forward_caller (const struct request *request, const struct rest *rest, const char *peer)
{
  struct address caller;
  bool said = false, further = true;

  if (!rest->trusted_proxies || !read_address (peer, &caller) || !is_trusted (rest, &caller))
    return NULL;
  for (size_t i = request->field_count; i > 0 && further; i--)
    if (strcasecmp (request->fields[i - 1].name, "X-Forwarded-For") == 0) {
      further = go_back (rest, request->fields[i - 1].value, &caller);
      said = true;
    }
  return said ? text_of (&caller) : NULL;
}
