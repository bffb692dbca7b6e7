/* password.c - a password, from a terminal that does not show it, a file or a pipe; never from the command line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LONGEST = 1024 };

void
secret_wipe (char *text, size_t length)
{
  explicit_bzero (text, length);
}

void
secret_free (struct mantis_buf *buf)
{
  if (buf->bytes)
    explicit_bzero (buf->bytes, buf->room);
  mantis_buf_free (buf);
}

/* A line of FD, without its end. */
static enum mantis_status
read_line (int fd, const char *place, struct mantis_buf *line, struct mantis_error *error)
{
  char *room = mantis_buf_reserve (line, LONGEST + 2); /* at once: it is not copied about */
  ssize_t got = 1;
  char *end;

  if (!room)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  while (line->length < LONGEST + 2 && got > 0) {
    got = read (fd, room + line->length, LONGEST + 2 - line->length);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got < 0)
      return mantis_fail (error, MANTIS_FAILED, "cannot read the password from %s: %s", place,
                          strerror (errno));
    else
      line->length += (size_t)got;
    if (memchr (room, '\n', line->length))
      break;
  }
  if ((end = memchr (room, '\n', line->length)))
    line->length = (size_t)(end - room);
  if (line->length && room[line->length - 1] == '\r')
    line->length--;
  room[line->length < LONGEST + 2 ? line->length : LONGEST + 1] = '\0';
  if (line->length > LONGEST || strlen (room) != line->length)
    return mantis_fail (error, MANTIS_INVALID, "a password has at most %d bytes, and none is zero",
                        LONGEST);
  return line->length ? MANTIS_OK
                      : mantis_fail (error, MANTIS_INVALID, "there is no password in %s", place);
}

/* ---- A terminal -------------------------------------------------------------------------------
 */

static struct termios before;
static int terminal = -1;

/* Ctrl-C at the question must not leave a terminal without echo behind. */
static void
on_signal (int number)
{
  tcsetattr (terminal, TCSAFLUSH, &before);
  signal (number, SIG_DFL);
  raise (number);
}

static enum mantis_status
ask (const char *question, struct mantis_buf *line, struct mantis_error *error)
{
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  struct termios silent;
  enum mantis_status status;

  if (tcgetattr (terminal, &before) != 0)
    return mantis_fail (error, MANTIS_FAILED, "cannot silence the terminal: %s", strerror (errno));
  for (size_t i = 0; i < COUNT_OF (numbers); i++)
    signal (numbers[i], on_signal);
  silent = before;
  silent.c_lflag &= ~(tcflag_t)ECHO;
  silent.c_lflag |= ECHONL;
  tcsetattr (terminal, TCSAFLUSH, &silent);
  dprintf (terminal, "%s", question);
  status = read_line (terminal, "the terminal", line, error);
  tcsetattr (terminal, TCSAFLUSH, &before);
  for (size_t i = 0; i < COUNT_OF (numbers); i++)
    signal (numbers[i], SIG_DFL);
  return status;
}

static enum mantis_status
ask_person (const char *user, bool twice, struct mantis_buf *password, struct mantis_error *error)
{
  CLEANUP_SECRET struct mantis_buf again = MANTIS_BUF_INIT;
  CLEANUP_BUF struct mantis_buf question = MANTIS_BUF_INIT;
  enum mantis_status status;

  mantis_buf_printf (&question, "%s for %s: ", twice ? "New password" : "Password", user);
  status = ask (question.failed ? "Password: " : question.bytes, password, error);
  if (status != MANTIS_OK || !twice)
    return status;
  status = ask ("Once more: ", &again, error);
  if (status == MANTIS_OK && strcmp (again.bytes, password->bytes) != 0)
    status = mantis_fail (error, MANTIS_INVALID, "these are two passwords: nothing was done");
  return status;
}

enum mantis_status
password_take (const struct ctl *ctl, const char *user, bool twice, struct mantis_buf *password,
               struct mantis_error *error)
{
  const char *file = ctl->password_file;
  enum mantis_status status;
  int fd;

  if (!file && isatty (STDIN_FILENO) && (terminal = open ("/dev/tty", O_RDWR | O_CLOEXEC)) >= 0) {
    status = ask_person (user, twice, password, error);
    close (terminal);
    return status;
  }
  if (!file || strcmp (file, "-") == 0)
    return read_line (STDIN_FILENO, "standard input", password, error);
  if ((fd = open (file, O_RDONLY | O_CLOEXEC)) < 0)
    return mantis_fail (error, MANTIS_FAILED, "cannot open %s: %s", file, strerror (errno));
  status = read_line (fd, file, password, error);
  close (fd);
  return status;
}
