/* notes.c - an application that keeps its notes in SQLite, and Mantis inside it.
 *
 *   ./notes SERVER_URL TOKEN_FILE TEXT     write a note, exchange, list all notes
 */
#include <mantis/mantis.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void
on_report (void *context, const struct mantis_report *report)
{
  if (report->kind == MANTIS_REPORT_APPLIED)
    printf ("%s: %llu rows are new\n", report->table, (unsigned long long)report->rows);
  else if (report->kind == MANTIS_REPORT_CONFLICT)
    printf ("%s %s: %s\n", report->table, report->key, report->text);
  else if (report->kind == MANTIS_REPORT_LOG && report->level <= MANTIS_WARNING)
    fprintf (context, "sync: %s\n", report->text);
}

static int
print_row (void *context, int count, char **values, char **names)
{
  (void)context, (void)count, (void)names;
  printf ("- %s\n", values[0]);
  return 0;
}

int
main (int argc, char **argv)
{
  struct mantis_opening opening = {.size = sizeof opening, .report = on_report, .context = stderr};
  struct mantis_error error;
  struct mantis *node;
  sqlite3 *db;
  char config[1000], *insert, *answer = NULL;

  if (argc != 4)
    return 2;
  sqlite3_open ("notes.db", &db);
  sqlite3_busy_timeout (db, 5000);
  sqlite3_exec (db, "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, body TEXT)", 0, 0, 0);
  snprintf (config, sizeof config, "{\"storage\": {\"plugin\": \"sqlite\", \"path\": \"notes.db\"},"
            " \"sync\": {\"server_url\": \"%s\", \"token_file\": \"%s\"}}", argv[1], argv[2]);
  opening.config = config;
  if (mantis_open_with (&opening, &node, &error) || mantis_start (node, &error))
    return fprintf (stderr, "%s\n", error.text), 1;

  insert = sqlite3_mprintf ("INSERT INTO notes VALUES (lower(hex(randomblob(16))), %Q)", argv[3]);
  sqlite3_exec (db, insert, 0, 0, 0); /* nobody waits for the network */
  sqlite3_free (insert);
  if (mantis_ask (node, "sync", NULL, &answer, &error))
    printf ("later: %s\n", error.text);
  free (answer);
  sqlite3_exec (db, "SELECT body FROM notes ORDER BY body", print_row, 0, 0);
  mantis_close (node);
  return sqlite3_close (db);
}
