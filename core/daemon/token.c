/* token.c - the token that a client shows, read from its file whenever it may have changed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/token.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST = 16 * 1024 };

/* What is in the file, without the white space around it.  NULL: REASON. */
static char *
read_file (const char *file, char *reason, size_t room)
{
  CLEANUP_FREE char *bytes = malloc (LARGEST + 1);
  int fd = bytes ? open (file, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t length = fd < 0 ? -1 : read (fd, bytes, LARGEST + 1);
  size_t from = 0, to;

  snprintf (reason, room, "%s", length < 0 ? strerror (errno) : "it holds no token");
  if (fd >= 0)
    close (fd);
  if (length < 0 || length > LARGEST)
    return NULL;
  to = (size_t)length;
  while (to && strchr (" \t\r\n", bytes[to - 1]))
    to--;
  while (from < to && strchr (" \t\r\n", bytes[from]))
    from++;
  for (size_t i = from; i < to; i++)
    if (bytes[i] <= ' ' || bytes[i] > '~')
      return NULL;
  return from < to ? strndup (bytes + from, to - from) : NULL;
}

static void
tell_missing (struct token *token, const char *reason)
{
  if (token->told || token->needless)
    return;
  token->told = true;
  if (!token->file)
    mantis_log (MANTIS_WARNING,
                "no token: set \"token_file\" in \"sync\"; run `mantisctl token --subject "
                "NAME' on the server and save what it prints there. Until then changes are "
                "captured and wait");
  else
    mantis_log (MANTIS_WARNING, "no token: %s: %s; %s. Until then changes are captured and wait",
                token->file, reason,
                strcmp (reason, strerror (EACCES)) == 0
                    ? "mantisd's user has to be able to read it"
                    : "run `mantisctl token --subject NAME' on the server and save what it prints "
                      "as this file");
}

bool
token_read (struct token *token)
{
  char reason[200] = "";
  char *text = token->file ? read_file (token->file, reason, sizeof reason) : NULL;
  bool same = text && token->text && strcmp (text, token->text) == 0;

  if (!text)
    tell_missing (token, reason);
  if (same) {
    free (text);
    return false;
  }
  free (token->text);
  token->text = text;
  token->number++;
  token->refused = false;
  if (text)
    token->told = false;
  return text != NULL;
}

void
token_refused (struct token *token, const char *server)
{
  if (!token->refused)
    mantis_log (MANTIS_WARNING,
                "token refused by %s: %s; run `mantisctl token --subject NAME' there and save what "
                "it prints as "
                "this file. Until then changes are captured and wait",
                server, token->file);
  token->refused = true;
}

void
token_free (struct token *token)
{
  free (token->text);
  *token = (struct token){0};
}

static enum mantis_status
write_all (int fd, const char *text)
{
  size_t length = strlen (text), done = 0;

  while (done < length) {
    ssize_t written = write (fd, text + done, length - done);
    if (written < 0 && errno != EINTR)
      return MANTIS_FAILED;
    done += written > 0 ? (size_t)written : 0;
  }
  return write (fd, "\n", 1) == 1 ? MANTIS_OK : MANTIS_FAILED;
}

enum mantis_status
token_write (const char *file, const char *text, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf other = MANTIS_BUF_INIT;
  enum mantis_status status = MANTIS_FAILED;
  int fd;

  mantis_buf_printf (&other, "%s.XXXXXX", file);
  if (other.failed)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if ((fd = mkostemp (other.bytes, O_CLOEXEC)) >= 0) { /* mode 0600 */
    status = write_all (fd, text);
    if (close (fd) != 0 || status != MANTIS_OK || rename (other.bytes, file) != 0) {
      status = MANTIS_FAILED;
      unlink (other.bytes);
    }
  }
  if (status != MANTIS_OK)
    mantis_fail (error, status, "cannot write %s: %s", file, strerror (errno));
  return status;
}
