/* dialer.c - the client of core/sync on real threads, sockets and clocks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/dialer.h"

#include "base/base.h"
#include "sync/phase.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  QUESTIONS = 64,  /* that may wait for the client's thread */
  SOON_MS = 100,   /* until a client that had nothing to send is asked again, at least */
  TOKEN_MS = 1000, /* between looks at the file while there is no token that serves */
  REOPEN_MS = 1000 /* between tries to open the database */
};

enum line_state {
  LINE_FREE,    /* the client may be asked for a request */
  LINE_BUSY,    /* its request is under way */
  LINE_ANSWERED /* the client has to hear of the answer */
};

/* One slot of the client, and its way to the server. */
struct line {
  struct dialer *dialer;
  enum line_state state;
  struct client_request request; /* what it points to is in SENT: it may outlive the client */
  struct mantis_buf sent;
  struct mantis_answer answer; /* what it points to is in RECEIVED */
  struct mantis_buf received;
  uint64_t asker; /* number of the client that asked */
  unsigned token; /* number of the token that was sent */
  bool interrupted;
};

/* What a turn is given. */
struct news {
  bool noticed, hurry, set, may_send, talking;
  bool deliver[CLIENT_SLOTS], ask[CLIENT_SLOTS];
  struct client_settings settings;
};

struct dialer {
  struct loop *loop;
  struct pool *pool; /* one worker */
  struct stores *stores;
  struct ways ways;
  struct mantis_remote remote;
  dialer_watcher watcher; /* NULL: none */
  void *watching_for;
  enum mantis_state told_state;
  char *told_why;
  struct dialer_settings set;
  struct token token;
  struct line lines[CLIENT_SLOTS];
  struct event *due_timer, *token_timer;
  struct waiter *waiters;
  uint64_t turns; /* counted */
  bool started, turning, again, closing;
  bool reading; /* what the last turn has found; the next one would overwrite it */
  struct news news; /* for the next turn */
  /* Of the turn, and between turns of the loop: */
  struct task task;
  struct news given;
  int64_t due;
  bool idle, impatient, looks_ahead, open;
  char trouble[sizeof ((struct mantis_error *)0)->text];
  /* Of the client's thread: */
  struct client *client;
  struct client_settings settings;
  uint64_t number; /* of the client */
  bool watching;   /* how long its log is: a look is owed */
};

static void begin_turn (struct dialer *dialer);

/* ---- On the client's thread -------------------------------------------------------------------
 */

/* The client, made when there is none, or the database is another. */
static enum mantis_status
need_client (struct dialer *dialer, struct store **store, struct mantis_error *error)
{
  bool fresh;
  enum mantis_status status = stores_get (dialer->stores, 0, store, &fresh, error);

  if (dialer->client && (fresh || status != MANTIS_OK)) {
    client_free (dialer->client);
    dialer->client = NULL;
  }
  if (status == MANTIS_OK && !dialer->client)
    status = client_new (&dialer->settings, *store, &dialer->client, error);
  dialer->number += fresh;
  return status;
}

/* Keep a copy of TEXT; where in BUF it begins, as the buffer may still move. */
static size_t
keep (struct mantis_buf *buf, const char *text, size_t length)
{
  size_t at = buf->length;

  mantis_buf_add (buf, text ? text : "", text ? length : 0);
  mantis_buf_char (buf, '\0');
  return at;
}

static size_t
keep_text (struct mantis_buf *buf, const char *text)
{
  return keep (buf, text, text ? strlen (text) : 0);
}

/* What does the client want to send on LINE? */
static void
ask_client (struct dialer *dialer, int slot)
{
  struct line *line = &dialer->lines[slot];
  struct client_request *request = &line->request;
  size_t body, node, epoch, revisions;

  *request = (struct client_request){.message = NULL};
  line->asker = dialer->number;
  client_next (dialer->client, slot, request);
  if (!request->message)
    return;
  mantis_buf_clear (&line->sent);
  body = keep (&line->sent, request->body, request->length);
  node = keep_text (&line->sent, request->node);
  epoch = keep_text (&line->sent, request->epoch);
  revisions = keep_text (&line->sent, request->revisions);
  if (line->sent.failed) { /* as if the network had lost it */
    mantis_buf_free (&line->sent);
    client_answered (dialer->client, slot,
                     &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                             .error = "no memory for a request"});
    request->message = NULL;
    return;
  }
  request->body = line->sent.bytes + body;
  request->node = request->node ? line->sent.bytes + node : NULL;
  request->epoch = request->epoch ? line->sent.bytes + epoch : NULL;
  request->revisions = request->revisions ? line->sent.bytes + revisions : NULL;
}

