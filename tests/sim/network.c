/* network.c - requests and answers, and what becomes of them: lost, late, repeated, out of order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* ---- Parcels ---- */

static void
free_parcel (struct parcel *parcel)
{
  free (parcel->message);
  free (parcel->body);
  free (parcel->epoch);
  free (parcel->revisions);
  free (parcel->answer);
}

static char *
copy_text (const char *text)
{
  return text ? strdup (text) : NULL;
}

static struct parcel
copy_parcel (const struct parcel *parcel)
{
  struct parcel copy = *parcel;

  copy.message = copy_text (parcel->message);
  copy.body = copy_text (parcel->body);
  copy.epoch = copy_text (parcel->epoch);
  copy.revisions = copy_text (parcel->revisions);
  copy.answer = NULL;
  return copy;
}

void
forget_parcels (void)
{
  for (int i = 0; i < world->flying_count; i++)
    free_parcel (&world->flying[i]);
  for (int i = 0; i < world->old_count; i++)
    free_parcel (&world->old[i]);
  world->flying_count = world->old_count = 0;
}

static struct parcel
take_parcel (int place)
{
  struct parcel parcel = world->flying[place];

  world->flying[place] = world->flying[--world->flying_count];
  return parcel;
}

/* For a repetition some time later. */
static void
remember_parcel (const struct parcel *parcel)
{
  int place = world->old_count < MOST_OLD ? world->old_count++ : (int)chance (MOST_OLD);

  if (place < world->old_count - 1 || world->old[place].message)
    free_parcel (&world->old[place]);
  world->old[place] = copy_parcel (parcel);
}

/* ---- What a client sends ---- */

static void
send_slot (struct node *node, enum client_slot slot)
{
  struct client_request request;
  struct parcel *parcel;

  if (node->waits[slot] || world->flying_count == MOST_FLYING)
    return;
  client_next (node->client, slot, &request);
  if (!request.message)
    return;
  parcel = &world->flying[world->flying_count++];
  *parcel = (struct parcel){.way = TO_SERVER,
                            .client = node->index,
                            .life = node->life,
                            .slot = slot,
                            .message = strdup (request.message),
                            .body = strndup (request.body, request.length),
                            .length = request.length,
                            .epoch = copy_text (request.epoch),
                            .revisions = copy_text (request.revisions)};
  memcpy (parcel->node, request.node, sizeof parcel->node);
  node->waits[slot] = true;
  trace ("  client %d sends %s %s", node->index, parcel->message, parcel->body);
}

void
client_talks (struct node *node)
{
  if (!node->up)
    return;
  act_as (node);
  client_watch (node->client, true);
  if (node->offline)
    return;
  if (odds (3))
    client_noticed (node->client);
  if (node->waits[CLIENT_TALK] && odds (2))
    client_look_ahead (node->client);
  if (!odds (3))
    send_slot (node, CLIENT_TALK);
  if (!odds (3))
    send_slot (node, CLIENT_PULL);
}

/* ---- What the server answers ---- */

static void
count_rows (const struct parcel *parcel, const char *answer)
{
  if (strcmp (parcel->message, "push") == 0 && strstr (parcel->body, "\"rows\":[[")) {
    world->pushes++;
    world->pushed_rows++;
  }
  if (strcmp (parcel->message, "pull") == 0 && strstr (answer, "\"rows\":[["))
    world->pulled_rows++;
}

/* What the handling of a request needs. */
struct call {
  struct mantis_request request;
  struct reply reply;
};

static void
take_reply (struct parcel *parcel, struct reply *reply)
{
  parcel->status = reply->status;
  parcel->retry_after = reply->retry_after;
  parcel->answer = strndup (reply->body.bytes ? reply->body.bytes : "", reply->body.length);
  parcel->answer_length = reply->body.length;
  mantis_buf_free (&reply->body);
  break_answer (parcel);
  trace ("  server answers %s of %d: %d %s", parcel->message, parcel->client, parcel->status,
         parcel->answer);
  count_rows (parcel, parcel->answer);
  holders_judge (parcel->answer, parcel->client);
}

/* COUNT of them: one message, or several pushes. */
static void
serve (struct parcel *parcels, size_t count)
{
  struct node *server = &world->nodes[0];
  struct mantis_principal principals[MOST_TOGETHER];
  char subjects[MOST_TOGETHER][16];
  struct store *store = has (WITH_SERVERS) && odds (2) ? &server->second : &server->store;
  struct call calls[MOST_TOGETHER];
  struct fellow pushes[MOST_TOGETHER];
  size_t asked = 0, which[MOST_TOGETHER];

  act_as (server);
  for (size_t i = 0; i < count && server->up; i++) {
    const struct parcel *parcel = &parcels[i];
    if (break_request (&parcels[i]))
      continue;
    calls[asked] = (struct call){.request = {.size = sizeof calls->request,
                                             .message = parcel->message,
                                             .node = parcel->node,
                                             .epoch = parcel->epoch,
                                             .revisions = parcel->revisions,
                                             .body = parcel->body,
                                             .length = parcel->length}};
    snprintf (subjects[asked], sizeof subjects[asked], "device%d",
              has (WITH_HOLDERS) ? parcel->client : 0);
    principals[asked] = (struct mantis_principal){
        .size = sizeof *principals, .subject = subjects[asked], .claims = "{}"};
    pushes[asked] = (struct fellow){&calls[asked].request, &principals[asked], &calls[asked].reply};
    which[asked++] = i;
  }
  if (asked == 1)
    message_handle (&world->server, store, &calls->request, principals, &calls->reply);
  else if (asked > 1) {
    trace ("  the server makes %zu pushes together", asked);
    message_handle_all (&world->server, store, pushes, asked);
  }
  for (size_t i = 0; i < asked; i++)
    take_reply (&parcels[which[i]], &calls[i].reply);
  if (asked)
    note_server ();
}

