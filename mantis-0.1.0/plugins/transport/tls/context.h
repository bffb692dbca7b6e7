/* context.h - between context.c and accept.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_TLS_CONTEXT_H
#define MANTIS_TLS_CONTEXT_H

#include "tls.h"

#include <openssl/ssl.h>

struct tls {
  const struct tls_options *options;
  const char *owner;
  SSL_CTX *context;
};

#endif
