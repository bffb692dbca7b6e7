/* units.h - sizes and durations as people write them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_UNITS_H
#define MANTIS_UNITS_H

#include <mantis/host.h>

/* "65536", "64k", "8M", "1G" (powers of 1024) in bytes.  False: it is no size. */
bool size_from_text (const char *text, int64_t *bytes);
/* "30" (seconds), "250ms", "30s", "5m", "2h", "30d" in milliseconds.  False: it is no duration. */
bool duration_from_text (const char *text, int64_t *milliseconds);
bool duration_from_seconds (double seconds, int64_t *milliseconds);

/* The largest unit that shows NUMBER exactly. */
void size_print (struct mantis_buf *buf, int64_t bytes);
void duration_print (struct mantis_buf *buf, int64_t milliseconds);
/* "1 to 10", "at least 1", in the unit of TYPE (enum mantis_option_type). */
void range_print (struct mantis_buf *buf, uint32_t type, int64_t minimum, int64_t maximum);

#endif
