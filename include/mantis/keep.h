/* mantis/keep.h - small tables that Mantis keeps for a plugin, in the database of the node.
 *
 * A plugin opens no database of its own.  It describes its tables in its operations; Mantis makes them
 * where they are missing, adds columns that older ones lack, and lends a struct mantis_keep for the
 * length of one call.  The tables are like Mantis's own: they are never synced, and nothing that is
 * written to them enters the log.  They are the same on every storage.
 *
 * A name begins with "__sync_".  Columns hold integers or texts; a key has one or two of them, and a text in a key
 * has at most 255 characters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_KEEP_H
#define MANTIS_KEEP_H

#include <mantis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Describing a table -------------------------------------------------------------------------
 *
 * POSITION is the column's place in the primary key, from 1; 0: it is no part of it.
 */
#define MANTIS_KEPT_TEXT(column, position)                                                         \
  {                                                                                                \
    .name = column, .declared = "TEXT", .type_class = MANTIS_CLASS_TEXT, .key_position = position, \
    .not_null = (position) > 0                                                                     \
  }
#define MANTIS_KEPT_INTEGER(column, position)                                                      \
  {                                                                                                \
    .name = column, .declared = "INTEGER", .type_class = MANTIS_CLASS_INTEGER,                     \
    .key_position = position, .not_null = (position) > 0                                           \
  }
/* KEY_COLUMNS: an array of their indexes, in key order. */
#define MANTIS_KEPT_TABLE(table_name, table_columns, key_columns)                                  \
  {                                                                                                \
    .size = sizeof (struct mantis_table), .name = table_name, .columns = table_columns,            \
    .column_count = sizeof (table_columns) / sizeof *(table_columns), .key = key_columns,          \
    .key_count = sizeof (key_columns) / sizeof *(key_columns), .fingerprint = "",                  \
    .without_rowid = true, .plain = true                                                           \
  }

/* ---- Reading and writing ------------------------------------------------------------------------
 *
 * On the thread of the call that KEEP was given to, until that returns.  All of it happens between
 * begin() and commit().  Statuses are those of a storage: after MANTIS_BUSY, MANTIS_LOST and MANTIS_FULL nothing
 * was changed and the caller rolls back.  What is left open is rolled back when the call returns.
 */
struct mantis_keep;

/* WRITE: other writers are kept out until commit().  It may wait for them, so what takes long comes before. */
MANTIS_PUBLIC enum mantis_status mantis_keep_begin (struct mantis_keep *keep, bool write,
                                                    struct mantis_error *error);
/* Durable when it returns. */
MANTIS_PUBLIC enum mantis_status mantis_keep_commit (struct mantis_keep *keep,
                                                     struct mantis_error *error);
MANTIS_PUBLIC void mantis_keep_rollback (struct mantis_keep *keep);

/* *ROW is the row with the key that is set in KEY, NULL when there is none. */
MANTIS_PUBLIC enum mantis_status mantis_keep_get (struct mantis_keep *keep,
                                                  const struct mantis_table *table, mantis_row key,
                                                  struct mantis_arena *arena, mantis_row *row,
                                                  struct mantis_error *error);
/* Rows in key order after the key that is set in AFTER (NULL: from the first), LIMIT at most.  *END: there are no more. */
MANTIS_PUBLIC enum mantis_status mantis_keep_scan (struct mantis_keep *keep,
                                                   const struct mantis_table *table,
                                                   mantis_row after, size_t limit,
                                                   struct mantis_arena *arena,
                                                   const mantis_row **rows, size_t *count,
                                                   bool *end, struct mantis_error *error);
/* Make the row with ROW's key, or set those of its columns that are not MANTIS_NONE. */
MANTIS_PUBLIC enum mantis_status mantis_keep_put (struct mantis_keep *keep,
                                                  const struct mantis_table *table, mantis_row row,
                                                  struct mantis_error *error);
/* A row that is not there is no error. */
MANTIS_PUBLIC enum mantis_status mantis_keep_delete (struct mantis_keep *keep,
                                                     const struct mantis_table *table,
                                                     mantis_row key, struct mantis_error *error);

/* In a transaction that writes: when it commits, credentials that were good may not be any more.  All who are connected
 * are asked for theirs once more: here when the call returns, on other servers of the database within a second. */
MANTIS_PUBLIC enum mantis_status mantis_keep_revoke (struct mantis_keep *keep,
                                                     struct mantis_error *error);

#ifdef __cplusplus
}
#endif
#endif
