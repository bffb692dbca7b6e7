/* kinds.h - what is known about each kind of plugin: its number, its struct, what it has to bring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_KINDS_H
#define MANTIS_KINDS_H

#include <mantis/plugin.h>

struct callback {
  const char *name; /* NULL: the table ends */
  size_t offset;    /* into the kind's struct */
  unsigned group;   /* 0: always needed; else all of one group or none, and at least one group */
};

struct kind {
  const char *name;
  uint32_t abi;
  size_t ops_size;
  const struct callback *callbacks;
};

const struct kind *kind_find (uint32_t kind); /* NULL: there is no such kind */

#endif
