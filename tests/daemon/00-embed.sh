#!/bin/bash
# 00: applications that embed a node, built outside the tree against an installed copy: the examples of docs/embed.md,
# and two nodes in one process, which report what happens and leave the process as they found it.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3 sqlite3

root=$work/root
installed_copy "$root"
export EXAMPLE=$top/docs/examples/embed
cp -r "$EXAMPLE" embed
chmod -R u+w embed
make -C embed CFLAGS='-Wall -Wextra -Werror' > embed.log 2>&1 || fail "the example does not build: $(cat embed.log)"
page_shows "$top/docs/embed.md" embed/notes.c
[ "$(wc -l < embed/notes.c)" -le 60 ] || fail "embed/notes.c is longer than 60 lines"

sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('0', 'of the office')"
start_mantisd office --mode server
configure_client tablet # its token
token=$work/$(sed -n 's/.*"token_file": "\([^"]*\)".*/\1/p' tablet.json)

embedded ()
{
  env LD_LIBRARY_PATH="$(dirname "$(find "$root" -name libmantis.so.0)")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    MANTIS_PLUGIN_PATH="$(find "$root" -path '*/mantis/plugins' -type d)" "$@"
}

# The two examples, one after the other, each with a file of its own, and without a network.
mkdir c python
(cd c && embedded ../embed/notes "http://127.0.0.1:$port" "$token" 'written in C') > c.out 2> c.err ||
  fail "notes.c: $(cat c.out c.err)"
grep -qx 'notes: 1 rows are new' c.out && grep -qx -- '- written in C' c.out && grep -qx -- '- of the office' c.out ||
  fail "notes.c shows: $(cat c.out)"
(cd python && embedded python3 "$EXAMPLE/notes.py" "http://127.0.0.1:$port" "$token" 'written in Python') > python.out 2>&1 ||
  fail "notes.py: $(cat python.out)"
for line in 'notes: 2 rows are new' '- written in C' '- written in Python' '- of the office'; do
  grep -qx -- "$line" python.out || fail "notes.py shows: $(cat python.out)"
done
[ ! -s c.err ] || fail "notes.c complains: $(cat c.err)"
kill_mantisd office
(cd c && embedded ../embed/notes "http://127.0.0.1:$port" "$token" 'offline') > c.out 2> c.err || fail "offline: $(cat c.err)"
grep -q '^later: ' c.out && grep -qx -- '- offline' c.out || fail "notes.c shows, offline: $(cat c.out)"
launch office --config office.json
wait_for "the server" started office server
(cd c && embedded ../embed/notes "http://127.0.0.1:$port" "$token" 'again') > c.out 2> c.err || fail "again: $(cat c.err)"
[ "$(sql office "SELECT count(*) FROM notes WHERE body IN ('offline', 'again')")" = 2 ] || fail "the server lacks what C wrote"

# The same program with everything linked in: no plugin is looked for.
mkdir static
sh -c 'cc -Wall -Werror $(pkg-config --cflags mantis-static) -o static/notes embed/notes.c $(pkg-config --libs mantis-static)' > static.log 2>&1 ||
  fail "with libmantis_static.a: $(cat static.log)"
! ldd static/notes | grep mantis || fail "static/notes needs a shared Mantis"
(cd static && MANTIS_PLUGIN_PATH=$work ./notes "http://127.0.0.1:$port" "$token" 'all in one') > c.out 2>&1 || fail "all in one: $(cat c.out)"
grep -qx -- '- all in one' c.out && grep -qx -- '- again' c.out || fail "notes.c shows, all in one: $(cat c.out)"

# Two nodes, and the server stopped and started under them.
echo "${pids[office]}" > office.pid
cat > start << END
"$build/mantisd" --config office.json >> office.log 2>&1 < /dev/null &
echo \$! > office.pid
END
failed=0
(PATIENCE=$patience embedded python3 "$top/tests/daemon/embed.py" "http://127.0.0.1:$port" "$token" "$work/office.db" \
  'kill -9 "$(cat office.pid)"' '. ./start') > two.out 2>&1 || failed=1 # this shell says who was killed
pids[office]=$(cat office.pid)
[ $failed = 0 ] || fail "two nodes: $(cat two.out)"
[ ! -s two.out ] || fail "a node writes by itself: $(cat two.out)"
