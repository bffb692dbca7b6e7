/* context.c - what a listener shows: certificate, key, and whose certificates it takes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tls.h"
#include "context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOON_SECONDS = 14 * 24 * 3600 }; /* before its end a certificate is warned about */

/* ---- Files ----------------------------------------------------------------------------------- */

/* OpenSSL's own word for a file that is not there is no help. */
static enum mantis_status
check_file (const struct tls *tls, const char *key, const char *path, struct mantis_error *error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd < 0)
    return mantis_fail (error, MANTIS_INVALID, "%s: tls.%s: cannot read %s: %s", tls->owner, key,
                        path, strerror (errno));
  close (fd);
  return MANTIS_OK;
}

void
tls_mind_key (const char *path, const char *owner)
{
  struct stat about;

  if (stat (path, &about) == 0 && about.st_mode & (S_IRGRP | S_IROTH))
    mantis_log (MANTIS_WARNING, "%s: %s can be read by others; chmod 600 it", owner, path);
}

/* What OpenSSL has just complained about. */
static enum mantis_status
refuse_file (const struct tls *tls, const char *key, const char *path, const char *what,
             struct mantis_error *error)
{
  const char *reason = ERR_reason_error_string (ERR_peek_error ());

  ERR_clear_error ();
  return mantis_fail (error, MANTIS_INVALID, "%s: tls.%s: %s %s: %s", tls->owner, key, path, what,
                      reason ? reason : "it cannot be read");
}

/* Nobody sits at a terminal to type a passphrase. */
static int
no_passphrase (char *room, int size, int writing, void *context)
{
  (void)room, (void)size, (void)writing, (void)context;
  return -1;
}

static void
tell_end (const struct tls *tls, const X509 *certificate)
{
  const ASN1_TIME *end = certificate ? X509_get0_notAfter (certificate) : NULL;
  const char *path = tls->options->certificate_file;
  time_t soon = time (NULL) + SOON_SECONDS;

  if (end && X509_cmp_current_time (end) < 0)
    mantis_log (MANTIS_WARNING, "%s: the certificate in %s has expired: clients will not take it",
                tls->owner, path);
  else if (end && X509_cmp_time (end, &soon) < 0)
    mantis_log (MANTIS_WARNING, "%s: the certificate in %s expires within two weeks", tls->owner,
                path);
}

static enum mantis_status
load_own (const struct tls *tls, SSL_CTX *context, struct mantis_error *error)
{
  const char *certificate = tls->options->certificate_file, *key = tls->options->key_file;
  const char *named = key ? "key_file" : "certificate_file";
  enum mantis_status status = check_file (tls, "certificate_file", certificate, error);

  key = key ? key : certificate;
  if (status == MANTIS_OK)
    status = check_file (tls, named, key, error);
  if (status != MANTIS_OK)
    return status;
  tls_mind_key (key, tls->owner);
  if (SSL_CTX_use_certificate_chain_file (context, certificate) != 1)
    return refuse_file (tls, "certificate_file", certificate, "holds no certificate in PEM", error);
  if (SSL_CTX_use_PrivateKey_file (context, key, SSL_FILETYPE_PEM) != 1)
    return refuse_file (tls, named, key,
                        "holds no private key in PEM that fits and has no passphrase", error);
  tell_end (tls, SSL_CTX_get0_certificate (context));
  return MANTIS_OK;
}

static enum mantis_status
load_authorities (const struct tls *tls, SSL_CTX *context, struct mantis_error *error)
{
  const char *path = tls->options->client_ca_file;
  bool required = strcmp (tls->options->client_certificate, "required") == 0;
  enum mantis_status status;
  STACK_OF (X509_NAME) * names;

  if (!path)
    return MANTIS_OK;
  if ((status = check_file (tls, "client_ca_file", path, error)) != MANTIS_OK)
    return status;
  if (SSL_CTX_load_verify_file (context, path) != 1 || !(names = SSL_load_client_CA_file (path)))
    return refuse_file (tls, "client_ca_file", path, "holds no certificates in PEM", error);
  SSL_CTX_set_client_CA_list (context, names);
  SSL_CTX_set_verify (context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                      NULL);
  return MANTIS_OK;
}

/* ---- Context --------------------------------------------------------------------------------- */

/* RFC 7301: http/1.1 where it is among what the client speaks; a client that names only others is
 * told so, as what it sends could not be meant for us. */
static int
choose_protocol (SSL *ssl, const unsigned char **out, unsigned char *length,
                 const unsigned char *in, unsigned int in_length, void *context)
{
  static const unsigned char ours[] = "\x08http/1.1";

  (void)ssl, (void)context;
  if (SSL_select_next_proto ((unsigned char **)(uintptr_t)out, length, ours, sizeof ours - 1, in,
                             in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

/* Sessions are not resumed: connections live long, and a certificate that is taken no more has no
 * ticket left.  Partial writes stay off: libevent would take what follows for what is left. */
static bool
set_manner (SSL_CTX *context)
{
  SSL_CTX_set_options (context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode (context, SSL_MODE_RELEASE_BUFFERS); /* idle ones are many */
  SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb (context, no_passphrase);
  SSL_CTX_set_alpn_select_cb (context, choose_protocol, NULL);
  return SSL_CTX_set_min_proto_version (context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_num_tickets (context, 0) == 1 &&
         SSL_CTX_set_cipher_list (context, TLS_CIPHERS) == 1;
}

enum mantis_status
tls_reload (struct tls *tls, struct mantis_error *error)
{
  SSL_CTX *context = SSL_CTX_new (TLS_server_method ());
  enum mantis_status status;

  if (!context || !set_manner (context))
    status = mantis_fail (error, MANTIS_FAILED, "%s: OpenSSL cannot start", tls->owner);
  else if ((status = load_own (tls, context, error)) == MANTIS_OK)
    status = load_authorities (tls, context, error);
  ERR_clear_error ();
  if (status != MANTIS_OK) {
    SSL_CTX_free (context);
    return status;
  }
  SSL_CTX_free (tls->context);
  tls->context = context;
  return MANTIS_OK;
}

enum mantis_status
tls_new (const struct tls_options *options, const char *owner, struct tls **tls,
         struct mantis_error *error)
{
  struct tls *made;
  enum mantis_status status;

  *tls = NULL;
  if (!options->certificate_file && (options->key_file || options->client_ca_file))
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: \"tls\" needs \"certificate_file\", the certificate of this server",
                        owner);
  if (!options->certificate_file)
    return MANTIS_OK;
  if (!(made = calloc (1, sizeof *made)))
    return mantis_fail (error, MANTIS_FAILED, "%s: no memory", owner);
  made->options = options;
  made->owner = owner;
  status = tls_reload (made, error);
  if (status != MANTIS_OK)
    free (made);
  else
    *tls = made;
  return status;
}

void
tls_free (struct tls *tls)
{
  if (!tls)
    return;
  SSL_CTX_free (tls->context);
  free (tls);
}
