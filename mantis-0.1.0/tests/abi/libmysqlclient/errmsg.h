/* Errors of Oracle's client library, as far as they are used; see mysql.h beside this.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIBMYSQLCLIENT_ERRMSG_H
#define TESTS_LIBMYSQLCLIENT_ERRMSG_H

#define CR_UNKNOWN_ERROR 2000
#define CR_CONNECTION_ERROR 2002
#define CR_CONN_HOST_ERROR 2003
#define CR_SERVER_GONE_ERROR 2006
#define CR_SERVER_LOST 2013
#define CR_SSL_CONNECTION_ERROR 2026
#define CR_MALFORMED_PACKET 2027
#define CR_SERVER_LOST_EXTENDED 2055

#endif
