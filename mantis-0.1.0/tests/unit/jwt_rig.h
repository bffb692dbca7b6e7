/* jwt_rig.h - the jwt plugin in a test: its struct by option names, files in a folder, tokens by
 * hand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef JWT_RIG_H
#define JWT_RIG_H

#include "../../plugins/auth/jwt/jwt.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_jwt;

/* ---- A folder for the files of one test ---------------------------------------------------------
 */
static char rig_folder[64];

static inline void
rig_begin (void)
{
  strcpy (rig_folder, "/tmp/mantis-jwt-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (rig_folder));
}

static inline void
rig_end (void)
{
  char command[128];

  snprintf (command, sizeof command, "rm -rf %s", rig_folder);
  ck_assert_int_eq (system (command), 0);
}

static inline const char *
rig_path (const char *name)
{
  static char paths[8][128];
  static unsigned next;
  char *path = paths[next++ % 8];

  snprintf (path, sizeof paths[0], "%s/%s", rig_folder, name);
  return path;
}

static inline const char *
rig_write (const char *name, const void *bytes, size_t length)
{
  const char *path = rig_path (name);
  FILE *file = fopen (path, "w");

  ck_assert_ptr_nonnull (file);
  ck_assert_uint_eq (fwrite (bytes, 1, length, file), length);
  fclose (file);
  chmod (path, 0600);
  return path;
}

/* ---- The plugin ---------------------------------------------------------------------------------
 */
static inline void *
rig_field (void *self, const char *name)
{
  for (const struct mantis_option *o = plugin_jwt.options; o->name; o++)
    if (!strcmp (o->name, name))
      return (char *)self + o->offset;
  ck_abort_msg ("no option %s", name);
  return NULL;
}

static inline void
rig_text (void *self, const char *name, const char *value)
{
  *(const char **)rig_field (self, name) = value;
}

static inline void
rig_duration (void *self, const char *name, int64_t milliseconds)
{
  *(int64_t *)rig_field (self, name) = milliseconds;
}

static inline void *
rig_new (const char *algorithm, const char *key_file)
{
  void *self = calloc (1, plugin_jwt.self_size);

  rig_text (self, "algorithm", algorithm);
  rig_text (self, "key_file", key_file);
  rig_text (self, "subject_claim", "sub");
  rig_duration (self, "leeway", 60000);
  return self;
}

static inline void
rig_start (void *self)
{
  struct mantis_error error = {0};

  ck_assert_msg (!plugin_jwt.start (self, &error), "%s", error.text);
}

static inline void
rig_free (void *self)
{
  plugin_jwt.stop (self);
  free (self);
}

static inline const struct mantis_auth *
rig_ops (void)
{
  return plugin_jwt.ops;
}

/* Status of TOKEN; what was said is in *ERROR, SUBJECT has room for 256 bytes; both may be NULL. */
static inline enum mantis_status
rig_ask (void *self, const char *token, char *subject, struct mantis_error *error)
{
  struct mantis_credentials credentials = {.size = sizeof credentials, .bearer = token};
  struct mantis_principal principal = {.size = sizeof principal};
  struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      rig_ops ()->authenticate (self, &credentials, arena, &principal, error);

  if (!status && subject)
    snprintf (subject, 256, "%s", principal.subject);
  mantis_arena_free (arena);
  return status;
}

/* ---- Tokens by hand -----------------------------------------------------------------------------
 */
static inline char *
rig_base64url (const void *bytes, size_t length)
{
  char *text = malloc (length * 2 + 8);
  int size = EVP_EncodeBlock ((unsigned char *)text, bytes, (int)length);

  while (size && text[size - 1] == '=')
    size--;
  text[size] = '\0';
  for (char *c = text; *c; c++)
    *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
  return text;
}

/* HEADER and PAYLOAD signed with HMAC-SHA-256 and SECRET; the caller frees. */
static inline char *
rig_sign (const char *header, const char *payload, const char *secret)
{
  char *h = rig_base64url (header, strlen (header)), *p = rig_base64url (payload, strlen (payload));
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  char *input = NULL, *signature, *token = NULL;

  ck_assert_int_gt (asprintf (&input, "%s.%s", h, p), 0);
  HMAC (EVP_sha256 (), secret, (int)strlen (secret), (unsigned char *)input, strlen (input), mac,
        &length);
  signature = rig_base64url (mac, length);
  ck_assert_int_gt (asprintf (&token, "%s.%s", input, signature), 0);
  free (h), free (p), free (input), free (signature);
  return token;
}

static inline void
rig_write_pem (EVP_PKEY *key, const char *private_name, const char *public_name)
{
  FILE *file = fopen (rig_path (private_name), "w");

  ck_assert_int_eq (PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL), 1);
  fclose (file);
  file = fopen (rig_path (public_name), "w");
  ck_assert_int_eq (PEM_write_PUBKEY (file, key), 1);
  fclose (file);
}

#endif
