#!/bin/bash
# 00: the client's half of the storage of docs/write-a-storage.md keeps the laws with files for an application, and is a
# device's: rows of a server with SQLite become files, files that shell commands write become its rows, at once and after a
# time offline; a conflict is decided and kept; and wherever it is killed while it writes files, or an application gets in
# between, nothing is lost and nothing is sent back.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3
without_sanitizer # which wants to be loaded before meanwhile.so

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/shelf" shelf
chmod -R u+w shelf
make -C shelf CFLAGS='-Wall -Wextra -Werror' > shelf.log 2>&1 || fail "the example does not build: $(cat shelf.log)"
installed_programs "$root"
laws="an_application_write_enters_the_log a_key_change_is_a_deletion_and_a_new_row numbers_never_come_twice a_read_transaction_sees_one_moment
  patterns_choose_and_the_others_are_left_alone detach_leaves_nothing a_client_logs_nothing_that_it_applies look_tells_of_others_only"
# shellcheck disable=SC2086  # one option for each
make -C shelf check-client MANTIS_PLUGIN_TEST="mantis-plugin-test --seconds 300 $(printf -- '--law %s ' $laws)" > laws 2>&1 &
pids[laws]=$!

# The office has SQLite; the desk has a folder.
start_mantisd office --mode server
sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT, pieces INTEGER);
  INSERT INTO notes VALUES ('a', 'of the office', 1), ('b', NULL, 9007199254740993), ('it''s/1', 'x', 0.5)"
cat > desk.json << END
{"mode": "client", "storage": {"plugin": "shelf", "path": "desk.shelf", "folder": "desk"},
 "plugins": ["rest", "./shelf/shelf.so"],
 "sync": {"server_url": "http://127.0.0.1:$port", "token_file": "desk.token", "interval_seconds": 60}}
END
start_mantisd desk --mode client

# file KEY JSON: as any program writes one that others read.
file ()
{
  echo "$2" > desk/notes/.part && mv desk/notes/.part "desk/notes/$1"
}

# Do the files and the office's table say the same, value by value?
cat > compare.py << 'END'
import base64, json, os, sqlite3, sys, urllib.parse
def said(value):
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
rows = sqlite3.connect("office.db").execute("SELECT id, body, pieces FROM notes")
table = sorted((id, repr(said(body)), repr(pieces)) for id, body, pieces in rows)
files = []
for name in os.listdir("desk/notes"):
    row = {} if name.startswith(".") else json.load(open("desk/notes/" + name))
    files += [(urllib.parse.unquote(name), repr(row.get("body")), repr(row.get("pieces")))]
sys.exit(sorted(files) != table)
END
alike ()
{
  wait_for "the files and the table to say the same: $(grep -r '' desk/notes 2>&1)" python3 compare.py
}
newest ()
{
  sql office "SELECT max(seq) FROM __sync_log"
}
alike

# Both ways, at once; a file that gets another name is another row.
file a '{"body": "of the desk", "pieces": 2}'
echo '{"pieces": 4}' > desk/notes/new
rm desk/notes/b
mv "desk/notes/it%27s%2F1" desk/notes/moved
wait_for_row office "SELECT 1 FROM notes WHERE id = 'a' AND pieces = 2"
wait_for_row office "SELECT 1 FROM notes WHERE id = 'moved' AND pieces = 0.5"
quiet desk
alike
[ "$(sql office "SELECT group_concat(id, ' ') FROM (SELECT id FROM notes ORDER BY id)")" = "a moved new" ] || fail "the office has $(sql office "SELECT * FROM notes")"
before=$(newest)
sql office "UPDATE notes SET body = 'ä \"' WHERE id = 'a'; DELETE FROM notes WHERE id = 'new'; INSERT INTO notes VALUES ('.x', x'00ff', 7)"
wait_for "the new row's file" test -e desk/notes/%2Ex
quiet desk
alike
[ "$(newest)" = $((before + 3)) ] || fail "what came was sent back: $(sql office "SELECT * FROM __sync_log WHERE seq > $before")"

