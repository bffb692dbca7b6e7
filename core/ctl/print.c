/* print.c - answers for people: aligned columns, local times.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Names and reasons come from databases: nothing of them may steer a terminal. */
static char *
harmless (const char *text)
{
  char *copy = strdup (text);

  for (unsigned char *c = (unsigned char *)copy; c && *c; c++)
    if (*c < ' ' || *c == 0x7f)
      *c = ' ';
    else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) /* control characters of Latin 1 */
      c[0] = c[1] = ' ';
  return copy;
}

void
grid_add (struct grid *grid, const char *text)
{
  char **cells = realloc (grid->cells, (grid->count + 1) * sizeof *cells);

  if (!cells || !(cells[grid->count] = harmless (text)))
    grid->failed = true;
  else
    grid->count++;
  if (cells)
    grid->cells = cells;
}

void
grid_number (struct grid *grid, const json_t *number)
{
  char text[32];

  snprintf (text, sizeof text, "%lld", (long long)json_integer_value (number));
  grid_add (grid, text);
}

void
print_time (char *text, size_t room, int64_t milliseconds)
{
  time_t seconds = (time_t)(milliseconds / 1000);
  struct tm local;

  if (milliseconds <= 0 || !localtime_r (&seconds, &local) ||
      !strftime (text, room, "%Y-%m-%dT%H:%M:%S%z", &local))
    snprintf (text, room, "-");
}

void
grid_time (struct grid *grid, const json_t *value)
{
  char text[40];

  print_time (text, sizeof text, json_integer_value (value));
  grid_add (grid, text);
}

void
grid_json (struct grid *grid, const json_t *value)
{
  char *text = NULL;

  if (json_is_string (value))
    grid_add (grid, json_string_value (value));
  else if (!value || json_is_null (value))
    grid_add (grid, "-");
  else if (!(text = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY)))
    grid->failed = true;
  else
    grid_add (grid, text);
  free (text);
}

/* In characters, as far as UTF-8 tells. */
static size_t
width_of (const char *text)
{
  size_t width = 0;

  for (; *text; text++)
    width += (*text & 0xc0) != 0x80;
  return width;
}

static void
print_rows (const struct grid *grid, const size_t *widths)
{
  size_t blanks = 0; /* before the next cell that says something: none at the end of a line */

  for (size_t i = 0; i < grid->count; i++) {
    size_t column = i % grid->columns, width = width_of (grid->cells[i]);
    bool last = column + 1 == grid->columns;
    if (width > 0)
      printf ("%*s", (int)blanks, "");
    blanks = (width > 0 ? 0 : blanks) + widths[column] + 2 - width;
    fputs (grid->cells[i], stdout);
    if (last) {
      putchar ('\n');
      blanks = 0;
    }
  }
}

void
grid_print (struct grid *grid)
{
  size_t *widths = calloc (grid->columns, sizeof *widths);

  for (size_t i = 0; widths && i < grid->count; i++) {
    size_t width = width_of (grid->cells[i]);
    if (width > widths[i % grid->columns])
      widths[i % grid->columns] = width;
  }
  if (widths && !grid->failed)
    print_rows (grid, widths);
  else
    fputs ("mantisctl: no memory left\n", stderr);
  free (widths);
  grid_free (grid);
}

void
grid_free (struct grid *grid)
{
  for (size_t i = 0; i < grid->count; i++)
    free (grid->cells[i]);
  free (grid->cells);
  *grid = (struct grid){.columns = grid->columns};
}

int
print_json (const json_t *value)
{
  char *text = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY);

  if (!text)
    return EXIT_FAILED;
  puts (text);
  free (text);
  return EXIT_CLEAN;
}
