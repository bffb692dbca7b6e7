/* attend.h - connections that stay, as far as they may: see mantis_service_attend().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_ATTEND_H
#define MANTIS_DAEMON_ATTEND_H

#include <mantis/transport.h>

struct attending;
struct service_settings;

/* Do CREDENTIALS and OTHERS show the same token? */
bool same_token (const struct mantis_credentials *credentials,
                 const struct mantis_credentials *others);
/* The credentials of those who came with CREDENTIALS are looked at once more. */
void attending_doubt (struct attending *attending, const struct mantis_credentials *credentials);

struct attending *attending_new (const struct service_settings *settings, struct event_base *base);
void attending_free (struct attending *attending); /* when nobody attends and no worker is busy */

uint64_t attending_add (struct attending *attending, const struct mantis_attendance *attendance);
void attending_remove (struct attending *attending, uint64_t ticket);

/* Whoever is turned away now leaves before this returns; the credentials of the others are looked at one
 * after the other. */
void attending_recheck (struct attending *attending);

#endif
