# certificates.sh - authorities and certificates for tests, in the present folder.  Sourced by bash:
#
#   authority NAME                          NAME.crt and NAME.key
#   certificate NAME AUTHORITY NAMES [DAYS] NAME.crt and NAME.key for NAMES, e.g. DNS:office.example,IP:127.0.0.1;
#                                           with "self" for AUTHORITY signed by itself; DAYS of -1: expired
#   client_certificate NAME AUTHORITY CN    for a client
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

new_key ()
{
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1.key"
  chmod 600 "$1.key"
}

authority ()
{
  new_key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1 of a test" -days 30 -out "$1.crt"
}

# signed NAME SUBJECT AUTHORITY DAYS EXTENSIONS
signed ()
{
  local by=(-CA "$3.crt" -CAkey "$3.key")

  [ "$3" != self ] || by=(-signkey "$1.key")
  new_key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" "${by[@]}" -set_serial $((RANDOM * 32768 + RANDOM + 1)) -days "$4" -out "$1.crt" \
    -extfile <(printf '%s\n' "$5") 2> openssl.err || { cat openssl.err; return 1; }
  rm "$1.csr"
}

certificate ()
{
  signed "$1" "/CN=$1" "$2" "${4:-30}" "subjectAltName=$3"
}

client_certificate ()
{
  signed "$1" "/CN=$3" "$2" 30 "extendedKeyUsage=clientAuth"
}
