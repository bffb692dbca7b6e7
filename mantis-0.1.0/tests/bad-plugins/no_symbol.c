/* A shared object that is no plugin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
extern int mantis_plugim;
int mantis_plugim = 1;
