/* passes - devices are known by passes that stand in a file.
 *
 * An example of an authentication that is kept outside Mantis's tree: docs/write-an-auth.md explains it.  A line of the
 * file is a pass, who has it, and what he is; '#' begins a comment:
 *
 *   Zk4ySjGR0Vw1QyTqE8dbLw till-7 clerk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/auth.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHORTEST = 16, LONGEST = 200 };

struct pass {
  struct pass *next;
  char pass[LONGEST], subject[LONGEST], role[LONGEST];
};

struct passes {
  const char *file; /* the option */
  struct pass *first;
  pthread_rwlock_t lock; /* around FIRST: many ask at once, reload() writes */
};

static const struct mantis_option options[] = {
  MANTIS_OPTION (struct passes, file, MANTIS_OPTION_FILE, NULL,
                 "a pass, a subject and a role on each line", .required = true),
  { .name = NULL },
};

/* ---- The file ---- */

static void
free_list (struct pass *pass)
{
  for (struct pass *next; pass; pass = next) {
    next = pass->next;
    memset (pass, 0, sizeof *pass);
    free (pass);
  }
}

/* Errors name the line, and never what stands there. */
static enum mantis_status
read_line (char *line, int number, struct pass **list, struct mantis_error *error)
{
  char *state, *pass = strtok_r (line, " \t\n", &state), *subject = strtok_r (NULL, " \t\n", &state),
       *role = strtok_r (NULL, " \t\n", &state);
  struct pass *made;

  if (!pass || *pass == '#')
    return MANTIS_OK;
  if (!role || strtok_r (NULL, " \t\n", &state))
    return mantis_fail (error, MANTIS_INVALID, "line %d is not a pass, a subject and a role", number);
  if (strlen (pass) < SHORTEST || strlen (pass) >= LONGEST || strlen (subject) >= LONGEST
      || strlen (role) >= LONGEST)
    return mantis_fail (error, MANTIS_INVALID, "line %d: a pass has %d to %d letters", number,
                        SHORTEST, LONGEST - 1);
  if (!(made = calloc (1, sizeof *made)))
    return mantis_fail (error, MANTIS_FAILED, "no memory for the passes");
  strcpy (made->pass, pass);
  strcpy (made->subject, subject);
  strcpy (made->role, role);
  made->next = *list;
  *list = made;
  return MANTIS_OK;
}

static enum mantis_status
read_file (const char *name, struct pass **list, struct mantis_error *error)
{
  FILE *file = fopen (name, "re");
  enum mantis_status status = MANTIS_OK;
  char line[4 * LONGEST];
  struct stat found;

  if (!file)
    return mantis_fail (error, MANTIS_INVALID, "passes: %s: %s", name, strerror (errno));
  if (fstat (fileno (file), &found) == 0 && found.st_mode & (S_IRWXG | S_IRWXO))
    mantis_log (MANTIS_WARNING, "passes: %s can be read by others: chmod 600", name);
  for (int number = 1; status == MANTIS_OK && fgets (line, sizeof line, file); number++)
    status = read_line (line, number, list, error);
  fclose (file);
  memset (line, 0, sizeof line);
  if (status != MANTIS_OK) {
    mantis_fail_in (error, "passes: %s", name);
    free_list (*list);
  }
  return status;
}

/* ---- Who is it? ---- */

/* How long this takes must not tell how much of a pass is right. */
static bool
is_same (const char *kept, const char *shown)
{
  size_t length = strlen (shown);
  volatile unsigned char difference = length != strlen (kept);

  for (size_t i = 0; i < LONGEST; i++)
    difference |= (unsigned char) (kept[i] ^ (i < length ? shown[i] : 0));
  return !difference;
}

static enum mantis_status
welcome (const struct pass *pass, struct mantis_arena *arena, struct mantis_principal *principal,
         struct mantis_error *error)
{
  struct mantis_buf claims = MANTIS_BUF_INIT;

  mantis_buf_text (&claims, "{\"sub\":");
  mantis_buf_json (&claims, pass->subject, strlen (pass->subject));
  mantis_buf_text (&claims, ",\"role\":");
  mantis_buf_json (&claims, pass->role, strlen (pass->role));
  mantis_buf_char (&claims, '}');
  principal->subject = mantis_arena_strdup (arena, pass->subject);
  principal->claims = claims.failed ? NULL : mantis_arena_strdup (arena, claims.bytes);
  mantis_buf_free (&claims);
  if (!principal->subject || !principal->claims)
    return mantis_fail (error, MANTIS_FULL, "no memory for who it is");
  return MANTIS_OK;
}

static enum mantis_status
authenticate (void *data, const struct mantis_credentials *credentials, struct mantis_arena *arena,
              struct mantis_principal *principal, struct mantis_error *error)
{
  struct passes *self = data;
  const char *shown = credentials->bearer;
  const struct pass *found = NULL;
  enum mantis_status status;

  if (!shown || strchr (shown, '.')) /* a token with full stops is for jwt */
    return mantis_fail (error, MANTIS_ABSENT, "no pass");
  pthread_rwlock_rdlock (&self->lock);
  for (const struct pass *pass = self->first; pass; pass = pass->next)
    if (is_same (pass->pass, shown))
      found = pass;
  status = found ? welcome (found, arena, principal, error)
                 : mantis_fail (error, MANTIS_DENIED, "the pass is not known here");
  pthread_rwlock_unlock (&self->lock);
  return status;
}

/* ---- Life ---- */

static enum mantis_status
start (void *data, struct mantis_error *error)
{
  struct passes *self = data;
  enum mantis_status status = read_file (self->file, &self->first, error);

  if (status == MANTIS_OK)
    pthread_rwlock_init (&self->lock, NULL);
  return status;
}

/* What cannot be read changes nothing. */
static enum mantis_status
reload (void *data, struct mantis_error *error)
{
  struct passes *self = data;
  struct pass *fresh = NULL, *old;
  enum mantis_status status = read_file (self->file, &fresh, error);

  if (status != MANTIS_OK)
    return status;
  pthread_rwlock_wrlock (&self->lock);
  old = self->first;
  self->first = fresh;
  pthread_rwlock_unlock (&self->lock);
  free_list (old);
  return MANTIS_OK;
}

static void
stop (void *data)
{
  struct passes *self = data;

  free_list (self->first);
  pthread_rwlock_destroy (&self->lock);
}

static const struct mantis_auth ops
    = { .size = sizeof ops, .authenticate = authenticate, .reload = reload };

MANTIS_AUTH_PLUGIN (passes, &ops, .summary = "passes that stand in a file", .version = "1.0",
                    .self_size = sizeof (struct passes), .options = options, .start = start,
                    .stop = stop, .threads = MANTIS_PARALLEL);
