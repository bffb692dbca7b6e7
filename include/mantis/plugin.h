/* mantis/plugin.h - who I am: the one symbol of a plugin, its options, its life, its threads.
 *
 * A plugin is a shared object with one constant data symbol, mantis_plugin, made by the macro of its
 * kind (MANTIS_RESOLVER_PLUGIN and so on, in the kind's header).  Nothing of a plugin runs when it is
 * opened: Mantis reads the symbol, checks it, checks the options against the table, and only then calls
 * start().  Opened with RTLD_NOW | RTLD_LOCAL, never closed while the process lives.
 *
 * An old plugin keeps working: structs grow only at their end, and each says its own size.  What lies
 * behind that size counts as zero.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PLUGIN_H
#define MANTIS_PLUGIN_H

#include <mantis/change.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_ABI 1u             /* of struct mantis_plugin and of what this header includes */
#define MANTIS_MAGIC 0x4d414e54u  /* "MANT" */

enum mantis_kind {
  MANTIS_KIND_TRANSPORT = 1,
  MANTIS_KIND_STORAGE,
  MANTIS_KIND_AUTH,
  MANTIS_KIND_RESOLVER,
  MANTIS_KIND_FILTER,
  MANTIS_KIND_HOOK
};

/* ---- Options ------------------------------------------------------------------------------------
 *
 * One row an option.  Mantis checks what the configuration says (type, range, required; an unknown name
 * is refused with the nearest known one), and writes it into the plugin's own struct at OFFSET.  The
 * table ends with a row whose name is NULL.  A name with a dot, "tls.key_file", is a key inside an
 * object.
 */
enum mantis_option_type {
  MANTIS_OPTION_BOOL,     /* bool */
  MANTIS_OPTION_INTEGER,  /* int64_t, minimum..maximum */
  MANTIS_OPTION_SIZE,     /* int64_t, bytes; in the file a number, or "64k", "8M", "1G" */
  MANTIS_OPTION_DURATION, /* int64_t, milliseconds; in the file a number of seconds, or "250ms", "30s",
                             "5m", "2h", "30d" */
  MANTIS_OPTION_REAL,     /* double, minimum..maximum */
  MANTIS_OPTION_TEXT,     /* const char * */
  MANTIS_OPTION_CHOICE,   /* const char *, one of choices, which are separated by '|' */
  MANTIS_OPTION_FILE,     /* const char *, absolute: relative paths belong to the config's folder */
  MANTIS_OPTION_LIST,     /* const char *const *, ends with NULL; in the file a string or an array */
  MANTIS_OPTION_LISTS,    /* const char *const *const *, lists that end with NULL, as does the whole; in the
                             file an array of arrays */
  MANTIS_OPTION_MAP       /* const char *const *, name and value by turns, ends with NULL; in the file an
                             object of texts, each one of choices where there are any */
};

struct mantis_option {
  const char *name;
  uint32_t type;             /* enum mantis_option_type */
  uint32_t offset;           /* into the plugin's struct */
  const char *default_value; /* as it would stand in the file, without quotes; NULL: unset (0, NULL) */
  int64_t minimum, maximum;  /* of a number; both 0: any */
  const char *choices;
  bool required;
  const char *help; /* half a sentence, for --dump-plugin and the man page */
};

#define MANTIS_OPTION(self, field, option_type, default_text, help_text, ...)                      \
  {                                                                                                \
    .name = #field, .type = option_type, .offset = offsetof (self, field),                         \
    .default_value = default_text, .help = help_text, __VA_ARGS__                                  \
  }
