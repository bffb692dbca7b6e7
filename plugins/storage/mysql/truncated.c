/* truncated.c - what was truncated, for a user without the privilege PROCESS, who is not told the ids of tables.
 *
 * Everybody may read how often this database server was told to truncate or to alter something, and when each
 * table was last written.  When the first grows, every table that may have been meant counts as truncated: it is
 * empty, was written since the last look, or has partitions.
 *
 * In __sync_counter, for all sessions and the next start: 4, the sum of those counters, 5, when that was read (seconds,
 * by the clock of the database).  What Mantis itself alters is added to the sum.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

/* How often something was truncated or altered; what a flush of the counters does is a change, too. */
static enum mantis_status
read_counts (struct mantis_session *session, int64_t *counts, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status = ask (session,
                                   "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_truncate',"
                                   " 'Com_alter_table')",
                                   &result, error);

  *counts = 0;
  while (!status && next_row (&result))
    *counts += integer_at (&result, 1);
  return status;
}

static enum mantis_status
read_last (struct mantis_session *session, int64_t *counts, int64_t *at, struct mantis_error *error)
{
  enum mantis_status status =
      ask_integer (session, "SELECT seq FROM __sync_counter WHERE id = 4", -1, counts, error);

  return status
             ? status
             : ask_integer (session, "SELECT seq FROM __sync_counter WHERE id = 5", 0, at, error);
}

/* attach() asks for the state. */
static enum mantis_status
suspect_tables (struct mantis_session *session, int64_t since, struct mantis_error *error)
{
  enum mantis_status status =
      runf (session, error,
            "UPDATE __sync_tables SET state = 'truncated' WHERE state = 'watched' AND name IN"
            " (SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND"
            " (table_rows = 0 OR create_options LIKE '%%partitioned%%'"
            " OR unix_timestamp(update_time) >= %lld - 1))",
            (long long)since);

  if (!status && mysql_affected_rows (session->db) > 0)
    status = run (session, "UPDATE __sync_counter SET seq = seq + 1 WHERE id = 2", error);
  return status;
}

enum mantis_status
look_for_truncated (struct mantis_session *session, struct mantis_error *error)
{
  int64_t counts, last = session->truncations, at = session->truncations_at, now, noted_at;
  enum mantis_status status;

  if (session->sees_tables)
    return MANTIS_OK;
  if ((status = ask_integer (session, "SELECT unix_timestamp()", 0, &now, error)) ||
      (status = read_counts (session, &counts, error)))
    return status;
  if (!at || counts != last) { /* another session may have seen to it */
    status = read_last (session, &last, &noted_at, error);
    at = at > noted_at ? at : noted_at;
  }
  if (status)
    return status;
  if (last >= 0 && counts != last)
    status = suspect_tables (session, at, error);
  if (!status && counts != last)
    status =
        runf (session, error, "REPLACE INTO __sync_counter (id, seq) VALUES (4, %lld), (5, %lld)",
              (long long)counts, (long long)now);
  if (status)
    return status;
  session->truncations = counts;
  session->truncations_at = now;
  return MANTIS_OK;
}

enum mantis_status
alter_own (struct mantis_session *session, const struct mantis_buf *sql, struct mantis_error *error)
{
  enum mantis_status status = query (session, sql, NULL, error);

  return status ? status
                : run (session, "UPDATE __sync_counter SET seq = seq + 1 WHERE id = 4", error);
}
