/* notice.c - a thread that looks whether somebody has written to the database.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/notice.h"

#include "run/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
  IDLE_MS = 1000,   /* looks without being told, for what the descriptor cannot see */
  BLIND_MS = 8,     /* the same where there is no descriptor */
  BLIND_SHARE = 20, /* and one part in so many of the time is spent on that, at most */
  EXPECT_US =
      300 * 1000, /* the descriptor speaks before the commit can be seen: before its fsync */
  FIRST_PAUSE_US = 50,
  LAST_PAUSE_US = 10 * 1000,
  SEEN_PAUSE_US = 500, /* after a commit, as writers that write much commit often */
  STACK = 1024 * 1024
};

struct notice {
  struct loop *loop;
  struct stores *stores;
  size_t number;
  struct access *access; /* NULL: a client's */
  noticed_fn noticed;
  void *context;
  int watch, stop; /* descriptors */
  pthread_t thread;
  struct position last; /* of the thread */
  int64_t attached;
  bool lost;
  bool owed; /* a commit was seen, but not what it was */
  char complaint[sizeof ((struct mantis_error *)0)->text]; /* the last one logged */
  struct call call;
  pthread_mutex_t mutex; /* around what follows */
  struct position news;
  enum noticed what;
  bool posted;
};

enum mantis_status
position_read (struct store *store, struct position *position, struct mantis_error *error)
{
  enum mantis_status status = store_begin (store, MANTIS_READ, error);

  if (status == MANTIS_OK)
    status = store->ops->log_head (store->session, &position->head, error);
  position->generation = store->generation;
  if (status == MANTIS_OK)
    return store_end (store, error);
  store_rollback (store);
  return status;
}

/* ---- To the loop ------------------------------------------------------------------------------
 */

static void
on_loop (struct call *call)
{
  struct notice *notice = (struct notice *)((char *)call - offsetof (struct notice, call));
  struct position news;
  enum noticed what;

  pthread_mutex_lock (&notice->mutex);
  notice->posted = false;
  news = notice->news;
  what = notice->what;
  notice->what = NOTICED_COMMIT;
  pthread_mutex_unlock (&notice->mutex);
  notice->noticed (notice->context, &news, what);
}

static void
tell (struct notice *notice, enum noticed what)
{
  bool post;

  pthread_mutex_lock (&notice->mutex);
  notice->news = notice->last;
  if (what > notice->what)
    notice->what = what;
  post = !notice->posted;
  notice->posted = true;
  pthread_mutex_unlock (&notice->mutex);
  if (post)
    loop_post (notice->loop, &notice->call);
}

/* ---- Looking ----------------------------------------------------------------------------------
 */

/* A database that stays away is one line in the log, not one each second. */
static void
complain (struct notice *notice, const struct mantis_error *error)
{
  if (strcmp (notice->complaint, error->text) == 0)
    return;
  memcpy (notice->complaint, error->text, sizeof notice->complaint);
  mantis_log (MANTIS_WARNING, "%s", error->text);
}

static void
lose (struct notice *notice, const struct mantis_error *error)
{
  complain (notice, error);
  if (notice->lost)
    return;
  stores_renew (notice->stores);
  notice->lost = true;
  tell (notice, NOTICED_LOSS);
}

/* Who may come in is told to all servers by the database.  *NOW gets its count. */
static enum mantis_status
read_access (struct notice *notice, struct store *store, struct position *now,
             struct mantis_error *error)
{
  return notice->access ? access_read (notice->access, store, notice->lost, &now->access, error)
                        : MANTIS_OK;
}

/* Somebody has committed: is that of interest? */
static enum mantis_status
weigh (struct notice *notice, struct store *store, struct mantis_error *error)
{
  struct position now = {0};
  enum mantis_status status = position_read (store, &now, error);

  if (status == MANTIS_OK)
    status = read_access (notice, store, &now, error);
  notice->owed = status != MANTIS_OK;
  if (status != MANTIS_OK)
    return status;
  if (notice->lost || position_is_news (&notice->last, &now) ||
      store->attached != notice->attached || now.access != notice->last.access) {
    bool renewed = notice->lost;
    notice->last = now;
    notice->attached = store->attached;
    notice->lost = false;
    if (renewed)
      mantis_log (MANTIS_INFO, "the database is open again");
    notice->complaint[0] = '\0';
    tell (notice, renewed ? NOTICED_RETURN : NOTICED_COMMIT);
  }
  return MANTIS_OK;
}

