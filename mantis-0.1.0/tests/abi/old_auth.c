/* An authentication built against the first headers: whoever shows the word is let in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/auth.h>

#include <string.h>

struct old_auth {
  const char *word;
};

static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (struct old_auth, word, "sesame", "what opens"),
    {.name = NULL},
};

static enum mantis_status
authenticate (void *self, const struct mantis_credentials *credentials, struct mantis_arena *arena,
              struct mantis_principal *principal, struct mantis_error *error)
{
  const struct old_auth *old = self;

  if (!credentials->bearer)
    return MANTIS_ABSENT;
  if (strcmp (credentials->bearer, old->word) != 0)
    return mantis_fail (error, MANTIS_DENIED, "another word from %s", credentials->peer);
  principal->subject = mantis_arena_strdup (arena, "ali");
  principal->claims = "{}";
  principal->expires = 1763800000000;
  return MANTIS_OK;
}

static const struct mantis_auth ops = {.size = sizeof ops, .authenticate = authenticate};

MANTIS_AUTH_PLUGIN (old_auth, &ops, .summary = "as of the first headers",
                    .self_size = sizeof (struct old_auth), .options = options);
