/* mantis/mantis.h - libmantis, for an application that embeds a client instead of running mantisd.
 *
 * One struct mantis is one node: its database, its plugins, its threads.  The application goes on using
 * its own SQLite handle; the node opens another on the same file.  Several nodes live in one process,
 * each with a database of its own.
 *
 * A node never exits, never writes to standard output or standard error and installs no signal handler;
 * its threads block all signals.  What it has to say it reports.
 *
 *   mantis_open_with()  ->  mantis_start()  ->  mantis_sync(), mantis_ask() ...  ->  mantis_close()
 *
 * docs/embed.md has whole programs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MANTIS_H
#define MANTIS_MANTIS_H

#include <mantis/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mantis;

MANTIS_PUBLIC const char *mantis_version (void); /* "0.1.0" */

/* ---- What a node reports ------------------------------------------------------------------------ */
enum mantis_report_kind {
  MANTIS_REPORT_LOG = 1,  /* level, text: a line of its log, without time and line end */
  MANTIS_REPORT_STATE,    /* state; text: what is in the way, NULL: nothing */
  MANTIS_REPORT_APPLIED,  /* rows of table were stored as the server has them: show them anew */
  MANTIS_REPORT_PROGRESS, /* rows more of table were loaded or compared; text: its state now, "live" at
                           * the end, else as in mantisctl status: "first", "repair", "scan" */
  MANTIS_REPORT_SENT,     /* rows of table, written here, are safe on the server */
  MANTIS_REPORT_CONFLICT  /* of table's row key one of two versions was kept aside, in __sync_conflicts;
                           * text: the outcome for ours: "superseded", "merged", "deferred", "rejected" */
};

enum mantis_state {
  MANTIS_STATE_WAITING = 1, /* for what text says: the network, a token ...; captured changes are safe */
  MANTIS_STATE_SYNCING,     /* there is something to exchange */
  MANTIS_STATE_SYNCED,      /* all that is known here is exchanged; the server tells when there is more */
  MANTIS_STATE_STOPPED      /* mantis_run() has returned; text: why, NULL: it was asked to */
};

/* Borrowed until the call returns, as all that it points to.  What a kind does not use is 0 or NULL. */
struct mantis_report {
  size_t size;
  uint32_t kind;     /* enum mantis_report_kind; pass over those that you do not know */
  uint32_t level;    /* enum mantis_level */
  uint32_t state;    /* enum mantis_state */
  const char *table; /* its name */
  const char *key;   /* a JSON list, e.g. ["b7e1"] or [7, "2026-01-02"] */
  uint64_t rows;
  const char *text; /* for people, one line of UTF-8 */
};

/* Called on the threads of the node, and on the one that is in a function below; never twice at a time for
 * one node.  What is told of rows is committed.  The node waits meanwhile: be short, hand over to a thread
 * of your own.  mantis_sync() and mantis_stop() may be called from here, the other functions not. */
typedef void (*mantis_reporter) (void *context, const struct mantis_report *report);

/* ---- Life --------------------------------------------------------------------------------------- */
struct mantis_opening {
  size_t size;        /* sizeof (struct mantis_opening) */
  const char *config; /* the text of a mantis.json(5), or NULL */
  const char *folder; /* to which relative paths in config belong; NULL: the current one */
  const char *file;   /* of a configuration, where config is NULL */
  const char *plugin_dir; /* looked into first; NULL: only where mantisd looks, too */
  mantis_reporter report; /* NULL: nobody listens */
  void *context;          /* for report */
};

/* Make a client: read its configuration, open its plugins and its database, and capture from here on.
 * log_level in the configuration decides which lines are reported.  MANTIS_INVALID: the configuration is wrong, with its JSON path in ERROR; MANTIS_BUSY: the database is
 * locked by somebody, try again; MANTIS_FAILED, among others: another node has the database.  The caller
 * owns *NODE: mantis_close(). */
MANTIS_PUBLIC enum mantis_status mantis_open_with (const struct mantis_opening *opening,
                                                   struct mantis **node,
                                                   struct mantis_error *error);

/* The same from the text CONFIG, where nobody listens. */
MANTIS_PUBLIC enum mantis_status mantis_open (const char *config, const char *folder,
                                              struct mantis **node, struct mantis_error *error);

/* Work on a thread of the node's own, until mantis_stop() or mantis_close().  On return it works, or could
 * not begin to. */
MANTIS_PUBLIC enum mantis_status mantis_start (struct mantis *node, struct mantis_error *error);

/* Instead of mantis_start(): work on this thread until mantis_stop().  It returns when the transaction in
 * hand is done, within seconds. */
MANTIS_PUBLIC enum mantis_status mantis_run (struct mantis *node, struct mantis_error *error);

/* From any thread: let the node stop working.  It may be started again when MANTIS_STATE_STOPPED was
 * reported. */
MANTIS_PUBLIC void mantis_stop (struct mantis *node);

/* From any thread: begin a cycle now instead of at the next change or interval. */
MANTIS_PUBLIC void mantis_sync (struct mantis *node);

/* From any thread but the node's, while it works: ask what mantisctl(1) asks, and wait for the answer.
 *
 *   MESSAGE      ARGUMENT                       *ANSWER, JSON
 *   "status"     NULL                           as of mantisctl status --json
 *   "conflicts"  a query, "state=open" or NULL  as of mantisctl conflicts --json
 *   "sync"       NULL                           {} when all is exchanged; ERROR says why it is not
 *   "scan"       a table, NULL: all             {} when it has begun: rows that no trigger saw are found
 *
 * The caller frees *ANSWER with free().  MANTIS_BUSY: the node does not work, or stopped meanwhile. */
MANTIS_PUBLIC enum mantis_status mantis_ask (struct mantis *node, const char *message,
                                             const char *argument, char **answer,
                                             struct mantis_error *error);

/* Stop it, wait until it has stopped, and free it.  NULL is fine.  Not while another thread is in a
 * function of this node; where that is mantis_run(), after it has returned. */
MANTIS_PUBLIC void mantis_close (struct mantis *node);

#ifdef __cplusplus
}
#endif
#endif
