/* error.c - a status for the caller, a line for a person.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

enum mantis_status
mantis_fail (struct mantis_error *error, enum mantis_status status, const char *format, ...)
{
  va_list args;
  char text[sizeof error->text];

  if (!error)
    return status;
  va_start (args, format); /* through a copy: an argument may be error->text itself */
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  memcpy (error->text, text, sizeof text);
  return error->status = status;
}

enum mantis_status
mantis_fail_in (struct mantis_error *error, const char *format, ...)
{
  va_list args;
  char text[sizeof error->text];
  size_t length;

  if (!error)
    return MANTIS_FAILED;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  length = strlen (text);
  if (length + 2 < sizeof text) { /* what does not fit is cut from the older text's end */
    size_t room = sizeof text - length - 3, rest = strlen (error->text);
    memcpy (text + length, ": ", 2);
    memcpy (text + length + 2, error->text, rest < room ? rest : room);
    text[length + 2 + (rest < room ? rest : room)] = '\0';
  }
  memcpy (error->text, text, sizeof text);
  return error->status;
}
