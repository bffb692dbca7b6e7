/* auth.c - the laws that every authentication keeps: include/mantis/auth.h, said as a test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/trial.h"
#include "plugin_test.h"

#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600000, LONG_TOKEN = 100000 };

static struct mantis_keep *keep;
static struct mantis_arena *arena;
static struct mantis_error error;

static const struct mantis_auth *
ops (void)
{
  return plugin->ops;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* A use, with its tables where it has some. */
static void *
start_auth (void)
{
  void *self = start_use ();
  char path[100];

  arena = mantis_arena_new (8 << 20);
  if (!ops ()->recognize)
    return self;
  doing ("its tables to be made");
  strcpy (path, law_folder);
  strcat (path, "/kept.db");
  switch (mantis_trial_keep (trial, settings.storage, path, &keep, &error)) {
  case MANTIS_OK:
    return self;
  case MANTIS_ABSENT:
    skip ("it keeps tables, which needs a storage: %s", error.text);
  default:
    broken ("its tables cannot be made: %s", error.text);
  }
}

static enum mantis_status
ask (void *self, const struct mantis_credentials *shown, struct mantis_principal *principal)
{
  enum mantis_status status;

  *principal = (struct mantis_principal){.size = sizeof *principal};
  error = (struct mantis_error){.text = "not accepted"};
  if (!ops ()->recognize)
    return ops ()->authenticate (self, shown, arena, principal, &error);
  status = ops ()->recognize (self, keep, shown, arena, principal, &error);
  mantis_trial_called (keep);
  return status;
}

static enum mantis_status
ask_token (void *self, const char *token, struct mantis_principal *principal)
{
  const struct mantis_credentials shown = {
      .size = sizeof shown, .bearer = token, .peer = "192.0.2.1"};

  return ask (self, &shown, principal);
}

static bool
is_refusal (enum mantis_status status)
{
  return status == MANTIS_DENIED || status == MANTIS_ABSENT;
}

/* Who was accepted, as he has to be. */
static void
check_principal (const struct mantis_principal *principal, const char *who)
{
  const char *claims = principal->claims;

  if (!principal->subject || !*principal->subject)
    broken ("%s: accepted, and the subject is empty", who);
  if (!claims || claims[strspn (claims, " \t\r\n")] != '{')
    broken ("%s: accepted, and the claims are no JSON object: %.100s", who,
            claims ? claims : "NULL");
  if (principal->expires < 0)
    broken ("%s: accepted, and it expires before 1970", who);
}

/* ---- Rubbish --------------------------------------------------------------------------------- */

static const char *const rubbish[] = {
    "",
    " ",
    ".",
    "..",
    "...",
    "a.b.c",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    "\xff\xfe",
    "null",
    "' OR 1=1 --",
    "../../etc/passwd",
    "%s%n%s%n",
    "mst_",
    "0",
    "{}",
};

static void
refuse (void *self, const char *token, const char *what)
{
  const struct mantis_credentials shown[] = {
      {.size = sizeof *shown, .bearer = token, .peer = "192.0.2.1"},
      {.size = sizeof *shown, .cookie = token, .peer = "192.0.2.1"},
      {.size = sizeof *shown, .bearer = token, .cookie = token, .peer = ""},
  };
  struct mantis_principal principal;

  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
    enum mantis_status status;
    doing ("credentials that are %s", what);
    status = ask (self, &shown[i], &principal);
    if (!is_refusal (status))
      broken ("credentials that are %s: %s instead of MANTIS_DENIED or MANTIS_ABSENT (%s)", what,
              status_name (status), error.text);
  }
}

static void
rubbish_is_refused (void)
{
  static char large[LONG_TOKEN + 1];
  void *self = start_auth ();
  char bytes[200], what[300];

  memset (large, 'a', LONG_TOKEN);
  refuse (self, large, "100,000 letters");
  memset (large, '.', LONG_TOKEN);
  refuse (self, large, "100,000 full stops");
  for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
    strcpy (what, "\"");
    strcat (strcat (what, rubbish[i]), "\"");
    refuse (self, rubbish[i], what);
  }
  for (size_t i = 0; i < settings.rows; i++) {
    size_t length = chance_below (sizeof bytes);
    for (size_t k = 0; k < length; k++)
      bytes[k] = (char)(1 + chance_below (255));
    bytes[length] = '\0';
    refuse (self, bytes, "bytes made by chance");
  }
}

