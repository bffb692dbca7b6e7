/* geometry.c - is this the form in which the engine keeps a geometry?
 *
 * Four bytes of SRID, then well-known binary (OGC 06-103r4, section 8.2), all of it little-endian.  The engine
 * looks at the first bytes only, and gives an error to whoever asks for the rest later.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

enum { POINT = 1, LINE, POLYGON, POINTS, LINES, POLYGONS, COLLECTION };
enum { SRID_BYTES = 4, POINT_BYTES = 16, DEEPEST = 32 };

struct walk {
  const unsigned char *at, *end;
};

static bool
take_number (struct walk *walk, uint32_t *number)
{
  if (walk->end - walk->at < 4)
    return false;
  *number = (uint32_t)walk->at[0] | (uint32_t)walk->at[1] << 8 | (uint32_t)walk->at[2] << 16 |
            (uint32_t)walk->at[3] << 24;
  walk->at += 4;
  return true;
}

static bool
take_points (struct walk *walk, uint32_t count)
{
  if ((size_t)(walk->end - walk->at) / POINT_BYTES < count)
    return false;
  walk->at += (size_t)count * POINT_BYTES;
  return true;
}

static bool
take_line (struct walk *walk)
{
  uint32_t count;

  return take_number (walk, &count) && count > 0 && take_points (walk, count);
}

/* One geometry; TYPE 0: any. */
static bool
take_geometry (struct walk *walk, uint32_t type, int depth)
{
  uint32_t found, count;

  if (depth > DEEPEST || walk->at == walk->end || *walk->at++ != 1 || !take_number (walk, &found) ||
      (type && found != type))
    return false;
  if (found == POINT)
    return take_points (walk, 1);
  if (found == LINE)
    return take_line (walk);
  if (found < POLYGON || found > COLLECTION || !take_number (walk, &count))
    return false;
  for (; count; count--)
    if (found == POLYGON
            ? !take_line (walk)
            : !take_geometry (walk, found == COLLECTION ? 0 : found - POINTS + POINT, depth + 1))
      return false;
  return true;
}

bool
is_geometry (const char *bytes, size_t length)
{
  struct walk walk = {(const unsigned char *)bytes + SRID_BYTES,
                      (const unsigned char *)bytes + length};

  return length > SRID_BYTES && take_geometry (&walk, 0, 0) && walk.at == walk.end;
}
