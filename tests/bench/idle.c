/* idle.c - memory of a server for each of many connections on which nothing happens, beside an MQTT broker's.
 *
 * What counts is the resident memory that the process has more with them than without, over their number; what the
 * kernel keeps for a socket is the same for all, and not in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 5000, SPARE = 300 /* descriptors and ports for all else */, ROOM = 4096 };

enum speech { LONG_POLL, WEBSOCKET, MQTT };

struct line {
  const char *what, *aim;
  enum speech speech;
  bool tls;
};

static const struct line lines[] = {
    {"yardstick: mosquitto, an idle connection", "", MQTT, false},
    {"memory of an idle connection, long poll", "at most 4", LONG_POLL, false},
    {"memory of an idle connection, WebSocket", "at most 4", WEBSOCKET, false},
    {"yardstick: mosquitto, an idle connection with TLS", "", MQTT, true},
    {"memory of an idle connection, long poll with TLS", "at most 20", LONG_POLL, true},
    {"memory of an idle connection, WebSocket with TLS", "at most 20", WEBSOCKET, true},
};

struct conn {
  int fd;
  SSL *ssl;
};

static SSL_CTX *context;
static char token[2048], cursor[300];
static int port;

static void
give_up (const char *what)
{
  fprintf (stderr, "bench: %s\n", what);
  exit (1);
}

/* ---- What this machine can do ------------------------------------------------------------------ */

/* As many as there are descriptors and ports for; fewer than wanted is said. */
static int
possible (void)
{
  struct rlimit files;
  int from = 0, to = 65535, count = CONNECTIONS;
  FILE *file = fopen ("/proc/sys/net/ipv4/ip_local_port_range", "r");

  if (file && fscanf (file, "%d %d", &from, &to) != 2)
    to = 65535;
  if (file)
    fclose (file);
  getrlimit (RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit (RLIMIT_NOFILE, &files);
  if (files.rlim_cur != RLIM_INFINITY && (rlim_t)count + SPARE > files.rlim_cur)
    count = (int)files.rlim_cur - SPARE;
  if (count + SPARE > to - from)
    count = to - from - SPARE;
  if (count < CONNECTIONS)
    printf ("idle connections: %d and not %d, as `ulimit -Hn' or the range of ports allows\n",
            count > 0 ? count : 0, CONNECTIONS);
  return count;
}

/* ---- Connections ------------------------------------------------------------------------------- */

static void
say (const struct conn *conn, const void *bytes, int length)
{
  if (conn->ssl ? SSL_write (conn->ssl, bytes, length) != length
                : write (conn->fd, bytes, (size_t)length) != length)
    give_up ("a server does not listen");
}

/* What comes first, as text. */
static void
hear (const struct conn *conn, char *bytes)
{
  int got =
      conn->ssl ? SSL_read (conn->ssl, bytes, ROOM - 1) : (int)read (conn->fd, bytes, ROOM - 1);

  if (got <= 0)
    give_up ("a server hangs up");
  bytes[got] = '\0';
}

static void
dial (struct conn *conn, bool tls)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                .sin_port = htons ((uint16_t)port)};
  int on = 1;

  *conn = (struct conn){.fd = socket (AF_INET, SOCK_STREAM, 0)};
  if (conn->fd < 0 || connect (conn->fd, (struct sockaddr *)&address, sizeof address))
    give_up ("no connection");
  setsockopt (conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!tls)
    return;
  if (!(conn->ssl = SSL_new (context)) || SSL_set_fd (conn->ssl, conn->fd) != 1 ||
      SSL_connect (conn->ssl) != 1)
    give_up ("no TLS");
}

static void
hang_up (struct conn *conn)
{
  SSL_free (conn->ssl);
  close (conn->fd);
}

static void
pull (const struct conn *conn, int number, const char *body)
{
  char text[ROOM];

  say (conn, text,
       snprintf (text, sizeof text,
                 "POST /sync/pull HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
                 "Mantis-Node: %032x\r\nContent-Length: %zu\r\n\r\n%s",
                 token, number + 1, strlen (body), body));
}

