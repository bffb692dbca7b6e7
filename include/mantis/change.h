/* mantis/change.h - what moves: value, row, table, change, entry of the log.
 *
 * Pointers in these structs are borrowed from an arena or a schema of the caller and live as long as it
 * does; nothing here is freed by a plugin.  New fields go at the end of a struct.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CHANGE_H
#define MANTIS_CHANGE_H

#include <mantis/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Value --------------------------------------------------------------------------------------
 *
 * SQLite's five storage classes carry every value of every engine that Mantis speaks to: what has no
 * class of its own (DECIMAL, DATETIME, unsigned BIGINT above 2^63-1) travels as exact text.
 */
enum mantis_type {
  MANTIS_NONE = 0, /* not carried: the column is unknown to the sender, or of no interest here */
  MANTIS_NULL,
  MANTIS_INTEGER, /* 64 bit, signed */
  MANTIS_REAL,    /* IEEE 754 binary64; infinities and -0.0 included, never NaN (SQLite has none) */
  MANTIS_TEXT,    /* bytes as stored: NUL and invalid UTF-8 may occur */
  MANTIS_BLOB
};

struct mantis_value {
  uint32_t type;   /* enum mantis_type */
  uint32_t length; /* of text or blob, in bytes */
  union {
    int64_t integer;
    double real;
    const char *bytes; /* text or blob; NUL-terminated where Mantis made it, not part of length */
  } as;
};

/* The same value: same type and bits.  0.0 and -0.0 differ, 1 and 1.0 differ. */
MANTIS_PUBLIC bool mantis_value_equal (const struct mantis_value *a, const struct mantis_value *b);

/* ---- Table --------------------------------------------------------------------------------------
 *
 * A table as Mantis sees it.  Made by a storage at attach, constant until the schema changes.
 */
enum mantis_class { /* SQLite's affinities (https://sqlite.org/datatype3.html, section 3.1) */
  MANTIS_CLASS_ANY, /* BLOB affinity or none: stored as given */
  MANTIS_CLASS_TEXT,
  MANTIS_CLASS_NUMERIC,
  MANTIS_CLASS_INTEGER,
  MANTIS_CLASS_REAL
};

struct mantis_column {
  const char *name;
  const char *declared;      /* declared type, "" for none */
  const char *default_value; /* SQL expression, NULL for none; "": one that SQLite has no words for */
  const char *collation;     /* NULL: the engine's binary order */
  const char *generated;     /* SQL expression of a generated column, "" too; NULL for an ordinary one */
  uint32_t type_class;       /* enum mantis_class */
  uint32_t key_position;     /* 1 is the first column of the primary key, 0 is not part of it */
  bool not_null;
  bool stored; /* a generated column that is stored */
};

struct mantis_foreign_key {
  const char *parent;          /* table referred to */
  const char *const *columns;  /* of the child, COUNT of them */
  const char *const *parents;  /* of the parent; NULL: its primary key */
  size_t count;
  const char *on_delete; /* "NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT" */
  const char *on_update;
};

struct mantis_unique { /* a unique index or constraint other than the primary key */
  const char *const *columns;
  size_t count;
};

struct mantis_table {
  size_t size; /* of this struct as its maker knew it */
  const char *name;
  int64_t id; /* the storage's own number for it, 0 for Mantis's own tables */
  const struct mantis_column *columns;
  size_t column_count; /* generated columns included; their values are always MANTIS_NONE */
  const uint32_t *key; /* indexes into columns, in key order */
  size_t key_count;
  const struct mantis_foreign_key *foreign_keys;
  size_t foreign_key_count;
  const struct mantis_unique *uniques;
  size_t unique_count;
  const char *fingerprint; /* of name, class, NOT NULL and key position of each column, by name */
  const char *refusal;     /* why this table cannot be synced, or NULL */
  bool without_rowid;
  bool strict;
  bool autoincrement;
  bool plain; /* nothing but the row changes when a row does: no trigger of the application's, no
                 foreign key action from or to it, no generated column */
  size_t loose_uniques; /* so many of UNIQUES, the last ones, forbid less than their columns say: they have a
                           condition, or an expression beside these columns */
};

/* The fingerprint that TABLE has to have, in ARENA: any storage gives the same for the same.  FNV-1a, 64 bits, over each
 * ordinary column in the order of names (bytes): name, a zero byte, class, NOT NULL and key position as a byte each.  A
 * key column counts as NOT NULL, said or not.  NULL: no memory. */
MANTIS_PUBLIC const char *mantis_table_fingerprint (const struct mantis_table *table,
                                                    struct mantis_arena *arena);

/* A row of TABLE: column_count values in the order of its columns. */
typedef const struct mantis_value *mantis_row;

/* {"id": 1, "title": "milk"}: the columns that ROW carries, in the forms of docs/protocol.md (a blob is {"b": "BASE64"}). */
MANTIS_PUBLIC void mantis_row_json (struct mantis_buf *buf, const struct mantis_table *table,
                                    mantis_row row);
/* A row of TABLE from such an object, in ARENA: columns that it does not name are MANTIS_NONE.  MANTIS_INVALID: it is none, or
 * names a column that the table lacks. */
MANTIS_PUBLIC enum mantis_status mantis_row_read (const char *json, size_t length,
                                                  const struct mantis_table *table,
                                                  struct mantis_arena *arena, mantis_row *row,
                                                  struct mantis_error *error);

/* ---- Change -------------------------------------------------------------------------------------
 *
 * One row's new state, or its deletion.
 */
struct mantis_change {
  const struct mantis_table *table;
  mantis_row row;      /* when deleted, only the key columns are set */
  bool deleted;
  bool created;        /* its author made the row new: it did not exist under base */
  int64_t updated_at;  /* milliseconds since 1970 UTC, in the server's time */
  int64_t rev;         /* the version that this change is, 0 when the server has not given one yet */
  int64_t base;        /* the version that it was made on; 0: none seen */
  int64_t seen;        /* a version above base that its author also had, 0 for none */
  const char *origin;  /* node id of its author */
  /* The row that its author made it of, NULL where that is not known (or there was none).  Of an edit only the
   * columns that it changed are set. */
  mantis_row was;
};

/* Who comes later?  By updated_at, then by origin (bytes).  < 0: A is earlier; never 0 for two authors. */
MANTIS_PUBLIC int mantis_change_order (const struct mantis_change *a, const struct mantis_change *b);

/* ---- Entry of the log --------------------------------------------------------------------------- */
enum mantis_operation {
  MANTIS_INSERT = 'I',
  MANTIS_UPDATE = 'U',
  MANTIS_DELETE = 'D',
  MANTIS_EVICT = 'E', /* may have been removed by REPLACE: a deletion if the row is gone, else nothing */
  MANTIS_START = 'M'  /* the log was made: its first entry, of no table */
};

struct mantis_entry {
  int64_t seq; /* place in the log; on a server this is the revision */
  const struct mantis_table *table; /* NULL: a table that is not synced (any more) */
  char operation;                   /* enum mantis_operation */
  int64_t time;                     /* milliseconds since 1970 UTC, clock of the database's machine */
  const char *origin;               /* node id, NULL: a program that writes to this database */
  const struct mantis_value *key;   /* key_count values, in key order */
};

#ifdef __cplusplus
}
#endif
#endif
