/* base.c - rows as they were when client and server last agreed.
 *
 * Rows of __sync_base count in the era that the table is in.  An era begins when the server first asks for bases, and
 * ends when it asks no more, or when both meet as if for the first time: what was noted before is then no more true.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/base.h"
#include "base/base.h"
#include "sync/conflict.h"
#include "wire/json.h"
#include "wire/key.h"

#include <string.h>

enum { FILL_ROWS = 200, FILL_BYTES = 512 * 1024 };

/* Changes of __sync_base. */
struct images {
  struct mantis_arena *arena;
  const struct mantis_change **changes;
  size_t count;
};

static struct images
images_of (struct mantis_arena *arena, size_t room)
{
  return (struct images){.arena = arena,
                         .changes = arena ? arena_array (arena, room + 1, sizeof (void *)) : NULL};
}

static struct mantis_value *
image_key (struct mantis_arena *arena, const struct mantis_table *table, mantis_row key)
{
  struct mantis_value *row = arena_array (arena, IMAGE_COLUMNS, sizeof *row);
  const char *text = key_text (arena, table, key);

  if (!row || !text)
    return NULL;
  row[IMAGE_TBL] = value_text (table->name);
  row[IMAGE_KEY] = value_text (text);
  return row;
}

/* The image of KEY, to be filled in; NULL: no memory. */
static struct mantis_value *
add_image (struct images *images, const struct mantis_table *table, mantis_row key, bool deleted)
{
  struct mantis_change *change = mantis_arena_alloc (images->arena, sizeof *change);
  struct mantis_value *row = image_key (images->arena, table, key);

  if (!images->changes || !change || !row)
    return NULL;
  *change = (struct mantis_change){.table = &table_base, .row = row, .deleted = deleted};
  images->changes[images->count++] = change;
  return row;
}

static enum mantis_status
store_images (struct client *client, const struct images *images, struct mantis_error *error)
{
  size_t done;

  return images->count ? client->store->ops->apply (client->store->session, &table_base,
                                                    images->changes, images->count, &done, error)
                       : MANTIS_OK;
}

static char *
image_text (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  row_encode (&buf, table, row);
  return buf.failed ? NULL : mantis_arena_strdup (arena, buf.bytes);
}

/* The base of KEY is ROW from now on (NULL: there is none). */
static enum mantis_status
agree (struct images *images, const struct table_state *state, mantis_row key, const char *row,
       struct mantis_error *error)
{
  struct mantis_value *image = add_image (images, state->table, key, !row);

  if (!image)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (row) {
    image[IMAGE_ERA] = value_integer (state->era);
    image[IMAGE_ROW] = value_text (row);
    image[IMAGE_SENT] = image[IMAGE_BATCH] = value_text (NULL);
  }
  return MANTIS_OK;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static enum mantis_status
read_images (struct client *client, const struct mantis_table *table, const mantis_row *keys,
             size_t count, struct mantis_arena *arena, mantis_row *found,
             struct mantis_error *error)
{
  mantis_row *wanted = arena_array (arena, count + 1, sizeof *wanted);

  if (!wanted)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  for (size_t i = 0; i < count; i++)
    if (!(wanted[i] = image_key (arena, table, keys[i])))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return client->store->ops->read (client->store->session, &table_base, wanted, count, arena, found,
                                   error);
}

static bool
is_base (const struct table_state *state, mantis_row image)
{
  return image && state->era && value_as_integer (&image[IMAGE_ERA]) == state->era &&
         image[IMAGE_ROW].type == MANTIS_TEXT;
}

enum mantis_status
base_read (struct client *client, const struct mantis_table *table, const mantis_row *keys,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  const struct table_state *state = phase_of (&client->phases, table);
  enum mantis_status status = MANTIS_OK;

  memset (found, 0, count * sizeof *found);
  if (!state || !state->era)
    return MANTIS_OK;
  status = read_images (client, table, keys, count, arena, found, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    CLEANUP_JSON json_t *json = NULL;
    if (is_base (state, found[i]))
      json = json_read (value_as_text (&found[i][IMAGE_ROW]), found[i][IMAGE_ROW].length, NULL);
    found[i] = NULL;
    if (json)
      status = row_decode (json, table, arena, &found[i], error);
  }
  return status;
}

mantis_row
base_difference (const struct mantis_table *table, mantis_row base, mantis_row row,
                 struct mantis_arena *arena)
{
  struct mantis_value *was = base ? arena_array (arena, table->column_count, sizeof *was) : NULL;

