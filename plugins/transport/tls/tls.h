/* tls.h - TLS for transports, and how a client reaches its server.
 *
 * No plugin of its own: each transport compiles this folder in (TLS_SOURCES), so that all show,
 * check and say the same.  OpenSSL, beneath libevent on a server and libcurl on a client.
 *
 * Server: context.c loads what a listener shows, accept.c puts it on a connection.  Client: reach.c
 * says what libcurl is told, multi.c runs it on the event loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_TLS_H
#define MANTIS_TLS_H

#include <mantis/transport.h>

#include <curl/curl.h>
#include <event2/util.h>

struct bufferevent;

/* TLS 1.2 with forward secrecy and authenticated encryption; all of 1.3. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* ---- What a listener shows (context.c) ------------------------------------------------------- */
struct tls_options {
  const char *certificate_file, *key_file, *client_ca_file;
  const char *client_certificate;
};

/* Rows for the table of options of a transport whose struct SELF has a struct tls_options tls. */
#define TLS_OPTIONS(self)                                                                          \
  MANTIS_FILE (self, tls.certificate_file, NULL,                                                   \
               "PEM: the server's certificate, and those between it and the authority; turns TLS " \
               "on"),                                                                              \
      MANTIS_FILE (self, tls.key_file, NULL,                                                       \
                   "PEM: its private key; unset: it stands in certificate_file"),                  \
      MANTIS_FILE (self, tls.client_ca_file, NULL,                                                 \
                   "PEM: authorities whose certificates clients may show"),                        \
      MANTIS_CHOICE (self, tls.client_certificate, "required", "required|optional",                \
                     "with client_ca_file: may a client come without one?")

struct tls;

/* Load what OPTIONS (borrowed) name.  OWNER: the transport, for messages.  *TLS is NULL where
 * they name nothing. */
enum mantis_status tls_new (const struct tls_options *options, const char *owner, struct tls **tls,
                            struct mantis_error *error);
/* Load it again: connections that are there go on as they began.  On failure the old one stays. */
enum mantis_status tls_reload (struct tls *tls, struct mantis_error *error);
void tls_free (struct tls *tls); /* NULL is fine; connections may still be there */

/* Warn if others can read the private key at PATH. */
void tls_mind_key (const char *path, const char *owner);

/* ---- A connection of a listener (accept.c) --------------------------------------------------- */

/* A bufferevent that shakes hands on FD, then says BEV_EVENT_CONNECTED; it closes FD when freed.
 * NULL: no memory, FD is still the caller's. */
struct bufferevent *tls_accept (const struct tls *tls, struct event_base *base, evutil_socket_t fd);

/* Why the handshake on BEV failed.  True: for the certificate that the peer showed, or did not. */
bool tls_failure (struct bufferevent *bev, char *text, size_t room);

/* After a failed handshake: a plain bufferevent on the same connection in the place of BEV, which
 * is freed.  Who takes what the peer still sends lets it read why it was refused.  NULL: no memory. */
struct bufferevent *tls_strip (struct bufferevent *bev, struct event_base *base);

/* The name on the certificate that the peer of BEV showed, to be freed; NULL: none, or none that
 * fits.  *EXPIRES: when the certificate ends, in milliseconds since 1970. */
char *tls_subject (struct bufferevent *bev, int64_t *expires);

/* Tell the peer that no more comes, so that it knows that nothing was cut off.  BEV may be plain. */
void tls_goodbye (struct bufferevent *bev);

/* ---- How a client reaches its server (reach.c) ----------------------------------------------- */
struct reach;

enum mantis_status reach_new (const struct mantis_remote *remote, const char *owner,
                              struct reach **reach, struct mantis_error *error);
void reach_free (struct reach *reach); /* NULL is fine */
/* Warn about what is not as it should be. */
void reach_mind (const struct reach *reach, const char *owner);

const char *reach_url (const struct reach *reach);   /* without a slash at its end */
const char *reach_place (const struct reach *reach); /* HOST:PORT, for people */
bool reach_is_here (const struct reach *reach);      /* on this machine? */
bool reach_is_secure (const struct reach *reach);    /* https:// */
/* To the same server, in the same way, with the same trust? */
bool reach_is_same (const struct reach *a, const struct reach *b);

/* Everything about TLS and proxies that EASY has to know. */
void reach_apply (const struct reach *reach, CURL *easy);

/* Why EASY ended with RESULT, and what to do, in TEXT.  DETAIL is curl's word.  False: what came was
 * too late, when all stood. */
bool reach_explain (const struct reach *reach, CURL *easy, CURLcode result, const char *detail,
                    char *text, size_t room);

/* ---- libcurl on the event loop (multi.c) ------------------------------------------------------ */
struct multi { /* begins zeroed */
  CURLM *handle;
  struct event_base *base;
  struct event *timer;
  /* Something may have ended: ask curl_multi_info_read().  All this may be freed from there. */
  void (*moved) (void *context);
  void *context;
};

/* False: no memory; multi_end() all the same. */
bool multi_begin (struct multi *multi, struct event_base *base, void (*moved) (void *context),
                  void *context);
void multi_end (struct multi *multi);

#endif
