/* json.h - reading a message: jansson within a budget, and members with their JSON path in errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_JSON_H
#define MANTIS_WIRE_JSON_H

#include <jansson.h>
#include <mantis/host.h>

/* Once, before any other use of jansson: memory is counted from here on. */
void json_start (void);

/* BODY as a JSON object; the caller's to json_decref().  Of members with one name the last counts.  NULL: not
 * JSON (with line and column), no object, or a tree out of all proportion to its text. */
json_t *json_read (const char *body, size_t length, struct mantis_error *error);

static inline void
cleanup_json_pointer (json_t **json)
{
  json_decref (*json);
}
#define CLEANUP_JSON __attribute__ ((cleanup (cleanup_json_pointer)))

/* Members of OBJECT.  Absent or null gives FALLBACK; a value of another type sets *STATUS to MANTIS_INVALID
 * and ERROR, unless an earlier one did, so that a caller checks once after reading several. */
int64_t json_get_integer (const json_t *object, const char *name, int64_t fallback,
                          enum mantis_status *status, struct mantis_error *error);
bool json_get_bool (const json_t *object, const char *name, bool fallback,
                    enum mantis_status *status, struct mantis_error *error);
const char *json_get_text (const json_t *object, const char *name, const char *fallback,
                           enum mantis_status *status, struct mantis_error *error);
const json_t *json_get_array (const json_t *object, const char *name, enum mantis_status *status,
                              struct mantis_error *error);
const json_t *json_get_object (const json_t *object, const char *name, enum mantis_status *status,
                               struct mantis_error *error);

/* Is TEXT one of ARRAY?  Of what is none it is not. */
bool json_has_text (const json_t *array, const char *text);

/* The number of JSON's form in TEXT, whatever the locale.  False: too large. */
bool json_number (const char *text, size_t length, double *real);

/* Of what JSON (NULL: nothing) says, whatever the order of its members; SEED may be another one's. */
uint64_t json_hash (const json_t *json, uint64_t seed);

/* ,"NAME":"TEXT" to what is in BUF; nothing where TEXT is NULL or empty. */
void json_add_text (struct mantis_buf *buf, const char *name, const char *text);

#endif
