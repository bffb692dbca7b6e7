/* nodes.c - the clients of a server, for its administrator: how far each is, and who is turned away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/map.h"
#include "message/message.h"
#include "sync/prune.h"
#include "wire/json.h"

#include <string.h>

static void
add_verdict (enum access_verdict verdict, struct mantis_buf *buf)
{
  mantis_buf_printf (buf, ",\"enabled\":%s", verdict == ACCESS_OPEN ? "true" : "false");
  if (verdict != ACCESS_OPEN)
    json_add_text (buf, "disabled_by",
                   verdict == ACCESS_CONFIGURED ? "configuration" : "administrator");
}

void
node_add (struct server *server, mantis_row row, int64_t head, int64_t floor,
          struct mantis_buf *buf)
{
  const char *node = value_as_text (&row[NODE_ID]), *subject = value_as_text (&row[NODE_SUBJECT]);
  int64_t rev = value_as_integer (&row[NODE_REV]);
  int64_t at = value_as_integer (&row[NODE_SEEN_AT]), pulled_at = 0;

  heard_find (&server->heard, node, &rev, &pulled_at);
  mantis_buf_printf (buf, "{\"node\":\"%s\"", node);
  json_add_text (buf, "subject", subject);
  mantis_buf_printf (buf, ",\"batches\":%lld,\"seen_at\":%lld,\"behind\":%lld,\"pruned\":%s",
                     (long long)value_as_integer (&row[NODE_NUMBER]),
                     (long long)(pulled_at > at ? pulled_at : at),
                     (long long)(rev < head ? head - rev : 0), rev < floor ? "true" : "false");
  add_verdict (access_of (&server->access, node, subject), buf);
  mantis_buf_char (buf, '}');
}

/* ---- The list -------------------------------------------------------------------------------- */

struct listing {
  struct server *server;
  const char *only; /* the id or the subject that is asked for; NULL: all */
  int64_t head, floor;
  struct map seen; /* ids and subjects of nodes that have called */
  struct mantis_buf *buf;
};

static uint64_t
hash_name (const char *name)
{
  return hash_bytes (name, strlen (name), 0);
}

static void
add_comma (struct mantis_buf *buf)
{
  if (buf->length && buf->bytes[buf->length - 1] != '[')
    mantis_buf_char (buf, ',');
}

/* In a transaction. */
static enum mantis_status
add_nodes (struct listing *listing, struct store *store, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_nodes);
  enum mantis_status status;
  mantis_row row;

  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    if (listing->only && !access_names_node (listing->only, row))
      continue;
    if (!map_put (&listing->seen, hash_name (value_as_text (&row[NODE_ID]))) ||
        !map_put (&listing->seen, hash_name (value_as_text (&row[NODE_SUBJECT]))))
      return mantis_fail (error, MANTIS_FAILED, "no memory left for the list of nodes");
    add_comma (listing->buf);
    node_add (listing->server, row, listing->head, listing->floor, listing->buf);
  }
  return status;
}

/* One that is turned away, and has not called yet. */
static void
add_name (void *context, const char *name, enum access_verdict verdict)
{
  struct listing *listing = context;

  if (map_has (&listing->seen, hash_name (name)) ||
      (listing->only && strcmp (listing->only, name) != 0))
    return;
  map_put (&listing->seen, hash_name (name)); /* it may stand in both lists */
  add_comma (listing->buf);
  mantis_buf_text (listing->buf, "{\"name\":");
  mantis_buf_json (listing->buf, name, strlen (name));
  add_verdict (verdict, listing->buf);
  mantis_buf_char (listing->buf, '}');
}

enum mantis_status
nodes_list (struct server *server, struct store *store, const char *only, struct mantis_buf *buf,
            struct mantis_error *error)
{
  struct listing listing = {.server = server, .only = only, .buf = buf};
  enum mantis_status status = store_begin (store, MANTIS_READ, error);

  mantis_buf_text (buf, "{\"nodes\":[");
  if (status == MANTIS_OK)
    status = store->ops->log_head (store->session, &listing.head, error);
  if (status == MANTIS_OK)
    status = prune_floor (store, &listing.floor, NULL, error);
  if (status == MANTIS_OK)
    status = add_nodes (&listing, store, error);
  if (status == MANTIS_OK)
    status = store_end (store, error);
  access_each (&server->access, add_name, &listing);
  mantis_buf_text (buf, "]}");
  map_free (&listing.seen);
  return status;
}

enum mantis_status
nodes_order (struct server *server, struct store *store, const char *name, bool disabled,
             struct mantis_error *error)
{
  enum mantis_status status = store_begin (store, MANTIS_WRITE, error);
  int64_t count;

  if (status == MANTIS_OK)
    status = access_order (store, name, disabled, error);
  if (status == MANTIS_OK)
    status = store_commit (store, error);
  store_rollback (store);
  return status == MANTIS_OK ? access_read (&server->access, store, false, &count, error) : status;
}
