/* query.c - SQL and its errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that not every client library knows. */
enum {
  CHECK_MARIADB = 4025,
  CHECK_MYSQL = 3819,
  CONNECTION_KILLED = 1927,
  LEFT_CLUSTER = 1047, /* this server of a cluster is not part of it now */
  STATEMENT_TIMEOUT = 1969,
  DISK_FULL = 1021,
  SNAPSHOT_PASSED = 1020, /* MariaDB's innodb_snapshot_isolation */
  READ_ONLY = 1290
};

enum mantis_status
no_memory (struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FAILED, "mysql: out of memory");
}

unsigned
last_code (const struct mantis_session *session)
{
  return mysql_errno (session->db);
}

/* ---- What an error means ---- */

static bool
is_lost (unsigned code)
{
  return code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST || code == CR_CONN_HOST_ERROR ||
         code == CR_CONNECTION_ERROR || code == CR_MALFORMED_PACKET || code == CR_UNKNOWN_ERROR ||
         code == 2055 /* CR_SERVER_LOST_EXTENDED */ || code == CONNECTION_KILLED ||
         code == ER_SERVER_SHUTDOWN || code == ER_NEW_ABORTING_CONNECTION || code == LEFT_CLUSTER;
}

static bool
is_busy (unsigned code)
{
  return code == ER_LOCK_WAIT_TIMEOUT || code == ER_LOCK_DEADLOCK || code == SNAPSHOT_PASSED ||
         code == STATEMENT_TIMEOUT || code == ER_QUERY_INTERRUPTED || code == ER_CON_COUNT_ERROR ||
         code == ER_TOO_MANY_USER_CONNECTIONS || code == ER_LOCK_TABLE_FULL || code == READ_ONLY;
}

/* The row is to blame, not the statement: classes 22 (data), 23 (constraints) and 45 (SIGNAL). */
static bool
is_refusal (unsigned code, const char *state)
{
  if (strncmp (state, "22", 2) == 0 || strncmp (state, "23", 2) == 0 ||
      strncmp (state, "45", 2) == 0)
    return true;
  switch (code) {
  case ER_NO_DEFAULT_FOR_FIELD:
  case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
  case ER_TRUNCATED_WRONG_VALUE:
  case WARN_DATA_TRUNCATED:
  case ER_DATA_TOO_LONG:
  case ER_WARN_DATA_OUT_OF_RANGE:
  case ER_INVALID_CHARACTER_STRING:
  case ER_NO_REFERENCED_ROW:
  case ER_ROW_IS_REFERENCED:
  case ER_CANT_UPDATE_USED_TABLE_IN_SF_OR_TRG:
  case ER_NET_PACKET_TOO_LARGE:
  case ER_TOO_BIG_ROWSIZE:
  case ER_NO_PARTITION_FOR_GIVEN_VALUE:
  case CHECK_MARIADB:
  case CHECK_MYSQL:
    return true;
  default:
    return false;
  }
}

static enum mantis_status
status_of (unsigned code, const char *state)
{
  if (is_lost (code))
    return MANTIS_LOST;
  if (is_busy (code))
    return MANTIS_BUSY;
  if (code == ER_RECORD_FILE_FULL || code == DISK_FULL || code == ER_ERROR_ON_WRITE)
    return MANTIS_FULL;
  if (code == ER_BAD_FIELD_ERROR || code == ER_NO_SUCH_TABLE || code == ER_BAD_TABLE_ERROR)
    return MANTIS_STALE;
  return is_refusal (code, state) ? MANTIS_REFUSED : MANTIS_FAILED;
}

static bool
names_a_value (unsigned code)
{
  return code == ER_DUP_ENTRY || code == ER_DUP_ENTRY_WITH_KEY_NAME ||
         code == ER_TRUNCATED_WRONG_VALUE || code == ER_TRUNCATED_WRONG_VALUE_FOR_FIELD ||
         code == ER_INVALID_CHARACTER_STRING || code == ER_NO_PARTITION_FOR_GIVEN_VALUE;
}

/* In the database's words, but for the values that it quotes: they may be of columns that whoever is told does not see,
 * and by way of a trigger also of other rows. */
static enum mantis_status
refuse (unsigned code, const char *text, struct mantis_error *error)
{
  const char *from = strchr (text, '\''), *to = NULL;

  if (!names_a_value (code))
    return mantis_fail (error, MANTIS_REFUSED, "%s", text);
  for (const char *at = from; at && (at = strstr (at + 1, "' for "));)
    to = at;
  if (!to) /* at the end of the text, or in another language */
    return mantis_fail (error, MANTIS_REFUSED, "the database refuses a value (%u)", code);
  return mantis_fail (error, MANTIS_REFUSED, "%.*s...%s", (int)(from + 1 - text), text, to);
}

enum mantis_status
sql_failed (struct mantis_session *session, struct mantis_error *error, const char *what)
{
  unsigned code = mysql_errno (session->db);
  enum mantis_status status = status_of (code, mysql_sqlstate (session->db));

  if (status == MANTIS_LOST || code == ER_LOCK_DEADLOCK || code == SNAPSHOT_PASSED)
    session->gone = true;
  if (status == MANTIS_LOST && !session->lost)
    note_loss (session);
  session->lost |= status == MANTIS_LOST;
  if (status == MANTIS_STALE) {
    session->signature = 0; /* whatever it is now, it is another one */
    session->checked_at = 0;
    if (!session->attached || session->in_transaction)
      status = MANTIS_FAILED; /* begin() says so */
  }
  if (status == MANTIS_REFUSED)
    return refuse (code, mysql_error (session->db), error);
  return mantis_fail (error, status, "%s: cannot %s: %s (%u)", session->storage->name, what,
                      mysql_error (session->db), code);
}

