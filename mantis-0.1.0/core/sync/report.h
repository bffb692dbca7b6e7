/* report.h - what the application that embeds this node is told of its rows.
 *
 * Reports are gathered in a transaction and told when it is committed.  Without reports (NULL) all of this
 * does nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_REPORT_H
#define MANTIS_REPORT_H

#include <mantis/change.h>
#include <mantis/mantis.h>

struct reports;

/* NULL: no memory. */
struct reports *reports_new (mantis_reporter tell, void *context);
void reports_free (struct reports *reports); /* NULL is fine */

/* ROWS more of TABLE, added to what the transaction has already told of this KIND.  TEXT is a constant. */
void report_rows (struct reports *reports, enum mantis_report_kind kind,
                  const struct mantis_table *table, uint64_t rows, const char *text);
/* One row, by its KEY in JSON. */
void report_key (struct reports *reports, enum mantis_report_kind kind,
                 const struct mantis_table *table, const char *key, const char *text);

void reports_tell (struct reports *reports);   /* committed */
void reports_forget (struct reports *reports); /* rolled back */

#endif
