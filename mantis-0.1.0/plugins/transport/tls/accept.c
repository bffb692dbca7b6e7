/* accept.c - one connection of a listener that speaks TLS.
 *
 * libevent calls us while it is still busy with the bufferevent, which may be freed all the same;
 * but the end of a stream can be told before the bytes ahead of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "context.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_SUBJECT = 255 };

struct bufferevent *
tls_accept (const struct tls *tls, struct event_base *base, evutil_socket_t fd)
{
  SSL *ssl = SSL_new (tls->context);

  /* Where this fails, SSL is libevent's already. */
  return ssl ? bufferevent_openssl_socket_new (base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                               BEV_OPT_CLOSE_ON_FREE)
             : NULL;
}

bool
tls_failure (struct bufferevent *bev, char *text, size_t room)
{
  const SSL *ssl = bufferevent_openssl_get_ssl (bev);
  unsigned long code = bufferevent_get_openssl_error (bev); /* the last one: others say less */
  long verified = ssl ? SSL_get_verify_result (ssl) : X509_V_OK;
  const char *reason = code ? ERR_reason_error_string (code) : NULL;

  snprintf (text, room, "%s%s%s", reason ? reason : "the peer has gone",
            verified == X509_V_OK ? "" : ": ",
            verified == X509_V_OK ? "" : X509_verify_cert_error_string (verified));
  return verified != X509_V_OK || ERR_GET_REASON (code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
}

struct bufferevent *
tls_strip (struct bufferevent *bev, struct event_base *base)
{
  evutil_socket_t fd = fcntl (bufferevent_getfd (bev), F_DUPFD_CLOEXEC, 0);
  struct bufferevent *plain =
      fd < 0 ? NULL : bufferevent_socket_new (base, fd, BEV_OPT_CLOSE_ON_FREE);

  if (!plain && fd >= 0)
    close (fd);
  bufferevent_free (bev);
  return plain;
}

/* ---- Who is it? ------------------------------------------------------------------------------ */

/* Its one common name, as text that can stand in a line. */
static char *
common_name (const X509 *certificate)
{
  const X509_NAME *name = X509_get_subject_name (certificate);
  int at = X509_NAME_get_index_by_NID (name, NID_commonName, -1), length;
  const X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry (name, at);
  unsigned char *text = NULL;
  char *found = NULL;

  if (!entry || X509_NAME_get_index_by_NID (name, NID_commonName, at) >= 0)
    return NULL;
  length = ASN1_STRING_to_UTF8 (&text, X509_NAME_ENTRY_get_data (entry));
  if (length > 0 && length <= LONGEST_SUBJECT)
    found = strndup ((const char *)text, (size_t)length);
  OPENSSL_free (text);
  for (const char *c = found; c && c < found + length; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f) { /* a NUL would cut a name short */
      free (found);
      return NULL;
    }
  return found;
}

char *
tls_subject (struct bufferevent *bev, int64_t *expires)
{
  const SSL *ssl = bufferevent_openssl_get_ssl (bev);
  const X509 *certificate = ssl ? SSL_get0_peer_certificate (ssl) : NULL;
  struct tm end;

  if (!certificate || SSL_get_verify_result (ssl) != X509_V_OK ||
      ASN1_TIME_to_tm (X509_get0_notAfter (certificate), &end) != 1)
    return NULL;
  *expires = (int64_t)timegm (&end) * 1000;
  return common_name (certificate);
}

void
tls_goodbye (struct bufferevent *bev)
{
  SSL *ssl = bufferevent_openssl_get_ssl (bev);

  if (ssl && SSL_is_init_finished (ssl)) {
    SSL_shutdown (ssl);
    ERR_clear_error ();
  }
}
