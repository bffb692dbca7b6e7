/* where_rig.h - the where filter in a test: a table, another one that is lent, callers.
 *
 * The tables:  todos (id, list, owner, status, qty, price, weight, body, "order", total) and members (list, user, role).
 * Also for the fuzzer, so without check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef WHERE_RIG_H
#define WHERE_RIG_H

#include "../lib/table.h"

#include <mantis/filter.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern const struct mantis_plugin plugin_where;

/* ---- Tables -------------------------------------------------------------------------------------- */

enum { ID, LIST, OWNER, STATUS, QTY, PRICE, WEIGHT, BODY, ORDER, TOTAL, TODO_COLUMNS };

static const struct mantis_column rig_columns[] = {
    {.name = "id", .declared = "TEXT", .type_class = MANTIS_CLASS_TEXT, .key_position = 1},
    {.name = "list", .declared = "TEXT", .type_class = MANTIS_CLASS_TEXT},
    {.name = "owner", .declared = "TEXT", .type_class = MANTIS_CLASS_TEXT},
    {.name = "status",
     .declared = "VARCHAR(10)",
     .type_class = MANTIS_CLASS_TEXT,
     .collation = "NOCASE"},
    {.name = "qty", .declared = "INTEGER", .type_class = MANTIS_CLASS_INTEGER},
    {.name = "price", .declared = "DECIMAL(10,2)", .type_class = MANTIS_CLASS_NUMERIC},
    {.name = "weight", .declared = "DOUBLE", .type_class = MANTIS_CLASS_REAL},
    {.name = "body", .declared = "", .type_class = MANTIS_CLASS_ANY},
    {.name = "order", .declared = "INTEGER", .type_class = MANTIS_CLASS_INTEGER},
    {.name = "total",
     .declared = "INTEGER",
     .type_class = MANTIS_CLASS_INTEGER,
     .generated = "qty * price"},
};
static const uint32_t rig_key[] = {ID};
static const struct mantis_table rig_todos =
    TABLE_OF ("todos", rig_columns, rig_key, .fingerprint = "0123456789abcdef");

static const struct mantis_column rig_member_columns[] = {
    {.name = "list", .type_class = MANTIS_CLASS_TEXT, .key_position = 1},
    {.name = "user", .type_class = MANTIS_CLASS_TEXT, .key_position = 2, .collation = "NOCASE"},
    {.name = "role", .type_class = MANTIS_CLASS_TEXT},
};
static const uint32_t rig_member_key[] = {0, 1};
static const struct mantis_table rig_members =
    TABLE_OF ("members", rig_member_columns, rig_member_key, .fingerprint = "fedcba9876543210");

static const struct mantis_column rig_price_columns[] = {
    {.name = "qty", .type_class = MANTIS_CLASS_INTEGER, .key_position = 1},
    {.name = "price", .type_class = MANTIS_CLASS_REAL},
};
static const uint32_t rig_price_key[] = {0};
static const struct mantis_table rig_prices = TABLE_OF ("prices", rig_price_columns, rig_price_key);

/* ---- Values -------------------------------------------------------------------------------------- */

#define TEXT_VALUE(text)                                                                           \
  {                                                                                                \
    .type = MANTIS_TEXT, .length = sizeof (text) - 1, .as.bytes = text                             \
  }
#define BLOB_VALUE(text)                                                                           \
  {                                                                                                \
    .type = MANTIS_BLOB, .length = sizeof (text) - 1, .as.bytes = text                             \
  }
#define INTEGER_VALUE(number)                                                                      \
  {                                                                                                \
    .type = MANTIS_INTEGER, .as.integer = number                                                   \
  }
#define REAL_VALUE(number)                                                                         \
  {                                                                                                \
    .type = MANTIS_REAL, .as.real = number                                                         \
  }
#define NULL_VALUE                                                                                 \
  {                                                                                                \
    .type = MANTIS_NULL                                                                            \
  }

/* t1 in list garden, of ann, active, 5 pieces at 2.5, half a kilo, "Water the roses", third. */
static const struct mantis_value rig_row[] = {
    TEXT_VALUE ("t1"), TEXT_VALUE ("garden"), TEXT_VALUE ("ann"), TEXT_VALUE ("Active"),
    INTEGER_VALUE (5), REAL_VALUE (2.5),      REAL_VALUE (0.5),   TEXT_VALUE ("Water the roses"),
    INTEGER_VALUE (3), {.type = MANTIS_NONE},
};

/* ---- What is lent -------------------------------------------------------------------------------- */

