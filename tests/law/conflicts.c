/* conflicts.c - conflicts made by chance, as the core would show them to a resolver.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "conflicts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Memory: of one conflict, and of nothing else -------------------------------------------- */

enum { ROOM = 64 << 20, LARGE_TEXT = 300000, WIDE = 300, MOST_COLUMNS = WIDE + MOST_NAMED + 8 };

static char *room;
static size_t used, lasting; /* bytes; LASTING of them are kept */
static char words[400];

static void *
take (size_t size)
{
  void *taken;

  size = (size + 15) & ~(size_t)15;
  if (!room) {
    room = mmap (NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    if (room == MAP_FAILED)
      skip ("no memory for conflicts");
  }
  if (used + size > ROOM)
    skip ("no memory for so large a conflict");
  taken = room + used;
  used += size;
  return memset (taken, 0, size);
}

void
conflict_memory (void **from, size_t *size)
{
  *from = room;
  *size = ROOM;
}

const char *
conflict_words (void)
{
  return words;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static uint32_t
class_of (const char *type)
{
  static const char *const names[] = {"ANY", "TEXT", "NUMERIC", "INTEGER", "REAL"};

  for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp (type, names[i]) == 0)
      return i;
  return MANTIS_CLASS_NUMERIC; /* SQLite's, for a type that it does not know */
}

struct shape {
  struct mantis_column *columns;
  size_t count;
};

static struct mantis_column *
add (struct shape *shape, const char *name, const char *type, uint32_t key_position)
{
  struct mantis_column *column = &shape->columns[shape->count++];

  *column = (struct mantis_column){.name = name,
                                   .declared = type,
                                   .type_class = class_of (type),
                                   .key_position = key_position,
                                   .not_null = key_position > 0};
  return column;
}

static void
add_named_columns (struct shape *shape)
{
  for (size_t i = 0; i < settings.column_count; i++)
    add (shape, settings.columns[i].name, settings.columns[i].value, 0);
}

static void
make_plain (struct shape *shape)
{
  add (shape, "id", "INTEGER", 1);
  add (shape, "title", "TEXT", 0);
  add (shape, "price", "REAL", 0);
  add (shape, "pieces", "INTEGER", 0);
  add (shape, "amount", "NUMERIC", 0);
  add (shape, "picture", "ANY", 0);
  add (shape, "made", "TEXT", 0)->generated = "title || price";
  add_named_columns (shape);
}

/* The key last, and its columns not in their order. */
static void
make_turned (struct shape *shape)
{
  add_named_columns (shape);
  add (shape, "body", "TEXT", 0);
  add (shape, "line", "INTEGER", 2);
  add (shape, "document", "TEXT", 1);
}

static void
make_wide (struct shape *shape)
{
  add (shape, "id", "TEXT", 1);
  add_named_columns (shape);
  for (int i = 0; i < WIDE; i++) {
    char *name = take (16);
    snprintf (name, 16, "c%d", i);
    add (shape, name, "ANY", 0);
  }
}

/* No column but its key: rows are there or not. */
static void
make_narrow (struct shape *shape)
{
  add (shape, "id", "INTEGER", 1);
}

static const struct mantis_table *
make_table (const char *name, void (*make) (struct shape *))
{
  struct shape shape = {.columns = take (MOST_COLUMNS * sizeof *shape.columns)};
  struct mantis_table *table = take (sizeof *table);
  uint32_t *key = take (4 * sizeof *key);

  make (&shape);
  *table = (struct mantis_table){.size = sizeof *table,
                                 .name = name,
                                 .id = 1 + (int64_t)chance_below (9),
                                 .columns = shape.columns,
                                 .column_count = shape.count,
                                 .key = key,
                                 .fingerprint = "0123456789abcdef",
                                 .plain = true};
  for (uint32_t i = 0; i < shape.count; i++)
    if (shape.columns[i].key_position) {
      key[shape.columns[i].key_position - 1] = i;
      table->key_count++;
    }
  return table;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* A column that is not carried: what else stands there means nothing, and is no address. */
static struct mantis_value
nothing (void)
{
  return (struct mantis_value){
      .type = MANTIS_NONE, .length = 77, .as.bytes = (const char *)(uintptr_t)0x77};
}

static struct mantis_value
bytes_value (enum mantis_type type, const char *bytes, size_t length)
{
  char *copy = take (length + 1);

  memcpy (copy, bytes, length);
  return (struct mantis_value){type, (uint32_t)length, {.bytes = copy}};
}

static struct mantis_value
a_text (void)
{
  char text[40];

  snprintf (text, sizeof text, MARK " %llu", (unsigned long long)chance_below (50));
  return bytes_value (MANTIS_TEXT, text, strlen (text));
}

static struct mantis_value
an_integer (void)
{
  static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_C (1) << 53};

  return (struct mantis_value){.type = MANTIS_INTEGER,
                               .as.integer = chance_below (4) ? (int64_t)chance_below (20)
                                                              : edges[chance_below (6)]};
}

static struct mantis_value
a_real (void)
{
  static const double edges[] = {0.0, -0.0, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY};

  return (struct mantis_value){.type = MANTIS_REAL,
                               .as.real = chance_below (4) ? (double)chance_below (1000) / 8
                                                           : edges[chance_below (6)]};
}

static struct mantis_value
an_odd_value (void)
{
  static const char odd[] = MARK "\0\xff\xc3\x28 'quoted' \"twice\"\n";
  char *large;

  switch (chance_below (7)) {
  case 0:
    return bytes_value (MANTIS_TEXT, odd, sizeof odd - 1);
  case 1:
    return bytes_value (MANTIS_BLOB, odd, sizeof odd - 1);
  case 2:
    return bytes_value (chance_below (2) ? MANTIS_TEXT : MANTIS_BLOB, "", 0);
  case 3:
    return an_integer ();
  case 4:
    return a_real ();
  case 5:
    if (chance_below (20) == 0) {
      large = take (LARGE_TEXT + 1);
      memset (large, 'x', LARGE_TEXT);
      return (struct mantis_value){MANTIS_TEXT, LARGE_TEXT, {.bytes = large}};
    }
    return a_text ();
  default:
    return (struct mantis_value){.type = MANTIS_NULL};
  }
}

static struct mantis_value
make_value (const struct mantis_column *column, unsigned may)
{
  if (column->generated)
    return nothing ();
  if (may & ODD_VALUES && !column->key_position && chance_below (3) == 0)
    return an_odd_value ();
  switch (column->type_class) {
  case MANTIS_CLASS_TEXT:
    return a_text ();
  case MANTIS_CLASS_REAL:
    return a_real ();
  case MANTIS_CLASS_ANY:
    return chance_below (2) ? a_text () : bytes_value (MANTIS_BLOB, MARK "\x01\x02", 9);
  default:
    return an_integer ();
  }
}

/* ---- Rows ------------------------------------------------------------------------------------ */

struct mantis_value *
row_make (const struct mantis_table *table, unsigned may)
{
  struct mantis_value *row = take (table->column_count * sizeof *row);

  for (size_t i = 0; i < table->column_count; i++)
    row[i] = make_value (&table->columns[i], may);
  return row;
}

/* BASE, edited by somebody: other than it in one column at least, where there is one. */
struct mantis_value *
row_edit (const struct mantis_table *table, const struct mantis_value *base, unsigned may)
{
  struct mantis_value *row = take (table->column_count * sizeof *row);
  size_t first = (size_t)chance_below (table->column_count);

  for (size_t i = 0; i < table->column_count; i++)
    row[i] = !table->columns[i].key_position && (i == first || chance_below (3) == 0)
                 ? make_value (&table->columns[i], may)
                 : base[i];
  return row;
}

/* ROW without what is not sent: all but the key (BARE), or some of it. */
static struct mantis_value *
leave_out (const struct mantis_table *table, const struct mantis_value *row, bool bare)
{
  struct mantis_value *left = take (table->column_count * sizeof *left);

  for (size_t i = 0; i < table->column_count; i++)
    left[i] = table->columns[i].key_position || (!bare && chance_below (2)) ? row[i] : nothing ();
  return left;
}

struct mantis_change *
change_make (const struct mantis_table *table, mantis_row row, bool deleted)
{
  static const char *const origins[] = {"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
                                        "f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"};
  struct mantis_change *change = take (sizeof *change);

  *change =
      (struct mantis_change){.table = table,
                             .row = row,
                             .deleted = deleted,
                             .updated_at = INT64_C (1763800000000) + (int64_t)chance_below (5),
                             .base = (int64_t)chance_below (40),
                             .origin = origins[chance_below (2)]};
  return change;
}

static const struct mantis_stamp *
make_stamps (const struct mantis_table *table, const struct mantis_change *local)
{
  struct mantis_stamp *stamps = take (table->column_count * sizeof *stamps);

  for (size_t i = 0; i < table->column_count; i++)
    stamps[i] = (struct mantis_stamp){local->updated_at - (int64_t)chance_below (10),
                                      chance_below (2) ? local->origin : "server"};
  return stamps;
}

struct mantis_value *
row_copy (const struct mantis_table *table, const struct mantis_value *row, const bool *columns)
{
  struct mantis_value *copy = take (table->column_count * sizeof *copy);

  for (size_t i = 0; i < table->column_count; i++)
    copy[i] = columns[i] ? row[i] : nothing ();
  return copy;
}

void
rows_begin (uint64_t number)
{
  used = lasting;
  chance_from (settings.seed * 1000003 + number);
}

static void (*const shapes[SHAPES]) (struct shape *) = {make_plain, make_turned, make_narrow,
                                                        make_wide};
static const char *const shape_names[SHAPES] = {"plain", "turned", "narrow", "wide"};

const struct mantis_table *
lasting_table (size_t shape)
{
  static const struct mantis_table *tables[SHAPES];

  for (size_t i = 0; i < SHAPES && !lasting; i++)
    tables[i] = make_table (shape_names[i], shapes[i]);
  if (!lasting)
    lasting = used;
  return tables[shape];
}

/* ---- A conflict ------------------------------------------------------------------------------ */

static void
describe (uint64_t number, const struct mantis_conflict *conflict)
{
  snprintf (
      words, sizeof words,
      "conflict %llu, in the table \"%s\" of %zu columns: the server's row %s, the change %s, "
      "base %s, stamps %s",
      (unsigned long long)number, conflict->table->name, conflict->table->column_count,
      conflict->local->deleted ? "is deleted" : "is there",
      conflict->remote->deleted ? "a deletion" : "an edit", conflict->base ? "known" : "not known",
      conflict->stamps ? "given" : "not given");
}

/* Both sides of it: never both deleted, as that would be no conflict; nor equal, with nothing but a key. */
static void
make_sides (struct mantis_conflict *conflict, unsigned has)
{
  const struct mantis_table *table = conflict->table;
  struct mantis_value *base = row_make (table, has), *here = row_edit (table, base, has),
                      *there = row_edit (table, base, has);
  struct mantis_change *local, *remote;
  bool gone_here = has & LOCAL_DELETED, gone_there = has & REMOTE_DELETED && !gone_here;

  if (table->key_count == table->column_count && !gone_there)
    gone_here = true;
  local = change_make (table, gone_here ? leave_out (table, here, true) : here, gone_here);
  remote = change_make (
      table, gone_there || has & GAPS ? leave_out (table, there, gone_there) : there, gone_there);
  local->rev = remote->base + 1 + (int64_t)chance_below (9);
  remote->created = chance_below (5) == 0;
  if (remote->updated_at == local->updated_at && strcmp (remote->origin, local->origin) == 0)
    remote->updated_at++;
  if (!(has & NO_BASE)) {
    conflict->base = has & GAPS ? leave_out (table, base, false) : base;
    remote->was = conflict->base;
  }
  conflict->local = local;
  conflict->remote = remote;
}

const struct mantis_conflict *
conflict_make (uint64_t number, unsigned may, uint32_t wants)
{
  static const size_t often[] = {0, 0, 1, 1, 2, 3};
  struct mantis_conflict *conflict;
  size_t shape;
  unsigned has;

  rows_begin (number);
  has = may & (unsigned)chance ();
  shape = often[chance_below (6)];
  if (!(wants & MANTIS_WANTS_BASE))
    has |= NO_BASE;
  conflict = take (sizeof *conflict);
  *conflict = (struct mantis_conflict){.size = sizeof *conflict,
                                       .table = make_table (shape_names[shape], shapes[shape])};
  make_sides (conflict, has);
  if (wants & MANTIS_WANTS_STAMPS && !(has & NO_STAMPS) && !conflict->local->deleted)
    conflict->stamps = make_stamps (conflict->table, conflict->local);
  describe (number, conflict);
  return conflict;
}