static void
upgrade (const struct conn *conn, int number)
{
  char text[ROOM];

  say (conn, text,
       snprintf (text, sizeof text,
                 "GET /sync/ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mantis.v1\r\n"
                 "Mantis-Node: %032x\r\nAuthorization: Bearer %s\r\n\r\n",
                 number + 1, token));
  hear (conn, text);
  if (!strstr (text, " 101 "))
    give_up (text);
}

/* CONNECT and SUBSCRIBE of MQTT 3.1.1. */
static void
subscribe (const struct conn *conn, int number)
{
  static const char topic[] = {(char)0x82, 6, 0, 1, 0, 1, 't', 0};
  char text[ROOM], name[12];
  int length = snprintf (name, sizeof name, "b%09d", number);
  char hello[40] = {0x10, (char)(12 + length), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0,
                    0,    (char)length};

  memcpy (hello + 14, name, (size_t)length);
  say (conn, hello, 14 + length);
  hear (conn, text);
  if (text[0] != 0x20 || text[3] != 0)
    give_up ("mosquitto does not take a connection");
  say (conn, topic, sizeof topic);
  hear (conn, text);
}

/* The cursor after which there is nothing. */
static void
find_cursor (bool tls)
{
  struct conn conn;
  char text[ROOM], *from;

  dial (&conn, tls);
  pull (&conn, CONNECTIONS, "{}");
  hear (&conn, text);
  if (!(from = strstr (text, "\"cursor\":{")))
    give_up (text);
  snprintf (cursor, sizeof cursor, "{%.*s},\"wait\":25}", (int)strcspn (from, "}"), from);
  hang_up (&conn);
}

/* ---- Memory ------------------------------------------------------------------------------------ */

static long
resident (pid_t pid)
{
  char path[60], text[200];
  long kilobytes = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/status", (int)pid);
  if (!(file = fopen (path, "r")))
    give_up ("a server has gone");
  while (fgets (text, sizeof text, file) && sscanf (text, "VmRSS: %ld", &kilobytes) != 1)
    ;
  fclose (file);
  return kilobytes;
}

/* Until it has little to do; there may be pings. */
static void
settle (pid_t pid)
{
  double before, now = process_seconds (pid);
  int looks = 0;

  do {
    before = now;
    usleep (200000);
    now = process_seconds (pid);
  } while (now - before > 0.02 && ++looks < 25);
}

