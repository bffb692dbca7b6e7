/* merges.c - what a conflict costs: one device pushes edits of rows that another one has edited, or that nobody has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 1000, ROUNDS = 3, ROW_ROOM = 400 };

struct device {
  int fd, number;
  char node;
  char token[4096];
};

/* What a device does with each row: which columns become others. */
struct edit {
  bool customer, qty;
};

struct merge {
  const char *what, *policy, *outcome;
  struct edit first, second; /* no column in FIRST: nobody came before */
};

static const struct merge merges[] = {
    {"push of edits, no conflict, timestamp",
     "\"timestamp\"",
     "applied",
     {false, false},
     {false, true}},
    {"push of edits, no conflict, version",
     "{\"plugin\": \"version\"}",
     "applied",
     {false, false},
     {false, true}},
    {"conflicts, timestamp", "\"timestamp\"", "applied", {true, false}, {false, true}},
    {"conflicts, version: merged, nobody lost",
     "{\"plugin\": \"version\"}",
     "merged",
     {true, false},
     {false, true}},
    {"conflicts, version: merged, a value was lost",
     "{\"plugin\": \"version\"}",
     "merged",
     {true, true},
     {true, false}},
    {"conflicts, version: merged, amounts added",
     "{\"plugin\": \"version\", \"columns\": {\"qty\": \"add\"}}",
     "merged",
     {false, true},
     {false, true}},
};

static void
give_up (const char *why)
{
  fprintf (stderr, "bench: merges: %s\n", why);
  exit (1);
}

static void
dial (struct device *device, char node)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                .sin_port = htons ((uint16_t)server_port)};
  char path[300];
  FILE *file;

  *device = (struct device){.fd = socket (AF_INET, SOCK_STREAM, 0), .node = node};
  snprintf (path, sizeof path, "%s/token", bench_folder);
  if (!(file = fopen (path, "r")) || !fgets (device->token, sizeof device->token, file))
    give_up ("no token");
  fclose (file);
  device->token[strcspn (device->token, "\n")] = '\0';
  if (device->fd < 0 || connect (device->fd, (struct sockaddr *)&address, sizeof address))
    give_up ("no connection");
}

static void
send_all (int fd, const char *bytes, size_t length)
{
  while (length) {
    ssize_t sent = write (fd, bytes, length);
    if (sent <= 0)
      give_up ("the server has closed the connection");
    bytes += sent;
    length -= (size_t)sent;
  }
}

/* The rows of this batch came to OUTCOME, all of them. */
static void
take_answer (struct device *device, const char *outcome, int count)
{
  enum { ROOM = 1024 * 1024 };
  static char answer[ROOM];
  char wanted[60];
  size_t have = 0, whole = 0;

  while (!whole || have < whole) {
    ssize_t got = read (device->fd, answer + have, ROOM - 1 - have);
    const char *end, *length;
    if (got <= 0)
      give_up ("the answer ends");
    answer[have += (size_t)got] = '\0';
    if (whole || !(end = strstr (answer, "\r\n\r\n")))
      continue;
    if (!(length = strcasestr (answer, "\r\nContent-Length:")))
      give_up ("an answer without length");
    whole = (size_t)(end + 4 - answer) + (size_t)atoi (length + 17);
  }
  snprintf (wanted, sizeof wanted, "\"%s\":%d", outcome, count);
  if (strncmp (answer, "HTTP/1.1 200", 12) != 0 || !strstr (answer, wanted)) {
    fprintf (stderr, "bench: merges: not %s: %.600s\n", wanted, answer);
    exit (1);
  }
}

/* Row I as the device makes it, with what it was. */
static int
add_row (char *text, const struct device *device, struct edit edit, int i)
{
  char was[80] = "", row[ROW_ROOM];
  int length;

  load_json (row, sizeof row, "row", i);
  if (edit.customer)
    snprintf (was, sizeof was, "\"customer\":\"customer %d\"%s", i % 5000, edit.qty ? "," : "");
  length = (int)strlen (was);
  if (edit.qty)
    snprintf (was + length, sizeof was - (size_t)length, "\"qty\":%d", i % 100);
  /* The id is as load_json() makes it. */
  return snprintf (text, ROW_ROOM,
                   "%.39s,\"%s %d\",%d,%.2f,\"leave at the back door, no. %d\","
                   "\"2026-01-01T10:00:00.000Z\",{%s}]",
                   row, edit.customer ? device->node == 'a' ? "first" : "second" : "customer",
                   i % 5000, i % 100 + (edit.qty ? 1 : 0), (i % 20000) / 100.0, i, was);
}

/* Rows FROM to FROM + COUNT, as one batch. */
static void
push_batch (struct device *device, struct edit edit, const char *outcome, int from, int count)
{
  char *body = malloc ((size_t)count * ROW_ROOM + 1000), head[ROW_ROOM + sizeof device->token];
  int length, room;

  if (!body)
    exit (1);
  length = sprintf (
      body,
      "{\"number\":%d,\"nonce\":\"%c-%d\",\"whole\":true,\"changes\":[{\"table\":\"orders\","
      "\"columns\":[\"id\",\"customer\",\"qty\",\"price\",\"note\",\"updated\"],"
      "\"base\":1,\"meta\":[\"was\"],\"rows\":[",
      device->number + 1, device->node, from);
  device->number++;
  for (int i = 0; i < count; i++) {
    if (i)
      body[length++] = ',';
    length += add_row (body + length, device, edit, from + i);
  }
  length += sprintf (body + length, "]}]}");
  room = snprintf (head, sizeof head,
                   "POST /sync/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                   "Mantis-Node: %031d%c\r\nContent-Type: application/json\r\n"
                   "Content-Length: %d\r\n\r\n",
                   device->token, 0, device->node, length);
  send_all (device->fd, head, (size_t)room);
  send_all (device->fd, body, (size_t)length);
  free (body);
  take_answer (device, outcome, count);
}

/* Microseconds for each row. */
static double
push_all (struct device *device, struct edit edit, const char *outcome, int rows)
{
  double start = seconds ();

  for (int from = 0; from + BATCH <= rows; from += BATCH)
    push_batch (device, edit, outcome, from, BATCH);
  return (seconds () - start) * 1e6 / rows;
}

static double
measure_once (const struct merge *merge, int rows, int round)
{
  struct daemon server = {0};
  struct device first, second;
  char name[40], path[300], options[300];
  double took;

  snprintf (name, sizeof name, "merges-%d-%d", (int)(merge - merges), round);
  snprintf (path, sizeof path, "%s/%s.db", bench_folder, name);
  snprintf (options, sizeof options, ", \"tables\": {\"orders\": {\"conflict_policy\": %s}}",
            merge->policy);
  load_create (path);
  load_run (path, LOAD_INSERT, rows, 5000, "row");
  server_start (&server, name, options);
  dial (&first, 'a');
  dial (&second, 'b');
  if (merge->first.customer || merge->first.qty)
    push_all (&first, merge->first, "applied", rows);
  took = push_all (&second, merge->second, merge->outcome, rows);
  close (first.fd);
  close (second.fd);
  daemon_stop (&server);
  unlink (path);
  return took;
}

void
measure_merges (int rows)
{
  double plain = 0, took[ROUNDS];

  rows -= rows % BATCH;
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
    double middle;
    for (int round = 0; round < ROUNDS; round++)
      took[round] = measure_once (&merges[i], rows, round);
    middle = median (took, ROUNDS);
    plain = plain > 0 ? plain : middle;
    report (merges[i].what, middle, "us a row", middle / plain, "");
  }
}
