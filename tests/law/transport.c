/* transport.c - the laws that every transport keeps: include/mantis/transport.h, said as a test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "relay.h"
#include "service.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 3 << 20, TIMEOUT = 120000, SEVERAL = 4 };

static struct mantis_error error;
static struct mantis_listener *listener;
static struct mantis_link *link_;
static char address[200];

static const struct mantis_transport *
ops (void)
{
  return plugin->ops;
}

/* Those of the side that listens. */
static const struct mantis_transport *server;

/* ---- Both sides ------------------------------------------------------------------------------ */

static void
start_listening (void *self)
{
  const char *shown;

  server = ops ();
  if (!server->listen && settings.listener) {
    core.taker = self;
    server = start_listener (&self)->ops;
  }
  if (!server->listen)
    skip ("it does not listen");
  doing ("listen()");
  if (server->listen (self, base, SERVICE, &listener, &error) != MANTIS_OK)
    broken ("it cannot listen: %s", error.text);
  shown = server->address (listener);
  if (!shown || !*shown)
    broken ("address() does not say where it listens");
  snprintf (address, sizeof address, "%s", shown);
}

static void
start_dialling (void *self)
{
  struct mantis_remote remote = {.size = sizeof remote};
  char url[300];

  if (!ops ()->dial)
    skip ("it does not dial");
  snprintf (url, sizeof url, "http://%s", *address && *address != '/' ? address : "127.0.0.1:9");
  remote.url = url;
  doing ("dial()");
  if (ops ()->dial (self, base, &remote, &link_, &error) != MANTIS_OK)
    broken ("it cannot dial %s: %s", url, error.text);
}

static void *
start_both (void)
{
  void *self;

  core_start ();
  self = start_use ();
  start_listening (self);
  start_dialling (self);
  return self;
}

static void
end_both (void)
{
  doing ("hang_up()");
  if (link_)
    ops ()->hang_up (link_);
  doing ("close()");
  if (listener)
    server->close (listener);
  turn ();
}

/* ---- Asking ---------------------------------------------------------------------------------- */

struct asked {
  int answers, status;
  char *body, type[100];
  size_t length;
  int64_t retry_after;
  char error[500];
};
static struct asked asked[SEVERAL];
static bool sending;

static void
on_answer (void *context, const struct mantis_answer *answer)
{
  struct asked *one = context;

  if (sending)
    broken ("a request is answered from within send()");
  if (one->answers++)
    broken ("a request is answered twice");
  one->status = answer->status;
  one->length = answer->length;
  one->retry_after = answer->retry_after;
  snprintf (one->type, sizeof one->type, "%s", answer->type ? answer->type : "");
  snprintf (one->error, sizeof one->error, "%s", answer->error ? answer->error : "");
  one->body = calloc (1, answer->length + 1);
  if (one->body && answer->length)
    memcpy (one->body, answer->body, answer->length);
}

static const char node[] = "0123456789abcdef0123456789abcdef", token[] = "zqxmark.token-of.a_node";

static void
ask (size_t index, const char *body, int64_t timeout)
{
  const struct mantis_request request = {.size = sizeof request,
                                         .message = index % 2 ? "pull" : "push",
                                         .node = node,
                                         .epoch = "00112233445566aa",
                                         .revisions = "todos=41, notes=7",
                                         .body = body,
                                         .length = strlen (body),
                                         .token = token,
                                         .timeout = timeout};

  asked[index] = (struct asked){.answers = 0};
  doing ("send() of %zu bytes", request.length);
  sending = true;
  ops ()->send (link_, &request, on_answer, &asked[index]);
  sending = false;
}

static bool
first_is_answered (void)
{
  return asked[0].answers > 0;
}

static bool
all_are_answered (void)
{
  for (size_t i = 0; i < SEVERAL; i++)
    if (!asked[i].answers)
      return false;
  return true;
}

static bool
one_has_arrived (void)
{
  return core.count >= 1;
}

