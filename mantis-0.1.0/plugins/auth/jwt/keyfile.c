/* keyfile.c - key_file: an HMAC secret, or a key in PEM; and making a secret where there is none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jwt.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT (1 << 20)

/* ---- Files --------------------------------------------------------------------------------------
 */
static enum mantis_status
read_all (int fd, const char *path, struct mantis_buf *text, struct mantis_error *error)
{
  for (;;) {
    char *room = mantis_buf_reserve (text, 4096);
    ssize_t got = room ? read (fd, room, 4096) : 0;

    if (!room)
      return mantis_fail (error, MANTIS_FULL, "%s: no memory to read it", path);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return mantis_fail (error, MANTIS_FAILED, "cannot read %s: %s", path, strerror (errno));
    if (!got) {
      *room = '\0';
      return MANTIS_OK;
    }
    text->length += (size_t)got;
    if (text->length > FILE_LIMIT)
      return mantis_fail (error, MANTIS_INVALID, "%s is longer than 1 MB: not a key", path);
  }
}

enum mantis_status
jwt_read_file (const char *path, bool secret, struct mantis_buf *text, struct mantis_error *error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  enum mantis_status status;
  struct stat about;

  if (fd < 0)
    return mantis_fail (error, errno == ENOENT ? MANTIS_ABSENT : MANTIS_FAILED,
                        "cannot read %s: %s", path, strerror (errno));
  if (fstat (fd, &about) || !S_ISREG (about.st_mode))
    status = mantis_fail (error, MANTIS_INVALID, "%s is not a plain file", path);
  else {
    if (secret && about.st_mode & (S_IRGRP | S_IROTH))
      mantis_log (MANTIS_WARNING, "jwt: %s can be read by others; chmod 600 it", path);
    status = read_all (fd, path, text, error);
  }
  close (fd);
  return status;
}

static bool
write_secret (int fd, size_t hash)
{
  unsigned char chance[64];
  char text[2 * sizeof chance + 1];
  size_t length = 2 * hash + 1;
  bool done;

  mantis_random (chance, hash);
  for (size_t i = 0; i < hash; i++) {
    text[2 * i] = "0123456789abcdef"[chance[i] >> 4];
    text[2 * i + 1] = "0123456789abcdef"[chance[i] & 15];
  }
  text[2 * hash] = '\n';
  done = write (fd, text, length) == (ssize_t)length && !fsync (fd);
  OPENSSL_cleanse (chance, sizeof chance);
  OPENSSL_cleanse (text, sizeof text);
  return done;
}

static void
sync_folder (const char *path)
{
  const char *slash = strrchr (path, '/');
  char *folder = slash ? strndup (path, slash == path ? 1 : (size_t)(slash - path)) : strdup (".");
  int fd = folder ? open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (fd >= 0) {
    fsync (fd);
    close (fd);
  }
  free (folder);
}

/* Written under another name and then linked: whoever looks sees a whole secret or none, and of two
 * servers that start at once the second takes the first one's. */
enum mantis_status
jwt_create_secret (const char *path, size_t hash, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  char *draft = NULL;
  int fd;

  if (asprintf (&draft, "%s.XXXXXX", path) < 0)
    return mantis_fail (error, MANTIS_FULL, "%s: no memory", path);
  fd = mkostemp (draft, O_CLOEXEC); /* mode 0600 */
  if (fd < 0) {
    status = mantis_fail (error, MANTIS_FAILED, "cannot make a secret in %s: %s", path,
                          strerror (errno));
    free (draft);
    return status;
  }
  if (!write_secret (fd, hash))
    status = mantis_fail (error, MANTIS_FAILED, "cannot write a secret to %s: %s", path,
                          strerror (errno));
  else if (!link (draft, path)) {
    sync_folder (path);
    mantis_log (MANTIS_INFO, "jwt: made a new secret in %s", path);
  } else if (errno != EEXIST)
    status = mantis_fail (error, MANTIS_FAILED, "cannot make %s: %s", path, strerror (errno));
  close (fd);
  unlink (draft);
  free (draft);
  return status;
}

/* ---- PEM ----------------------------------------------------------------------------------------
 */

/* An encrypted key is refused: the default would ask on the terminal and wait. */
static int
no_passphrase (char *buf, int size, int writing, void *data)
{
  (void)buf, (void)size, (void)writing, (void)data;
  return -1;
}

static EVP_PKEY *
parse_pem (const struct mantis_buf *text)
{
  BIO *bio = BIO_new_mem_buf (text->bytes, (int)text->length);
  EVP_PKEY *key = NULL;

  if (bio)
    key = PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL);
  if (bio && !key && BIO_reset (bio) == 1)
    key = PEM_read_bio_PUBKEY (bio, NULL, no_passphrase, NULL);
  BIO_free (bio);
  ERR_clear_error ();
  return key;
}

/* SIZE 0: as many bytes as the number needs. */
static bool
take_number (const EVP_PKEY *key, const char *name, size_t size, struct jwt_part *part)
{
  BIGNUM *number = NULL;

  if (!EVP_PKEY_get_bn_param (key, name, &number))
    return false;
  part->length = size ? size : (size_t)BN_num_bytes (number);
  part->bytes = malloc (part->length ? part->length : 1);
  if (!part->bytes || BN_bn2binpad (number, part->bytes, (int)part->length) < 0) {
    free (part->bytes);
    *part = (struct jwt_part){NULL, 0};
  }
  BN_clear_free (number);
  return part->bytes != NULL;
}