/* Look how long the log has become.  A request that has just been made goes first. */
static void
watch_log (struct dialer *dialer, bool asked)
{
  dialer->watching |= dialer->given.noticed;
  if (dialer->watching && !asked)
    dialer->watching = client_watch (dialer->client, dialer->given.may_send);
}

static void
turn_client (struct dialer *dialer)
{
  const struct news *given = &dialer->given;
  struct client *client = dialer->client;
  const char *trouble;
  bool asked = false;

  if (given->set)
    client_set (client, &dialer->settings);
  for (int i = 0; i < CLIENT_SLOTS; i++)
    if (given->deliver[i] && dialer->lines[i].asker == dialer->number)
      client_answered (client, i, &dialer->lines[i].answer);
  if (given->noticed)
    client_noticed (client);
  if (given->hurry)
    client_hurry (client);
  for (int i = 0; i < CLIENT_SLOTS; i++)
    if (given->may_send && given->ask[i]) {
      ask_client (dialer, i);
      asked |= dialer->lines[i].request.message != NULL;
    }
  if (given->talking)
    client_look_ahead (client);
  watch_log (dialer, asked);
  trouble = client_trouble (client);
  snprintf (dialer->trouble, sizeof dialer->trouble, "%s", trouble ? trouble : "");
  dialer->due = given->may_send ? client_due (client) : -1;
  if (dialer->watching && (dialer->due < 0 || dialer->due > SOON_MS))
    dialer->due = SOON_MS;
  dialer->idle = client_idle (client);
  dialer->impatient = client_impatient (client);
  dialer->looks_ahead = client_looks_ahead (client);
}

