#!/bin/bash
# 08: three tills count down one row of the policy "version" with "add", in many small sales while earlier ones are on their way
# (D5), and one of them is killed when it sends and when it is answered: each sale counts once.
. "${0%/*}/functions.sh"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"stock": {"conflict_policy": {"plugin": "version", "columns": {"qty": "add"}}}}}
END
sql office "CREATE TABLE stock (id TEXT PRIMARY KEY, qty INTEGER, price REAL); INSERT INTO stock VALUES ('tick', 200, 10.0)"
start_mantisd office --mode server
for name in tablet phone till; do
  start_mantisd $name --mode client
  settled office $name
done
sell () # NAME TIMES
{
  local i

  for ((i = 0; i < $2; i++)); do
    sql "$1" "UPDATE stock SET qty = qty - 1 WHERE id = 'tick'"
  done
}
# With each exchange it comes nearer to its end.
dies ()
{
  ctl "$1" sync > /dev/null 2>&1 || true
  gone "$1"
}
for point in send answered; do
  stop_mantisd phone
  launch phone --config phone.json -D die.$point=9
  sell tablet 10 & a=$!
  sell till 10 & b=$!
  sell phone 10
  wait $a
  wait $b
  wait_for "the phone to die" dies phone
  { wait "${pids[phone]}"; } 2> /dev/null || true
  sell phone 2
  start_mantisd phone --mode client
  sell phone 3
  settled office tablet phone till
done
[ "$(sql till "SELECT qty FROM stock")" = 130 ] || fail "$(sql till "SELECT * FROM stock"), not 130 pieces"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "what counts on both sides is no conflict: $(sql office "SELECT * FROM __sync_conflicts")"