static bool
all_have_arrived (void)
{
  return core.count >= SEVERAL;
}

static void
expect_answer (size_t index, int status, const char *body)
{
  const struct asked *one = &asked[index];

  if (one->status != status)
    broken ("status %d was answered, and %d came%s%s", status, one->status, *one->error ? ": " : "",
            one->error);
  if (one->length != strlen (body))
    broken ("another body came than was answered: %zu bytes, not %zu", one->length, strlen (body));
  if (memcmp (one->body, body, one->length) != 0)
    broken ("another body came than was answered: %.80s, not %.80s", one->body, body);
}

/* It has to go on as if nothing had been. */
static void
expect_service (void)
{
  core.play = AT_ONCE;
  ask (0, "{\"still\": true}", TIMEOUT);
  turn_until (first_is_answered, "a message after that");
  expect_answer (0, 200, "{\"still\": true}");
}

/* ---- Life ------------------------------------------------------------------------------------ */

static bool
loop_is_empty (void)
{
  return event_base_get_num_events (base, EVENT_BASE_COUNT_ADDED) == 0;
}

static void
close_leaves_nothing (void)
{
  core_start ();
  start_listening (start_use ());
  turn ();
  doing ("close()");
  server->close (listener);
  turn_until (loop_is_empty, "to leave the loop after close()");
}

static void
it_listens_again (void)
{
  void *self;

  core_start ();
  self = start_use ();
  for (int i = 0; i < 3; i++) {
    start_listening (self);
    turn ();
    doing ("close()");
    server->close (listener);
    turn ();
  }
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void
compare (const char *what, const char *got, const char *sent)
{
  if (strcmp (got, sent) != 0)
    broken ("of a request, %s arrives as \"%s\" instead of \"%s\"", what, got, sent);
}

static void
messages_arrive_whole (void)
{
  static const char body[] = "{\"changes\": [], \"text\": \"\xc3\xa9\"}";

  start_both ();
  ask (0, body, TIMEOUT);
  turn_until (first_is_answered, "a message and its answer");
  expect_answer (0, 200, body);
  compare ("the message", core.calls[0].message, "push");
  compare ("the node", core.calls[0].node, node);
  if (*core.calls[0].epoch) /* these two are for people: they may be left out */
    compare ("the epoch", core.calls[0].epoch, "00112233445566aa");
  if (*core.calls[0].revisions)
    compare ("what it says of revisions", core.calls[0].revisions, "todos=41, notes=7");
  compare ("the token", core.calls[0].bearer, token);
  compare ("the body", core.calls[0].body, body);
  end_both ();
}

static void
answers_arrive_whole (void)
{
  static const int statuses[] = {200, 400, 401, 403, 409, 429, 503};
  static const char problem[] = "{\"type\":\"about:blank\",\"title\":\"no\",\"status\":400}";

  start_both ();
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    core.play = i % 2 ? SOON : AT_ONCE;
    core.status = statuses[i];
    core.type = statuses[i] < 400 ? "application/json" : "application/problem+json";
    core.body = problem;
    core.retry_after = statuses[i] == 503 ? 7 : 0;
    ask (0, "{}", TIMEOUT);
    turn_until (first_is_answered, "an answer");
    expect_answer (0, statuses[i], problem);
    if (statuses[i] == 503 && asked[0].retry_after != 7)
      broken ("\"retry after 7 s\" was answered, and %lld came", (long long)asked[0].retry_after);
  }
  end_both ();
}

/* A text of LENGTH letters in all, as a JSON object. */
static void
fill (char *body, size_t length)
{
  static const char before[] = "{\"t\":\"", after[] = "\"}";
  const size_t frame = sizeof before + sizeof after - 2;

  strcpy (body, length ? "{}" : "");
  if (length < frame)
    return;
  strcpy (body, before);
  for (size_t i = sizeof before - 1; i < length - (sizeof after - 1); i++)
    body[i] = (char)('a' + chance_below (26));
  strcpy (body + length - (sizeof after - 1), after);
}

