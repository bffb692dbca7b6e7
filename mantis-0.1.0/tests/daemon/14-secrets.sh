#!/bin/bash
# 14: secrets and rows stay out of logs, answers, statuses and process lists, at the highest level of logging and in
# every kind of trouble (O27); Mantis's own files are readable by their user alone.  (functions.sh looks through the logs
# of all other tests for their tokens and keys.)
. "${0%/*}/functions.sh"

secret=row-$(head -c 12 /dev/urandom | base64 | tr -dc a-z0-9)-content
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT CHECK (length(body) < 60))"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server --log-level debug
start_mantisd tablet --mode client --log-level debug
sql tablet "INSERT INTO note VALUES ('a', '$secret'), ('b', '$secret $secret $secret $secret')" # the second is refused
quiet tablet
sql office "UPDATE note SET body = '$secret, changed'"
settled office tablet
[ "$(kept tablet)" = 1 ] || fail "the refused row"
good=$(cat tablet.token)
for token in "x$good" "${good%?}" "$good$good" "${good%.*}." "$secret" "Basic $secret"; do
  curl -sS -o answer -H "Authorization: Bearer $token" "http://127.0.0.1:$port/sync/status?token=$good"
  grep -qF -e "$secret" -e "$good" answer && fail "an answer repeats what it was sent: $(cat answer)"
done
curl -sS -o answer -u "user:$secret" "http://127.0.0.1:$port/sync/push" -d "{\"$secret\": "
call POST /sync/push -d "{\"changes\": [{\"table\": \"note\", \"columns\": [\"id\", \"body\"], \"rows\": [[\"c\", \"$secret\"], [\"d\"]]}]}" > answer
echo "${good%?}" > tablet.token
kill -HUP "$(pid_of tablet)"
sql tablet "INSERT INTO note VALUES ('e', '$secret')"
wait_for_message tablet 'token refused'
ctl tablet status > status.txt
ctl office status >> status.txt
call GET /metrics >> status.txt
tr '\0' '\n' < "/proc/$(pid_of tablet)/cmdline" > process.txt
tr '\0' '\n' < "/proc/$(pid_of office)/cmdline" >> process.txt
grep -lF -e "$secret" -e "$good" -e "${good%?}" -e "$(cat jwt.key)" -- *.log status.txt process.txt && fail "a secret stands in these"
for file in jwt.key tablet.db.lock; do
  [ "$(stat -c %a $file)" = 600 ] || fail "$file can be read by others: $(stat -c %a $file)"
done
[ "$(stat -c %a office.db.control)" = 660 ] || fail "the control socket: $(stat -c %a office.db.control)"
echo "$good" > tablet.token
settled office tablet

# The search itself finds something.
echo "$good" > planted.log
leaks > /dev/null || fail "leaks() finds nothing"
rm planted.log

# SIGTERM again and again, in whatever it is doing (O21).
(while :; do sql tablet "INSERT INTO note VALUES (hex(randomblob(8)), 'x')"; sql office "INSERT INTO note VALUES (hex(randomblob(8)), 'x')"; done) 2> /dev/null &
writer=$!
cleanup_fn "kill $writer 2> /dev/null"
stop_mantisd tablet
stop_mantisd office
for ((round = 0; round < 12; round++)); do
  for name in tablet office; do
    launch $name --config $name.json
    case $((round % 3)) in
    0) ;; # before it has its signals in hand: then it just ends
    1) wait_for_message $name ready ;;
    2)
      wait_for_message $name ready
      count=$(sql $name "SELECT count(*) FROM note")
      wait_for_row $name "SELECT 1 WHERE (SELECT count(*) FROM note) > $count + 3"
      ;;
    esac
    stop_mantisd $name
    [ "$ended" = 0 ] || [ "$ended$((round % 3))" = 1430 ] || fail "$name ended with $ended"
  done
done
kill $writer
wait $writer 2> /dev/null || true
for name in tablet office; do
  [ "$(sql $name "PRAGMA integrity_check")" = ok ] || fail "$name.db is damaged"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
