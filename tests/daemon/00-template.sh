#!/bin/bash
# 00: the template that is installed becomes somebody's plugin as its README says: outside the tree, against an installed
# copy, it is built, keeps the laws of its kind, is installed and used; once it breaks a law, make check says so.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
installed_programs "$root"
template=$(pkg-config --variable=templatedir mantis)
cp -r "$root${template#"$root"}" tax
chmod -R u+w tax
cd tax
sed -n 's/^    \(mv mine.c .*\)$/\1/p' README.md > rename
grep -q . rename || fail "the README does not say how it is named"
. ./rename
make CFLAGS='-Wall -Wextra -Werror' > ../make.log 2>&1 || fail "it does not build: $(cat ../make.log)"
make check > ../check.log 2>&1 || fail "it breaks a law: $(cat ../check.log)"
grep -q '^ok  *same_answer_twice' ../check.log || fail "its laws were not tried: $(cat ../check.log)"
case $(pkg-config --cflags mantis) in
*"$root"*) ;;
*) fail "not built against the installed copy: $(pkg-config --cflags mantis)" ;;
esac
cp tax.c good.c

# A rule that changes its mind.
python3 - << 'END'
text = open("tax.c").read()
text = text.replace("static enum mantis_decision\ndecide", "static int calls;\n\nstatic enum mantis_decision\ndecide")
text = text.replace("  (void) merged, (void) arena;\n", "  (void) merged, (void) arena;\n  if (calls++ % 2)\n    return MANTIS_REFUSE;\n")
open("tax.c", "w").write(text)
END
status=0
make check CFLAGS='-Wall -Wextra -Werror' > ../check.log 2>&1 || status=$?
[ $status != 0 ] && grep -q '^FAIL  same_answer_twice' ../check.log || fail "a broken law is not seen: $(cat ../check.log)"
mv good.c tax.c
make install DESTDIR="$root" > ../install.log 2>&1 || fail "make install: $(cat ../install.log)"
cd ..

# Used by its name.
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "bills": {"conflict_policy": {"plugin": "tax", "column": "final"}}}}
END
sql office "CREATE TABLE bills (id TEXT PRIMARY KEY, title TEXT, final INTEGER); INSERT INTO bills VALUES ('a', 'draft', 0)"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
stop_mantisd tablet
sql tablet "UPDATE bills SET title = 'tablet', final = 1"
sleep 0.01
sql office "UPDATE bills SET title = 'office'"
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM __sync_conflicts WHERE decided_by = 'tax' AND reason = 'a final row stands'"
settled office tablet
[ "$(sql office "SELECT title FROM bills")" = tablet ] || fail "decided: $(sql office "SELECT * FROM bills")"
