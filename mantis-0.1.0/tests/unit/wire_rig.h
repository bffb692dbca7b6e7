/* wire_rig.h - what the tests of core/wire share: memory, values, tables, chance.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef WIRE_RIG_H
#define WIRE_RIG_H

#include <mantis/change.h>

#include <check.h>
#include <math.h>
#include <string.h>

/* Each check begins with an arena of its own. */
static struct mantis_arena *arena;
static struct mantis_buf buf;
static struct mantis_error error;

static void
set_up (void)
{
  arena = mantis_arena_new (0);
}

static void
tear_down (void)
{
  mantis_arena_free (arena);
  mantis_buf_free (&buf);
}

static inline uint64_t
draw (void) /* xorshift64*, https://arxiv.org/abs/1402.6246 */
{
  static uint64_t chance = 88172645463325252u;
  uint64_t mixed;

  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  mixed = chance * 0x2545f4914f6cdd1d;
  return mixed >> 32 | mixed << 32; /* the low bits alone are related to each other */
}

static inline struct mantis_value
integer (int64_t number)
{
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = number};
}

static inline struct mantis_value
real (double number)
{
  return (struct mantis_value){.type = MANTIS_REAL, .as.real = number};
}

static inline struct mantis_value
bytes_of (enum mantis_type type, const void *bytes, size_t length)
{
  return (struct mantis_value){.type = type, .length = (uint32_t)length, .as.bytes = bytes};
}

static inline struct mantis_value
text (const char *bytes)
{
  return bytes_of (MANTIS_TEXT, bytes, strlen (bytes));
}

static inline double
random_real (void)
{
  union {
    uint64_t bits;
    double real;
  } any = {.bits = draw ()};

  switch (draw () % 6) {
  case 0:
    return (double)(int64_t)draw ();
  case 1:
    return (double)(int64_t)(draw () % 2000) - 1000;
  case 2:
    return ((double)(int64_t)(draw () % 2000000) - 1000000) / 1000;
  case 3:
    return draw () % 2 ? 0.0 : -0.0;
  case 4:
    return draw () % 2 ? INFINITY : -INFINITY;
  default:
    return isnan (any.real) ? 0.1 : any.real;
  }
}

/* Any value; its bytes are in the arena. */
static inline struct mantis_value
random_value (void)
{
  unsigned char bytes[40];
  size_t length = draw () % sizeof bytes;

  switch (draw () % 6) {
  case 0:
    return (struct mantis_value){.type = MANTIS_NULL};
  case 1:
    return integer ((int64_t)draw () >> draw () % 64);
  case 2:
    return real (random_real ());
  default:
    for (size_t i = 0; i < length; i++)
      bytes[i] = (unsigned char)(draw () % 4 ? 'a' + draw () % 3 : draw ());
    return bytes_of (draw () % 2 ? MANTIS_TEXT : MANTIS_BLOB,
                     mantis_arena_copy (arena, bytes, length), length);
  }
}

#endif