static void
nothing_is_nobody (void)
{
  const struct mantis_credentials shown = {.size = sizeof shown, .peer = "192.0.2.1"};
  struct mantis_principal principal;
  enum mantis_status status;

  doing ("no credentials at all");
  status = ask (start_auth (), &shown, &principal);
  if (status != MANTIS_ABSENT)
    broken (
        "no credentials: %s instead of MANTIS_ABSENT, so that the next authentication is not asked",
        status_name (status));
}

static void
a_refusal_tells_nothing (void)
{
  static const char secret[] = "zqxmark-0123456789-zqxmark";
  void *self = start_auth ();
  struct mantis_principal principal;

  doing ("credentials that it does not know");
  if (!is_refusal (ask_token (self, secret, &principal)))
    broken ("\"%s\" is accepted", secret);
  if (strstr (error.text, "zqxmark"))
    broken ("its reason holds the credentials: it is logged, and sent to the caller");
  for (const char *c = error.text; *c; c++)
    if ((unsigned char)*c < ' ')
      broken ("its reason is not one line");
}

/* ---- Those that were named ------------------------------------------------------------------- */

static struct mantis_credentials
named_credentials (const struct named *named)
{
  struct mantis_credentials shown = {.size = sizeof shown, .peer = "192.0.2.1"};

  if (strcmp (named->name, "bearer") == 0)
    shown.bearer = named->value;
  else if (strcmp (named->name, "cookie") == 0)
    shown.cookie = named->value;
  else if (strcmp (named->name, "certificate") == 0)
    shown.certificate_subject = named->value;
  else
    broken ("\"%s\" is neither bearer, cookie nor certificate", named->name);
  return shown;
}

static void
the_good_are_accepted (void)
{
  void *self = start_auth ();

  if (!settings.accepted_count)
    skip ("say which ones with --accept");
  for (size_t i = 0; i < settings.accepted_count; i++) {
    struct mantis_credentials shown = named_credentials (&settings.accepted[i]);
    struct mantis_principal principal;
    doing ("the %s of --accept", settings.accepted[i].name);
    if (ask (self, &shown, &principal) != MANTIS_OK)
      broken ("the %s \"%.20s...\" is refused: %s", settings.accepted[i].name,
              settings.accepted[i].value, error.text);
    check_principal (&principal, settings.accepted[i].name);
  }
}

static void
the_bad_are_refused (void)
{
  void *self = start_auth ();

  if (!settings.refused_count)
    skip ("say which ones with --refuse");
  for (size_t i = 0; i < settings.refused_count; i++) {
    struct mantis_credentials shown = named_credentials (&settings.refused[i]);
    struct mantis_principal principal;
    doing ("the %s of --refuse", settings.refused[i].name);
    if (!is_refusal (ask (self, &shown, &principal)))
      broken ("the %s \"%.20s...\" is accepted", settings.refused[i].name,
              settings.refused[i].value);
  }
}

/* ---- Tokens that it makes -------------------------------------------------------------------- */

static const char *const subjects[] = {"alice", "tablet 7", "a\"b\\c", "\xc3\xa9l\xc3\xa8ve",
                                       "x@example.org/../y"};

/* In the arena. */
static const char *
issue (void *self, const char *subject, int64_t lifetime)
{
  struct mantis_buf token = MANTIS_BUF_INIT;
  const char *copy;

  if (!ops ()->issue)
    skip ("it makes no tokens");
  doing ("issue() for \"%s\"", subject);
  error = (struct mantis_error){.text = "it gave no reason"};
  if (ops ()->issue (self, subject, lifetime, &token, &error) != MANTIS_OK)
    skip ("with these options it makes no tokens: %s", error.text);
  if (token.failed || !token.length || strlen (token.bytes) != token.length)
    broken ("issue() for \"%s\" made no token", subject);
  copy = mantis_arena_copy (arena, token.bytes, token.length);
  mantis_buf_free (&token);
  return copy;
}

