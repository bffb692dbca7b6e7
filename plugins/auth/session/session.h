/* session.h - what the files of this plugin share.
 *
 * session.c lets in, recognizes and lets out; users.c does what an administrator says; password.c makes
 * of a password what may be stored; limit.c counts failures; uses.c remembers who called, and
 * tend.c writes it down.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SESSION_H
#define MANTIS_SESSION_H

#include <mantis/auth.h>

#include <pthread.h>

enum { HASH_LENGTH = 64, STAMP_LENGTH = 16, LONGEST_USER = 128, LONGEST_PASSWORD = 1024 };

/* ---- Tables (tables.c) ----------------------------------------------------------------------- */
enum {
  USER_NAME,
  USER_PASSWORD, /* see password.c */
  USER_ROLES,    /* JSON array */
  USER_DISABLED,
  USER_STAMP, /* another one after each change that ends the user's sessions */
  USER_CREATED_AT,
  USER_CHANGED_AT, /* the password, or whether he is disabled */
  USER_LOGIN_AT,
  USER_COLUMNS
};

enum {
  SESSION_HASH,  /* SHA-256 of the token, as hexadecimal digits */
  SESSION_NAME,  /* whose */
  SESSION_STAMP, /* the user's at the login: another one now, and the session is over */
  SESSION_CREATED_AT,
  SESSION_USED_AT, /* the last request, not to the second */
  SESSION_EXPIRES_AT,
  SESSION_PEER, /* where the login came from */
  SESSION_COLUMNS
};

extern const struct mantis_table session_users, session_sessions;
extern const struct mantis_table *const session_tables[];

struct mantis_value text_value (const char *text); /* NULL: NULL */
struct mantis_value integer_value (int64_t integer);
const char *text_of (const struct mantis_value *value); /* "" for none */
int64_t integer_of (const struct mantis_value *value);

/* LENGTH hexadecimal digits of BYTES, and a NUL. */
void hex_text (char *text, const unsigned char *bytes, size_t length);
void make_stamp (char stamp[STAMP_LENGTH + 1]);

/* In a transaction: the row of USER, NULL for none. */
enum mantis_status find_user (struct mantis_keep *keep, const char *user,
                              struct mantis_arena *arena, mantis_row *row,
                              struct mantis_error *error);

/* ---- Passwords (password.c) ------------------------------------------------------------------ */

/* What is stored of PASSWORD, made with 2^COST blocks of memory. */
enum mantis_status password_hash (const char *password, int64_t cost, struct mantis_buf *stored,
                                  struct mantis_error *error);
/* *HOLDS: is PASSWORD the one of STORED?  NULL, of a user that there is not, costs as much, and does not hold. */
enum mantis_status password_check (const char *password, const char *stored, int64_t cost,
                                   bool *holds, struct mantis_error *error);
/* Was STORED made with another COST? */
bool password_is_old (const char *stored, int64_t cost);

/* ---- Failures (limit.c) ---------------------------------------------------------------------- */
enum { BUCKETS = 4096 };

struct limit {
  int64_t failures, interval; /* so many at once, one more in each INTERVAL milliseconds */
  unsigned char secret[32];   /* nobody outside knows which bucket is his */
  struct bucket {
    uint64_t key; /* 0: an empty place */
    int64_t full; /* when all failures are forgiven, in milliseconds of mantis_monotonic() */
  } buckets[BUCKETS];
};

struct attempt {          /* and what it has cost */
  uint64_t address, user; /* their buckets; 0: nothing was taken */
};

void limit_start (struct limit *limit, int64_t failures, int64_t interval);
/* May somebody at PEER try to be USER?  0: yes, and it counts as failed until limit_forgive().  Else the
 * milliseconds until he may. */
int64_t limit_try (struct limit *limit, const char *peer, const char *user,
                   struct attempt *attempt);
void limit_forgive (struct limit *limit, const struct attempt *attempt);

/* ---- Uses (uses.c) --------------------------------------------------------------------------- */
enum { USES = 2048 };

struct uses { /* sessions whose row has to be told of a request */
  struct use {
    char hash[HASH_LENGTH + 1]; /* "": an empty place */
    int64_t at;
  } list[USES];
};

void uses_note (struct uses *uses, const char *hash, int64_t at);
/* Take one out.  False: there are none. */
bool uses_take (struct uses *uses, struct use *use);

/* ---- The plugin (session.c, users.c) --------------------------------------------------------- */
struct session {
  int64_t lifetime, idle_timeout, cost, failures, failure_interval;
  pthread_mutex_t lock; /* around what follows */
  struct limit limit;
  struct uses uses;
};

bool user_is_valid (const char *user);
enum mantis_status session_users_order (void *self, struct mantis_keep *keep,
                                        const struct mantis_user_order *order,
                                        struct mantis_buf *answer, struct mantis_error *error);
enum mantis_status session_tend (void *self, struct mantis_keep *keep, int64_t *after,
                                 struct mantis_error *error);

#endif
