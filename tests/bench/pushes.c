/* pushes.c - many connections that push one row at a time, each waiting for its answer.
 *
 * One thread speaks for all of them, over HTTP that is kept alive; each is a node of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CONNECTIONS = 50, LONE_PUSHES = 200, ROOM = 8192 };

struct pusher {
  int fd, number;
  char node[33];
  char answer[ROOM];
  size_t length;
  double sent;
};

static char bearer[4096];

static void
read_token (void)
{
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s/token", bench_folder);
  if (!(file = fopen (path, "r")) || !fgets (bearer, sizeof bearer, file)) {
    fprintf (stderr, "bench: no token in %s\n", path);
    exit (1);
  }
  bearer[strcspn (bearer, "\n")] = '\0';
  fclose (file);
}

static void
dial (struct pusher *pusher, int number)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                .sin_port = htons ((uint16_t)server_port)};
  int on = 1;

  *pusher = (struct pusher){.fd = socket (AF_INET, SOCK_STREAM, 0)};
  snprintf (pusher->node, sizeof pusher->node, "%032x", 0xbe0000 + number);
  if (pusher->fd < 0 || connect (pusher->fd, (struct sockaddr *)&address, sizeof address)) {
    perror ("bench: connect");
    exit (1);
  }
  setsockopt (pusher->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The row is new to the server: the I-th of this run. */
static void
push_one (struct pusher *pusher, const char *tag, int i)
{
  char row[400], body[800], request[ROOM];
  int length;

  load_json (row, sizeof row, tag, i);
  length = snprintf (body, sizeof body,
                     "{\"number\":%d,\"nonce\":\"%s-%d\",\"whole\":true,\"changes\":[{\"table\":"
                     "\"orders\",\"columns\":[\"id\",\"customer\",\"qty\",\"price\",\"note\","
                     "\"updated\"],\"base\":1,\"created\":1,\"rows\":[%s]}]}",
                     ++pusher->number, tag, i, row);
  length = snprintf (request, sizeof request,
                     "POST /sync/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                     "Mantis-Node: %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     bearer, pusher->node, length, body);
  pusher->length = 0;
  pusher->sent = seconds ();
  if (write (pusher->fd, request, (size_t)length) != length) {
    perror ("bench: push");
    exit (1);
  }
}

/* Is the whole answer here?  It has to be that the one row was taken. */
static bool
take_answer (struct pusher *pusher)
{
  ssize_t got = read (pusher->fd, pusher->answer + pusher->length, ROOM - 1 - pusher->length);
  const char *end, *length;

  if (got <= 0) {
    fprintf (stderr, "bench: the server has closed a connection: %s\n", strerror (errno));
    exit (1);
  }
  pusher->length += (size_t)got;
  pusher->answer[pusher->length] = '\0';
  if (!(end = strstr (pusher->answer, "\r\n\r\n")))
    return false;
  if (!(length = strcasestr (pusher->answer, "\r\nContent-Length:")) || length > end) {
    fprintf (stderr, "bench: an answer without length: %s\n", pusher->answer);
    exit (1);
  }
  if (pusher->length < (size_t)(end + 4 - pusher->answer) + (size_t)atoi (length + 17))
    return false;
  if (strncmp (pusher->answer, "HTTP/1.1 200", 12) != 0 || !strstr (end, "\"applied\":1")) {
    fprintf (stderr, "bench: a push was not taken: %s\n", pusher->answer);
    exit (1);
  }
  return true;
}

/* COUNT pushes over CONNECTIONS of them.  Seconds; TOOK: milliseconds of each. */
static double
push_all (struct pusher *pushers, int connections, const char *tag, int count, double *took)
{
  struct epoll_event event, ready[CONNECTIONS];
  int poll = epoll_create1 (EPOLL_CLOEXEC), sent = 0, done = 0;
  double start = seconds ();

  for (int i = 0; i < connections; i++) {
    event = (struct epoll_event){.events = EPOLLIN, .data.ptr = &pushers[i]};
    epoll_ctl (poll, EPOLL_CTL_ADD, pushers[i].fd, &event);
    if (sent < count)
      push_one (&pushers[i], tag, sent++);
  }
  while (done < count) {
    int some = epoll_wait (poll, ready, CONNECTIONS, -1);
    for (int i = 0; i < some; i++) {
      struct pusher *pusher = ready[i].data.ptr;
      if (!take_answer (pusher))
        continue;
      took[done++] = (seconds () - pusher->sent) * 1000;
      if (sent < count)
        push_one (pusher, tag, sent++);
    }
  }
  close (poll);
  return seconds () - start;
}

static double
durable_rate (int count, int transaction)
{
  char path[300];
  double rate;

  snprintf (path, sizeof path, "%s/durable-%d.db", bench_folder, transaction);
  load_create (path);
  rate = count / load_durable (path, count, transaction);
  unlink (path);
  return rate;
}

void
measure_pushes (int pushes)
{
  double single, rate, cpu, lone, *took = calloc ((size_t)pushes + LONE_PUSHES, sizeof *took);
  struct pusher *pushers = calloc (CONNECTIONS, sizeof *pushers);
  struct daemon server = {0};
  char path[300];

  if (!took || !pushers)
    exit (1);
  single = durable_rate (pushes / 4, 1);
  report ("yardstick: durable commits of one row", single, "rows/s", 0, "");
  report ("yardstick: durable commits of 100 rows", durable_rate (pushes, 100), "rows/s", 0, "");
  snprintf (path, sizeof path, "%s/pushes.db", bench_folder);
  load_create (path);
  server_start (&server, "pushes", "");
  read_token ();
  for (int i = 0; i < CONNECTIONS; i++)
    dial (&pushers[i], i);
  push_all (pushers, 1, "warm", LONE_PUSHES, took);
  push_all (pushers, 1, "lone", LONE_PUSHES, took);
  lone = median (took, LONE_PUSHES);
  report ("push of one row, one connection, p50", lone, "ms", lone * single / 1000, "");
  cpu = process_seconds (server.pid);
  rate = pushes / push_all (pushers, CONNECTIONS, "push", pushes, took);
  cpu = (process_seconds (server.pid) - cpu) * 1e6 / pushes;
  report ("pushes of one row, 50 connections", rate, "/s", rate / single, "at least 10,000");
  median (took, pushes);
  report ("  until the answer, p50", took[pushes / 2], "ms", 0, "");
  report ("  until the answer, p99", took[pushes * 99 / 100], "ms", 0, "");
  report ("  CPU of the server for each", cpu, "us", 0, "");
  for (int i = 0; i < CONNECTIONS; i++)
    close (pushers[i].fd);
  daemon_stop (&server);
  free (pushers);
  free (took);
}

double
pushes_rate (const char *name, const char *options, int pushes)
{
  double rate, *took = calloc ((size_t)pushes + LONE_PUSHES, sizeof *took);
  struct pusher *pushers = calloc (CONNECTIONS, sizeof *pushers);
  struct daemon server = {0};
  char path[300];

  if (!took || !pushers)
    exit (1);
  snprintf (path, sizeof path, "%s/%s.db", bench_folder, name);
  load_create (path);
  server_start (&server, name, options);
  read_token ();
  for (int i = 0; i < CONNECTIONS; i++)
    dial (&pushers[i], i);
  push_all (pushers, 1, "warm", LONE_PUSHES, took);
  rate = pushes / push_all (pushers, CONNECTIONS, "push", pushes, took);
  for (int i = 0; i < CONNECTIONS; i++)
    close (pushers[i].fd);
  daemon_stop (&server);
  free (pushers);
  free (took);
  return rate;
}
