#!/bin/bash
# 00: the authentication of docs/write-an-auth.md is built outside the tree against an installed copy, keeps the laws of its
# kind, and lets in who has a pass, beside jwt: nobody else, and nobody whose pass was taken back.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/passes" passes
chmod -R u+w passes
page_shows "$top/docs/write-an-auth.md" passes/passes.c
make -C passes CFLAGS='-Wall -Wextra -Werror' > passes.log 2>&1 || fail "the example does not build: $(cat passes.log)"
installed_programs "$root"
make -C passes check MANTIS_PLUGIN_TEST='mantis-plugin-test --seconds 300' > laws 2>&1 || fail "passes.so breaks a law: $(cat laws)"
grep -q '^ok  *the_good_are_accepted' laws && grep -q '^ok  *the_bad_are_refused' laws || fail "its laws were not tried: $(cat laws)"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "./passes/passes.so"],
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "passes", "file": "office.passes"}, {"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
pass ()
{
  head -c 24 /dev/urandom | base64 | tr -d '/+=\n'
}
pass > tablet.token
pass > spare.token
umask 077
echo "$(cat tablet.token) till-7 clerk" > office.passes
echo "# spare parts
$(cat spare.token) till-8 clerk" >> office.passes
sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('o', 'of the office')"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
sql tablet "INSERT INTO notes VALUES ('t', 'of the tablet')"
settled office tablet
ctl office nodes list > nodes
grep -q till-7 nodes || fail "the node is not of the subject of its pass: $(cat nodes)"

# status TOKEN: what the server answers to it.
status ()
{
  curl -sS -m "$patience" -o answer -w '%{http_code}' -H "Authorization: Bearer $1" "http://127.0.0.1:$port/sync/schema"
}
[ "$(status "$(cat spare.token)")" = 200 ] || fail "the second pass of the file"
[ "$(status "$(token curl)")" = 200 ] || fail "a token of jwt, which is asked next: $(cat answer)"
[ "$(status "$(pass)")" = 401 ] || fail "a pass that nobody has: $(cat answer)"

# A file that cannot be read changes nothing; one without the pass takes it back.
cp office.passes good
echo short >> office.passes
kill -HUP "$(pid_of office)"
wait_for_message office "line 4 is not a pass"
[ "$(status "$(cat spare.token)")" = 200 ] || fail "a file that cannot be read took a pass back"
grep -v till-8 good > office.passes
kill -HUP "$(pid_of office)"
taken_back () { [ "$(status "$(cat spare.token)")" = 401 ]; }
wait_for "the pass to be taken back" taken_back
sql tablet "UPDATE notes SET body = 'still here' WHERE id = 't'"
settled office tablet
