/* receive.h - one page from the server, as it is taken in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_RECEIVE_H
#define MANTIS_RECEIVE_H

#include "sync/apply.h"
#include "sync/client_state.h"
#include "wire/block.h"

struct page_in {
  struct client *client;
  struct lists *lists; /* the message's rows */
  struct mantis_arena *arena;
  enum apply_mode mode;
  struct apply_item *items; /* what is to be applied */
  size_t count, room;
  int64_t rev, head;         /* up to where it tells; of the snapshot that it was read in */
  size_t keys_from, keys_to; /* items that were asked for by key: they are as of the head */
  struct map incoming;       /* keys that the page's changes speak of */
  struct map refused;        /* by hooks: key -> reason */
};

/* The blocks of ARRAY, at PATH of the message, of tables that are synced here. */
enum mantis_status page_decode (struct page_in *page, const json_t *array, const char *path,
                                struct block_changes *out, struct mantis_error *error);

/* client_hooks.c: ask the hooks about the page of JSON, before its transaction; in it, what they refuse is not applied.
 * *ARENA, made where there is something to ask, holds the reasons. */
enum mantis_status page_ask (struct page_in *page, const json_t *json, struct mantis_arena **arena,
                             struct mantis_error *error);
void page_refuse (struct page_in *page);

/* CHANGE to the list of what is applied. */
enum mantis_status page_add (struct page_in *page, const struct mantis_change *change,
                             struct mantis_error *error);

/* reconcile.c: the page ROWS of a table that is not live, END: it is the last one. */
enum mantis_status reconcile_page (struct page_in *page, struct table_state *state,
                                   const struct mantis_change *rows, size_t count, bool end,
                                   struct mantis_error *error);
/* reconcile.c: CHANGE of the feed is about to overwrite a clean row of a table whose capture was lost. */
enum mantis_status reconcile_overwrite (struct page_in *page, const struct mantis_change *change,
                                        struct mantis_error *error);
/* reconcile.c: STATE's first load has not come to the row of CHANGE yet, and there is one here that is not
 * from the server: which of them stands is decided when it comes. */
enum mantis_status reconcile_is_ours (struct page_in *page, const struct table_state *state,
                                      const struct mantis_change *change, bool *ours,
                                      struct mantis_error *error);
/* reconcile.c: a row from before the first contact goes up, as CREATED or as an edit: it has no time of its own, and nobody
 * saw what it was made on. */
enum mantis_status reconcile_offer (struct client *client, const struct mantis_table *table,
                                    mantis_row key, bool created, struct mantis_error *error);
/* The table that is reconciled next, NULL: all are live. */
struct table_state *reconcile_next (struct phases *phases);

#endif
