/* host.c - the application that embeds a node: what it is told, and what it asks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "daemon/options.h"
#include "run/thread.h"
#include "wire/json.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct host {
  struct log_target target; /* first: of all threads of the node */
  mantis_reporter report;
  void *context;
  pthread_mutex_t telling; /* one report at a time */
  pthread_mutex_t mutex;   /* around what follows */
  pthread_cond_t changed;
  bool works;                /* mantis_run() is in its loop: it takes questions */
  bool started;              /* THREAD is there to be joined */
  bool running;              /* and has not ended */
  struct mantis_error error; /* how it ended */
  enum mantis_status status;
  pthread_t thread;
  struct asking *askings;
};

/* ---- What it is told --------------------------------------------------------------------------- */
static void
tell (void *context, const struct mantis_report *report)
{
  struct host *host = context;

  pthread_mutex_lock (&host->telling);
  host->report (host->context, report);
  pthread_mutex_unlock (&host->telling);
}

static void
write_line (struct log_target *target, enum mantis_level level, const char *line)
{
  struct host *host = (struct host *)target;
  const struct mantis_report report = {
      .size = sizeof report, .kind = MANTIS_REPORT_LOG, .level = level, .text = line};

  if (host->report)
    tell (host, &report);
}

static void
tell_state (void *context, enum mantis_state state, const char *why)
{
  const struct mantis_report report = {
      .size = sizeof report, .kind = MANTIS_REPORT_STATE, .state = state, .text = why};

  tell (context, &report);
}

struct visit
host_enter (struct host *host)
{
  struct visit visit = {.target = log_target ()};
  sigset_t pipe;

  if (!host)
    return visit;
  log_set_target (&host->target);
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe, &visit.mask);
  visit.inside = true;
  return visit;
}

/* A signal that came meanwhile, for a peer who went, is not the application's. */
void
host_leave (struct visit visit)
{
  const struct timespec now = {.tv_sec = 0};
  sigset_t pipe;

  if (!visit.inside)
    return;
  log_set_target (visit.target);
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  if (!sigismember (&visit.mask, SIGPIPE))
    while (sigtimedwait (&pipe, NULL, &now) == SIGPIPE)
      ;
  pthread_sigmask (SIG_SETMASK, &visit.mask, NULL);
}

void
host_follows (struct mantis *node)
{
  if (node->host && node->host->report)
    dialer_watch (node->dialer, tell_state, node->host);
}

/* ---- Questions --------------------------------------------------------------------------------- */

/* One call of mantis_ask(). */
struct asking {
  struct call call;
  struct asking *next;
  struct mantis *node;
  struct order *order; /* NULL: not begun yet, or answered */
  const char *message, *argument;
  char *answer;
  struct mantis_error error;
  enum mantis_status status;
  bool over;
};

/* With the mutex. */
static void
finish (struct asking *asking, enum mantis_status status)
{
  struct host *host = asking->node->host;

  for (struct asking **a = &host->askings; *a; a = &(*a)->next)
    if (*a == asking) {
      *a = asking->next;
      break;
    }
  asking->order = NULL;
  asking->status = status;
  asking->over = true;
  pthread_cond_broadcast (&host->changed);
}

static void
on_answered (struct order *order)
{
  struct asking *asking = order->asker;
  struct host *host = asking->node->host;

  pthread_mutex_lock (&host->mutex);
  asking->error = order->error;
  if (order->status == MANTIS_OK)
    asking->answer = mantis_buf_take (&order->answer, NULL);
  finish (asking, order->status);
  pthread_mutex_unlock (&host->mutex);
}

static struct order *
order_for (struct asking *asking)
{
  struct order *order = calloc (1, sizeof *order);

  if (!order)
    return NULL;
  *order = (struct order){.node = asking->node, .answered = on_answered, .asker = asking};
  /* Texts of its own: it may outlive who asked. */
  order->json = json_pack ("{s:s, s:s*, s:s*}", "message", asking->message, "argument",
                           asking->argument, "table", asking->argument);
  order->message = json_string_value (json_object_get (order->json, "message"));
  order->argument = json_string_value (json_object_get (order->json, "argument"));
  order->table = json_string_value (json_object_get (order->json, "table"));
  if (order->message)
    return order;
  order_free (order);
  return NULL;
}

static void
on_asking (struct call *call)
{
  struct asking *asking = (struct asking *)call;
  struct host *host = asking->node->host;
  struct order *order;

  pthread_mutex_lock (&host->mutex);
  order = host->works ? order_for (asking) : NULL;
  asking->order = order;
  if (!order)
    finish (asking,
            mantis_fail (&asking->error, host->works ? MANTIS_FAILED : MANTIS_BUSY,
                         host->works ? "no memory left, or no UTF-8" : "the node has stopped"));
  pthread_mutex_unlock (&host->mutex);
  if (order)
    order_begin (order);
}

