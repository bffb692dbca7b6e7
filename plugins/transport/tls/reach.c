/* reach.c - how a client reaches its server: whom it trusts, what it shows, through which proxy.
 *
 * libcurl does the work; here stands what it is told.  A transport that needs the bare connection
 * gets it from the same options with CURLOPT_CONNECT_ONLY.
 *
 * Files are read again for each new connection, so that renewed ones need no restart.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tls.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PIN_LENGTH = 44 }; /* of 32 bytes in base64 */

struct reach {
  char *url;   /* without a slash at its end */
  char *place; /* HOST:PORT, for people */
  bool secure, here;
  char *ca_file, *ca_folder; /* NULL: none */
  bool own_trust;            /* ca_file alone counts, and not what the system trusts */
  char *pins;                /* as curl wants them; NULL: any key */
  char *certificate, *key;
  char *proxy;      /* NULL: none, whatever the environment says */
  char *proxy_user; /* USER:PASSWORD for it; NULL: it wants none */
};

void
reach_free (struct reach *reach)
{
  if (!reach)
    return;
  free (reach->url);
  free (reach->place);
  free (reach->ca_file);
  free (reach->ca_folder);
  free (reach->pins);
  free (reach->certificate);
  free (reach->key);
  free (reach->proxy);
  free (reach->proxy_user);
  free (reach);
}

/* ---- What the configuration says ------------------------------------------------------------- */

static bool
is_pin (const char *text)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  return strlen (text) == PIN_LENGTH && strspn (text, digits) == PIN_LENGTH - 1 &&
         text[PIN_LENGTH - 1] == '=';
}

static enum mantis_status
read_pins (struct reach *reach, const char *const *pins, const char *owner,
           struct mantis_error *error)
{
  struct mantis_buf list = MANTIS_BUF_INIT;

  for (; pins && *pins; pins++) {
    const char *pin = strncmp (*pins, "sha256//", 8) == 0 ? *pins + 8 : *pins;
    if (!is_pin (pin)) {
      mantis_buf_free (&list);
      return mantis_fail (error, MANTIS_INVALID,
                          "%s: pin_sha256: \"%s\" is not the SHA-256 of a public key in base64 (%d "
                          "characters)",
                          owner, *pins, PIN_LENGTH);
    }
    mantis_buf_printf (&list, "%ssha256//%s", list.length ? ";" : "", pin);
  }
  if (list.failed || (list.length && !(reach->pins = mantis_buf_take (&list, NULL))))
    return mantis_fail (error, MANTIS_FAILED, "%s: no memory", owner);
  return MANTIS_OK;
}

/* A copy of TEXT; *DONE becomes false when there is no memory. */
static char *
copy (const char *text, bool *done)
{
  char *made = text ? strdup (text) : NULL;

  *done &= !text || made;
  return made;
}

/* As OpenSSL itself has it: these variables take the place of its own folders.  libcurl passes them
 * over. */
static bool
fill (struct reach *reach, const struct mantis_remote *remote)
{
  bool done = true;

  reach->own_trust = remote->ca_file != NULL;
  reach->ca_file =
      copy (remote->ca_file ? remote->ca_file : secure_getenv ("SSL_CERT_FILE"), &done);
  reach->ca_folder = copy (remote->ca_file ? NULL : secure_getenv ("SSL_CERT_DIR"), &done);
  reach->certificate = copy (remote->client_certificate_file, &done);
  reach->key = copy (
      remote->client_key_file ? remote->client_key_file : remote->client_certificate_file, &done);
  reach->proxy = copy (remote->proxy, &done);
  reach->proxy_user = copy (secure_getenv ("MANTIS_PROXY_USER"), &done);
  return done;
}