/* True: a commit was seen. */
static bool
look (struct notice *notice)
{
  struct mantis_error error = {0};
  struct store *store;
  bool changed = false;
  enum mantis_status status = stores_get (notice->stores, notice->number, &store, NULL, &error);

  if (status == MANTIS_OK)
    status = store->ops->look (store->session, &changed, &error);
  if (status == MANTIS_OK && (changed || notice->lost || notice->owed))
    status = weigh (notice, store, &error);
  if (status == MANTIS_LOST)
    lose (notice, &error);
  else if (status != MANTIS_OK && status != MANTIS_BUSY)
    complain (notice, &error);
  return changed;
}

/* False: there was nothing. */
static bool
drain (int fd)
{
  char bytes[4096];
  bool some = false;

  while (fd >= 0 && read (fd, bytes, sizeof bytes) > 0)
    some = true;
  return some;
}

/* Microseconds until the next look, while a commit is expected that has been in the making SINCE. */
static int64_t
pause_after (int64_t since)
{
  since /= 8; /* late by an eighth of what the commit takes */
  return since < FIRST_PAUSE_US ? FIRST_PAUSE_US : since > LAST_PAUSE_US ? LAST_PAUSE_US : since;
}

/* The same, while nothing tells of a commit. */
static int64_t
idle_pause (const struct notice *notice, int64_t cost)
{
  int64_t blind = BLIND_MS * 1000;

  if (notice->watch >= 0 || cost * BLIND_SHARE > IDLE_MS * 1000)
    return IDLE_MS * 1000;
  return cost * BLIND_SHARE > blind ? cost * BLIND_SHARE : blind;
}

/* While somebody writes, the descriptor speaks for every page: it is then read at each look, not waited for. */
static void *
watch (void *context)
{
  struct notice *notice = context;
  struct pollfd fds[2] = {{.fd = notice->stop, .events = POLLIN},
                          {.fd = notice->watch, .events = POLLIN}}; /* -1 is passed over */
  int64_t first = 0, latest = -EXPECT_US - 1; /* when the descriptor began to speak, spoke last */
  int64_t began, cost = 0; /* of the last look that found nothing, in microseconds */
  bool changed;

  pthread_setname_np (pthread_self (), "notice");
  look (notice); /* before any waiting: the storage sets its eyes on the database where we look */
  for (;;) {
    int64_t now = mantis_monotonic ();
    bool expecting = now - latest <= EXPECT_US;
    int64_t pause = expecting ? pause_after (now - first) : idle_pause (notice, cost);
    const struct timespec wait = {.tv_sec = pause / 1000000, .tv_nsec = pause % 1000000 * 1000};
    if (ppoll (fds, expecting ? 1 : 2, &wait, NULL) < 0)
      fds[0].revents = 0;
    if (fds[0].revents)
      return NULL;
    if (drain (notice->watch)) {
      latest = mantis_monotonic ();
      if (!expecting)
        first = latest;
    }
    began = mantis_monotonic ();
    changed = look (notice);
    cost = changed ? 0 : mantis_monotonic () - began; /* where one was found there may be more */
    if (changed) { /* whatever is written meanwhile is one look */
      first = mantis_monotonic ();
      nanosleep (&(struct timespec){.tv_nsec = SEEN_PAUSE_US * 1000}, NULL);
    }
  }
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static int
watch_storage (const struct stores *stores)
{
  struct mantis_error error = {0};
  int fd = stores->ops->watch ? stores->ops->watch (stores->self, &error) : -1;

  if (fd < 0 && *error.text)
    mantis_log (MANTIS_WARNING, "%s: looking every %d ms instead", error.text, BLIND_MS);
  return fd;
}

enum mantis_status
notice_new (struct notice **notice, struct loop *loop, struct stores *stores, size_t number,
            struct access *access, noticed_fn noticed, void *context, struct mantis_error *error)
{
  struct notice *made = calloc (1, sizeof *made);
  int result;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to watch the database");
  *made = (struct notice){.loop = loop,
                          .stores = stores,
                          .number = number,
                          .access = access,
                          .noticed = noticed,
                          .context = context,
                          .call.run = on_loop};
  made->watch = watch_storage (stores);
  made->stop = eventfd (0, EFD_CLOEXEC);
  pthread_mutex_init (&made->mutex, NULL);
  result = made->stop < 0 ? errno : thread_start (&made->thread, STACK, watch, made);
  if (result == 0) {
    *notice = made;
    return MANTIS_OK;
  }
  if (made->stop >= 0)
    close (made->stop);
  pthread_mutex_destroy (&made->mutex);
  free (made);
  return mantis_fail (error, MANTIS_FAILED, "cannot watch the database: %s", strerror (result));
}

void
notice_free (struct notice *notice)
{
  const uint64_t one = 1;

  if (!notice)
    return;
  (void)!write (notice->stop, &one, sizeof one);
  pthread_join (notice->thread, NULL);
  loop_flush (notice->loop);
  close (notice->stop);
  pthread_mutex_destroy (&notice->mutex);
  free (notice);
}
