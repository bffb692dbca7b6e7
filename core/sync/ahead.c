/* ahead.c - how new the newest rows are that came before their place in the log did.
 *
 * Rows of a page are read as they are.  Where it is not the last one, some are newer than its cursor; what is
 * remembered of them (held, seen) names revisions that the cursor does not vouch for.  A server that is restored
 * to a moment in between knows the cursor and goes on with other revisions of the same numbers: an edit there would
 * be taken for one that we have seen.  So the head of that moment goes with each question until the cursor has
 * come there, and a server that does not know it says that its history is another one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/client_state.h"

#include "base/base.h"
#include "wire/json.h"

#include <string.h>

static enum mantis_status
save (struct client *client, const struct cursor *ahead, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;

  if (ahead->rev) {
    mantis_buf_char (&text, '{');
    cursor_add (&text, "ahead", ahead);
    mantis_buf_char (&text, '}');
  }
  if (text.failed)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  client->newest = *ahead;
  return store_put_meta_text (client->store, "ahead", text.bytes, error);
}

enum mantis_status
ahead_load (struct client *client, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const char *text;
  enum mantis_status status;
  bool there;

  client->newest = (struct cursor){.rev = 0};
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = store_meta_text (client->store, "ahead", arena, &text, error)) != MANTIS_OK ||
      !text)
    return status;
  CLEANUP_JSON json_t *json = json_read (text, strlen (text), error);
  return json ? cursor_read (json, "ahead", &client->newest, &there, error) : error->status;
}

enum mantis_status
ahead_note (struct client *client, const json_t *page, struct mantis_error *error)
{
  struct cursor ahead;
  bool there;
  enum mantis_status status = cursor_read (page, "ahead", &ahead, &there, error);

  if (status != MANTIS_OK || !there || ahead.rev <= client->newest.rev)
    return status;
  return save (client, &ahead, error);
}

enum mantis_status
ahead_reached (struct client *client, int64_t rev, struct mantis_error *error)
{
  if (!client->newest.rev || client->newest.rev > rev)
    return MANTIS_OK;
  return save (client, &(struct cursor){.rev = 0}, error);
}

void
ahead_add (const struct client *client, struct mantis_buf *buf)
{
  if (!client->newest.rev)
    return;
  mantis_buf_char (buf, ',');
  cursor_add (buf, "ahead", &client->newest);
}
