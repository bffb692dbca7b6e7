#!/bin/bash
# 08: a table's policy is changed on a running system: SIGHUP is enough, devices that are there hear of it by themselves, and what
# was queued before is decided by the new policy, and not lost; a policy that cannot be had leaves the old one in place.
. "${0%/*}/functions.sh"

port=$(free_port)
configure () # POLICY
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "stock": {"conflict_policy": $1}}}
END
}
configure '"timestamp"'
sql office "CREATE TABLE stock (id TEXT PRIMARY KEY, title TEXT, qty INTEGER); INSERT INTO stock VALUES ('k', 'title', 10), ('q', 'title', 10);
  CREATE TABLE other (id TEXT PRIMARY KEY, title TEXT)"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client
settled office tablet phone
stop_mantisd tablet
sql tablet "UPDATE stock SET title = 'queued' WHERE id = 'q'"
later
sql phone "UPDATE stock SET qty = 9 WHERE id = 'q'"
settled office phone

configure '{"plugin": "version", "second": "nobody"}'
kill -HUP "$(pid_of office)"
wait_for_message office 'nobody'
configure '{"plugin": "version", "columns": {"qty": "add"}}'
kill -HUP "$(pid_of office)"
wait_for_message office 'decided by the policies as they are now'
sql office "INSERT INTO other VALUES ('news', 'come')"
based ()
{
  [ "$(sql "$1" "SELECT count(*) FROM __sync_base WHERE tbl = 'stock' AND row IS NOT NULL")" = 2 ]
}
wait_for "the phone to keep what both agreed on" based phone
# The tablet's edit was queued before anybody kept a base: the row is decided as a whole, and the loser kept.
start_mantisd tablet --mode client
wait_for "the tablet to keep what both agreed on" based tablet
settled office tablet phone
[ "$(sql office "SELECT title || qty FROM stock WHERE id = 'q'")" = title9 ] || fail "$(sql office "SELECT * FROM stock")"
[ "$(sql tablet "SELECT json_extract(loser, '\$.title') FROM __sync_conflicts WHERE decided_by = 'version'")" = queued ] || fail "what was queued is lost"

# From now on both count.
stop_mantisd tablet
sql tablet "UPDATE stock SET qty = qty - 3, title = 'new' WHERE id = 'k'"
sql phone "UPDATE stock SET qty = qty - 4 WHERE id = 'k'"
settled office phone
# Back again, with an edit under way: nothing is lost either.
start_mantisd tablet --mode client
settled office tablet phone
[ "$(sql phone "SELECT title || qty FROM stock WHERE id = 'k'")" = new3 ] || fail "$(sql phone "SELECT * FROM stock")"
configure '"timestamp"'
kill -HUP "$(pid_of office)"
wait_for_message office 'decided by the policies as they are now' 2
sql office "INSERT INTO other VALUES ('more', 'news')"
wait_for "what nobody wants to be gone" eval '[ "$(sql phone "SELECT count(*) FROM __sync_base")" = 0 ]'
settled office tablet phone
