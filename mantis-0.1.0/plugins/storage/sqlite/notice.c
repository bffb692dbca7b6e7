/* notice.c - did somebody commit?
 *
 * inotify says that a file was written, which is a little before the commit can be seen;
 * data_version says whether there was a commit.  The write-ahead log goes and comes again with the
 * last and the first connection, the file itself may be replaced: the folder is watched for that,
 * and look() moves the watches to the files that are there now.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint32_t folder_events = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

/* Watching a file twice is the same as once, so there is nothing to remember. */
static void
follow_files (struct mantis_session *session)
{
  struct sqlite *storage = session->storage;
  const char *file = sqlite3_db_filename (session->db, "main");

  pthread_mutex_lock (&storage->lock);
  if (storage->notice >= 0 && file) {
    (void)!inotify_add_watch (storage->notice, file, IN_MODIFY);
    (void)!inotify_add_watch (storage->notice, sqlite3_filename_wal (file), IN_MODIFY);
  }
  pthread_mutex_unlock (&storage->lock);
}

/* Watch the folder that holds the file itself, wherever a link to it may be. */
static int
watch_folder (const char *path)
{
  char *real = realpath (path, NULL);
  const char *file = real ? real : path, *slash = strrchr (file, '/');
  AUTO_BUF struct mantis_buf folder = MANTIS_BUF_INIT;
  int notice = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);

  if (slash)
    mantis_buf_add (&folder, file, (size_t)(slash - file) + 1);
  else
    mantis_buf_text (&folder, ".");
  free (real);
  if (notice >= 0 &&
      (folder.failed || inotify_add_watch (notice, folder.bytes, folder_events) < 0)) {
    close (notice);
    return -1;
  }
  return notice;
}

int
notice_watch (void *self, struct mantis_error *error)
{
  struct sqlite *storage = self;

  pthread_mutex_lock (&storage->lock);
  if (storage->notice < 0)
    storage->notice = watch_folder (storage->path);
  if (storage->notice < 0)
    mantis_fail (error, MANTIS_FAILED, "%s: cannot watch its folder: %s", storage->path,
                 strerror (errno));
  pthread_mutex_unlock (&storage->lock);
  return storage->notice;
}

/* O5: SQLite goes on with a file that was removed or replaced, and what it commits there is lost.
 */
enum mantis_status
check_file (struct mantis_session *session, struct mantis_error *error)
{
  const char *path = session->storage->path;
  struct stat info;

  if (stat (path, &info))
    return mantis_fail (error, MANTIS_LOST, "%s: the database is gone: %s", path, strerror (errno));
  if (info.st_ino != session->inode || info.st_dev != session->device)
    return mantis_fail (error, MANTIS_LOST, "%s: the database was replaced by another file", path);
  return MANTIS_OK;
}

enum mantis_status
notice_look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  int64_t version;
  enum mantis_status status;

  new_call (session);
  *changed = false;
  if ((status = check_file (session, error)))
    return status;
  follow_files (session);
  if ((status = ask_kept (session, "PRAGMA data_version", 0, &version, error)))
    return status;
  *changed = !session->looked || version != session->data_version;
  session->looked = true;
  session->data_version = version;
  return MANTIS_OK;
}
