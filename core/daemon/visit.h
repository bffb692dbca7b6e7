/* visit.h - one request, from its arrival to its answer; for service.c, which leads it over the loop, and visit.c, which
 * has it handled on a worker.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_VISIT_H
#define MANTIS_DAEMON_VISIT_H

#include "daemon/service.h"

#include "base/map.h"

#include <event2/event_struct.h>

enum stage { STAGE_WORK, STAGE_PARKED, STAGE_QUEUED, STAGE_ASKS };

enum {
  TOGETHER = 128,   /* that go to a worker together */
  FEW = 8,          /* the same, where somebody is asked about each */
  LOOK_AHEAD = 512, /* in the lane, for those that ask the same */
  CROWD_MS = 30000,
  SMALL = 16 * 1024 /* bytes of a push that may share its commit */
};

struct visit {
  struct task task;
  struct mantis_service *service;
  const struct mantis_request *request;
  struct mantis_request own; /* of a prompt one, as a worker may look at it after the answer */
  mantis_answered answered;
  void *context;
  uint64_t ticket;
  struct visit *next, **self; /* in the list of its stage, unless that is STAGE_WORK */
  enum stage stage;
  struct visit *fellow; /* goes to the worker with it */
  bool local, leads;    /* leads: it occupies the lane */
  bool told;            /* it was answered, while a worker still waits for the database */
  bool doubted;         /* credentials that were good before are looked at once more */
  bool prepared;        /* the transport has seen the reply's body */
  bool hang_up;         /* the connection shall not stay, either */
  uint64_t round;       /* of checks, that the present run knows of */
  atomic_bool cancelled;
  struct mantis_arena *arena; /* for the principal; NULL: not admitted yet */
  struct mantis_principal principal;
  struct reply reply;
  struct position position; /* after a commit of ours */
  uint64_t seen;            /* news that the present run knows of */
  int64_t generation;       /* when it arrived */
  uint64_t filters;         /* the same */
  uint64_t asks;            /* the question whose answer it waits for, in STAGE_ASKS */
  bool timed;               /* it has been parked, and its timer says how long that may be */
  bool due;                 /* that is over: its next answer is the last, whatever it says */
  struct event timer;
};

struct mantis_service {
  struct service_settings set;
  struct event_base *base;
  struct map tickets; /* -> visit */
  uint64_t last_ticket;
  size_t count; /* of visits */
  struct visit *parked, *queued, **queued_end;
  size_t in_lane;
  struct visit *asking; /* those in STAGE_ASKS */
  struct thinking *thinking;
  size_t crowd,
      crowd_before; /* most visits at once, in this window of time and in the one before */
  int64_t crowd_since;
  uint64_t news;    /* counts them */
  uint64_t round;   /* counts checks of who may come in */
  uint64_t filters; /* counts changes of filters */
  struct attending *attending;
  struct position position;
  bool draining;
  void (*empty) (void *context);
  void *empty_context;
};

/* Its reply tells the caller WHY it is turned away. */
void visit_refuse (struct visit *visit, enum mantis_status status, const char *why);

/* To a worker once more, from whichever list it is in. */
void visit_again (struct visit *visit);

/* ---- Resolvers that wait (think.c), on the loop -------------------------------------------------- */

/* Those who ask them: each on a thread of its own, apart from the workers. */
struct thinking *thinking_new (struct mantis_service *service);
void thinking_stop (struct thinking *thinking); /* wait for those who still think */
void thinking_free (struct thinking *thinking); /* NULL is fine */
/* There may be questions that nobody asks yet. */
void thinking_begin (struct thinking *thinking);

/* ---- On a worker (visit.c) --------------------------------------------------------------------- */
void visit_work (struct task *task, size_t worker);
/* The same for a leader and its fellows. */
void visits_work (struct task *task, size_t worker);
/* Pushes that waited while another was made share a commit. */
void pushes_work (struct task *task, size_t worker);
bool push_joins (const struct task *task, const struct task *next, size_t count);

#endif
