/* The symbol is there, and is a function.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
__attribute__ ((visibility ("default"))) void mantis_plugin (void);

void
mantis_plugin (void)
{
}