# What no row can be read from is told, and neither sent nor written over; the others go on.
echo '{"body": ' > desk/notes/a
wait_until desk '"notes/a" in str(S)'
sql office "UPDATE notes SET pieces = 9 WHERE id = 'a'; UPDATE notes SET pieces = 10 WHERE id = 'moved'"
wait_for "the other row" grep -q '"pieces":10' desk/notes/moved
[ "$(cat desk/notes/a)" = '{"body": ' ] || fail "what nobody could read was written over"
echo '{"body": "mended", "pieces": 3}' > desk/notes/a
wait_for_row office "SELECT 1 FROM notes WHERE id = 'a' AND body = 'mended'"
quiet desk
alike

# Offline both write: what is not in each other's way comes together; of one row the later stands, and the other is kept.
stop_mantisd desk
file a '{"body": "earlier", "pieces": 1}'
file made '{"body": "offline"}'
rm desk/notes/%2Ex
sleep 0.01
sql office "UPDATE notes SET body = 'later' WHERE id = 'a'; UPDATE notes SET body = 'of the office' WHERE id = 'moved'"
start_mantisd desk --mode client
quiet desk
alike
[ "$(sql office "SELECT group_concat(id || body, ' ') FROM (SELECT * FROM notes ORDER BY id)")" = "alater madeoffline movedof the office" ] ||
  fail "the office has $(sql office "SELECT * FROM notes")"
ctl desk conflicts list > conflicts && grep -q notes conflicts || fail "what lost is not kept: $(cat conflicts)"

# Wherever it is killed while it writes files, all is as before or as after; and whatever an application does in between stays.
# meanwhile.so runs the script "meanwhile" at each step of the first transaction that changes files.
cat > meanwhile.c << 'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int step;
static void
meanwhile (const char *old, const char *new)
{
  char command[500];
  snprintf (command, sizeof command, "sh ./meanwhile %d %d '%s' '%s'", ++step, (int) getpid (), old, new);
  unsetenv ("LD_PRELOAD");
  (void) !system (command);
}
int
renameat2 (int from, const char *old, int to, const char *new, unsigned flags)
{
  meanwhile (old, new);
  return (int) syscall (SYS_renameat2, from, old, to, new, flags);
}
int
renameat (int from, const char *old, int to, const char *new)
{
  return renameat2 (from, old, to, new, 0);
}
int
rename (const char *old, const char *new)
{
  return step ? renameat (AT_FDCWD, old, AT_FDCWD, new) : (int) syscall (SYS_rename, old, new);
}
int
openat (int dir, const char *name, int flags, ...)
{
  int fd = (int) syscall (SYS_openat, dir, name, flags, 0666);
  if (flags & O_CREAT)
    meanwhile (name, "");
  return fd;
}
int
unlinkat (int dir, const char *name, int flags)
{
  meanwhile (name, "");
  return (int) syscall (SYS_unlinkat, dir, name, flags);
}
END
cc -shared -fPIC -o meanwhile.so meanwhile.c

sql office "INSERT INTO notes VALUES ('c1', '', 0), ('c4', '', 0), ('c8', '', 0), ('c10', '', 0), ('c11', '', 0), ('c12', '', 0), ('c13', '', 0), ('c14', '', 0), ('c15', '', 0)"
wait_for "the rows" test -e desk/notes/c15
quiet desk
# The office changes the row a, makes the row bN and deletes the row cN while the desk is away; the desk comes with SCRIPT.
come_with () # N SCRIPT
{
  stop_mantisd desk
  sql office "UPDATE notes SET body = body || 'x' WHERE id = 'a'; INSERT INTO notes VALUES ('b$1', '', 0); DELETE FROM notes WHERE id = 'c$1'"
  before=$(newest)
  echo "$2" > meanwhile
  LD_PRELOAD=$work/meanwhile.so launch desk --config desk.json --mode client
}
die_at () # PLACE
{
  wait_for "it to be killed at $1" gone desk
  wait "${pids[desk]}" || true
}
# A file begun, one changed, one added, all but the last word; and once more while that is taken back.
for steps in "1 2" "4 5" "8 3" "11 10"; do
  step=${steps% *} again=${steps#* }
  come_with "$step" "[ \$1 != $step ] || kill -9 \$2"
  die_at "step $step"
  echo "[ \$1 != $again ] || kill -9 \$2" > meanwhile
  LD_PRELOAD=$work/meanwhile.so launch desk --config desk.json --mode client
  die_at "step $again after step $step"
  start_mantisd desk --mode client
  quiet desk
  alike
  [ "$(newest)" = "$before" ] || fail "killed at step $step: sent back $(sql office "SELECT * FROM __sync_log WHERE seq > $before")"
done

# Killed before it has put back what an application has only half written.
come_with 10 "case \$3,\$4 in
  c10,.~c10) printf '{\"body\": ' > desk/notes/c10 ;;
  .~c10,c10) kill -9 \$2 ;;
