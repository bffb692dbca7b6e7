/* What Oracle's libmysqlclient (8.0, 8.4, 9) has of what a storage may want, after its C API Developer Guide: for
 * compiling against it where it is not installed.  What is missing here is MariaDB's alone, or has not been
 * needed so far: look it up in that guide before you add it.
 *
 * my_bool, MYSQL_OPT_SSL_ENFORCE and MYSQL_OPT_SSL_VERIFY_SERVER_CERT went with 8.0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIBMYSQLCLIENT_MYSQL_H
#define TESTS_LIBMYSQLCLIENT_MYSQL_H

#include <stdbool.h>
#include <stdint.h>

#define MYSQL_VERSION_ID 80400

/* Their insides are nobody's business, and not the same as MariaDB's. */
typedef struct MYSQL MYSQL;
typedef struct MYSQL_RES MYSQL_RES;
typedef char **MYSQL_ROW;

enum mysql_option {
  MYSQL_OPT_CONNECT_TIMEOUT,
  MYSQL_SET_CHARSET_NAME,
  MYSQL_OPT_READ_TIMEOUT,
  MYSQL_OPT_WRITE_TIMEOUT,
  MYSQL_OPT_SSL_KEY,
  MYSQL_OPT_SSL_CERT,
  MYSQL_OPT_SSL_CA,
  MYSQL_OPT_SSL_MODE
};

enum mysql_ssl_mode {
  SSL_MODE_DISABLED = 1,
  SSL_MODE_PREFERRED,
  SSL_MODE_REQUIRED,
  SSL_MODE_VERIFY_CA,
  SSL_MODE_VERIFY_IDENTITY
};

#define CLIENT_FOUND_ROWS 2
#define CLIENT_MULTI_STATEMENTS (1UL << 16)

int mysql_server_init (int argc, char **argv, char **groups);
#define mysql_library_init mysql_server_init

MYSQL *mysql_init (MYSQL *mysql);
int mysql_options (MYSQL *mysql, enum mysql_option option, const void *arg);
MYSQL *mysql_real_connect (MYSQL *mysql, const char *host, const char *user, const char *passwd,
                           const char *db, unsigned int port, const char *unix_socket,
                           unsigned long client_flag);
const char *mysql_get_ssl_cipher (MYSQL *mysql);
unsigned long mysql_get_server_version (MYSQL *mysql);
void mysql_close (MYSQL *mysql);

int mysql_real_query (MYSQL *mysql, const char *query, unsigned long length);
int mysql_next_result (MYSQL *mysql);
unsigned long mysql_real_escape_string (MYSQL *mysql, char *to, const char *from,
                                        unsigned long length);
unsigned int mysql_errno (MYSQL *mysql);
const char *mysql_error (MYSQL *mysql);
const char *mysql_sqlstate (MYSQL *mysql);

MYSQL_RES *mysql_store_result (MYSQL *mysql);
void mysql_free_result (MYSQL_RES *result);
uint64_t mysql_affected_rows (MYSQL *mysql);
uint64_t mysql_num_rows (MYSQL_RES *result);
unsigned int mysql_num_fields (MYSQL_RES *result);
enum enum_field_types { MYSQL_TYPE_DECIMAL, MYSQL_TYPE_GEOMETRY = 255 };
typedef struct MYSQL_FIELD {
  char *name;
  unsigned long length;
  enum enum_field_types type;
} MYSQL_FIELD;
MYSQL_FIELD *mysql_fetch_fields (MYSQL_RES *result);
MYSQL_ROW mysql_fetch_row (MYSQL_RES *result);
unsigned long *mysql_fetch_lengths (MYSQL_RES *result);
void mysql_data_seek (MYSQL_RES *result, uint64_t offset);

#endif
