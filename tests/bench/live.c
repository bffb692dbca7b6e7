/* live.c - what commits on the server, and how soon those hear of it that wait: one over a WebSocket, and a thousand; and what it
 * costs that most of a thousand are not to hear of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SINGLE_CHANGES = 200, CROWD = 1000, ROUNDS = 7, ROOM = 16384, FILES = 4096, SHOPS = 200 };

struct peer {
  int fd;
  const char *token;
  bool websocket;
  char node[33], cursor[200];
  size_t length;
  char bytes[ROOM]; /* what has come and is not read yet */
};

static char token[2000]; /* of all that have none of their own */

static void
give_up (const char *what)
{
  fprintf (stderr, "bench: %s\n", what);
  exit (1);
}

/* ---- Messages ---------------------------------------------------------------------------------- */

static void
send_all (const struct peer *peer, const char *bytes, size_t length)
{
  if (write (peer->fd, bytes, length) != (ssize_t)length)
    give_up ("a message is not taken");
}

/* A frame whose mask is of zeros. */
static void
send_frame (const struct peer *peer, int opcode, const char *text, size_t length)
{
  char frame[1500] = {(char)(0x80 | opcode), (char)(0x80 | length)};
  size_t head = 6;

  if (length >= 126) {
    frame[1] = (char)(0x80 | 126);
    frame[2] = (char)(length >> 8);
    frame[3] = (char)length;
    head = 8;
  }
  memcpy (frame + head, text, length);
  send_all (peer, frame, head + length);
}

static void
send_message (const struct peer *peer, const char *name, const char *body)
{
  char text[4096];

  if (peer->websocket) {
    int length = snprintf (text, 1400, "{\"type\":\"%s\",\"id\":1,\"body\":%s}", name, body);
    send_frame (peer, 1, text, (size_t)length);
  } else {
    int length = snprintf (text, sizeof text,
                           "POST /sync/%s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
                           "Mantis-Node: %s\r\nContent-Length: %zu\r\n\r\n%s",
                           name, peer->token, peer->node, strlen (body), body);
    send_all (peer, text, (size_t)length);
  }
}

static size_t
whole_frame (const struct peer *peer)
{
  const unsigned char *at = (const unsigned char *)peer->bytes;
  size_t head = 2, length = peer->length < 2 ? 0 : at[1];

  if (length == 126) {
    head = 4;
    length = peer->length < 4 ? 0 : (size_t)at[2] << 8 | at[3];
  } else if (length == 127)
    give_up ("a page is too large for this program");
  return peer->length >= head && peer->length >= head + length ? head + length : 0;
}

static size_t
whole_answer (struct peer *peer)
{
  const char *end, *said;

  peer->bytes[peer->length] = '\0';
  if (!(end = strstr (peer->bytes, "\r\n\r\n")))
    return 0;
  said = strcasestr (peer->bytes, "content-length:");
  size_t whole = (size_t)(end - peer->bytes) + 4 + (said ? strtoul (said + 15, NULL, 10) : 0);
  return peer->length >= whole ? whole : 0;
}

/* Where the payload of a frame begins. */
static size_t
head_of (const struct peer *peer)
{
  return peer->websocket ? peer->bytes[1] == 126 ? 4 : 2 : 0;
}

/* Read what there is; false: nothing whole yet.  MESSAGE is what the server says. */
static bool
receive (struct peer *peer, char *message)
{
  ssize_t got = read (peer->fd, peer->bytes + peer->length, ROOM - 1 - peer->length);
  size_t whole, head;
  bool ping;

  if (got == 0)
    give_up ("the server hangs up");
  peer->length += got > 0 ? (size_t)got : 0;
  whole = peer->websocket ? whole_frame (peer) : whole_answer (peer);
  if (!whole)
    return false;
  head = head_of (peer);
  ping = peer->websocket && peer->bytes[0] == (char)0x89;
  memcpy (message, peer->bytes + head, whole - head);
  message[whole - head] = '\0';
  memmove (peer->bytes, peer->bytes + whole, peer->length - whole);
  peer->length -= whole;
  if (ping)
    send_frame (peer, 10, message, whole - head);
  return !ping;
}

