/* fuzz_where.c - texts of any kind as an expression of filter/where.
 *
 * What is checked: nothing crashes or leaks, what is refused says why, what is taken gives the same answer each time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../unit/where_rig.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
ask (void *self)
{
  static const char *const claims[] = {
      "{\"shop\": \"north\", \"roles\": [\"manager\", 1, null], \"a\": {\"b\": 2.5}}", "{}", "[[[",
      "{\"shop\": \"') or 1 --\", \"roles\": {}}"};
  struct mantis_value nothing[TODO_COLUMNS] = {{.type = MANTIS_NONE}};
  struct mantis_error error = {.status = MANTIS_OK};

  for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
    const struct mantis_caller *caller = rig_caller ("ann", claims[i]);
    struct mantis_buf view = MANTIS_BUF_INIT;
    bool yes = rig_ops ()->sees (self, caller, &rig_todos, rig_row);
    rig_ops ()->sees (self, caller, &rig_todos, nothing);
    if (rig_ops ()->sees (self, caller, &rig_todos, rig_row) != yes)
      abort ();
    if (rig_ops ()->lets (self, caller, &rig_todos, rig_row, rig_row, &error) != yes)
      abort (); /* of one expression */
    rig_ops ()->view (self, caller, &view);
    mantis_buf_free (&view);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text = malloc (size + 1);
  struct mantis_error error = {.status = MANTIS_OK};
  void *self;

  if (!text)
    abort ();
  memcpy (text, data, size);
  text[size] = '\0';
  self = rig_open (text, NULL, rig_all_tables, NULL, &error);
  if (self) {
    ask (self);
    rig_free (self);
  } else if (!*error.text)
    abort ();
  free (text);
  return 0;
}