static void
turn_work (struct task *task, size_t worker)
{
  struct dialer *dialer = (struct dialer *)((char *)task - offsetof (struct dialer, task));
  struct mantis_error error = {0};
  struct store *store;

  (void)worker;
  dialer->settings = dialer->given.settings;
  for (int i = 0; i < CLIENT_SLOTS; i++)
    if (dialer->given.ask[i])
      dialer->lines[i].request.message = NULL;
  dialer->open = need_client (dialer, &store, &error) == MANTIS_OK;
  if (dialer->open) {
    turn_client (dialer);
    return;
  }
  dialer->due = REOPEN_MS;
  dialer->idle = dialer->impatient = dialer->looks_ahead = false;
  snprintf (dialer->trouble, sizeof dialer->trouble, "%s", error.text);
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

static int
slot_of (const struct line *line)
{
  return (int)(line - line->dialer->lines);
}

static void
keep_answer (struct line *line, const struct mantis_answer *answer)
{
  struct mantis_buf *buf = &line->received;
  size_t body, type, error;

  mantis_buf_clear (buf);
  body = keep (buf, answer->body, answer->length);
  type = keep_text (buf, answer->type);
  error = keep_text (buf, answer->error);
  line->answer = (struct mantis_answer){.size = sizeof line->answer};
  if (buf->failed) {
    mantis_buf_free (buf);
    line->answer.error = "no memory for the answer";
    return;
  }
  line->answer.status = answer->status;
  line->answer.retry_after = answer->retry_after;
  line->answer.body = buf->bytes + body;
  line->answer.length = answer->body ? answer->length : 0;
  line->answer.type = buf->bytes + type;
  line->answer.error = answer->status || line->interrupted ? NULL : buf->bytes + error;
}

/* Was the token refused that has been replaced meanwhile? */
static bool
is_renewed (struct line *line, const struct mantis_answer *answer)
{
  struct token *token = &line->dialer->token;

  return answer->status == 401 && (line->token != token->number || token_read (token)) &&
         token->text;
}

static void send_request (struct line *line);

static void
on_answered (void *context, const struct mantis_answer *answer)
{
  struct line *line = context;
  struct dialer *dialer = line->dialer;

  if (!dialer->closing &&
      (ways_turn (&dialer->ways, slot_of (line), answer) || is_renewed (line, answer))) {
    send_request (line);
    return;
  }
  line->state = LINE_ANSWERED;
  mantis_buf_free (&line->sent);
  if (dialer->closing)
    return;
  keep_answer (line, answer);
  if (answer->status == 401) {
    if (dialer->token.text)
      token_refused (&dialer->token, dialer->remote.url);
  } else if (answer->status == 200)
    dialer->token.refused = false;
  begin_turn (dialer);
}

static void
send_request (struct line *line)
{
  const struct client_request *wanted = &line->request;
  struct mantis_request request = {.size = sizeof request,
                                   .message = wanted->message,
                                   .node = wanted->node,
                                   .epoch = wanted->epoch,
                                   .revisions = wanted->revisions,
                                   .body = wanted->body ? wanted->body : "",
                                   .length = wanted->body ? wanted->length : 0,
                                   .token = line->dialer->token.text,
                                   .timeout = wanted->timeout};

  line->state = LINE_BUSY;
  line->interrupted = false;
  line->token = line->dialer->token.number;
  ways_send (&line->dialer->ways, slot_of (line), &request, on_answered, line);
}

/* ---- Turns ------------------------------------------------------------------------------------
 */

static bool
may_send (const struct dialer *dialer)
{
  return (dialer->token.text || dialer->token.needless) && dialer->set.client.enabled;
}

/* Give the client's thread all that has happened; when it is busy, afterwards. */
static void
begin_turn (struct dialer *dialer)
{
  struct news *news = &dialer->news;

  if (!dialer->started || dialer->closing)
    return;
  dialer->again = dialer->turning || dialer->reading;
  if (dialer->again)
    return;
  news->may_send = may_send (dialer);
  for (int i = 0; i < CLIENT_SLOTS; i++) {
    news->deliver[i] = dialer->lines[i].state == LINE_ANSWERED;
    news->ask[i] = dialer->lines[i].state != LINE_BUSY;
  }
  news->talking = dialer->lines[CLIENT_TALK].state == LINE_BUSY;
  news->settings = dialer->set.client;
  dialer->given = *news;
  *news = (struct news){.noticed = false};
  dialer->turning = pool_submit (dialer->pool, &dialer->task);
  if (!dialer->turning) { /* questions fill the queue */
    *news = dialer->given;
    loop_timer (dialer->due_timer, 1);
  }
}

static bool
rests (const struct line *line)
{
  return line->state == LINE_FREE || (line->state == LINE_BUSY && line->request.waits);
}

const char *
dialer_obstacle (const struct dialer *dialer)
{
  if (!dialer->set.client.enabled)
    return "\"enabled\" is false in the configuration: nothing is exchanged";
  if (!dialer->token.text && !dialer->token.needless)
    return "there is no token: run `mantisctl token --subject NAME' on the server and save what it "
           "prints "
           "as the token_file";
  if (dialer->token.refused)
    return "the server refuses the token: run `mantisctl token --subject NAME' there and save what "
           "it prints "
           "as the token_file";
  return NULL;
}

const char *
dialer_transport (const struct dialer *dialer, const char **why)
{
  *why = dialer->ways.at && *dialer->ways.why ? dialer->ways.why : NULL;
  return ways_name (&dialer->ways);
}

/* Has what WAITER waits for come to an end?  *WHY: how. */
static bool
is_over (const struct dialer *dialer, const struct waiter *waiter, const char **why)
{
  bool rest = rests (&dialer->lines[CLIENT_TALK]) && rests (&dialer->lines[CLIENT_PULL]);

  *why = dialer_obstacle (dialer);
  if (*why)
    return true;
  if (!rest || dialer->turns < waiter->since)
    return false;
  if (dialer->trouble[0]) {
    *why = dialer->trouble;
    return true;
  }
  return dialer->idle;
}

static void
tell_waiters (struct dialer *dialer)
{
  struct waiter **next = &dialer->waiters, *waiter;
  const char *why;

  while ((waiter = *next)) {
    if (is_over (dialer, waiter, &why)) {
      *next = waiter->next;
      waiter->done (waiter, why);
    } else
      next = &waiter->next;
  }
}

static void
tell_state (struct dialer *dialer)
{
  const char *why = dialer_obstacle (dialer);
  bool rest = rests (&dialer->lines[CLIENT_TALK]) && rests (&dialer->lines[CLIENT_PULL]);
  enum mantis_state state = MANTIS_STATE_SYNCING;

  if (!dialer->watcher)
    return;
  if (!why && dialer->trouble[0])
    why = dialer->trouble;
  if (why)
    state = MANTIS_STATE_WAITING;
  else if (rest && dialer->idle)
    state = MANTIS_STATE_SYNCED;
  if (state == dialer->told_state &&
      strcmp (why ? why : "", dialer->told_why ? dialer->told_why : "") == 0)
    return;
  dialer->told_state = state;
  replace_text (&dialer->told_why, why);
  dialer->watcher (dialer->watching_for, state, why);
}

static void
interrupt_pull (struct dialer *dialer)
{
  struct line *line = &dialer->lines[CLIENT_PULL];

  if (line->state != LINE_BUSY || !line->request.waits)
    return;
  line->interrupted = true;
  ways_interrupt (&dialer->ways, CLIENT_PULL);
}

/* Send what the client wants to send.  True: there was something. */
static bool
send_all (struct dialer *dialer)
{
  bool sent = false;

  for (int i = 0; i < CLIENT_SLOTS; i++) {
    struct line *line = &dialer->lines[i];
    if (dialer->given.deliver[i]) {
      line->state = LINE_FREE;
      mantis_buf_free (&line->received); /* pages are large, and rare when all is quiet */
    }
    if (dialer->given.ask[i] && line->request.message) {
      send_request (line);
      sent = true;
    }
  }
  return sent;
}

static void
turn_done (struct call *call)
{
  struct task *task = (struct task *)call;
  struct dialer *dialer = (struct dialer *)((char *)task - offsetof (struct dialer, task));
  int64_t due;

  dialer->turning = false;
  dialer->turns++;
  if (dialer->closing)
    return;
  dialer->reading = true; /* an answer may be there before send_all() returns */
  due = dialer->due;
  if (!send_all (dialer) && due >= 0 && due < SOON_MS)
    due = SOON_MS;
  if (dialer->impatient)
    interrupt_pull (dialer);
  tell_waiters (dialer);
  tell_state (dialer);
  loop_timer (dialer->due_timer, due);
  dialer->reading = false;
  if (dialer->again || (dialer->looks_ahead && dialer->lines[CLIENT_TALK].state == LINE_BUSY))
    begin_turn (dialer);
}

static void
on_due (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  begin_turn (context);
}

static void
on_token_timer (evutil_socket_t fd, short what, void *context)
{
  struct dialer *dialer = context;

  (void)fd, (void)what;
  if ((!dialer->token.text || dialer->token.refused) && token_read (&dialer->token)) {
    mantis_log (MANTIS_INFO, "there is a new token in %s", dialer->token.file);
    dialer_hurry (dialer);
  }
  loop_timer (dialer->token_timer, TOKEN_MS);
}

/* ---- What happens -----------------------------------------------------------------------------
 */

void
dialer_watch (struct dialer *dialer, dialer_watcher watcher, void *context)
{
  dialer->watcher = watcher;
  dialer->watching_for = context;
}

void
dialer_start (struct dialer *dialer)
{
  dialer->started = true;
  dialer->token.file = dialer->set.token_file;
  dialer->token.needless = dialer->remote.client_certificate_file != NULL;
  token_read (&dialer->token);
  if (!dialer->set.client.enabled)
    mantis_log (MANTIS_INFO, "\"enabled\" is false: changes are captured and wait");
  loop_timer (dialer->token_timer, TOKEN_MS);
  begin_turn (dialer);
}

void
dialer_set (struct dialer *dialer, const struct dialer_settings *settings)
{
  dialer->set = *settings;
  dialer->token.file = settings->token_file;
  dialer->token.told = false;
  dialer->news.set = true;
  dialer->news.hurry = true; /* whoever sends SIGHUP has mended something */
  ways_retry (&dialer->ways);
  token_read (&dialer->token);
  begin_turn (dialer);
}

void
dialer_news (struct dialer *dialer, bool renewed)
{
  for (int i = 0; renewed && i < CLIENT_SLOTS; i++) /* the client that asked is no more */
    ways_interrupt (&dialer->ways, i);
  dialer->news.hurry |= renewed;
  dialer->news.noticed = true;
  begin_turn (dialer);
}

void
dialer_hurry (struct dialer *dialer)
{
  dialer->news.hurry = true;
  begin_turn (dialer);
}

void
dialer_wait (struct dialer *dialer, struct waiter *waiter)
{
  /* The turn that hears of it is the next but one when one is under way. */
  waiter->since = dialer->turns + 1 + dialer->turning;
  waiter->next = dialer->waiters;
  dialer->waiters = waiter;
  dialer->news.noticed = true;
  dialer_hurry (dialer);
}

void
dialer_forget (struct dialer *dialer, struct waiter *waiter)
{
  for (struct waiter **next = &dialer->waiters; *next; next = &(*next)->next)
    if (*next == waiter) {
      *next = waiter->next;
      return;
    }
}

static void
question_work (struct task *task, size_t worker)
{
  struct question *question = (struct question *)task;
  struct dialer *dialer = question->dialer;
  struct mantis_error error = {0};
  struct store *store = NULL;
  bool open = need_client (dialer, &store, &error) == MANTIS_OK;

  (void)worker;
  question->ask (question, open ? dialer->client : NULL, open ? store : NULL, &error);
}

bool
dialer_ask (struct dialer *dialer, struct question *question)
{
  question->dialer = dialer;
  question->task.work = question_work;
  return pool_submit (dialer->pool, &question->task);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

enum mantis_status
dialer_new (struct dialer **dialer, const struct dialer_settings *settings, struct loop *loop,
            struct instance *const *dial, struct stores *stores, const struct mantis_remote *remote,
            struct mantis_error *error)
{
  struct dialer *made = calloc (1, sizeof *made);
  enum mantis_status status = MANTIS_OK;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the client");
  *made = (struct dialer){
      .loop = loop, .stores = stores, .remote = *remote, .set = *settings, .due = -1};
  made->task = (struct task){.work = turn_work, .done.run = turn_done};
  made->settings = settings->client;
  for (int i = 0; i < CLIENT_SLOTS; i++)
    made->lines[i].dialer = made;
  made->due_timer = evtimer_new (loop_base (loop), on_due, made);
  made->token_timer = evtimer_new (loop_base (loop), on_token_timer, made);
  if (!made->due_timer || !made->token_timer)
    status = mantis_fail (error, MANTIS_FAILED, "no memory left for the client");
  if (status == MANTIS_OK)
    status = ways_open (&made->ways, dial, loop_base (loop), &made->remote, error);
  if (status == MANTIS_OK)
    status = pool_new (&made->pool, loop, "client", 1, QUESTIONS, error);
  if (status != MANTIS_OK)
    dialer_free (made);
  else
    *dialer = made;
  return status;
}

void
dialer_free (struct dialer *dialer)
{
  if (!dialer)
    return;
  dialer->closing = true;
  ways_close (&dialer->ways);
  pool_free (dialer->pool);
  loop_flush (dialer->loop);
  client_free (dialer->client);
  for (int i = 0; i < CLIENT_SLOTS; i++)
    mantis_buf_free (&dialer->lines[i].sent), mantis_buf_free (&dialer->lines[i].received);
  if (dialer->due_timer)
    event_free (dialer->due_timer);
  if (dialer->token_timer)
    event_free (dialer->token_timer);
  token_free (&dialer->token);
  free (dialer->told_why);
  free (dialer);
}