/* SCHEME://HOST:PORT and nothing else. */
static bool
is_proxy (const char *text)
{
  CURLU *url = curl_url ();
  char *scheme = NULL, *port = NULL, *path = NULL, *user = NULL;
  bool good = url &&
              curl_url_set (url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get (url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get (url, CURLUPART_PORT, &port, 0) == CURLUE_OK &&
              curl_url_get (url, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
              curl_url_get (url, CURLUPART_USER, &user, 0) != CURLUE_OK &&
              (strcmp (scheme, "http") == 0 || strcmp (scheme, "socks5") == 0 ||
               strcmp (scheme, "socks5h") == 0) &&
              strcmp (path, "/") == 0 && !strpbrk (text, "?#");

  curl_free (scheme), curl_free (port), curl_free (path), curl_free (user);
  curl_url_cleanup (url);
  return good;
}

static enum mantis_status
check (const struct mantis_remote *remote, const char *owner, struct mantis_error *error)
{
  bool pinned = remote->pins && *remote->pins;

  if (remote->client_key_file && !remote->client_certificate_file)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: client_key_file without client_certificate_file", owner);
  if (strncasecmp (remote->url, "http://", 7) == 0 && (pinned || remote->client_certificate_file))
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: pin_sha256 and client_certificate_file need a server_url with "
                        "https://: there are no keys without TLS",
                        owner);
  if (remote->proxy && !is_proxy (remote->proxy)) /* what it is may hold a password */
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: proxy is not http://HOST:PORT, socks5://HOST:PORT or "
                        "socks5h://HOST:PORT (user and password come from $MANTIS_PROXY_USER)",
                        owner);
  return MANTIS_OK;
}

static bool
is_loopback (const char *host)
{
  return strcasecmp (host, "localhost") == 0 || strncmp (host, "127.", 4) == 0 ||
         strcmp (host, "[::1]") == 0;
}

static bool
note_place (struct reach *reach, const struct mantis_remote *remote, const char *host,
            const char *port)
{
  struct mantis_buf place = MANTIS_BUF_INIT;

  mantis_buf_printf (&place, "%s:%s%s%s", host, port, remote->proxy ? " by way of " : "",
                     remote->proxy ? remote->proxy : "");
  reach->place = mantis_buf_take (&place, NULL);
  reach->here = is_loopback (host);
  if (!(reach->url = strdup (remote->url)))
    return false;
  for (char *end = reach->url + strlen (reach->url); end > reach->url && end[-1] == '/'; end--)
    end[-1] = '\0';
  return reach->place != NULL;
}

/* What the URL says: is it one of ours, who is it, and is that this machine? */
static enum mantis_status
read_url (struct reach *reach, const struct mantis_remote *remote, const char *owner,
          struct mantis_error *error)
{
  CURLU *url = curl_url ();
  char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *query = NULL;
  enum mantis_status status = MANTIS_OK;

  if (!url || curl_url_set (url, CURLUPART_URL, remote->url, 0) ||
      curl_url_get (url, CURLUPART_SCHEME, &scheme, 0) ||
      curl_url_get (url, CURLUPART_HOST, &host, 0) ||
      curl_url_get (url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
      (strcmp (scheme, "http") != 0 && strcmp (scheme, "https") != 0))
    status = mantis_fail (error, MANTIS_INVALID,
                          "%s: \"%s\" is not the URL of a server; write for example "
                          "https://sync.example.org",
                          owner, remote->url);
  else if (!curl_url_get (url, CURLUPART_USER, &user, 0) ||
           !curl_url_get (url, CURLUPART_QUERY, &query, 0))
    status = mantis_fail (
        error, MANTIS_INVALID,
        "%s: the URL of %s names a user or a query; the token belongs into a file", owner, host);
  else if (!note_place (reach, remote, host, port))
    status = mantis_fail (error, MANTIS_FAILED, "%s: no memory", owner);
  else
    reach->secure = strcmp (scheme, "https") == 0;
  curl_free (scheme), curl_free (host), curl_free (port), curl_free (user), curl_free (query);
  curl_url_cleanup (url);
  return status;
}

enum mantis_status
reach_new (const struct mantis_remote *remote, const char *owner, struct reach **reach,
           struct mantis_error *error)
{
  enum mantis_status status = check (remote, owner, error);
  struct reach *made;

  if (status != MANTIS_OK)
    return status;
  if (!(made = calloc (1, sizeof *made)) || !fill (made, remote))
    status = mantis_fail (error, MANTIS_FAILED, "%s: no memory", owner);
  else if ((status = read_pins (made, remote->pins, owner, error)) == MANTIS_OK)
    status = read_url (made, remote, owner, error);
  if (status != MANTIS_OK) {
    reach_free (made);
    return status;
  }
  *reach = made;
  return MANTIS_OK;
}

const char *
reach_url (const struct reach *reach)
{
  return reach->url;
}

const char *
reach_place (const struct reach *reach)
{
  return reach->place;
}

bool
reach_is_secure (const struct reach *reach)
{
  return reach->secure;
}

static bool
is_same (const char *a, const char *b)
{
  return a && b ? strcmp (a, b) == 0 : a == b;
}

bool
reach_is_same (const struct reach *a, const struct reach *b)
{
  return is_same (a->url, b->url) && is_same (a->ca_file, b->ca_file) &&
         is_same (a->ca_folder, b->ca_folder) && a->own_trust == b->own_trust &&
         is_same (a->pins, b->pins) && is_same (a->certificate, b->certificate) &&
         is_same (a->key, b->key) && is_same (a->proxy, b->proxy) &&
         is_same (a->proxy_user, b->proxy_user);
}

bool
reach_is_here (const struct reach *reach)
{
  return reach->here;
}

void
reach_mind (const struct reach *reach, const char *owner)
{
  if (!reach->here && !reach->secure)
    mantis_log (MANTIS_WARNING, "%s: what is sent to %s is not encrypted, the token included",
                owner, reach->place);
  if (reach->key)
    tls_mind_key (reach->key, owner);
}

/* ---- What curl is told ----------------------------------------------------------------------- */

static void
apply_trust (const struct reach *reach, CURL *easy)
{
  curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt (easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* a mended file counts at once */
  if (reach->ca_file)
    curl_easy_setopt (easy, CURLOPT_CAINFO, reach->ca_file);
  if (reach->ca_folder || reach->own_trust)
    curl_easy_setopt (easy, CURLOPT_CAPATH, reach->ca_folder);
  if (reach->pins)
    curl_easy_setopt (easy, CURLOPT_PINNEDPUBLICKEY, reach->pins);
}

/* https:// goes through a tunnel (CONNECT): the proxy sees a name and a port. */
static void
apply_proxy (const struct reach *reach, CURL *easy)
{
  curl_easy_setopt (easy, CURLOPT_PROXY, reach->proxy ? reach->proxy : "");
  curl_easy_setopt (easy, CURLOPT_NOPROXY, "");
  if (reach->proxy)
    curl_easy_setopt (easy, CURLOPT_PROXYUSERPWD, reach->proxy_user);
  curl_easy_setopt (easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void
reach_apply (const struct reach *reach, CURL *easy)
{
  apply_proxy (reach, easy);
  curl_easy_setopt (easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt (easy, CURLOPT_SSL_CIPHER_LIST, TLS_CIPHERS);
  apply_trust (reach, easy);
  if (reach->certificate) {
    curl_easy_setopt (easy, CURLOPT_SSLCERT, reach->certificate);
    curl_easy_setopt (easy, CURLOPT_SSLKEY, reach->key);
    curl_easy_setopt (easy, CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks a person */
  }
}

/* ---- What went wrong ------------------------------------------------------------------------- */

static bool
has (const char *text, const char *part)
{
  return strstr (text, part) != NULL;
}

/* The server's word against what we showed: with TLS 1.3 it comes when we believe to be through. */
static bool
is_about_us (const char *detail)
{
  return has (detail, "alert") &&
         (has (detail, "certificate") || has (detail, "unknown ca") ||
          has (detail, "handshake failure") || has (detail, "access denied"));
}

/* Not curl's word: it may speak of an older connection that was closed meanwhile. */
static void
explain_certificate (CURL *easy, const char *place, char *text, size_t room)
{
  long why = X509_V_OK;
  bool unknown, other;

  curl_easy_getinfo (easy, CURLINFO_SSL_VERIFYRESULT, &why);
  other = why == X509_V_OK || why == X509_V_ERR_UNSPECIFIED; /* the chain was not the matter */
  unknown = why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
            why == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
            why == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
            why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
  snprintf (text, room, "the certificate of %s is not accepted: %s%s", place,
            other ? "it is for another name; does server_url name the server as its "
                    "certificate does?"
                  : X509_verify_cert_error_string (why),
            unknown ? "; a private authority is named by ca_file" : "");
}

static bool
explain_tls (CURL *easy, CURLcode result, const char *detail, const char *place, char *text,
             size_t room)
{
  bool broken =
      result == CURLE_SSL_CONNECT_ERROR || result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR;

  if (broken && is_about_us (detail))
    snprintf (text, room,
              "%s refuses us: %s; see client_certificate_file, and client_ca_file of the server",
              place, detail);
  else if (result == CURLE_SSL_CONNECT_ERROR)
    snprintf (text, room, "no TLS with %s: %s%s", place, detail,
              has (detail, "wrong version number") ? "; is it a server without TLS, http://?"
              : has (detail, "protocol")           ? "; TLS 1.2 or later is needed"
                                                   : "");
  else if (result == CURLE_PEER_FAILED_VERIFICATION)
    explain_certificate (easy, place, text, room);
  else if (result == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
    snprintf (text, room, "the public key of %s is none of those in pin_sha256", place);
  else if (result == CURLE_SSL_CERTPROBLEM)
    snprintf (text, room, "client_certificate_file and client_key_file are no help with %s: %s",
              place, detail);
  else if (result == CURLE_SSL_CACERT_BADFILE)
    snprintf (text, room, "cannot read the certificates for %s: %s", place, detail);
  else
    return false;
  return true;
}

/* curl's words, unless they are about an older connection that it closed on the way: those come
 * first, and then it keeps quiet. */
static const char *
detail_of (const char *detail, CURLcode result)
{
  bool older =
      result != CURLE_SEND_ERROR && result != CURLE_RECV_ERROR &&
      (strncmp (detail, "Send failure", 12) == 0 || strncmp (detail, "Recv failure", 12) == 0);

  return *detail && !older ? detail : curl_easy_strerror (result);
}

/* In the system's words: curl's have milliseconds in them, and the same trouble would look like another one each time. */
static const char *
why_unconnected (CURL *easy, CURLcode result, const char *detail)
{
  long code = 0;

  if (result == CURLE_COULDNT_CONNECT)
    curl_easy_getinfo (easy, CURLINFO_OS_ERRNO, &code);
  else if (result == CURLE_OPERATION_TIMEDOUT)
    code = ETIMEDOUT;
  return code ? strerror ((int)code) : detail;
}

bool
reach_explain (const struct reach *reach, CURL *easy, CURLcode result, const char *detail,
               char *text, size_t room)
{
  bool late = result == CURLE_OPERATION_TIMEDOUT;
  double connected = 0, secured = 0;

  detail = detail_of (detail, result);
  curl_easy_getinfo (easy, CURLINFO_CONNECT_TIME, &connected);
  curl_easy_getinfo (easy, CURLINFO_APPCONNECT_TIME, &secured);
  if (late && connected > 0 && secured <= 0 && reach->secure)
    snprintf (text, room, "%s does not finish the TLS handshake", reach->place);
  else if (late && connected > 0)
    return false;
  else if (explain_tls (easy, result, detail, reach->place, text, room))
    ;
  else if (connected > 0)
    snprintf (text, room, "talking to %s failed: %s%s", reach->place, detail,
              result == CURLE_GOT_NOTHING && !reach->secure ? "; does it want TLS, https://?" : "");
  else
    snprintf (text, room, "cannot connect to %s: %s", reach->place,
              why_unconnected (easy, result, detail));
  return true;
}
