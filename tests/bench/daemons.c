/* daemons.c - a server, clients and a wire between them that counts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOO_LONG = 300 /* seconds */, LOOK = 500 /* microseconds */ };

const char *bench_profile;
char bench_folder[] = "/tmp/mantis-bench-XXXXXX";
int server_port;
const char *bench_listen = "";

static void
give_up (const char *what, const struct daemon *daemon)
{
  char command[300];

  fprintf (stderr, "bench: %s; the end of %s:\n", what, daemon->log);
  snprintf (command, sizeof command, "tail -n 15 %s >&2", daemon->log);
  if (system (command) != 0)
    fprintf (stderr, "(no log)\n");
  exit (1);
}

int
free_port (void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *)&address, length) ||
      getsockname (fd, (struct sockaddr *)&address, &length))
    exit (1);
  close (fd);
  return ntohs (address.sin_port);
}

void
daemons_start (void)
{
  if (!mkdtemp (bench_folder))
    exit (1);
}

void
daemons_end (void)
{
  char command[200];

  snprintf (command, sizeof command, "rm -rf %s", bench_folder);
  if (system (command) != 0)
    fprintf (stderr, "bench: cannot remove %s\n", bench_folder);
}

static void
start (struct daemon *daemon, const char *mode)
{
  const char *program = getenv ("MANTISD");

  if ((daemon->pid = fork ()) == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of this program */
    if (!freopen (daemon->log, "a", stderr) || !freopen ("/dev/null", "r", stdin))
      _exit (1);
    if (bench_profile) {
      char data[400];
      snprintf (data, sizeof data, "%s/%s.data", bench_profile, strrchr (daemon->log, '/') + 1);
      execlp ("perf", "perf", "record", "-q", "-g", "-F", "999", "-o", data, "--", program,
              "--mode", mode, "--config", daemon->config, (char *)NULL);
    }
    execl (program, program, "--mode", mode, "--config", daemon->config, (char *)NULL);
    _exit (127);
  }
}

static void
name_files (struct daemon *daemon, const char *name)
{
  snprintf (daemon->database, sizeof daemon->database, "%s/%s.db", bench_folder, name);
  snprintf (daemon->config, sizeof daemon->config, "%s/%s.json", bench_folder, name);
  snprintf (daemon->log, sizeof daemon->log, "%s/%s.log", bench_folder, name);
}

bool
wait_for_text (const struct daemon *daemon, const char *text)
{
  double from = seconds ();
  char command[500];

  snprintf (command, sizeof command, "grep -q '%s' %s 2> /dev/null", text, daemon->log);
  while (system (command) != 0) {
    if (seconds () - from > 20 || kill (daemon->pid, 0) != 0)
      give_up (text, daemon);
    usleep (5000);
  }
  return true;
}

void
server_start (struct daemon *daemon, const char *name, const char *options)
{
  char storage[300];

  snprintf (storage, sizeof storage, "{\"plugin\": \"sqlite\", \"path\": \"%s/%s.db\"}",
            bench_folder, name);
  server_start_on (daemon, name, storage, options);
}

void
server_start_on (struct daemon *daemon, const char *name, const char *storage, const char *options)
{
  char command[600];
  FILE *file;

  name_files (daemon, name);
  server_port = free_port ();
  if (!(file = fopen (daemon->config, "w")))
    exit (1);
  fprintf (file,
           "{\"mode\": \"server\", \"storage\": %s, \"control_socket\": \"%s/%s.control\",\n"
           " \"listen\": [{\"transport\": \"rest\", \"address\": \"127.0.0.1:%d\"%s}],\n"
           " \"auth\": [{\"plugin\": \"jwt\", \"algorithm\": \"HS256\", \"key_file\": "
           "\"jwt.key\"}]%s}\n",
           storage, bench_folder, name, server_port, bench_listen, options);
  fclose (file);
  start (daemon, "server");
  wait_for_text (daemon, "listening on");
  snprintf (command, sizeof command, "%s --config %s token --subject bench > %s/token",
            getenv ("MANTISCTL"), daemon->config, bench_folder);
  if (system (command) != 0)
    give_up ("no token", daemon);
}

