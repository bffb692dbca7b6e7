/* report.c - what the application that embeds this node is told of its rows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/report.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

struct item {
  struct mantis_report report;
  struct item *next;
};

struct reports {
  mantis_reporter tell;
  void *context;
  struct mantis_arena *arena; /* of the items: they outlive tables that are attached anew */
  struct item *first, **last;
};

struct reports *
reports_new (mantis_reporter tell, void *context)
{
  struct reports *reports = calloc (1, sizeof *reports);

  if (!reports)
    return NULL;
  *reports = (struct reports){
      .tell = tell, .context = context, .arena = mantis_arena_new (0), .last = &reports->first};
  if (reports->arena)
    return reports;
  free (reports);
  return NULL;
}

void
reports_free (struct reports *reports)
{
  if (!reports)
    return;
  mantis_arena_free (reports->arena);
  free (reports);
}

/* What cannot be remembered is not told: the rows are what counts. */
static struct item *
add (struct reports *reports, enum mantis_report_kind kind, const struct mantis_table *table,
     const char *key, const char *text)
{
  struct item *item = mantis_arena_alloc (reports->arena, sizeof *item);

  if (!item)
    return NULL;
  item->report = (struct mantis_report){
      .size = sizeof item->report,
      .kind = kind,
      .table = mantis_arena_strdup (reports->arena, table->name),
      .key = key ? mantis_arena_strdup (reports->arena, key) : NULL,
      .text = text ? mantis_arena_strdup (reports->arena, text) : NULL,
  };
  if (mantis_arena_exhausted (reports->arena))
    return NULL;
  *reports->last = item;
  reports->last = &item->next;
  return item;
}

void
report_rows (struct reports *reports, enum mantis_report_kind kind,
             const struct mantis_table *table, uint64_t rows, const char *text)
{
  struct item *item;

  if (!reports)
    return;
  for (item = reports->first; item; item = item->next)
    if (item->report.kind == (uint32_t)kind && !item->report.key &&
        strcmp (item->report.table, table->name) == 0)
      break;
  if (!item && !(item = add (reports, kind, table, NULL, NULL)))
    return;
  item->report.rows += rows;
  item->report.text = text; /* the newest holds */
}

void
report_key (struct reports *reports, enum mantis_report_kind kind, const struct mantis_table *table,
            const char *key, const char *text)
{
  if (reports)
    add (reports, kind, table, key, text);
}

void
reports_tell (struct reports *reports)
{
  if (!reports || !reports->first)
    return;
  for (const struct item *item = reports->first; item; item = item->next)
    reports->tell (reports->context, &item->report);
  reports_forget (reports);
}

void
reports_forget (struct reports *reports)
{
  if (!reports || !reports->first)
    return;
  mantis_arena_reset (reports->arena);
  reports->first = NULL;
  reports->last = &reports->first;
}
