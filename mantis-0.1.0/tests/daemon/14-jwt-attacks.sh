#!/bin/bash
# 14: no one in who does not belong: RFC 8725's attacks, Wycheproof's and RFC 7520's tokens (O23).
. "${0%/*}/functions.sh"
requires_shared conformance/jwt_attacks.py
requires python3 openssl

attack ()
{
  local algorithm=$1 key_file=$2

  shift 2
  port=$(free_port)
  cat > server.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "server.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "$algorithm", "key_file": "$key_file", "issuer": "us", "audience": "sync"}]}
END
  start_mantisd server --mode server
  python3 "$shared/conformance/jwt_attacks.py" "http://127.0.0.1:$port/sync/push" --alg "$algorithm" --iss us --aud sync \
    --pid "$(pid_of server)" "$@" > attacks || {
    cat attacks
    fail "$algorithm: an attack passed"
  }
  tail -n 1 attacks
  stop_mantisd server
}

(umask 077; openssl rand -hex 32 | tr -d '\n' > secret)
openssl genrsa -out rsa.pem 2048 2> /dev/null
openssl rsa -in rsa.pem -pubout -out rsa.pub 2> /dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
openssl ec -in ec.pem -pubout -out ec.pub 2> /dev/null
attack HS256 secret --secret-file secret
attack RS256 rsa.pub --key rsa.pem --pub rsa.pub
attack PS256 rsa.pub --key rsa.pem --pub rsa.pub
attack ES256 ec.pub --key ec.pem --pub ec.pub