static void
bodies_may_be_large (void)
{
  static const size_t sizes[] = {0, 2, 65535, LARGE};
  char *body = calloc (1, LARGE + 1);

  start_both ();
  for (size_t i = 0; body && i < sizeof sizes / sizeof *sizes; i++) {
    fill (body, sizes[i]);
    core.body = sizes[i] ? NULL : "{}"; /* an answer has always one */
    ask (0, body, TIMEOUT);
    turn_until (first_is_answered, "a large message");
    if (!sizes[i] && asked[0].status == 400)
      continue; /* where nothing is no body */
    expect_answer (0, 200, core.body ? core.body : body);
  }
  end_both ();
  free (body);
}

static void
several_are_under_way (void)
{
  static const char *const bodies[SEVERAL] = {"{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};

  start_both ();
  core.play = HELD;
  for (size_t i = 0; i < SEVERAL; i++)
    ask (i, bodies[i], TIMEOUT);
  turn_until (all_have_arrived, "four messages at once, none of which is answered");
  for (size_t i = SEVERAL; i-- > 0;) {
    core_answer (i);
    turn ();
  }
  turn_until (all_are_answered, "the answers to four messages, the last one first");
  for (size_t i = 0; i < SEVERAL; i++)
    expect_answer (i, 200, bodies[i]);
  end_both ();
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void
expect_no_answer (size_t index)
{
  if (!asked[index].answers)
    broken ("a request was given up, and not answered");
  if (asked[index].status)
    broken ("a request was given up, and answered with the status %d", asked[index].status);
}

static void
interrupt_gives_up_all (void)
{
  start_both ();
  core.play = HELD;
  for (size_t i = 0; i < SEVERAL; i++)
    ask (i, "{}", TIMEOUT);
  turn_until (all_have_arrived, "four messages");
  doing ("interrupt()");
  ops ()->interrupt (link_);
  for (size_t i = 0; i < SEVERAL; i++)
    expect_no_answer (i);
  for (size_t i = 0; i < SEVERAL; i++)
    core_answer (i);
  turn ();
  expect_service ();
  end_both ();
}

static void
hang_up_gives_up_all (void)
{
  start_both ();
  core.play = HELD;
  for (size_t i = 0; i < SEVERAL; i++)
    ask (i, "{}", TIMEOUT);
  turn ();
  doing ("hang_up()");
  ops ()->hang_up (link_);
  link_ = NULL;
  for (size_t i = 0; i < SEVERAL; i++)
    expect_no_answer (i);
  end_both ();
}

static void
answers_have_a_deadline (void)
{
  start_both ();
  core.play = HELD;
  ask (0, "{}", 200);
  turn_until (first_is_answered, "to give up after 200 ms");
  expect_no_answer (0);
  if (!*asked[0].error)
    broken ("no answer came in time, and error does not say so");
  expect_service ();
  end_both ();
}

static void
a_server_that_is_not_there (void)
{
  void *self;

  core_start ();
  self = start_use ();
  if (ops ()->listen) {
    start_listening (self);
    doing ("close()");
    server->close (listener);
    listener = NULL;
    turn ();
  }
  start_dialling (self);
  ask (0, "{}", TIMEOUT);
  turn_until (first_is_answered, "that nobody is there");
  expect_no_answer (0);
  if (!*asked[0].error)
    broken ("nobody is there, and error does not say so");
  if (strstr (asked[0].error, "zqxmark"))
    broken ("error holds the token: it is logged");
  end_both ();
}

static bool
one_is_cancelled (void)
{
  return core.cancelled >= 1;
}

static void
who_has_gone_is_told (void)
{
  start_both ();
  core.play = HELD;
  ask (0, "{}", TIMEOUT);
  turn_until (one_has_arrived, "a message");
  doing ("hang_up()");
  ops ()->hang_up (link_);
  link_ = NULL;
  turn_until (one_is_cancelled, "to call mantis_service_cancel(), as the peer has gone");
  end_both ();
}

static void
drain_lets_them_finish (void)
{
  start_both ();
  core.play = HELD;
  ask (0, "{\"in\": \"hand\"}", TIMEOUT);
  turn_until (one_has_arrived, "a message");
  doing ("drain()");
  server->drain (listener);
  turn ();
  core_answer (0);
  turn_until (first_is_answered, "an answer that was in hand when drain() came");
  expect_answer (0, 200, "{\"in\": \"hand\"}");
  end_both ();
}

static void
close_cancels_what_is_in_hand (void)
{
  start_both ();
  core.play = HELD;
  for (size_t i = 0; i < SEVERAL; i++)
    ask (i, "{}", TIMEOUT);
  turn_until (all_have_arrived, "four messages");
  doing ("close()");
  server->close (listener);
  listener = NULL;
  turn ();
  for (size_t i = 0; i < SEVERAL; i++)
    if (!core.calls[i].cancelled)
      broken ("close() does not cancel a request in hand");
  doing ("answers after close()");
  for (size_t i = 0; i < SEVERAL; i++)
    core_answer (i);
  turn_until (all_are_answered, "to tell the callers that the server has gone");
  end_both ();
}

/* ---- Rubbish --------------------------------------------------------------------------------- */

static void
rubbish_is_survived (void)
{
  char bytes[3000];

  start_both ();
  for (size_t i = 0; i < settings.rows / 4 + 1; i++) {
    int fd = knock (address);
    size_t length = chance_below (sizeof bytes);
    if (fd < 0)
      skip ("\"%s\" is no address that can be knocked at from here", address);
    for (size_t k = 0; k < length; k++)
      bytes[k] = i % 3 ? (char)chance () : "push 1 \nGET POST /\r\n:{}"[chance_below (22)];
    doing ("%zu bytes of rubbish", length);
    if (send (fd, bytes, length, MSG_NOSIGNAL) >= 0)
      turn ();
    close (fd);
  }
  turn ();
  for (size_t i = 0; i < core.count; i++)
    core.calls[i].answered = NULL;
  core.count = 0;
  expect_service ();
  end_both ();
}

/* Both sides, and the relay between them. */
static void
start_relayed (void)
{
  void *self;

  core_start ();
  self = start_use ();
  start_listening (self);
  if (!relay_start (address, sizeof address))
    skip ("\"%s\" is no address that a relay can stand before", address);
  start_dialling (self);
  expect_service ();
  if (!relay.carried)
    skip ("it dials past the relay");
}

/* A message that is harmed, or its answer is: it has to end, once. */
static void
ask_harmed (bool upward, enum harm harm, const char *body, int64_t timeout)
{
  static const char *const harms[] = {[CUT] = "breaks off",
                                      [STUCK] = "gets stuck",
                                      [ALTERED] = "is altered on its way",
                                      [RUBBISH] = "is replaced by rubbish"};
  char what[100];

  snprintf (what, sizeof what, "%s that %s", upward ? "a message" : "an answer", harms[harm]);
  core.count = 0;
  relay.upward = upward;
  relay.harm = harm;
  ask (0, body, timeout);
  turn_until (first_is_answered, what);
  relay_calm ();
}

static void
what_breaks_off_is_not_taken (void)
{
  static const char body[] = "{\"changes\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}";
  const size_t length = strlen (body);

  start_relayed ();
  for (size_t i = 0; i < settings.rows / 4 + 4; i++) {
    bool stuck = i < 2; /* once each way: that takes its time */
    ask_harmed (i % 2, stuck ? STUCK : CUT, body, stuck ? 200 : TIMEOUT);
    for (size_t k = 0; k < core.count; k++)
      if (core.calls[k].length != length)
        broken ("%zu bytes of a message of %zu are taken for all of it", core.calls[k].length,
                length);
    if (asked[0].status == 200 && asked[0].length != length)
      broken ("%zu bytes of an answer of %zu are taken for all of it", asked[0].length, length);
  }
  core.count = 0;
  turn ();
  expect_service ();
  end_both ();
}

static void
what_is_altered_is_survived (void)
{
  start_relayed ();
  for (size_t i = 0; i < settings.rows / 4 + 4; i++)
    ask_harmed (i % 2, i % 8 < 2 ? RUBBISH : ALTERED, "{\"changes\": [1, 2, 3]}", TIMEOUT);
  core.count = 0;
  turn ();
  expect_service ();
  end_both ();
}

static const char *
no_field (const void *context, const char *name, bool *twice)
{
  (void)name;
  *twice = *(const bool *)context;
  return *twice ? "rubbish" : NULL;
}

static void
not_every_offer_is_taken (void)
{
  void *self = start_use ();

  if (!ops ()->weigh)
    skip ("it takes no connections over");
  for (int i = 0; i < 2; i++) {
    const bool twice = i;
    const struct mantis_offer offer = {.size = sizeof offer, .context = &twice, .field = no_field};
    struct mantis_verdict verdict = {.size = sizeof verdict};
    doing ("weigh() of a request that asks for nothing");
    ops ()->weigh (self, &offer, &verdict);
    if (verdict.status < 400 || verdict.status > 599)
      broken ("a request that asks for nothing is answered %d", verdict.status);
    if (!memchr (verdict.fields, '\0', sizeof verdict.fields))
      broken ("the fields of a verdict do not end");
  }
}

static void
routes_are_sound (void)
{
  const struct mantis_route *route = ops ()->routes;

  if (!route)
    skip ("it has none");
  for (; route->method; route++)
    if (!*route->method || !route->path || route->path[0] != '/' || !route->message)
      broken ("a route lacks its method, its path, or its message");
}

const struct law laws_of_transports[] = {
    {"close_leaves_nothing", "after close() nothing of it is in the loop", close_leaves_nothing},
    {"it_listens_again", "after close() it can listen again", it_listens_again},
    {"messages_arrive_whole", "a message arrives with all that its sender said",
     messages_arrive_whole},
    {"answers_arrive_whole", "an answer comes as it was given, once, and not within send()",
     answers_arrive_whole},
    {"bodies_may_be_large", "bodies of 0 bytes to 3 MB arrive", bodies_may_be_large},
    {"several_are_under_way", "several messages may wait for their answers at once",
     several_are_under_way},
    {"interrupt_gives_up_all", "interrupt() answers all that is under way before it returns",
     interrupt_gives_up_all},
    {"hang_up_gives_up_all", "so does hang_up()", hang_up_gives_up_all},
    {"answers_have_a_deadline", "what is not answered in time is given up",
     answers_have_a_deadline},
    {"a_server_that_is_not_there", "where nobody listens status 0 and a reason come at once",
     a_server_that_is_not_there},
    {"who_has_gone_is_told", "the core is told of a peer that has gone", who_has_gone_is_told},
    {"drain_lets_them_finish", "what is in hand at drain() is answered", drain_lets_them_finish},
    {"close_cancels_what_is_in_hand", "close() cancels what is in hand",
     close_cancels_what_is_in_hand},
    {"rubbish_is_survived", "rubbish harms nobody but its sender", rubbish_is_survived},
    {"what_breaks_off_is_not_taken", "half a message is none, nor is half an answer",
     what_breaks_off_is_not_taken},
    {"what_is_altered_is_survived", "rubbish on the way ends what it befell, and nothing else",
     what_is_altered_is_survived},
    {"not_every_offer_is_taken", "an offer that asks for nothing is refused",
     not_every_offer_is_taken},
    {"routes_are_sound", "routes have a method, a path and a message", routes_are_sound},
    {NULL, NULL, NULL},
};
