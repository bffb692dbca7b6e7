/* control.c - the Unix socket where mantisctl speaks to a running mantisd: peers and their lines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/control.h"

#include "base/base.h"
#include "daemon/node.h"
#include "wire/json.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  MOST_PEERS = 16,
  LONGEST_LINE = 1024 * 1024 /* a row that a person wrote */,
  IDLE_SECONDS = 60,
  BACKLOG = 16
};

struct peer {
  struct control *control;
  struct bufferevent *bev;
  struct order *order; /* under way; NULL: none */
  struct peer *next, **self;
};

struct control {
  struct mantis *node;
  struct evconnlistener *listener;
  struct peer *peers;
  size_t count;
  char *path;
};

/* ---- A peer -----------------------------------------------------------------------------------
 */

static void
peer_close (struct peer *peer)
{
  *peer->self = peer->next;
  if (peer->next)
    peer->next->self = peer->self;
  peer->control->count--;
  if (peer->order)
    order_abandon (peer->order);
  bufferevent_free (peer->bev);
  free (peer);
}

static void
add_facts (const struct mantis *node, struct mantis_buf *buf)
{
  const char *obstacle = node->dialer ? dialer_obstacle (node->dialer) : NULL, *why;

  mantis_buf_printf (buf, "\"pid\":%ld,\"version\":\"%s\"", (long)getpid (), mantis_version ());
  if (node->unapplied.length && !node->unapplied.failed) {
    mantis_buf_text (buf, ",\"unapplied\":[");
    mantis_buf_add (buf, node->unapplied.bytes, node->unapplied.length);
    mantis_buf_char (buf, ']');
  }
  if (obstacle) {
    mantis_buf_text (buf, ",\"obstacle\":");
    mantis_buf_json (buf, obstacle, strlen (obstacle));
  }
  if (node->dialer) {
    mantis_buf_printf (buf, ",\"transport\":\"%s\"", dialer_transport (node->dialer, &why));
    if (why) {
      mantis_buf_text (buf, ",\"because\":");
      mantis_buf_json (buf, why, strlen (why));
    }
  }
}

static void
write_answer (struct peer *peer, const struct order *order)
{
  CLEANUP_BUF struct mantis_buf line = MANTIS_BUF_INIT;

  if (order->status == MANTIS_OK) {
    mantis_buf_text (&line, "{\"ok\":true,");
    add_facts (order->node, &line);
    mantis_buf_text (&line, ",\"answer\":");
    mantis_buf_add (&line, order->answer.bytes, order->answer.length);
  } else {
    mantis_buf_text (&line, "{\"ok\":false,\"error\":");
    mantis_buf_json (&line, order->error.text, strlen (order->error.text));
  }
  mantis_buf_char (&line, '}');
  for (size_t i = 0; !line.failed && i < line.length; i++)
    if (line.bytes[i] == '\n') /* white space between tokens, as text has it escaped */
      line.bytes[i] = ' ';
  mantis_buf_char (&line, '\n');
  if (!line.failed)
    bufferevent_write (peer->bev, line.bytes, line.length);
}

