/* fuzz_http.c - bytes of any kind go through the guard, the parser and the body of a request.
 *
 * What is checked: nothing crashes, memory stays within the limits, and what the guard lets pass is
 * the same request whether it comes at once or byte by byte.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../plugins/transport/rest/rest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const struct rest rest = {.max_body_bytes = 4096, .max_header_bytes = 16384};

struct outcome {
  int status; /* 0: the request was taken, -1: it is not whole */
  uint64_t sum;
};

static uint64_t
sum_of (uint64_t sum, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3;
  return sum;
}

static struct outcome
feed (struct request *request, const char *bytes, size_t length, size_t step)
{
  struct refusal refusal = {.status = 0};
  size_t at = 0, used;

  for (;;) {
    size_t piece = step < length - at ? step : length - at;
    if (!request_feed (request, bytes + at, piece, &used, &refusal))
      return (struct outcome){.status = refusal.status};
    at += used;
    if (request->body.length > (size_t)rest.max_body_bytes)
      abort ();
    if (request->complete)
      return (struct outcome){.sum = sum_of (at, request->body.bytes, request->body.length)};
    if (at == length)
      return (struct outcome){.status = -1};
  }
}

static struct outcome
run (const char *bytes, size_t length, size_t step)
{
  struct budget budget = {.limit = 16384};
  struct guard guard = {.at = 0};
  struct refusal refusal = {.status = 0};
  struct outcome outcome = {.status = -1};
  enum verdict verdict = GUARD_MORE;
  struct request *request;

  for (size_t seen = 0; verdict == GUARD_MORE && seen < length;) {
    seen = step < length - seen ? seen + step : length;
    verdict = guard_head (&guard, bytes, seen);
  }
  if (verdict != GUARD_DONE)
    return (struct outcome){.status = verdict == GUARD_BAD ? 400 : -1};
  if (!(request = calloc (1, sizeof *request + guard.at + 1)))
    abort ();
  request->body.budget = &budget;
  if (request_parse (request, bytes + guard.start, guard.at - guard.start, &rest, &refusal))
    outcome = feed (request, bytes + guard.at, length - guard.at, step);
  else
    outcome.status = refusal.status;
  request_free (request);
  if (budget.used)
    abort ();
  return outcome;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *bytes = (const char *)data;
  struct outcome whole, pieces;

  whole = run (bytes, size, SIZE_MAX);
  pieces = run (bytes, size, 1);
  /* Which of several faults is named may differ. */
  if ((whole.status > 0) != (pieces.status > 0) || whole.sum != pieces.sum)
    abort ();
  return 0;
}