enum mantis_status
mantis_ask (struct mantis *node, const char *message, const char *argument, char **answer,
            struct mantis_error *error)
{
  struct asking asking = {
      .call.run = on_asking, .node = node, .message = message, .argument = argument};
  struct host *host = node->host;

  *answer = NULL;
  if (log_target () == &host->target)
    return mantis_fail (error, MANTIS_INVALID,
                        "a node cannot wait for itself: ask on another thread");
  pthread_mutex_lock (&host->mutex);
  if (!host->works) {
    pthread_mutex_unlock (&host->mutex);
    return mantis_fail (error, MANTIS_BUSY, "the node does not work: mantis_start() it first");
  }
  asking.next = host->askings;
  host->askings = &asking;
  loop_post (node->loop, &asking.call);
  while (!asking.over)
    pthread_cond_wait (&host->changed, &host->mutex);
  pthread_mutex_unlock (&host->mutex);
  *answer = asking.answer;
  return asking.status == MANTIS_OK ? MANTIS_OK
                                    : mantis_fail (error, asking.status, "%s", asking.error.text);
}

/* ---- Life -------------------------------------------------------------------------------------- */
enum mantis_status
host_new (mantis_reporter report, void *context, struct host **host, struct mantis_error *error)
{
  struct host *made = calloc (1, sizeof *made);

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  *made = (struct host){
      .target = {.write = write_line, .level = MANTIS_INFO}, .report = report, .context = context};
  pthread_mutex_init (&made->telling, NULL);
  pthread_mutex_init (&made->mutex, NULL);
  pthread_cond_init (&made->changed, NULL);
  *host = made;
  return MANTIS_OK;
}

struct reports *
host_reports (struct host *host)
{
  return host->report ? reports_new (tell, host) : NULL;
}

void
host_free (struct host *host)
{
  if (!host)
    return;
  pthread_cond_destroy (&host->changed);
  pthread_mutex_destroy (&host->mutex);
  pthread_mutex_destroy (&host->telling);
  free (host);
}

static void
set_works (struct host *host, bool works)
{
  pthread_mutex_lock (&host->mutex);
  host->works = works;
  pthread_cond_broadcast (&host->changed);
  pthread_mutex_unlock (&host->mutex);
}

void
host_works (struct mantis *node)
{
  if (node->host)
    set_works (node->host, true);
}

void
host_turns_away (struct mantis *node)
{
  struct host *host = node->host;

  if (!host)
    return;
  set_works (host, false);
  loop_flush (node->loop); /* questions that have not begun; there are no more */
  pthread_mutex_lock (&host->mutex);
  while (host->askings) {
    struct asking *asking = host->askings;
    order_abandon (asking->order);
    finish (asking, mantis_fail (&asking->error, MANTIS_BUSY, "the node has stopped"));
  }
  pthread_mutex_unlock (&host->mutex);
}

void
host_stopped (struct mantis *node, enum mantis_status status, const struct mantis_error *error)
{
  if (node->host && node->host->report)
    tell_state (node->host, MANTIS_STATE_STOPPED, status == MANTIS_OK ? NULL : error->text);
}

static void *
work (void *context)
{
  struct mantis *node = context;
  struct host *host = node->host;
  enum mantis_status status;
  struct mantis_error error;

  pthread_setname_np (pthread_self (), "mantis");
  status = mantis_run (node, &error);
  pthread_mutex_lock (&host->mutex);
  host->running = false;
  host->status = status;
  host->error = error;
  pthread_cond_broadcast (&host->changed);
  pthread_mutex_unlock (&host->mutex);
  return NULL;
}

void
host_join (struct mantis *node)
{
  if (node->host && node->host->started)
    pthread_join (node->host->thread, NULL);
  if (node->host)
    node->host->started = false;
}

/* Until it takes questions, or has ended. */
static enum mantis_status
wait_for_work (struct host *host, struct mantis_error *error)
{
  bool failed;

  pthread_mutex_lock (&host->mutex);
  while (!host->works && host->running)
    pthread_cond_wait (&host->changed, &host->mutex);
  failed = !host->running && host->status != MANTIS_OK;
  if (failed && error)
    *error = host->error;
  pthread_mutex_unlock (&host->mutex);
  return failed ? host->status : MANTIS_OK;
}

enum mantis_status
mantis_start (struct mantis *node, struct mantis_error *error)
{
  struct host *host = node->host;
  bool running;
  int result;

  pthread_mutex_lock (&host->mutex);
  running = host->running || host->works;
  host->running = true;
  pthread_mutex_unlock (&host->mutex);
  if (running)
    return mantis_fail (error, MANTIS_BUSY, "the node works already");
  host_join (node);
  if ((result = thread_start (&host->thread, 0, work, node)) == 0) {
    host->started = true;
    return wait_for_work (host, error);
  }
  host->running = false;
  return mantis_fail (error, MANTIS_FAILED, "cannot start a thread: %s", strerror (result));
}
