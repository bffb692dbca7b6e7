/* log.c - one line an event, to standard error or to who embeds the node; and the flags of -D.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static _Atomic int threshold = MANTIS_INFO;
static void (*_Atomic line_sink) (enum mantis_level, const char *);
static _Thread_local struct log_target *own_target;

enum { MAX_FLAGS = 32 };
static struct {
  char *name, *value;
} flags[MAX_FLAGS];
static size_t flag_count;

void
log_set_level (enum mantis_level level)
{
  if (own_target)
    own_target->level = level;
  else
    threshold = (int)level;
}

struct log_target *
log_target (void)
{
  return own_target;
}

struct log_target *
log_set_target (struct log_target *target)
{
  struct log_target *before = own_target;

  own_target = target;
  return before;
}

void
log_set_sink (void (*sink) (enum mantis_level level, const char *line))
{
  line_sink = sink;
}

bool
mantis_logs (enum mantis_level level)
{
  return (int)level <= (own_target ? (int)own_target->level : threshold);
}

/* Nothing that a peer sent can begin a line of its own or reach a terminal as a control sequence. */
static void
make_printable (char *text)
{
  for (unsigned char *c = (unsigned char *)text; *c; c++)
    if (*c < 0x20 || *c == 0x7f)
      *c = '?';
}

void
mantis_log (enum mantis_level level, const char *format, ...)
{
  void (*sink) (enum mantis_level, const char *) = line_sink;
  char text[2048], line[2200], stamp[40];
  va_list args;
  struct timespec now;
  struct tm utc;
  int length;

  if (!mantis_logs (level))
    return;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  make_printable (text);
  if (own_target || sink) {
    if (own_target)
      own_target->write (own_target, level, text);
    else
      sink (level, text);
    return;
  }
  clock_gettime (CLOCK_REALTIME, &now);
  gmtime_r (&now.tv_sec, &utc);
  strftime (stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  length = snprintf (line, sizeof line, "%s.%03ldZ %-7s %s\n", stamp, now.tv_nsec / 1000000,
                     level_names[level], text);
  if (length > 0) /* one write, so that lines of several threads and processes do not mix */
    (void)!write (STDERR_FILENO, line,
                  (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

void
flag_set (const char *name, const char *value)
{
  if (flag_count < MAX_FLAGS) {
    flags[flag_count].name = strdup (name);
    flags[flag_count++].value = strdup (value);
  }
}

const char *
mantis_flag (const char *name)
{
  for (size_t i = flag_count; i-- > 0;)
    if (strcmp (flags[i].name, name) == 0)
      return flags[i].value;
  return NULL;
}
