/* percent.c - names inside addresses and headers (RFC 3986, section 2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <string.h>

static bool
is_unreserved (unsigned char c)
{
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr ("-._~", c));
}

void
percent_encode (struct mantis_buf *buf, const char *text)
{
  for (const unsigned char *c = (const unsigned char *)text; *c; c++)
    if (is_unreserved (*c))
      mantis_buf_char (buf, (char)*c);
    else
      mantis_buf_printf (buf, "%%%02X", *c);
}

static int
digit (char c)
{
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

bool
percent_decode (char *text)
{
  char *to = text;

  for (const char *from = text; *from; from++) {
    *to = *from == '+' ? ' ' : *from;
    if (*from == '%') {
      int high = digit (from[1]), low = high < 0 ? -1 : digit (from[2]);
      if (low < 0 || high + low == 0)
        return false;
      *to = (char)(high * 16 + low);
      from += 2;
    }
    to++;
  }
  *to = '\0';
  return true;
}