/* ---- Statements ---- */

static void
drop_rows (void *context, MYSQL_RES *rows)
{
  (void)context;
  mysql_free_result (rows);
}

/* CONTEXT: a struct result, which has the last one's. */
static void
keep_rows (void *context, MYSQL_RES *rows)
{
  struct result *result = context;

  mysql_free_result (result->rows);
  result->rows = rows;
}

/* All results have to be fetched before the next statement. */
static enum mantis_status
take_results (struct mantis_session *session, take_rows take, void *context,
              struct mantis_error *error)
{
  int more;

  do {
    MYSQL_RES *rows = mysql_store_result (session->db);
    if (!rows && mysql_errno (session->db))
      return sql_failed (session, error, "read its answer");
    if (rows)
      take (context, rows);
    more = mysql_next_result (session->db);
  } while (more == 0);
  return more > 0 ? sql_failed (session, error, "use the database") : MANTIS_OK;
}

static enum mantis_status
send_statements (struct mantis_session *session, const char *sql, size_t length, take_rows take,
                 void *context, struct mantis_error *error)
{
  if (session->gone && session->in_transaction)
    return mantis_fail (error, MANTIS_BUSY, "%s: the transaction was rolled back",
                        session->storage->name);
  if (mantis_flag ("mysql.sql"))
    mantis_log (MANTIS_DEBUG, "mysql: %.*s", (int)(length < 2000 ? length : 2000), sql);
  if (mysql_real_query (session->db, sql, length))
    return sql_failed (session, error, "use the database");
  return take_results (session, take, context, error);
}

static enum mantis_status
send_query (struct mantis_session *session, const char *sql, size_t length, struct result *result,
            struct mantis_error *error)
{
  enum mantis_status status;

  if (result)
    *result = (struct result){0};
  status = send_statements (session, sql, length, result ? keep_rows : drop_rows, result, error);
  if (status && result)
    result_free (result);
  return status;
}

enum mantis_status
query (struct mantis_session *session, const struct mantis_buf *sql, struct result *result,
       struct mantis_error *error)
{
  if (sql->failed || !sql->bytes) {
    if (result)
      *result = (struct result){0};
    return no_memory (error);
  }
  return send_query (session, sql->bytes, sql->length, result, error);
}

enum mantis_status
query_each (struct mantis_session *session, const struct mantis_buf *sql, take_rows take,
            void *context, struct mantis_error *error)
{
  if (sql->failed)
    return no_memory (error);
  return sql->length ? send_statements (session, sql->bytes, sql->length, take, context, error)
                     : MANTIS_OK;
}

enum mantis_status
run (struct mantis_session *session, const char *sql, struct mantis_error *error)
{
  return send_query (session, sql, strlen (sql), NULL, error);
}

enum mantis_status
runf (struct mantis_session *session, struct mantis_error *error, const char *format, ...)
{
  char sql[1000];
  va_list arguments;
  int length;

  va_start (arguments, format);
  length = vsnprintf (sql, sizeof sql, format, arguments);
  va_end (arguments);
  if (length < 0 || (size_t)length >= sizeof sql)
    return no_memory (error);
  return send_query (session, sql, (size_t)length, NULL, error);
}

enum mantis_status
ask (struct mantis_session *session, const char *sql, struct result *result,
     struct mantis_error *error)
{
  return send_query (session, sql, strlen (sql), result, error);
}

enum mantis_status
ask_integer (struct mantis_session *session, const char *sql, int64_t otherwise, int64_t *value,
             struct mantis_error *error)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (session, sql, &result, error);

  *value = otherwise;
  if (!status && next_row (&result) && result.row[0])
    *value = integer_at (&result, 0);
  return status;
}

enum mantis_status
need_transaction (struct mantis_session *session, bool writing, struct mantis_error *error)
{
  if (!session->in_transaction || (writing && !session->writing))
    return mantis_fail (error, MANTIS_FAILED, "mysql: no %stransaction is open",
                        writing ? "write " : "");
  return MANTIS_OK;
}

/* ---- Results ---- */

bool
next_row (struct result *result)
{
  if (!result->rows || !(result->row = mysql_fetch_row (result->rows)))
    return false;
  result->lengths = mysql_fetch_lengths (result->rows);
  return true;
}

int64_t
integer_at (const struct result *result, int column)
{
  return result->row[column] ? strtoll (result->row[column], NULL, 10) : 0;
}

const char *
text_at (const struct result *result, int column, struct mantis_arena *arena)
{
  if (!result->row[column])
    return NULL;
  return mantis_arena_copy (arena, result->row[column], result->lengths[column]);
}

void
result_free (struct result *result)
{
  mysql_free_result (result->rows);
  *result = (struct result){0};
}

void
arena_free (struct mantis_arena **arena)
{
  mantis_arena_free (*arena);
}

/* ---- Text of SQL ---- */

void
add_name (struct mantis_buf *buf, const char *name)
{
  mantis_buf_char (buf, '`');
  for (; *name; name++) {
    if (*name == '`')
      mantis_buf_char (buf, '`');
    mantis_buf_char (buf, *name);
  }
  mantis_buf_char (buf, '`');
}

void
add_bytes (struct mantis_session *session, struct mantis_buf *buf, const char *bytes, size_t length)
{
  char *room;

  mantis_buf_char (buf, '\'');
  if (length && (room = mantis_buf_reserve (buf, length * 2 + 1)))
    buf->length += mysql_real_escape_string (session->db, room, bytes, length);
  mantis_buf_char (buf, '\'');
}

void
add_string (struct mantis_session *session, struct mantis_buf *buf, const char *text)
{
  add_bytes (session, buf, text, strlen (text));
}
