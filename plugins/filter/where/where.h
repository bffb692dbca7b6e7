/* where.h - a rule over rows, written in SQL, and what it takes to ask SQLite about it.
 *
 *   words.c    what an expression consists of: what cannot be in one is refused, its parameters are found
 *   sandbox.c  a database in memory in which nothing can be had but the row, the tables that are lent, and harmless
 *              functions
 *   source.c   the row, and rows that are lent, as tables of that database
 *   caller.c   values of the parameters
 *   asker.c    the rules of one table, prepared; one for each thread that asks
 *   where.c    the filter
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef WHERE_H
#define WHERE_H

#include <mantis/filter.h>

#include <pthread.h>
#include <sqlite3.h>

enum {
  MOST_TEXT = 8000,            /* bytes of an expression */
  MOST_PARAMETERS = 100,       /* different ones of an expression */
  MOST_VALUE = 65536,          /* bytes of any value that an expression looks at or makes */
  MOST_READ = 32 * MOST_VALUE, /* bytes of all values that it is given for one answer */
  MOST_STEPS = 100000,         /* of SQLite's machine for one answer */
  MOST_KNOWN = 1024 * 1024,    /* bytes of callers that are remembered, by each thread that asks */
  VALUE_BYTES = 64,            /* of a value of theirs, about */
  KNOWN_CHAINS = 1024
};

/* The name of the one-row table in the database; Mantis keeps names of this kind to itself. */
#define ROW_TABLE "__sync_row"

/* ---- Expressions -------------------------------------------------------------------------------- */

struct rule {
  const char *option;                /* "read" or "write" */
  const char *text;                  /* NULL: there is no such rule */
  char *parameters[MOST_PARAMETERS]; /* without the colon */
  size_t parameter_count;
  bool asks_claims; /* not only :sub and :node */
};

enum mantis_status rule_read (struct rule *rule, struct mantis_error *error);
void rule_clear (struct rule *rule);

/* How many bytes at AT are shown of it: some, and no half of a letter. */
int rule_shown (const char *at);
/* Where the word WORD first stands in TEXT, in bytes; LENGTH of TEXT: nowhere. */
size_t rule_find (const char *text, const char *word);

/* ---- Tables ------------------------------------------------------------------------------------- */

struct shape { /* of a table, as SQLite is told */
  const char *name;
  const char *declaration;
  struct mantis_column *columns; /* name, class, collation, key_position, generated */
  size_t column_count;
  uint32_t *key;
  size_t key_count;
};

/* In ARENA; NULL: no memory. */
struct shape *shape_new (const struct mantis_table *table, struct mantis_arena *arena);
/* The place of the column NAME, as SQLite compares names; column_count: there is none. */
size_t shape_find (const struct shape *shape, const char *name);

struct form { /* a table with this filter, and the tables that it borrows from */
  struct form *next;
  struct mantis_arena *arena;
  const char *fingerprint;
  struct shape *own;
  struct shape **lent;  /* ends with NULL */
  struct rule *rules;   /* two: READ and WRITE */
  pthread_mutex_t lock; /* of what follows */
  struct asker *idle;
};

enum { READ, WRITE };

/* ---- Questions ---------------------------------------------------------------------------------- */

struct source { /* one of the asker's tables */
  struct asker *asker;
  const struct shape *shape;
  bool lent;
  bool connecting; /* SQLite hears of it for the first time, and asks for no row */
};

struct asker { /* used by one thread at a time */
  struct asker *next;
  struct form *form;
  sqlite3 *db;
  sqlite3_stmt *statements[2]; /* NULL: no such rule */
  struct source own, *lent;
  /* while a statement is prepared */
  bool *looks;       /* columns that it looks at; NULL: nobody wants to know */
  char refusal[300]; /* what the sandbox said, and the word that it said it about */
  char word[100];
  bool scans; /* a lent table was not asked by its key */
  /* while a question is asked */
  mantis_row row;
  const struct mantis_caller *caller;
  unsigned ticks;                    /* of the clock that goes with the machine's steps */
  size_t read;                       /* bytes given */
  struct known *known[KNOWN_CHAINS]; /* callers whose values were looked up, by their hash */
  size_t known_bytes;
  struct known *bound[2]; /* whose values the parameters have; NULL: nobody's */
};

/* ASKER's database with its limits, functions and tables. */
enum mantis_status sandbox_open (struct asker *asker, struct mantis_error *error);
/* Register the asker's own row and the tables that are lent. */
enum mantis_status source_register (struct asker *asker);

/* Give the parameters of RULE's statement CALLER's values, unless they have them. */
bool caller_bind (struct asker *asker, int rule, const struct mantis_caller *caller);
void callers_forget (struct asker *asker);
/* Add CALLER's values of the parameters of RULE. */
void caller_view (const struct rule *rule, const struct mantis_caller *caller,
                  struct mantis_buf *view);

/* With both rules prepared.  LOOKS, which may be NULL: the columns that the first one looks at. */
enum mantis_status asker_new (struct form *form, bool *looks, struct asker **asker,
                              struct mantis_error *error);
void asker_free (struct asker *asker);
/* No, where there is no answer. */
bool asker_ask (struct asker *asker, int rule, const struct mantis_caller *caller, mantis_row row);

#endif