/* ---- Peers ------------------------------------------------------------------------------------- */

static void
dial (struct peer *peer, int number, bool websocket)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                .sin_port = htons ((uint16_t)server_port)};
  char text[4096];
  int one = 1;

  peer->fd = socket (AF_INET, SOCK_STREAM, 0);
  peer->token = peer->token ? peer->token : token;
  snprintf (peer->node, sizeof peer->node, "%032x", number + 1);
  if (peer->fd < 0 || connect (peer->fd, (struct sockaddr *)&address, sizeof address))
    give_up ("no connection");
  setsockopt (peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!websocket)
    return;
  int length = snprintf (text, sizeof text,
                         "GET /sync/ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mantis.v1\r\n"
                         "Mantis-Node: %s\r\nAuthorization: Bearer %s\r\n\r\n",
                         peer->node, peer->token);
  send_all (peer, text, (size_t)length);
  while (!receive (peer, text))
    ;
  if (!strstr (text, " 101 "))
    give_up (text);
  peer->websocket = true;
}

/* Ask what comes after the cursor of MESSAGE. */
static void
ask_after (struct peer *peer, const char *message)
{
  const char *cursor = strstr (message, "\"cursor\":{");
  char body[300];

  if (!cursor)
    give_up (message);
  snprintf (body, sizeof body, "{%.*s},\"wait\":25}", (int)(strcspn (cursor, "}")), cursor);
  send_message (peer, "pull", body);
}

/* Greet, and wait at the head. */
static void
begin (struct peer *peer)
{
  char message[ROOM];

  send_message (peer, "hello", "{\"protocol\":1,\"number\":0,\"tables\":{}}");
  while (!receive (peer, message))
    ;
  send_message (peer, "pull", "{}");
  while (!receive (peer, message))
    ;
  ask_after (peer, message);
}

static void
read_token (void)
{
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s/token", bench_folder);
  if (!(file = fopen (path, "r")) || !fgets (token, sizeof token, file))
    give_up ("no token");
  token[strcspn (token, "\n")] = '\0';
  fclose (file);
}

/* ---- One that waits ---------------------------------------------------------------------------- */

static void
insert (sqlite3 *db, const char *tag, int i)
{
  char sql[200];

  snprintf (sql, sizeof sql, "INSERT INTO orders (id, qty) VALUES ('%s-%d', 1)", tag, i);
  if (sqlite3_exec (db, sql, NULL, NULL, NULL) != SQLITE_OK)
    give_up (sqlite3_errmsg (db));
}

static int
compare_doubles (const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;

  return left < right ? -1 : left > right;
}

/* Milliseconds from a frame of the server's own to its echo. */
static double
measure_echo (struct peer *peer, double *took)
{
  char message[ROOM];

  for (int i = 0; i < SINGLE_CHANGES; i++) {
    usleep (3000);
    double start = seconds ();
    send_frame (peer, 9, "echo", 4);
    while (!receive (peer, message))
      ;
    took[i] = (seconds () - start) * 1000;
  }
  return median (took, SINGLE_CHANGES);
}