static const struct mantis_value rig_memberships[][3] = {
    {TEXT_VALUE ("garden"), TEXT_VALUE ("ann"), TEXT_VALUE ("admin")},
    {TEXT_VALUE ("garden"), TEXT_VALUE ("Bob"), NULL_VALUE},
    {TEXT_VALUE ("kitchen"), TEXT_VALUE ("carl"), TEXT_VALUE ("guest")},
};
static const struct mantis_value rig_price_rows[][2] = {
    {INTEGER_VALUE (5), REAL_VALUE (2.5)},
    {INTEGER_VALUE (6), REAL_VALUE (3)},
};
static enum mantis_status rig_lends = MANTIS_OK;
static unsigned rig_lent; /* times */

static inline bool
rig_same_text (const struct mantis_value *a, const struct mantis_value *b, bool any_case)
{
  return a->type == MANTIS_TEXT && a->length == b->length &&
         (any_case ? strncasecmp (a->as.bytes, b->as.bytes, a->length)
                   : memcmp (a->as.bytes, b->as.bytes, a->length)) == 0;
}

static inline enum mantis_status
rig_lend (const struct mantis_lender *lender, const struct mantis_table *table, mantis_row key,
          mantis_row *row, struct mantis_error *error)
{
  (void)lender;
  rig_lent++;
  *row = NULL;
  for (size_t i = 0; table == &rig_members && i < 3; i++)
    if (rig_same_text (&key[0], &rig_memberships[i][0], false) &&
        rig_same_text (&key[1], &rig_memberships[i][1], true))
      *row = rig_memberships[i];
  for (size_t i = 0; table == &rig_prices && i < 2; i++)
    if (mantis_value_equal (&key[0], &rig_price_rows[i][0]))
      *row = rig_price_rows[i];
  for (size_t i = 0; table == &rig_todos && i < 1; i++)
    if (rig_same_text (&key[ID], &rig_row[ID], false))
      *row = rig_row;
  return rig_lends ? mantis_fail (error, rig_lends, "the database is away") : MANTIS_OK;
}

static inline const struct mantis_table *
rig_table (const struct mantis_lender *lender, const char *name)
{
  (void)lender;
  return strcmp (name, "members") == 0  ? &rig_members
         : strcmp (name, "prices") == 0 ? &rig_prices
         : strcmp (name, "todos") == 0  ? &rig_todos
                                        : NULL;
}

static const struct mantis_lender rig_lender = {
    .size = sizeof rig_lender, .row = rig_lend, .table = rig_table};
static const char *const rig_all_tables[] = {"members", "prices", "todos", NULL};

/* ---- The plugin ---------------------------------------------------------------------------------- */

static inline const struct mantis_filter *
rig_ops (void)
{
  return plugin_where.ops;
}

static inline void
rig_set (void *self, const char *name, const void *value)
{
  for (const struct mantis_option *option = plugin_where.options; option->name; option++)
    if (strcmp (option->name, name) == 0)
      memcpy ((char *)self + option->offset, &value, sizeof value);
}

static inline void
rig_free (void *self)
{
  plugin_where.stop (self);
  free (self);
}

/* Started and prepared for todos; NULL: refused, as ERROR says.  LOOKS may be NULL. */
static inline void *
rig_open (const char *read, const char *write, const char *const *uses, bool *looks,
          struct mantis_error *error)
{
  void *self = calloc (1, plugin_where.self_size);
  bool ignored[TODO_COLUMNS] = {false};

  if (!self)
    abort ();
  rig_set (self, "read", read);
  rig_set (self, "write", write);
  rig_set (self, "uses", uses);
  if (plugin_where.start (self, error)) {
    free (self);
    return NULL;
  }
  if (rig_ops ()->prepare (self, &rig_todos, &rig_lender, looks ? looks : ignored, error)) {
    rig_free (self);
    return NULL;
  }
  return self;
}

/* A caller with SUBJECT, CLAIMS, the node "till-1" and a lender; good until the second one after it. */
static inline const struct mantis_caller *
rig_caller (const char *subject, const char *claims)
{
  static struct mantis_principal principals[2];
  static struct mantis_caller callers[2];
  static unsigned turn;

  turn = !turn;
  principals[turn] = (struct mantis_principal){
      .size = sizeof principals[turn], .subject = subject, .claims = claims};
  callers[turn] = (struct mantis_caller){.size = sizeof callers[turn],
                                         .principal = &principals[turn],
                                         .node = "till-1",
                                         .lender = &rig_lender};
  return &callers[turn];
}

#endif