static void
what_it_issues_is_accepted (void)
{
  void *self = start_auth ();
  struct mantis_principal principal;

  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    int64_t soon = mantis_now () + HOUR - 1000;
    const char *token = issue (self, subjects[i], HOUR);
    doing ("the token that it made for \"%s\"", subjects[i]);
    for (int again = 0; again < 2; again++)
      if (ask_token (self, token, &principal) != MANTIS_OK)
        broken ("the token that it made for \"%s\" is refused: %s", subjects[i], error.text);
    check_principal (&principal, "a token that it made");
    if (strcmp (principal.subject, subjects[i]) != 0)
      broken ("the token that it made for \"%s\" is accepted as \"%s\"", subjects[i],
              principal.subject);
    if (principal.expires && principal.expires < soon)
      broken ("the token that it made for an hour expires before");
  }
}

static void
principals_live_in_the_arena (void)
{
  void *self = start_auth ();
  char *token = mantis_arena_strdup (arena, issue (self, "alice", HOUR));
  struct mantis_principal first, second;

  doing ("two tokens, one after the other");
  if (ask_token (self, token, &first) != MANTIS_OK)
    broken ("the token that it made is refused: %s", error.text);
  memset (token, 'x', strlen (token));
  if (ask_token (self, issue (self, "bob", HOUR), &second) != MANTIS_OK)
    broken ("the second token that it made is refused: %s", error.text);
  if (strcmp (first.subject, "alice") != 0 || strcmp (second.subject, "bob") != 0)
    broken ("after another call the first subject reads \"%s\": it is not in the arena",
            first.subject);
}

static void
tokens_expire (void)
{
  void *self = start_auth ();
  const char *token = issue (self, "alice", HOUR);
  struct mantis_principal principal;

  doing ("a token for an hour, before that is over");
  clock_ahead = HOUR - 60000;
  if (ask_token (self, token, &principal) != MANTIS_OK)
    broken ("a token for an hour is refused after 59 minutes: %s", error.text);
  doing ("a token for an hour, a day later");
  clock_ahead = INT64_C (24) * HOUR;
  if (!is_refusal (ask_token (self, token, &principal)))
    broken ("a token for an hour is accepted a day later (it has to ask mantis_now())");
}

static void
altered_tokens_are_refused (void)
{
  void *self = start_auth ();
  const char *token = issue (self, "alice", HOUR);
  size_t length = strlen (token);
  struct mantis_principal principal;

  for (size_t i = length / 8; i < length - length / 8; i++) {
    char *altered = mantis_arena_strdup (arena, token);
    /* the last letter before a full stop may hold bits that mean nothing */
    if (altered[i] == '.' || altered[i + 1] == '.')
      continue;
    altered[i] = altered[i] == 'A' ? 'Q' : 'A';
    doing ("a token that was altered at %zu", i);
    if (!is_refusal (ask_token (self, altered, &principal)))
      broken ("a token whose letter %zu of %zu was altered is accepted", i + 1, length);
  }
  for (size_t cut = 1; cut < length; cut += 1 + length / 50) {
    doing ("a token that was cut at %zu", cut);
    if (!is_refusal (ask_token (self, mantis_arena_copy (arena, token, cut), &principal)))
      broken ("the first %zu letters of a token are accepted", cut);
  }
}

static void
keys_are_read_again (void)
{
  void *self = start_auth ();
  const char *token = ops ()->issue ? issue (self, "alice", HOUR) : NULL;
  struct mantis_principal principal;

  if (!ops ()->reload)
    skip ("it has nothing to read");
  doing ("reload()");
  if (ops ()->reload (self, &error) != MANTIS_OK)
    broken ("reload() of what start() had read fails: %s", error.text);
  if (token && ask_token (self, token, &principal) != MANTIS_OK)
    broken ("after reload() a token is refused: %s", error.text);
}

/* ---- Users ----------------------------------------------------------------------------------- */