/* The machine of the server stops somewhere in the middle of it. */
static void
serve_and_crash (struct parcel *parcels, size_t count)
{
  disk_break ((int)chance (60));
  trace ("  the server is about to crash");
  serve (parcels, count);
  stop_node (&world->nodes[0]);
  disk_heal ();
  note_server ();
  for (size_t i = 0; i < count; i++) {
    free (parcels[i].answer);
    parcels[i].answer = NULL;
    parcels[i].status = 0;
  }
}

/* ---- What a client is told ---- */

static void
answer (struct parcel *parcel)
{
  struct node *node = &world->nodes[parcel->client];
  const struct mantis_answer given = {.size = sizeof given,
                                      .status = parcel->status,
                                      .type = "application/json",
                                      .body = parcel->answer ? parcel->answer : "",
                                      .length = parcel->answer_length,
                                      .retry_after = parcel->retry_after,
                                      .error = parcel->status ? NULL : "timed out"};

  if (!node->up || node->life != parcel->life)
    return;
  act_as (node);
  trace ("  client %d takes the answer to %s: %d", node->index, parcel->message, parcel->status);
  node->waits[parcel->slot] = false;
  client_answered (node->client, parcel->slot, &given);
  if (!disk_broken ())
    note_received (node);
}

static void
answer_and_break (struct parcel *parcel)
{
  struct node *node = &world->nodes[parcel->client];

  disk_break ((int)chance (40));
  trace ("  the disk of client %d is about to fail", node->index);
  answer (parcel);
  if (odds (2))
    stop_node (node);
  disk_heal ();
  if (node->up)
    note_received (node);
}

/* ---- A step ---- */

static struct parcel
copy_old (void)
{
  struct parcel copy = copy_parcel (&world->old[chance ((uint32_t)world->old_count)]);

  trace ("  an old message comes once more");
  break_repetition (&copy);
  return copy;
}

static void
repeat_old (void)
{
  struct parcel copy;

  if (!world->old_count || !world->nodes[0].up)
    return;
  copy = copy_old ();
  serve (&copy, 1);
  free_parcel (&copy);
}

static bool
is_push (const struct parcel *parcel)
{
  return parcel->way == TO_SERVER && strcmp (parcel->message, "push") == 0;
}

/* PARCELS has one; those that come with it: how many are they all, and *OLD of them, the last ones, repetitions? */
static size_t
gather (struct parcel *parcels, size_t *old)
{
  size_t count = 1;

  *old = 0;
  if (!has (WITH_GROUPS) || !is_push (parcels))
    return count;
  for (int i = world->flying_count; i-- > 0 && count < MOST_TOGETHER;)
    if (is_push (&world->flying[i]) && !odds (4))
      parcels[count++] = take_parcel (i);
  while (count < MOST_TOGETHER && world->old_count && odds (3)) {
    parcels[count] = copy_old ();
    if (is_push (&parcels[count]))
      count++, ++*old;
    else
      free_parcel (&parcels[count]);
  }
  return count;
}

static void
deliver (int place)
{
  struct parcel parcels[MOST_TOGETHER] = {take_parcel (place)};
  size_t count, old;

  if (parcels->way == TO_CLIENT) {
    if (odds (12))
      parcels->status = 0; /* lost on the way back */
    if (has (WITH_DISK) && odds (10))
      answer_and_break (parcels);
    else
      answer (parcels);
    free_parcel (parcels);
    return;
  }
  if (odds (4))
    remember_parcel (parcels);
  count = gather (parcels, &old);
  if (odds (12))
    trace ("  %s of %d is lost", parcels->message, parcels->client);
  else if (has (WITH_DISK) && odds (15))
    serve_and_crash (parcels, count);
  else
    serve (parcels, count);
  for (size_t i = 0; i < count - old; i++) {
    parcels[i].way = TO_CLIENT;
    world->flying[world->flying_count++] = parcels[i];
  }
  for (size_t i = count - old; i < count; i++)
    free_parcel (&parcels[i]);
}

void
network_step (void)
{
  if (odds (16))
    repeat_old ();
  if (world->flying_count) {
    int place = (int)chance ((uint32_t)world->flying_count);
    if (!has (WITH_GROUPS) || !is_push (&world->flying[place]) ||
        odds (4)) /* it waits for others */
      deliver (place);
  }
}

/* The server's process has ended, its connections with it: no answer of it arrives after another file has taken the
 * place of the one that it was made from. */
void
network_hang_up (void)
{
  for (int i = 0; i < world->flying_count; i++)
    if (world->flying[i].way == TO_CLIENT)
      world->flying[i].status = 0;
}

/* ---- A good network ---- */

void
network_heal (void)
{
  world->healed = true;
  while (world->flying_count) { /* what was under way is lost */
    struct parcel parcel = take_parcel (0);
    parcel.status = 0;
    answer (&parcel);
    free_parcel (&parcel);
  }
}

bool
network_drain (void)
{
  for (int rounds = 0, quiet = 0; rounds < 4000; rounds++) {
    bool busy = false;
    for (int i = 1; i < world->node_count; i++) {
      struct node *node = &world->nodes[i];
      act_as (node);
      send_slot (node, rounds % 2 ? CLIENT_TALK : CLIENT_PULL);
    }
    while (world->flying_count) {
      struct parcel parcel = take_parcel (0);
      serve (&parcel, 1);
      answer (&parcel);
      free_parcel (&parcel);
      busy = true;
      world->now += 3;
    }
    quiet = busy ? 0 : quiet + 1;
    if (quiet == 2)
      return true;
    if (failed ())
      return false;
  }
  return false;
}
