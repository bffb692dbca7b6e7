/* mantis/host.h - what Mantis lends to its plugins: errors, memory, text, log, clock, chance.
 *
 * All of it may be called on any thread unless a line here says otherwise.  A struct whose fields are
 * shown may be read; it is changed by the functions named here alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_HOST_H
#define MANTIS_HOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MANTIS_PRINTF(text, first) __attribute__ ((__format__ (__printf__, text, first)))
#define MANTIS_PUBLIC __attribute__ ((visibility ("default")))
#else
#define MANTIS_PRINTF(text, first)
#define MANTIS_PUBLIC
#endif

/* ---- Errors -------------------------------------------------------------------------------------
 *
 * A status says what the caller does next.  The text in struct mantis_error says what a person does
 * next: what happened, where (file, JSON path, table, key), and the way out.  It never carries a
 * secret: it may be logged and sent to a peer.
 */
enum mantis_status {
  MANTIS_OK = 0,
  MANTIS_BUSY,    /* somebody else holds it: the same call may succeed soon */
  MANTIS_FULL,    /* no room (disk, quota, limit): nothing was changed; try again when there is room */
  MANTIS_LOST,    /* the connection went away: open a new session; whether a commit took is unknown */
  MANTIS_REFUSED, /* the data breaks a rule of the database or of a policy: trying again is useless */
  MANTIS_STALE,   /* the schema is not the one that the caller knows: attach again */
  MANTIS_INVALID, /* the input is wrong: the caller's peer or configuration has to change */
  MANTIS_DENIED,  /* this principal may not */
  MANTIS_ABSENT,  /* there is no such thing */
  MANTIS_FAILED   /* all else: logged, and tried again later */
};

struct mantis_error {
  enum mantis_status status;
  char text[1000]; /* one line, UTF-8, no full stop needed; cut when longer */
};

/* Fill ERROR (may be NULL) and return STATUS, so that `return mantis_fail (error, ...)' reads well. */
MANTIS_PUBLIC enum mantis_status mantis_fail (struct mantis_error *error, enum mantis_status status,
                                              const char *format, ...) MANTIS_PRINTF (3, 4);

/* Put the formatted text and ": " before what ERROR already says; the status stays, and is returned.  ERROR may be
 * NULL: then MANTIS_FAILED is, whatever the status was. */
MANTIS_PUBLIC enum mantis_status mantis_fail_in (struct mantis_error *error, const char *format, ...)
    MANTIS_PRINTF (2, 3);

/* ---- Memory -------------------------------------------------------------------------------------
 *
 * An arena owns all that one message or one transaction brings, and is freed in one call.  Its limit is
 * the promise that nothing a peer sends balloons the process.  One thread at a time.
 */
struct mantis_arena;

/* LIMIT in bytes, 0 for none.  NULL when there is no memory. */
MANTIS_PUBLIC struct mantis_arena *mantis_arena_new (size_t limit);
MANTIS_PUBLIC void mantis_arena_free (struct mantis_arena *arena);
/* Forget everything, keep one chunk for the next use. */
MANTIS_PUBLIC void mantis_arena_reset (struct mantis_arena *arena);
/* SIZE bytes, zeroed, aligned for any type.  NULL when the limit or the memory is used up; from then on
 * mantis_arena_exhausted() is true, so that a caller may check once at the end of a row. */
MANTIS_PUBLIC void *mantis_arena_alloc (struct mantis_arena *arena, size_t size);
MANTIS_PUBLIC char *mantis_arena_strdup (struct mantis_arena *arena, const char *text);
/* LENGTH bytes and a NUL after them.  BYTES may contain NUL. */
MANTIS_PUBLIC char *mantis_arena_copy (struct mantis_arena *arena, const void *bytes, size_t length);
MANTIS_PUBLIC char *mantis_arena_printf (struct mantis_arena *arena, const char *format, ...)
    MANTIS_PRINTF (2, 3);
