#!/bin/bash
# 16: applications that keep their connection for ever, in WAL and in rollback-journal mode, with an open read
# transaction, and in EXCLUSIVE mode: it works, or Mantis says why not and goes on when it can (O6, R5).
. "${0%/*}/functions.sh"

cat > app.py << 'END'
"""app.py DATABASE: SQL from standard input on one connection for ever; answers with a line for each."""
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
for line in sys.stdin:
    try:
        print(db.execute(line).fetchall(), flush=True)
    except sqlite3.Error as e:
        print("error:", e, flush=True)
END
# app NAME STATEMENT: on the application's own connection; its answer.
app ()
{
  local answer

  echo "$2" >&"${to[$1]}"
  IFS= read -r -t "$patience" -u "${from[$1]}" answer || fail "the application of $1 does not answer to $2"
  echo "$answer"
}
declare -A to=() from=()
connect ()
{
  local fd

  mkfifo "$1.in" "$1.out"
  python3 app.py "$1.db" < "$1.in" > "$1.out" &
  pids[app-$1]=$!
  exec {fd}> "$1.in"
  to[$1]=$fd
  exec {fd}< "$1.out"
  from[$1]=$fd
}

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'first')"
start_mantisd office --mode server
for name in wal keep; do
  sql $name "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
  configure_client $name
  sed -i "s/\"plugin\": \"sqlite\"/\"plugin\": \"sqlite\", \"journal_mode\": \"$name\"/" $name.json
done

for name in wal keep; do
  connect $name
  app $name "SELECT count(*) FROM note" > /dev/null # it is open before Mantis comes
  start_mantisd $name --mode client
  wait_for_sync $name office
  app $name "INSERT INTO note VALUES ('$name', 'long-lived')" > /dev/null
  wait_for_row office "SELECT 1 FROM note WHERE id = '$name'"
  case $(app $name "PRAGMA journal_mode")-$name in
  *wal*-wal | *delete*-keep) ;;
  *) fail "$name: journal mode $(app $name "PRAGMA journal_mode")" ;;
  esac
done

# A read transaction that stays open sees its own moment; Mantis goes on beside it where WAL allows.
app wal "BEGIN" > /dev/null
[ "$(app wal "SELECT count(*) FROM note")" = "[(3,)]" ] || [ "$(app wal "SELECT count(*) FROM note")" = "[(2,)]" ] || fail "rows of wal"
seen=$(app wal "SELECT count(*) FROM note")
sql office "INSERT INTO note VALUES ('b', 'while somebody reads')"
wait_for_row wal "SELECT 1 FROM note WHERE id = 'b'"
[ "$(app wal "SELECT count(*) FROM note")" = "$seen" ] || fail "a read transaction saw another moment"
app wal "COMMIT" > /dev/null
app wal "INSERT INTO note VALUES ('after', 'the read')" > /dev/null
wait_for_row office "SELECT 1 FROM note WHERE id = 'after'"
# With a rollback journal a reader keeps Mantis out for as long as it reads.
app keep "BEGIN" > /dev/null
app keep "SELECT count(*) FROM note" > /dev/null
sql office "INSERT INTO note VALUES ('c', 'a reader in the way')"
wait_for_message keep 'database is locked'
app keep "COMMIT" > /dev/null
ctl keep sync > /dev/null 2>&1 || true
wait_for_row keep "SELECT 1 FROM note WHERE id = 'c'"
settled office wal keep

# EXCLUSIVE: nobody else gets in at all.
stop_mantisd keep
app keep "PRAGMA locking_mode = EXCLUSIVE" > /dev/null
app keep "INSERT INTO note VALUES ('alone', 'exclusive')" > /dev/null
launch keep --config keep.json
wait_for_message keep 'locked'
alive keep || fail "mantisd gave up"
app keep "PRAGMA locking_mode = NORMAL" > /dev/null
app keep "SELECT count(*) FROM note" > /dev/null # the lock goes with the next access
wait_for_message keep ready
wait_for_row office "SELECT 1 FROM note WHERE id = 'alone'"
ctl keep sync > /dev/null 2>&1 || true
settled office wal keep