esac"
die_at "half a file"
start_mantisd desk --mode client
wait_until desk '"notes/c10" in str(S)'
[ "$(cat desk/notes/c10)" = '{"body": ' ] || fail "what an application was writing is gone"
rm desk/notes/c10
quiet desk
alike

# An application that gets in between, at the last moment: it is an edit as any other, and what lost is kept.
edit () # KEY [AGAIN], as a line of the script, which ends with it: once
{
  echo "[ -e edited-$1${2-} ] || { touch edited-$1${2-}; echo '{\"body\": \"of the desk${2-}\"}' > desk/notes/$1.new; mv desk/notes/$1.new desk/notes/$1; exit; }"
}
conflicts=$(kept office)
come_with 12 "case \$1 in
  3) $(edit a) ;;
  4) kill -9 \$2 ;; # what it wrote has come out, and was not put back yet
esac"
die_at "step 4"
[ "$(sql office "SELECT count(*) FROM notes WHERE body = 'of the desk'")" = 0 ] && grep -q 'of the desk' desk/notes/.~a || fail "killed too late"
start_mantisd desk --mode client
quiet desk
alike
come_with 13 "echo \$3,\$4 >> calls
case \$3,\$4 in
  .~b13,b13) $(edit b13) ;;
  c13,.~c13) $(edit c13) ;;
esac"
wait_for "the last edit" test -e edited-c13
quiet desk
alike
[ "$(sql office "SELECT group_concat(id, ' ') FROM (SELECT id FROM notes WHERE body LIKE 'of the desk%' ORDER BY id)")" = "a b13 c13" ] ||
  fail "an edit is missing: $(sql office "SELECT * FROM notes")"
[ "$(grep -cx '\.~a,a' calls)" -ge 3 ] || fail "what was written before the edit was found was not taken back: $(cat calls)"
[ "$(kept office)" = $((conflicts + 3)) ] || fail "what lost is not kept: $(sql office "SELECT * FROM __sync_conflicts")"
come_with 14 "case \$3,\$4 in
  .~a,a)
    $(edit a -again) # it comes out
    $(edit a -last)  # and this one, when that is put back
    ;;
esac"
wait_for_row office "SELECT 1 FROM notes WHERE body = 'of the desk-last'"
quiet desk
alike
come_with 15 "case \$3,\$4 in
  .~a,)
    rm desk/notes/a
    kill -9 \$2
    ;;
esac"
die_at "a file that an application removes"
start_mantisd desk --mode client
quiet desk
alike
[ "$(sql office "SELECT count(*) FROM notes WHERE id = 'a'")" = 0 ] || fail "a file that an application removed is back"

# A folder that is away is not empty.
mv desk/notes aside
wait_for_message desk 'the folder of table "notes" in'
before=$(newest)
mv aside desk/notes
file a '{"body": "back"}'
wait_for_row office "SELECT 1 FROM notes WHERE body = 'back'"
quiet desk
alike
[ "$(newest)" = $((before + 1)) ] || fail "rows of a folder that was away: $(sql office "SELECT * FROM __sync_log WHERE seq > $before")"

wait "${pids[laws]}" || fail "shelf.so breaks a law: $(cat laws)"
unset "pids[laws]"
grep -q ': 8 kept, 0 broken, 0 not tried' laws || fail "not all were tried: $(cat laws)"