  for (size_t i = 0; was && i < table->column_count; i++) {
    if (table->columns[i].generated || table->columns[i].key_position)
      continue;
    if (base[i].type == MANTIS_NONE) /* a column that came since */
      return NULL;
    if (!row || !mantis_value_equal (&base[i], &row[i]))
      was[i] = base[i];
  }
  return was;
}

/* ---- Agreement ------------------------------------------------------------------------------- */

enum mantis_status
base_agree (struct client *client, const struct apply_item *items, size_t count,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct images images = images_of (arena, count);
  const struct table_state *state = NULL;
  enum mantis_status status =
      images.changes ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const struct mantis_change *change = items[i].change;
    const char *text = NULL;
    if (!state || state->table != change->table)
      state = phase_of (&client->phases, change->table);
    if (!state || !state->era || !items[i].done)
      continue;
    if (!change->deleted && !(text = image_text (arena, change->table, change->row)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    status = agree (&images, state, change->row, text, error);
  }
  return status == MANTIS_OK ? store_images (client, &images, error) : status;
}

enum mantis_status
base_send (struct client *client, const struct batch *batch, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct images images = images_of (arena, batch->count);
  enum mantis_status status =
      images.changes ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < batch->count && status == MANTIS_OK; i++) {
    const struct sent *sent = &batch->sent[i];
    struct mantis_value *image;
    if (!sent->based || sent->dropped)
      continue;
    if (!(image = add_image (&images, sent->table, sent->key, false)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    image[IMAGE_SENT] = value_text (sent->image);
    image[IMAGE_BATCH] = value_text (client->flight.nonce);
  }
  return status == MANTIS_OK ? store_images (client, &images, error) : status;
}

/* The image of SENT becomes what was sent; one that was not noted then is no more true. */
static enum mantis_status
settle_image (struct client *client, struct images *images, const struct sent *sent,
              const struct table_state *state, struct mantis_error *error)
{
  mantis_row image = NULL;
  enum mantis_status status =
      read_images (client, sent->table, &sent->key, 1, images->arena, &image, error);
  bool noted = image && image[IMAGE_BATCH].type == MANTIS_TEXT &&
               strcmp (value_as_text (&image[IMAGE_BATCH]), client->flight.nonce) == 0;

  if (status != MANTIS_OK || !image)
    return status;
  return agree (images, state, sent->key,
                noted && image[IMAGE_SENT].type == MANTIS_TEXT ? value_as_text (&image[IMAGE_SENT])
                                                               : NULL,
                error);
}

enum mantis_status
base_settle (struct client *client, const struct batch *batch, const bool *taken,
             struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct images images = images_of (arena, batch->count);
  enum mantis_status status =
      images.changes ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < batch->count && status == MANTIS_OK; i++) {
    const struct sent *sent = &batch->sent[i];
    const struct table_state *state = phase_of (&client->phases, sent->table);
    if (taken[i] && state && state->era)
      status = settle_image (client, &images, sent, state, error);
  }
  return status == MANTIS_OK ? store_images (client, &images, error) : status;
}

/* ---- Eras ------------------------------------------------------------------------------------ */

enum mantis_status
base_judge (struct client *client, struct table_state *state, bool wanted,
            struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (wanted == (state->era != 0))
    return MANTIS_OK;
  if (!wanted) {
    phase_forget_bases (state);
    return MANTIS_OK;
  }
  if ((status = store_meta_integer (client->store, "era", 0, &state->era, error)) == MANTIS_OK)
    status = store_put_meta_integer (client->store, "era", ++state->era, error);
  state->based = 0;
  state->changed = true;
  return status;
}

static bool
lacks (const struct table_state *state)
{
  return state->era ? state->based != state->era && state->phase == PHASE_LIVE && !state->paused
                    : state->based != 0;
}

static struct table_state *
next_lacking (const struct client *client)
{
  for (size_t i = 0; i < client->phases.count; i++)
    if (lacks (&client->phases.tables[i]))
      return &client->phases.tables[i];
  return NULL;
}

bool
base_lacks (const struct client *client)
{
  return client->loaded && next_lacking (client);
}

/* Clean rows are as the server has them. */
static enum mantis_status
fill_rows (struct client *client, struct table_state *state, struct mantis_arena *arena, bool *end,
           struct mantis_error *error)
{
  struct store *store = client->store;
  const struct mantis_table *table = state->table;
  struct images images;
  const mantis_row *rows;
  mantis_row after = NULL, *found;
  size_t count = 0;
  enum mantis_status status = MANTIS_OK;

  if (state->filled)
    status = key_parse (state->filled, table, arena, &after, error);
  if (status == MANTIS_OK)
    status = store->ops->scan (store->session, table, after, NULL, FILL_ROWS, FILL_BYTES, arena,
                               &rows, &count, end, error);
  if (status != MANTIS_OK)
    return status;
  images = images_of (arena, count);
  if (!images.changes || !(found = arena_array (arena, count + 1, sizeof *found)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = read_images (client, table, rows, count, arena, found, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const char *text;
    if (key_has_null (table, rows[i]) || queue_written (&client->queue, key_hash (table, rows[i])))
      continue;
    if (!(text = image_text (arena, table, rows[i])))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (!is_base (state, found[i]) || strcmp (text, value_as_text (&found[i][IMAGE_ROW])) != 0)
      status = agree (&images, state, rows[i], text, error);
  }
  if (count)
    replace_text (&state->filled, key_text (arena, table, rows[count - 1]));
  return status == MANTIS_OK ? store_images (client, &images, error) : status;
}

/* Rows of __sync_base that nobody wants any more. */
static enum mantis_status
sweep_rows (struct client *client, struct table_state *state, struct mantis_arena *arena, bool *end,
            struct mantis_error *error)
{
  struct mantis_value after[IMAGE_COLUMNS] = {
      [IMAGE_TBL] = value_text (state->table->name), [IMAGE_KEY] = value_text ("")};
  struct store *store = client->store;
  enum mantis_status status;
  const mantis_row *rows;
  size_t count = 0;

  status = store->ops->scan (store->session, &table_base, after, NULL, FILL_ROWS, FILL_BYTES, arena,
                             &rows, &count, end, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    if (strcmp (value_as_text (&rows[i][IMAGE_TBL]), state->table->name) != 0) {
      *end = true;
      break;
    }
    status = store_delete (store, &table_base, rows[i], error);
  }
  return status;
}

enum mantis_status
base_fill (struct client *client, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status = arena ? client_begin (client, MANTIS_WRITE, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");
  struct table_state *state = NULL;
  bool end = false;

  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK && (state = next_lacking (client)))
    status = state->era ? fill_rows (client, state, arena, &end, error)
                        : sweep_rows (client, state, arena, &end, error);
  if (status == MANTIS_OK && state && end) {
    state->based = state->era;
    state->changed = true;
    replace_text (&state->filled, NULL);
    status = phases_save (&client->phases, client->store, error);
  }
  return client_end (client, status, error);
}