static void
measure_one (sqlite3 *db)
{
  double took[SINGLE_CHANGES], plain;
  char message[ROOM];
  struct peer *peer = calloc (1, sizeof *peer);

  if (!peer)
    give_up ("no memory");
  dial (peer, 0, true);
  plain = measure_echo (peer, took);
  report ("yardstick: ping and pong over the same WebSocket", plain, "ms", 0, "");
  begin (peer);
  for (int i = 0; i < SINGLE_CHANGES; i++) {
    usleep (3000 + (unsigned)(i % 7) * 1000); /* single changes, not a stream */
    insert (db, "single", i);
    double start = seconds ();
    while (!receive (peer, message))
      ;
    took[i] = (seconds () - start) * 1000;
    ask_after (peer, message);
  }
  qsort (took, SINGLE_CHANGES, sizeof *took, compare_doubles);
  report ("commit to visible over WebSocket, p50", took[SINGLE_CHANGES / 2], "ms",
          took[SINGLE_CHANGES / 2] / plain, "at most 1");
  report ("commit to visible over WebSocket, p99", took[SINGLE_CHANGES * 99 / 100], "ms",
          took[SINGLE_CHANGES * 99 / 100] / plain, "at most 5");
  close (peer->fd);
  free (peer);
}

static void
allow_files (void)
{
  struct rlimit files;

  if (getrlimit (RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES) {
    files.rlim_cur = FILES;
    setrlimit (RLIMIT_NOFILE, &files);
  }
}

/* ---- A thousand that wait ---------------------------------------------------------------------- */

static double
cpu_seconds (pid_t pid)
{
  struct timespec now;
  clockid_t clock;

  if (clock_getcpuclockid (pid, &clock) || clock_gettime (clock, &now))
    give_up ("no clock of the server");
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until it has nothing to do. */
static double
settle (pid_t pid)
{
  double before, now = cpu_seconds (pid);

  do {
    before = now;
    usleep (100000);
    now = cpu_seconds (pid);
  } while (now - before > 0.0005);
  return now;
}

/* One change, to all: milliseconds until the last has it. */
static double
fan_out (int epoll, sqlite3 *db, int round)
{
  struct epoll_event events[256];
  char message[ROOM];
  double start;
  int left = CROWD;

  insert (db, "fan", round);
  start = seconds ();
  while (left) {
    int count = epoll_wait (epoll, events, 256, 20000);
    if (count <= 0)
      give_up ("a change does not arrive");
    for (int i = 0; i < count; i++) {
      struct peer *peer = events[i].data.ptr;
      if (!receive (peer, message))
        continue;
      left--;
      ask_after (peer, message);
    }
  }
  return (seconds () - start) * 1000;
}

static void
measure_crowd (sqlite3 *db, pid_t pid, bool websocket)
{
  struct peer *peers = calloc (CROWD, sizeof *peers);
  double took[ROUNDS], cpu[ROUNDS], before;
  int epoll = epoll_create1 (0);
  char what[100];

  for (int i = 0; peers && i < CROWD; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};
    dial (&peers[i], i, websocket);
    begin (&peers[i]);
    fcntl (peers[i].fd, F_SETFL, O_NONBLOCK);
    epoll_ctl (epoll, EPOLL_CTL_ADD, peers[i].fd, &event);
  }
  before = settle (pid);
  for (int i = 0; peers && i < ROUNDS; i++) {
    took[i] = fan_out (epoll, db, i + (websocket ? 0 : ROUNDS));
    double now = settle (pid);
    cpu[i] = (now - before) * 1e6 / CROWD;
    before = now;
  }
  snprintf (what, sizeof what, "one change to %d clients over %s, the last", CROWD,
            websocket ? "WebSocket" : "REST");
  report (what, median (took, ROUNDS), "ms", 0, websocket ? "at most 30" : "");
  report ("  CPU of the server, until all ask again", median (cpu, ROUNDS), "us each", 0,
          websocket ? "at most 20" : "");
  for (int i = 0; peers && i < CROWD; i++)
    close (peers[i].fd);
  close (epoll);
  free (peers);
}

/* ---- A thousand with different claims ---------------------------------------------------------- */

static size_t
add_base64url (char *text, const void *bytes, size_t length)
{
  size_t size = (size_t)EVP_EncodeBlock ((unsigned char *)text, bytes, (int)length);

  while (size && text[size - 1] == '=')
    size--;
  text[size] = '\0';
  for (size_t i = 0; i < size; i++)
    text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
  return size;
}

/* A token of shop NUMBER, signed with KEY. */
static char *
shop_token (int number, const char *key)
{
  static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  char claims[200], *text = calloc (1, 600);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned mac_length = 0;
  size_t length;

  if (!text)
    give_up ("no memory");
  snprintf (claims, sizeof claims,
            "{\"sub\":\"till-%d\",\"shop\":%d,\"roles\":[\"till\"],\"exp\":%lld}", number, number,
            (long long)time (NULL) + 3600);
  length = add_base64url (text, head, sizeof head - 1);
  text[length++] = '.';
  length += add_base64url (text + length, claims, strlen (claims));
  HMAC (EVP_sha256 (), key, (int)strlen (key), (unsigned char *)text, length, mac, &mac_length);
  text[length++] = '.';
  add_base64url (text + length, mac, mac_length);
  return text;
}

static void
read_key (char *key, int size)
{
  char path[300];
  FILE *file;

  snprintf (path, sizeof path, "%s/jwt.key", bench_folder);
  if (!(file = fopen (path, "r")) || !fgets (key, size, file))
    give_up ("no key");
  key[strcspn (key, "\n")] = '\0';
  fclose (file);
}

/* An order of the shop of PEER, which hears of it. */
static void
order_of (struct peer *peer, sqlite3 *db, int shop)
{
  char sql[200], message[ROOM];

  snprintf (sql, sizeof sql, "INSERT INTO orders (id, qty) VALUES ('shop-%d', %d)", shop, shop);
  if (sqlite3_exec (db, sql, NULL, NULL, NULL) != SQLITE_OK)
    give_up (sqlite3_errmsg (db));
  while (!receive (peer, message))
    ;
  if (!strstr (message, "shop-"))
    give_up (message);
  ask_after (peer, message);
}

/* Microseconds of the server's processor for each client and change that it does not get. */
static double
measure_shops (const char *name, const char *options)
{
  struct daemon server = {0};
  struct peer *peers = calloc (CROWD, sizeof *peers);
  char key[200];
  sqlite3 *db;
  double before, after;

  snprintf (server.database, sizeof server.database, "%s/%s.db", bench_folder, name);
  load_create (server.database);
  server_start (&server, name, options);
  read_key (key, sizeof key);
  sqlite3_open (server.database, &db);
  sqlite3_busy_timeout (db, 5000);
  for (int i = 0; peers && i < CROWD; i++) {
    peers[i].token = shop_token (i, key);
    dial (&peers[i], i, true);
    begin (&peers[i]);
  }
  before = settle (server.pid);
  for (int i = 0; peers && i < SHOPS; i++)
    order_of (&peers[i], db, i);
  after = settle (server.pid);
  for (int i = 0; peers && i < CROWD; i++) {
    close (peers[i].fd);
    free ((char *)peers[i].token);
  }
  free (peers);
  sqlite3_close (db);
  daemon_stop (&server);
  return (after - before) * 1e6 / SHOPS / (CROWD - 1);
}

void
measure_filters (void)
{
  allow_files ();
  report ("a change that one of 1,000 clients gets, CPU for each other",
          measure_shops ("shops", ", \"tables\": {\"orders\": {\"filters\": [{\"plugin\": "
                                  "\"where\", \"read\": \"qty = :shop\"}]}}"),
          "us", 0, "at most 2");
}

void
measure_live (void)
{
  struct daemon server = {0};
  sqlite3 *db;

  allow_files ();
  snprintf (server.database, sizeof server.database, "%s/live.db", bench_folder);
  load_create (server.database);
  server_start (&server, "live", "");
  read_token ();
  sqlite3_open (server.database, &db);
  sqlite3_busy_timeout (db, 5000);
  measure_one (db);
  measure_crowd (db, server.pid, true);
  measure_crowd (db, server.pid, false);
  sqlite3_close (db);
  daemon_stop (&server);
}
