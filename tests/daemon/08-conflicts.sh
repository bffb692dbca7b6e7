#!/bin/bash
# 08: docs/conflicts.md case by case, on two devices: the later change stands, also among deletions (K6, in all four
# orders), on all nodes (K7); what lost is found by SQL and brought back by SQL (K12); one number for two rows (K23);
# rows from before Mantis: equal ones are no conflict (K10), of different ones the server's stands.
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE counted (id INTEGER PRIMARY KEY, body TEXT);
  INSERT INTO notes VALUES ('same', 'equal'), ('met', 'the server''s')"
sql tablet "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('same', 'equal'), ('met', 'the tablet''s'), ('own', 'only here')"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client
settled office tablet phone
[ "$(sql phone "SELECT group_concat(id || '=' || body) FROM (SELECT * FROM notes ORDER BY id)")" = "met=the server's,own=only here,same=equal" ] ||
  fail "first contact: $(sql phone "SELECT * FROM notes")"
lost ()
{
  sql "$1" "SELECT group_concat(coalesce(json_extract(loser, '$.body'), 'deletion') || '<' || coalesce(json_extract(winner, '$.body'), 'deletion'))
    FROM (SELECT * FROM __sync_conflicts WHERE key IN ('[\"$2\"]', '[$2]') ORDER BY id)"
}
[ "$(kept office)" = 1 ] && [ "$(lost tablet met)" = "the tablet's<the server's" ] || fail "first contact: $(lost office met)"

stands ()
{
  local got

  got=$(sql phone "SELECT body FROM notes WHERE id = '$1'")
  [ "$got" = "$2" ] || fail "$1: \"$got\" stands, not \"$2\""
  got=$(lost office "$1")
  [ "$got" = "$3" ] || fail "$1: \"$got\" is kept, not \"$3\""
}
# What the tablet does to a row, and the phone after it, both offline; then they are back in either order.
edit ()
{
  echo "UPDATE notes SET body = '$2' WHERE id = '$1';"
}
delete ()
{
  echo "DELETE FROM notes WHERE id = '$1';"
}
for order in "tablet phone" "phone tablet"; do
  who=${order:0:1}
  sql office "INSERT INTO notes SELECT '$who' || value, 'start' FROM json_each('[\"edits\", \"gone\", \"back\", \"deletions\", \"same\"]')"
  settled office tablet phone
  stop_mantisd tablet
  stop_mantisd phone
  sql tablet "$(edit ${who}edits early; edit ${who}gone early; delete ${who}back; delete ${who}deletions; edit ${who}same early)"
  later
  sql phone "$(edit ${who}edits late; delete ${who}gone; edit ${who}back late; delete ${who}deletions; edit ${who}same early)"
  for name in $order; do
    start_mantisd "$name" --mode client
    wait_until "$name" 'S["caught_up"] and S["waiting"] == 0'
  done
  settled office tablet phone
  stands ${who}edits late "early<late"
  stands ${who}gone "" "early<deletion"
  stands ${who}back late "deletion<late"
  stands ${who}deletions "" ""
  stands ${who}same early ""
done
[ "$(lost tablet tedits)" = "" ] && [ "$(lost tablet pedits)" = "early<late" ] || fail "what a device lost itself is kept there"

# The page's SQL: find it, and bring it back.
python3 - "$top/docs/conflicts.md" << 'END'
import re, sys
for i, query in enumerate(re.findall(r"^```sql\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S)):
    open(f"{i}.sql", "w").write(query)
END
sql tablet "DELETE FROM __sync_conflicts WHERE json_extract(key, '\$[0]') <> 'pedits'"
[ "$(sql tablet "$(cat 0.sql)" | cut -d'|' -f 2-)" = '["pedits"]|superseded|early|late' ] || fail "$(sql tablet "$(cat 0.sql)")"
sql tablet "$(cat 1.sql)"
wait_for_row phone "SELECT 1 FROM notes WHERE id = 'pedits' AND body = 'early'"
settled office tablet phone

# Two devices count to the same number.
grep -q 'counted: its INTEGER PRIMARY KEY' tablet.log || fail "no warning about counted keys"
stop_mantisd tablet
stop_mantisd phone
sql tablet "INSERT INTO counted (body) VALUES ('of the tablet')"
later
sql phone "INSERT INTO counted (body) VALUES ('of the phone')"
start_mantisd tablet --mode client
start_mantisd phone --mode client
settled office tablet phone
[ "$(sql tablet "SELECT body FROM counted")" = "of the phone" ] && [ "$(lost office 1)" = "of the tablet<of the phone" ] || fail "K23: $(lost office 1)"