void
peer_answer (struct order *order)
{
  struct peer *peer = order->peer;

  if (order->status == MANTIS_OK && (order->answer.failed || !order->answer.length))
    order->status = mantis_fail (&order->error, MANTIS_FAILED, "no memory left for the answer");
  if (peer) {
    peer->order = NULL;
    write_answer (peer, order);
    bufferevent_enable (peer->bev, EV_READ);
    /* There may be a next line; not from here, or many lines would be as many calls on the stack.
     */
    bufferevent_trigger (peer->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
  }
  if (order->answered)
    order->answered (order);
  order_free (order);
}

static struct order *
order_new (struct peer *peer, const char *line, size_t length)
{
  struct order *order = calloc (1, sizeof *order);

  if (!order)
    return NULL;
  order->peer = peer;
  order->node = peer->control->node;
  order->status = MANTIS_OK;
  if (!(order->json = json_read (line, length, &order->error)))
    order->status = order->error.status;
  else {
    order->message = json_get_text (order->json, "message", "", &order->status, &order->error);
    order->argument = json_get_text (order->json, "argument", NULL, &order->status, &order->error);
    order->table = json_get_text (order->json, "table", NULL, &order->status, &order->error);
  }
  return order;
}

/* The next line, unless the last one still waits for its answer. */
static void
take_line (struct peer *peer)
{
  struct evbuffer *input = bufferevent_get_input (peer->bev);
  struct order *order;
  size_t length;
  char *line;

  if (peer->order)
    return;
  if (!(line = evbuffer_readln (input, &length, EVBUFFER_EOL_LF))) {
    if (evbuffer_get_length (input) >= LONGEST_LINE)
      peer_close (peer);
    return;
  }
  order = order_new (peer, line, length);
  free (line);
  if (!order) {
    peer_close (peer);
    return;
  }
  peer->order = order;
  bufferevent_disable (peer->bev, EV_READ); /* its time for silence begins with the answer */
  if (order->status == MANTIS_OK)
    order_begin (order);
  else
    peer_answer (order);
}

static void
on_read (struct bufferevent *bev, void *context)
{
  (void)bev;
  take_line (context);
}

static void
on_event (struct bufferevent *bev, short what, void *context)
{
  (void)bev, (void)what; /* gone, silent for too long, or broken */
  peer_close (context);
}

/* ---- The socket -------------------------------------------------------------------------------
 */

static void
on_accept (struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
           int length, void *context)
{
  const struct timeval idle = {.tv_sec = IDLE_SECONDS};
  struct control *control = context;
  struct peer *peer = control->count < MOST_PEERS ? calloc (1, sizeof *peer) : NULL;

  (void)listener, (void)address, (void)length;
  if (peer)
    peer->bev = bufferevent_socket_new (loop_base (control->node->loop), fd, BEV_OPT_CLOSE_ON_FREE);
  if (!peer || !peer->bev) {
    free (peer);
    evutil_closesocket (fd);
    return;
  }
  peer->control = control;
  peer->self = &control->peers;
  peer->next = control->peers;
  if (peer->next)
    peer->next->self = &peer->next;
  control->peers = peer;
  control->count++;
  bufferevent_setcb (peer->bev, on_read, NULL, on_event, peer);
  bufferevent_setwatermark (peer->bev, EV_READ, 0, LONGEST_LINE);
  bufferevent_set_timeouts (peer->bev, &idle, &idle);
  bufferevent_enable (peer->bev, EV_READ | EV_WRITE);
}

static bool
somebody_answers (const struct sockaddr_un *address)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool answers = fd >= 0 && connect (fd, (const struct sockaddr *)address, sizeof *address) == 0;

  if (fd >= 0)
    close (fd);
  return answers;
}

/* For its owner alone until it is there, then also for the group. */
static int
bind_socket (const struct sockaddr_un *address)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct stat info;

  if (fd < 0)
    return -1;
  if (lstat (address->sun_path, &info) == 0 && S_ISSOCK (info.st_mode))
    unlink (address->sun_path);
  if (fchmod (fd, 0600) != 0 || bind (fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
      chmod (address->sun_path, 0660) != 0) {
    close (fd);
    return -1;
  }
  return fd;
}

static enum mantis_status
listen_at (struct control *control, struct mantis_error *error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd;

  if (strlen (control->path) >= sizeof address.sun_path)
    return mantis_fail (error, MANTIS_INVALID, "%s is too long for a socket", control->path);
  strcpy (address.sun_path, control->path);
  if (somebody_answers (&address))
    return mantis_fail (error, MANTIS_BUSY, "%s: another mantisd answers there", control->path);
  if ((fd = bind_socket (&address)) < 0)
    return mantis_fail (error, MANTIS_FAILED, "cannot make the socket %s: %s", control->path,
                        strerror (errno));
  control->listener =
      evconnlistener_new (loop_base (control->node->loop), on_accept, control,
                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
  if (control->listener)
    return MANTIS_OK;
  close (fd);
  return mantis_fail (error, MANTIS_FAILED, "cannot listen on %s: %s", control->path,
                      strerror (errno));
}

enum mantis_status
control_new (struct control **control, struct mantis *node, const char *path,
             struct mantis_error *error)
{
  struct control *made = calloc (1, sizeof *made);
  enum mantis_status status;

  if (!made || !(made->path = strdup (path))) {
    free (made);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  made->node = node;
  if ((status = listen_at (made, error)) != MANTIS_OK)
    control_free (made);
  else
    *control = made;
  return status;
}

void
control_free (struct control *control)
{
  if (!control)
    return;
  while (control->peers)
    peer_close (control->peers);
  if (control->listener) {
    evconnlistener_free (control->listener);
    unlink (control->path);
  }
  free (control->path);
  free (control);
}
