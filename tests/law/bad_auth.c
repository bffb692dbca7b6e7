/* bad_auth - an authentication that breaks the law that its option "sin" names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/auth.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 32, TOKEN_LENGTH = 20 };

struct bad {
  const char *sin;
  struct made {
    char token[TOKEN_LENGTH + 1], subject[64];
    int64_t expires;
  } made[MOST];
  size_t count;
  char user[64], password[64];
  bool disabled;
};

static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (struct bad, sin, "", "what it does wrong"),
    {.name = NULL},
};

static bool
is (const struct bad *bad, const char *sin)
{
  return strcmp (bad->sin, sin) == 0;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static const struct made *
make_token (struct bad *bad, const char *subject, int64_t expires)
{
  struct made *made = &bad->made[bad->count++ % MOST];
  unsigned char chance[TOKEN_LENGTH];

  mantis_random (chance, sizeof chance);
  for (int i = 0; i < TOKEN_LENGTH; i++)
    made->token[i] = (char)('a' + chance[i] % 26);
  strncpy (made->subject, is (bad, "another") ? "mallory" : subject, sizeof made->subject - 1);
  made->expires = expires;
  return made;
}

static bool
is_same (const struct bad *bad, const char *ours, const char *shown)
{
  if (is (bad, "prefix"))
    return strncmp (ours, shown, TOKEN_LENGTH / 2) == 0;
  if (is (bad, "cut"))
    return *shown && strncmp (ours, shown, strlen (shown)) == 0;
  return strcmp (ours, shown) == 0;
}

static enum mantis_status
welcome_back (const struct bad *bad, const struct made *made, struct mantis_arena *arena,
              struct mantis_principal *principal)
{
  static char last[64];

  strcpy (last, made->subject);
  principal->subject = is (bad, "static") ? last : mantis_arena_strdup (arena, made->subject);
  if (is (bad, "nobody"))
    principal->subject = "";
  principal->claims = is (bad, "claims") ? "none" : "{}";
  principal->expires = made->expires;
  return MANTIS_OK;
}

static enum mantis_status
authenticate (void *self, const struct mantis_credentials *shown, struct mantis_arena *arena,
              struct mantis_principal *principal, struct mantis_error *error)
{
  static int inside;
  struct bad *bad = self;
  const char *token = shown->bearer ? shown->bearer : shown->cookie;
  bool alone = __atomic_add_fetch (&inside, 1, __ATOMIC_SEQ_CST) == 1;

  if (is (bad, "threads"))
    usleep (200);
  __atomic_sub_fetch (&inside, 1, __ATOMIC_SEQ_CST);
  if (!token)
    return is (bad, "denies") ? MANTIS_DENIED : MANTIS_ABSENT;
  if (is (bad, "crashes") && !strchr (token, '.'))
    abort ();
  if (is (bad, "open"))
    return welcome_back (bad, &bad->made[0], arena, principal);
  if (is (bad, "quotes"))
    return mantis_fail (error, MANTIS_DENIED, "no such token: %s", token);
  if (is (bad, "later"))
    return mantis_fail (error, MANTIS_FAILED, "cannot tell now");
  for (size_t i = 0; i < bad->count && i < MOST; i++)
    if (is_same (bad, bad->made[i].token, token) && (alone || !is (bad, "threads")) &&
        (mantis_now () < bad->made[i].expires || is (bad, "forever")))
      return welcome_back (bad, &bad->made[i], arena, principal);
  return mantis_fail (error, MANTIS_DENIED, "not one of mine");
}

static enum mantis_status
issue (void *self, const char *subject, int64_t lifetime, struct mantis_buf *token,
       struct mantis_error *error)
{
  (void)error;
  mantis_buf_text (token, make_token (self, subject, mantis_now () + lifetime)->token);
  return MANTIS_OK;
}

static enum mantis_status
reload (void *self, struct mantis_error *error)
{
  struct bad *bad = self;

  if (is (bad, "reload"))
    return mantis_fail (error, MANTIS_FAILED, "the file is gone");
  if (is (bad, "forgets"))
    bad->count = 0;
  return MANTIS_OK;
}

/* ---- Users ----------------------------------------------------------------------------------- */

static enum mantis_status
recognize (void *self, struct mantis_keep *keep, const struct mantis_credentials *shown,
           struct mantis_arena *arena, struct mantis_principal *principal,
           struct mantis_error *error)
{
  (void)keep;
  return authenticate (self, shown, arena, principal, error);
}

static enum mantis_status
login (void *self, struct mantis_keep *keep, const struct mantis_login *login,
       struct mantis_arena *arena, struct mantis_welcome *welcome, struct mantis_error *error)
{
  struct bad *bad = self;
  bool known = strcmp (login->user, bad->user) == 0 && !bad->disabled;

  (void)keep;
  if (!known && is (bad, "tells"))
    return mantis_fail (error, MANTIS_DENIED, "there is no such user");
  if (!known || strcmp (login->password, bad->password) != 0)
    return mantis_fail (error, MANTIS_DENIED, "user or password is wrong");
  welcome->subject = mantis_arena_strdup (arena, login->user);
  welcome->token = make_token (bad, login->user, mantis_now () + 3600000)->token;
  return MANTIS_OK;
}

static enum mantis_status
logout (void *self, struct mantis_keep *keep, const struct mantis_credentials *shown,
        struct mantis_error *error)
{
  struct bad *bad = self;

  (void)keep, (void)shown, (void)error;
  if (!is (bad, "stays"))
    bad->count = 0;
  return MANTIS_OK;
}

static enum mantis_status
users (void *self, struct mantis_keep *keep, const struct mantis_user_order *order,
       struct mantis_buf *answer, struct mantis_error *error)
{
  struct bad *bad = self;

  (void)keep;
  if (strcmp (order->what, "add") == 0) {
    strncpy (bad->user, order->user, sizeof bad->user - 1);
    strncpy (bad->password, order->password, sizeof bad->password - 1);
  } else if (strcmp (order->user, bad->user) != 0)
    return mantis_fail (error, MANTIS_ABSENT, "there is no such user");
  else {
    bad->disabled = strcmp (order->what, "enable") != 0;
    if (!is (bad, "disabled"))
      bad->count = 0;
  }
  mantis_buf_text (answer, "{}");
  return MANTIS_OK;
}

static enum mantis_status
tend (void *self, struct mantis_keep *keep, int64_t *after, struct mantis_error *error)
{
  (void)keep, (void)error;
  *after = is (self, "tends") ? 0 : 1000;
  return MANTIS_OK;
}

static const struct mantis_auth ops = {.size = sizeof ops,
                                       .authenticate = authenticate,
                                       .issue = issue,
                                       .reload = reload,
                                       .recognize = recognize,
                                       .login = login,
                                       .logout = logout,
                                       .users = users,
                                       .tend = tend};

MANTIS_AUTH_PLUGIN (bad_auth, &ops, .summary = "breaks one law", .self_size = sizeof (struct bad),
                    .options = options, .threads = MANTIS_PARALLEL);