MANTIS_PUBLIC bool mantis_arena_exhausted (const struct mantis_arena *arena);
MANTIS_PUBLIC size_t mantis_arena_used (const struct mantis_arena *arena);

/* ---- Text ---------------------------------------------------------------------------------------
 *
 * The one way to build text.  Start with MANTIS_BUF_INIT.  An error (no memory, limit) sticks: further
 * calls do nothing, and it is read once, at the end.  bytes is always followed by a NUL.
 */
struct mantis_buf {
  char *bytes; /* NULL while empty */
  size_t length;
  size_t room;
  size_t limit; /* 0: none */
  bool failed;
};

#define MANTIS_BUF_INIT                                                                            \
  {                                                                                                \
    NULL, 0, 0, 0, false                                                                           \
  }

MANTIS_PUBLIC void mantis_buf_add (struct mantis_buf *buf, const void *bytes, size_t length);
MANTIS_PUBLIC void mantis_buf_text (struct mantis_buf *buf, const char *text);
MANTIS_PUBLIC void mantis_buf_char (struct mantis_buf *buf, char c);
MANTIS_PUBLIC void mantis_buf_printf (struct mantis_buf *buf, const char *format, ...)
    MANTIS_PRINTF (2, 3);
/* LENGTH writable bytes at the end; the caller then adds what it used to buf->length.  NULL: failed. */
MANTIS_PUBLIC char *mantis_buf_reserve (struct mantis_buf *buf, size_t length);
/* The text, now the caller's to free(); BUF is empty again.  NULL when it had failed. */
MANTIS_PUBLIC char *mantis_buf_take (struct mantis_buf *buf, size_t *length);
MANTIS_PUBLIC void mantis_buf_clear (struct mantis_buf *buf); /* length 0, memory kept */
MANTIS_PUBLIC void mantis_buf_free (struct mantis_buf *buf);
/* TEXT as a JSON string, quotes included (RFC 8259).  Bytes that are not UTF-8 become U+FFFD. */
MANTIS_PUBLIC void mantis_buf_json (struct mantis_buf *buf, const char *text, size_t length);

/* ---- Log ----------------------------------------------------------------------------------------
 *
 * One line an event, to standard error: time, level, text.  Never a secret, never a row's content.
 */
enum mantis_level { MANTIS_ERROR, MANTIS_WARNING, MANTIS_INFO, MANTIS_DEBUG };

MANTIS_PUBLIC void mantis_log (enum mantis_level level, const char *format, ...)
    MANTIS_PRINTF (2, 3);
MANTIS_PUBLIC bool mantis_logs (enum mantis_level level); /* would a line of LEVEL be written? */
/* -D NAME=VALUE of the command line, or NULL.  A developer's question, e.g. "sqlite.sql". */
MANTIS_PUBLIC const char *mantis_flag (const char *name);

/* ---- Threads ------------------------------------------------------------------------------------
 *
 * Of a plugin that needs one of its own.  It takes no signals, and its log goes where that of the thread goes that made
 * it: in an application that embeds Mantis, to the application.
 */
struct mantis_thread;

/* Run WORK (CONTEXT) on a thread named NAME (15 bytes at most).  Each is joined, once. */
MANTIS_PUBLIC enum mantis_status mantis_thread_start (const char *name, void (*work) (void *context),
                                                      void *context, struct mantis_thread **thread,
                                                      struct mantis_error *error);
/* Wait until WORK has returned, and free THREAD. */
MANTIS_PUBLIC void mantis_thread_join (struct mantis_thread *thread);

/* ---- Clock and chance ---------------------------------------------------------------------------
 *
 * Ask here, not the system: the simulation runs on a clock and a seed of its own.
 */
MANTIS_PUBLIC int64_t mantis_now (void);       /* milliseconds since 1970-01-01 UTC; may jump */
MANTIS_PUBLIC int64_t mantis_monotonic (void); /* microseconds since some moment; never goes back */
MANTIS_PUBLIC void mantis_random (void *bytes, size_t length); /* fit for keys and tokens */

#ifdef __cplusplus
}
#endif
#endif