static bool
take_rsa (const EVP_PKEY *key, struct jwt_material *m)
{
  static const struct {
    enum jwt_part_name part;
    const char *name;
  } secret[] = {{PART_P, OSSL_PKEY_PARAM_RSA_FACTOR1},
                {PART_Q, OSSL_PKEY_PARAM_RSA_FACTOR2},
                {PART_DP, OSSL_PKEY_PARAM_RSA_EXPONENT1},
                {PART_DQ, OSSL_PKEY_PARAM_RSA_EXPONENT2},
                {PART_QI, OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};

  if (EVP_PKEY_get_base_id (key) != EVP_PKEY_RSA ||
      !take_number (key, OSSL_PKEY_PARAM_RSA_N, 0, &m->part[PART_N]) ||
      !take_number (key, OSSL_PKEY_PARAM_RSA_E, 0, &m->part[PART_E]))
    return false;
  if (take_number (key, OSSL_PKEY_PARAM_RSA_D, 0, &m->part[PART_D]))
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
      take_number (key, secret[i].name, 0, &m->part[secret[i].part]);
  return true;
}

static bool
take_ecdsa (const EVP_PKEY *key, const struct jwt_algorithm *algorithm, struct jwt_material *m)
{
  char curve[64] = "";
  size_t size = algorithm->coordinate;

  if (EVP_PKEY_get_base_id (key) != EVP_PKEY_EC ||
      !EVP_PKEY_get_utf8_string_param (key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve,
                                       NULL) ||
      OBJ_sn2nid (curve) != algorithm->curve_id ||
      !take_number (key, OSSL_PKEY_PARAM_EC_PUB_X, size, &m->part[PART_X]) ||
      !take_number (key, OSSL_PKEY_PARAM_EC_PUB_Y, size, &m->part[PART_Y]))
    return false;
  take_number (key, OSSL_PKEY_PARAM_PRIV_KEY, size, &m->part[PART_D]);
  return true;
}

static enum mantis_status
take_pem (const struct mantis_buf *text, const struct jwt_algorithm *algorithm,
          struct jwt_material *material, struct mantis_error *error)
{
  EVP_PKEY *key = parse_pem (text);
  bool taken;

  if (!key)
    return mantis_fail (error, MANTIS_INVALID,
                        "not a PEM public or unencrypted private key, which %s needs",
                        algorithm->name);
  if (algorithm->family == JWT_ECDSA)
    taken = take_ecdsa (key, algorithm, material);
  else
    taken = take_rsa (key, material);
  EVP_PKEY_free (key);
  ERR_clear_error ();
  return taken ? MANTIS_OK
               : mantis_fail (error, MANTIS_INVALID, "not the kind of key that %s needs (%s)",
                              algorithm->name, algorithm->curve ? algorithm->curve : "RSA");
}

/* ---- The key ------------------------------------------------------------------------------------
 */
static enum mantis_status
take_secret (struct mantis_buf *text, struct jwt_material *material, struct mantis_error *error)
{
  static const char pem[] = "-----BEGIN ";
  struct jwt_part *secret = &material->part[PART_K];

  /* The oldest attack of all signs with a published key as if it were a secret. */
  if (text->length >= sizeof pem - 1 && !memcmp (text->bytes, pem, sizeof pem - 1))
    return mantis_fail (error, MANTIS_INVALID,
                        "this is a PEM key, not a secret: set \"algorithm\" to the one it is for");
  if (text->length && text->bytes[text->length - 1] == '\n')
    text->length--;
  secret->bytes = malloc (text->length ? text->length : 1);
  if (!secret->bytes)
    return mantis_fail (error, MANTIS_FULL, "no memory for a key");
  if (text->length)
    memcpy (secret->bytes, text->bytes, text->length);
  secret->length = text->length;
  return MANTIS_OK;
}

enum mantis_status
jwt_read_key_file (struct jwt_keys *keys, const char *path, const struct jwt_algorithm *algorithm,
                   bool may_create, struct mantis_error *error)
{
  bool hmac = algorithm->family == JWT_HMAC;
  struct jwt_material material = {0};
  struct mantis_buf text = MANTIS_BUF_INIT;
  enum mantis_status status = jwt_read_file (path, hmac, &text, error);

  if (status == MANTIS_ABSENT && hmac && may_create) {
    status = jwt_create_secret (path, algorithm->hash, error);
    if (!status)
      status = jwt_read_file (path, true, &text, error);
  }
  if (status) {
    mantis_buf_free (&text);
    return jwt_inside (error, status, "jwt: key_file");
  }
  if (hmac)
    status = take_secret (&text, &material, error);
  else
    status = take_pem (&text, algorithm, &material, error);
  if (!status)
    status = jwt_keys_add (keys, &material, algorithm, NULL, error);
  if (text.bytes)
    OPENSSL_cleanse (text.bytes, text.room);
  mantis_buf_free (&text);
  jwt_material_free (&material);
  return jwt_inside (error, status, "jwt: key_file %s", path);
}