void
client_start (struct daemon *daemon, const char *name, int port, const char *options)
{
  FILE *file;

  name_files (daemon, name);
  if (!(file = fopen (daemon->config, "w")))
    exit (1);
  fprintf (file,
           "{\"mode\": \"client\", \"storage\": {\"plugin\": \"sqlite\", \"path\": \"%s\"},\n"
           " \"sync\": {\"server_url\": \"http://127.0.0.1:%d\", \"token_file\": \"token\"}%s}\n",
           daemon->database, port, options);
  fclose (file);
  start (daemon, "client");
}

void
daemon_stop (struct daemon *daemon)
{
  if (daemon->pid <= 0)
    return;
  kill (daemon->pid, SIGTERM);
  waitpid (daemon->pid, NULL, 0);
  daemon->pid = 0;
}

long
daemon_peak (const struct daemon *daemon)
{
  char path[60], line[200];
  long kilobytes = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/status", (int)daemon->pid);
  if (!(file = fopen (path, "r")))
    return 0;
  while (fgets (line, sizeof line, file))
    if (sscanf (line, "VmHWM: %ld", &kilobytes) == 1)
      break;
  fclose (file);
  return kilobytes;
}

double
process_seconds (pid_t pid)
{
  char path[60], line[1000];
  unsigned long user = 0, kernel = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!(file = fopen (path, "r")))
    return 0;
  if (fgets (line, sizeof line, file) && strrchr (line, ')'))
    sscanf (strrchr (line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
            &kernel);
  fclose (file);
  return (double)(user + kernel) / (double)sysconf (_SC_CLK_TCK);
}

double
wait_rows (const struct daemon *daemon, int64_t count, double from)
{
  while (load_count (daemon->database) < count) {
    if (seconds () - from > TOO_LONG)
      give_up ("the rows do not arrive", daemon);
    usleep (20000);
  }
  return seconds () - from;
}

void
wait_captured (const struct daemon *daemon)
{
  wait_for_text (daemon, "captured from now on");
}

/* ---- The relay --------------------------------------------------------------------------------- */

static atomic_llong bytes_up, bytes_down;

void
relay_counts (int64_t *up, int64_t *down)
{
  *up = bytes_up;
  *down = bytes_down;
}

void
relay_reset (void)
{
  bytes_up = bytes_down = 0;
}

/* Some bytes from FROM to TO; false at the end. */
static bool
pass (int from, int to, atomic_llong *count)
{
  char bytes[65536];
  ssize_t length = read (from, bytes, sizeof bytes);

  if (length <= 0)
    return false;
  *count += length;
  for (ssize_t done = 0, step; done < length; done += step)
    if ((step = write (to, bytes + done, (size_t)(length - done))) <= 0)
      return false;
  return true;
}

static void *
relay_one (void *argument)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                .sin_port = htons ((uint16_t)server_port)};
  int near = (int)(intptr_t)argument, far = socket (AF_INET, SOCK_STREAM, 0);
  struct pollfd fds[2] = {{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
  bool on = connect (far, (struct sockaddr *)&address, sizeof address) == 0;

  while (on && poll (fds, 2, -1) > 0) {
    if (fds[0].revents)
      on = pass (near, far, &bytes_up);
    if (on && fds[1].revents)
      on = pass (far, near, &bytes_down);
  }
  close (near);
  close (far);
  return NULL;
}

static void *
relay_accept (void *argument)
{
  int listener = (int)(intptr_t)argument, fd;
  pthread_t thread;

  while ((fd = accept (listener, NULL, NULL)) >= 0)
    if (pthread_create (&thread, NULL, relay_one, (void *)(intptr_t)fd) == 0)
      pthread_detach (thread);
  return NULL;
}

int
relay_start (void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  pthread_t thread;

  signal (SIGPIPE, SIG_IGN);
  if (fd < 0 || bind (fd, (struct sockaddr *)&address, length) || listen (fd, 16) ||
      getsockname (fd, (struct sockaddr *)&address, &length) ||
      pthread_create (&thread, NULL, relay_accept, (void *)(intptr_t)fd))
    exit (1);
  return ntohs (address.sin_port);
}