static enum mantis_status
order (void *self, const char *what, const char *user, const char *password)
{
  static const char *const roles[] = {"clerk", NULL};
  const struct mantis_user_order wanted = {
      .size = sizeof wanted, .what = what, .user = user, .password = password, .roles = roles};
  struct mantis_buf answer = MANTIS_BUF_INIT;
  enum mantis_status status;

  doing ("users(): \"%s\"", what);
  error = (struct mantis_error){.text = "it gave no reason"};
  status = ops ()->users (self, keep, &wanted, &answer, &error);
  mantis_trial_called (keep);
  if (status == MANTIS_OK && (!answer.length || !strchr ("{[", answer.bytes[0])))
    broken ("users(): the answer to \"%s\" is no JSON object or array", what);
  mantis_buf_free (&answer);
  return status;
}

static enum mantis_status
log_in (void *self, const char *user, const char *password, struct mantis_welcome *welcome)
{
  const struct mantis_login login = {
      .size = sizeof login, .user = user, .password = password, .peer = "192.0.2.1"};
  enum mantis_status status;

  *welcome = (struct mantis_welcome){.size = sizeof *welcome};
  error = (struct mantis_error){.text = ""};
  doing ("login() of \"%s\"", user);
  status = ops ()->login (self, keep, &login, arena, welcome, &error);
  mantis_trial_called (keep);
  return status;
}

static void *
start_with_user (void)
{
  void *self = start_auth ();

  if (!ops ()->login || !ops ()->users)
    skip ("it keeps no users");
  if (order (self, "add", "alice", "correct horse") != MANTIS_OK)
    broken ("a user cannot be added: %s", error.text);
  return self;
}

static void
users_log_in_and_out (void)
{
  void *self = start_with_user ();
  struct mantis_welcome welcome;
  struct mantis_principal principal;

  if (log_in (self, "alice", "correct horse", &welcome) != MANTIS_OK)
    broken ("the right password is refused: %s", error.text);
  if (!welcome.token || !welcome.subject || strcmp (welcome.subject, "alice") != 0)
    broken ("the welcome has no token, or another subject");
  if (ask_token (self, welcome.token, &principal) != MANTIS_OK)
    broken ("the token of the welcome is refused: %s", error.text);
  check_principal (&principal, "a user who has logged in");
  if (ops ()->logout) {
    const struct mantis_credentials shown = {
        .size = sizeof shown, .bearer = welcome.token, .peer = "192.0.2.1"};
    doing ("logout()");
    if (ops ()->logout (self, keep, &shown, &error) != MANTIS_OK)
      broken ("logout() fails: %s", error.text);
    mantis_trial_called (keep);
    if (!is_refusal (ask_token (self, welcome.token, &principal)))
      broken ("after logout() the token is accepted");
  }
}

static void
strangers_learn_nothing (void)
{
  void *self = start_with_user ();
  struct mantis_welcome welcome;
  char wrong[sizeof error.text];

  if (log_in (self, "alice", "wrong", &welcome) != MANTIS_DENIED)
    broken ("a wrong password is not MANTIS_DENIED: %s", error.text);
  strcpy (wrong, error.text);
  if (log_in (self, "mallory", "wrong", &welcome) != MANTIS_DENIED)
    broken ("a user that there is not is not MANTIS_DENIED: %s", error.text);
  if (strcmp (wrong, error.text) != 0)
    broken ("who is a user is told by the reason: \"%s\", and \"%s\"", wrong, error.text);
}

static void
the_disabled_are_out (void)
{
  static const char *const ways[] = {"disable", "remove"};
  void *self = start_with_user ();
  struct mantis_principal principal;
  struct mantis_welcome welcome;

  for (size_t i = 0; i < 2; i++) {
    if (log_in (self, "alice", "correct horse", &welcome) != MANTIS_OK)
      broken ("the right password is refused: %s", error.text);
    if (order (self, ways[i], "alice", NULL) != MANTIS_OK)
      broken ("users(): \"%s\" fails: %s", ways[i], error.text);
    if (!is_refusal (ask_token (self, welcome.token, &principal)))
      broken ("after \"%s\" the token of the user is accepted", ways[i]);
    if (i == 0 && order (self, "enable", "alice", NULL) != MANTIS_OK)
      broken ("users(): \"enable\" fails: %s", error.text);
  }
  if (order (self, "disable", "mallory", NULL) != MANTIS_ABSENT)
    broken ("users(): \"disable\" of a user that there is not is not MANTIS_ABSENT");
}