/* Whom the server has left, or (who waits for an answer over a plain connection) answered. */
static int
over (const struct conn *conns, int count, bool waits)
{
  char byte;
  int some = 0;

  for (int i = 0; i < count; i++) {
    ssize_t got = recv (conns[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    some += got == 0 || (got > 0 && waits);
  }
  return some;
}

static double
measure (const struct line *line, pid_t pid, int count)
{
  struct conn *conns = calloc ((size_t)count, sizeof *conns);
  long before;
  double each;
  int some;

  if (!conns)
    give_up ("no memory");
  if (line->speech != MQTT)
    find_cursor (line->tls);
  settle (pid);
  before = resident (pid);
  for (int i = 0; i < count; i++) {
    dial (&conns[i], line->tls);
    if (line->speech == LONG_POLL)
      pull (&conns[i], i, cursor);
    else if (line->speech == WEBSOCKET)
      upgrade (&conns[i], i);
    else
      subscribe (&conns[i], i);
  }
  settle (pid);
  each = (double)(resident (pid) - before) / count;
  if ((some = over (conns, count, line->speech == LONG_POLL && !line->tls)) > 0)
    printf ("  %d of %d did not wait any more by then\n", some, count);
  for (int i = 0; i < count; i++)
    hang_up (&conns[i]);
  free (conns);
  return each;
}

/* ---- Servers ----------------------------------------------------------------------------------- */

static pid_t
broker_start (bool tls)
{
  char path[300];
  struct conn conn = {.fd = -1};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  FILE *file;
  pid_t pid;

  snprintf (path, sizeof path, "%s/mosquitto.conf", bench_folder);
  if (!(file = fopen (path, "w")))
    exit (1);
  port = free_port ();
  fprintf (file,
           "listener %d 127.0.0.1\nallow_anonymous true\nmax_connections -1\nuser root\n"
           "set_tcp_nodelay true\n",
           port);
  if (tls)
    fprintf (file, "certfile %s/cert.pem\nkeyfile %s/key.pem\n", bench_folder, bench_folder);
  fclose (file);
  if ((pid = fork ()) == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen ("/dev/null", "w", stderr))
      _exit (1);
    execlp ("mosquitto", "mosquitto", "-c", path, (char *)NULL);
    execl ("/usr/sbin/mosquitto", "mosquitto", "-c", path, (char *)NULL);
    _exit (127);
  }
  address.sin_port = htons ((uint16_t)port);
  for (int tries = 0; tries < 250; tries++) {
    if (waitpid (pid, NULL, WNOHANG) == pid)
      return 0;
    conn.fd = socket (AF_INET, SOCK_STREAM, 0);
    bool up = connect (conn.fd, (struct sockaddr *)&address, sizeof address) == 0;
    close (conn.fd);
    if (up)
      return pid;
    usleep (20000);
  }
  kill (pid, SIGKILL);
  return 0;
}

static double
measure_broker (const struct line *line, int count)
{
  pid_t pid = broker_start (line->tls);
  double each;

  if (!pid) {
    printf ("skipped, %s: mosquitto is not installed\n", line->what);
    return 0;
  }
  each = measure (line, pid, count);
  kill (pid, SIGTERM);
  waitpid (pid, NULL, 0);
  return each;
}

static double
measure_server (const struct line *line, int count)
{
  struct daemon server = {0};
  char path[300], more[800], name[20];
  double each;
  FILE *file;
  int length = snprintf (more, sizeof more, ", \"max_connections\": %d", count + SPARE);

  if (line->tls)
    snprintf (more + length, sizeof more - (size_t)length,
              ", \"tls\": {\"certificate_file\": \"%s/cert.pem\", \"key_file\": \"%s/key.pem\"}",
              bench_folder, bench_folder);
  snprintf (name, sizeof name, "idle-%d", (int)(line - lines));
  snprintf (path, sizeof path, "%s/%s.db", bench_folder, name);
  load_create (path);
  bench_listen = more;
  server_start (&server, name, "");
  bench_listen = "";
  port = server_port;
  snprintf (path, sizeof path, "%s/token", bench_folder);
  if (!(file = fopen (path, "r")) || !fgets (token, sizeof token, file))
    give_up ("no token");
  token[strcspn (token, "\n")] = '\0';
  fclose (file);
  each = measure (line, server.pid, count);
  daemon_stop (&server);
  return each;
}

static void
make_certificate (void)
{
  char command[900];

  snprintf (command, sizeof command,
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            " -subj /CN=localhost -keyout %s/key.pem -out %s/cert.pem 2> /dev/null",
            bench_folder, bench_folder);
  if (system (command) != 0)
    give_up ("openssl makes no certificate");
}

void
measure_idle_connections (void)
{
  int count = possible ();
  double plain = 0;

  if (count < 100)
    return;
  make_certificate ();
  if (!(context = SSL_CTX_new (TLS_client_method ())))
    give_up ("no TLS");
  SSL_CTX_set_mode (context, SSL_MODE_RELEASE_BUFFERS);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    const struct line *line = &lines[i];
    double each =
        line->speech == MQTT ? measure_broker (line, count) : measure_server (line, count);
    if (line->speech == MQTT)
      plain = each;
    if (each > 0)
      report (line->what, each, "kB", plain > 0 && line->speech != MQTT ? each / plain : 0,
              line->aim);
  }
  SSL_CTX_free (context);
}