#define MANTIS_BOOL(self, field, value, help) MANTIS_OPTION (self, field, MANTIS_OPTION_BOOL, value, help, .required = false)
#define MANTIS_INTEGER_OPTION(self, field, value, low, high, help) MANTIS_OPTION (self, field, MANTIS_OPTION_INTEGER, value, help, .minimum = low, .maximum = high)
#define MANTIS_SIZE(self, field, value, low, high, help) MANTIS_OPTION (self, field, MANTIS_OPTION_SIZE, value, help, .minimum = low, .maximum = high)
#define MANTIS_DURATION(self, field, value, low, high, help) MANTIS_OPTION (self, field, MANTIS_OPTION_DURATION, value, help, .minimum = low, .maximum = high)
#define MANTIS_TEXT_OPTION(self, field, value, help) MANTIS_OPTION (self, field, MANTIS_OPTION_TEXT, value, help, .required = false)
#define MANTIS_CHOICE(self, field, value, list, help) MANTIS_OPTION (self, field, MANTIS_OPTION_CHOICE, value, help, .choices = list)
#define MANTIS_FILE(self, field, value, help) MANTIS_OPTION (self, field, MANTIS_OPTION_FILE, value, help, .required = false)
#define MANTIS_LIST(self, field, value, help) MANTIS_OPTION (self, field, MANTIS_OPTION_LIST, value, help, .required = false)
#define MANTIS_LISTS(self, field, help) MANTIS_OPTION (self, field, MANTIS_OPTION_LISTS, NULL, help, .required = false)
#define MANTIS_MAP(self, field, list, help) MANTIS_OPTION (self, field, MANTIS_OPTION_MAP, NULL, help, .choices = list)

/* ---- Threads ------------------------------------------------------------------------------------
 *
 * The safe model is the one that you get by writing nothing: one call at a time for each instance.
 */
enum mantis_threads {
  MANTIS_ONE_AT_A_TIME = 0,
  MANTIS_PARALLEL = 1, /* several threads may call one instance at once */
  MANTIS_WAITS = 2     /* calls may take long (a program, the network): made outside transactions */
};

/* ---- The plugin --------------------------------------------------------------------------------- */
struct mantis_plugin {
  uint32_t magic;
  uint32_t abi;
  size_t size; /* of this struct as the plugin knew it */
  uint32_t kind;
  uint32_t kind_abi;
  const char *name;    /* lower case letters, digits, '_' and '-' */
  const char *summary; /* half a sentence */
  const char *version; /* NULL: that of Mantis */
  const void *ops;     /* the kind's struct; begins with its size */
  size_t self_size;    /* of the plugin's own struct: zeroed, filled from options, given to each call */
  const struct mantis_option *options; /* NULL: none */
  uint32_t threads;                    /* enum mantis_threads, or-ed */
  /* Once for each use in the configuration, before any other call; on the main thread. */
  enum mantis_status (*start) (void *self, struct mantis_error *error);
  /* Once for each start() that succeeded, after the last other call. */
  void (*stop) (void *self);
};

#if defined(MANTIS_STATIC_NAME)
/* Linked into a program (tests, fuzzers) beside others: the build names the symbol. */
#define MANTIS_PLUGIN_SYMBOL MANTIS_STATIC_NAME
#else
#define MANTIS_PLUGIN_SYMBOL mantis_plugin
#endif

#define MANTIS_PLUGIN(plugin_name, plugin_kind, plugin_kind_abi, plugin_ops, ...)                  \
  extern MANTIS_PUBLIC const struct mantis_plugin MANTIS_PLUGIN_SYMBOL;                            \
  MANTIS_PUBLIC const struct mantis_plugin MANTIS_PLUGIN_SYMBOL                                    \
      = { .magic = MANTIS_MAGIC,                                                                   \
          .abi = MANTIS_ABI,                                                                       \
          .size = sizeof (struct mantis_plugin),                                                   \
          .kind = plugin_kind,                                                                     \
          .kind_abi = plugin_kind_abi,                                                             \
          .name = #plugin_name,                                                                    \
          .ops = plugin_ops,                                                                       \
          __VA_ARGS__ }

#ifdef __cplusplus
}
#endif
#endif