static void
it_is_tended (void)
{
  void *self = start_auth ();
  int64_t after = -1;

  if (!ops ()->tend)
    skip ("there is nothing to be tended");
  doing ("tend()");
  for (int day = 0; day < 3; day++) {
    clock_ahead = day * INT64_C (24) * HOUR;
    if (ops ()->tend (self, keep, &after, &error) != MANTIS_OK)
      broken ("tend() fails: %s", error.text);
    mantis_trial_called (keep);
    if (after <= 0)
      broken ("tend() asks to be called again after %lld ms", (long long)after);
  }
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct shared {
  void *self;
  const char *token;
};

static void
ask_at_once (void *context)
{
  const struct shared *shared = context;
  const struct mantis_credentials good = {.size = sizeof good, .bearer = shared->token, .peer = ""},
                                  bad = {.size = sizeof bad, .bearer = "a.b.c", .peer = ""};

  for (int i = 0; i < 100; i++) {
    struct mantis_arena *own = mantis_arena_new (0);
    struct mantis_principal principal = {.size = sizeof principal};
    struct mantis_error why = {0};
    if (shared->token &&
        (ops ()->authenticate (shared->self, &good, own, &principal, &why) != MANTIS_OK ||
         strcmp (principal.subject, "alice") != 0))
      broken ("in several threads a token is refused, or another one's: %s", why.text);
    if (!is_refusal (ops ()->authenticate (shared->self, &bad, own, &principal, &why)))
      broken ("in several threads rubbish is accepted");
    mantis_arena_free (own);
  }
}

static void
several_threads_may_ask (void)
{
  struct shared shared = {.self = start_auth ()};

  if (!(plugin->threads & MANTIS_PARALLEL))
    skip ("it does not declare MANTIS_PARALLEL, and is asked by one thread at a time");
  if (!ops ()->authenticate)
    skip ("it is asked with a database at hand");
  if (ops ()->issue)
    shared.token = issue (shared.self, "alice", HOUR);
  doing ("several threads at once");
  in_parallel (ask_at_once, &shared);
}

const struct law laws_of_auths[] = {
    {"rubbish_is_refused", "rubbish is MANTIS_DENIED or MANTIS_ABSENT", rubbish_is_refused},
    {"nothing_is_nobody", "without credentials the next one is asked", nothing_is_nobody},
    {"a_refusal_tells_nothing", "a reason is one line, without the credentials",
     a_refusal_tells_nothing},
    {"the_good_are_accepted", "credentials of --accept are accepted", the_good_are_accepted},
    {"the_bad_are_refused", "credentials of --refuse are not", the_bad_are_refused},
    {"what_it_issues_is_accepted", "tokens that it makes are accepted, as their subjects",
     what_it_issues_is_accepted},
    {"principals_live_in_the_arena", "who was accepted stays so after the next call",
     principals_live_in_the_arena},
    {"tokens_expire", "tokens hold as long as they were made for, and no day longer",
     tokens_expire},
    {"altered_tokens_are_refused", "altered and cut tokens are refused",
     altered_tokens_are_refused},
    {"keys_are_read_again", "what start() has read can be read again", keys_are_read_again},
    {"users_log_in_and_out", "users log in, are known by their token, and log out",
     users_log_in_and_out},
    {"strangers_learn_nothing", "a wrong password and a stranger get the same answer",
     strangers_learn_nothing},
    {"the_disabled_are_out", "who is disabled or removed is known no more", the_disabled_are_out},
    {"it_is_tended", "it is called now and then, and says when again", it_is_tended},
    {"several_threads_may_authenticate", "several threads get the answers that one gets",
     several_threads_may_ask},
    {NULL, NULL, NULL},
};
