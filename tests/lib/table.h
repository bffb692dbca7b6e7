/* table.h - the description of a table, for tests that make one by hand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_TEST_TABLE_H
#define MANTIS_TEST_TABLE_H

#include <mantis/change.h>

/* COLUMNS and KEY are arrays; KEY has the places of its columns.  What follows are more members. */
#define TABLE_OF(table_name, table_columns, table_key, ...)                                        \
  {                                                                                                \
    .size = sizeof (struct mantis_table), .name = table_name, .columns = table_columns,            \
    .column_count = sizeof (table_columns) / sizeof *(table_columns), .key = table_key,            \
    .key_count = sizeof (table_key) / sizeof *(table_key), __VA_ARGS__                             \
  }

#endif
