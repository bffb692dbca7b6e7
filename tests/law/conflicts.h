/* conflicts.h - conflicts to try a resolver on: made from a seed and a number, the same ones each time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LAW_CONFLICTS_H
#define MANTIS_LAW_CONFLICTS_H

#include "plugin_test.h"

#include <mantis/resolver.h>

/* What a conflict has, or-ed. */
enum {
  LOCAL_DELETED = 1,
  REMOTE_DELETED = 2,
  NO_BASE = 4, /* it is not known what both were made from */
  GAPS = 8,    /* columns that the author did not send */
  NO_STAMPS = 16,
  ODD_VALUES = 32, /* of any type in any column, large ones, NUL, bytes that are not UTF-8 */
  EVERYTHING = 63
};

/* What MARK stands in, in each text that is made, so that it is found again where it should not be. */
#define MARK "zqxmark"

/* The conflict NUMBER, of what MAY says (chance decides among it).  It lives until the next one is made; the
 * memory of all of it is between *FROM and *FROM + *SIZE, alone there. */
const struct mantis_conflict *conflict_make (uint64_t number, unsigned may, uint32_t wants);
void conflict_memory (void **from, size_t *size);
/* In words, for the report. */
const char *conflict_words (void);

/* For laws about rows alone: a table of each shape, which stays; and rows of it, until the next rows_begin(). */
enum { SHAPES = 4 };
const struct mantis_table *lasting_table (size_t shape);
void rows_begin (uint64_t number);
struct mantis_value *row_make (const struct mantis_table *table, unsigned may);
struct mantis_value *row_edit (const struct mantis_table *table, const struct mantis_value *row,
                               unsigned may);
struct mantis_value *row_copy (const struct mantis_table *table, const struct mantis_value *row,
                               const bool *columns); /* the others are MANTIS_NONE */
struct mantis_change *change_make (const struct mantis_table *table, mantis_row row, bool deleted);

#endif
