#!/bin/bash
# 06: an application whose own SQLite is of 2014 (3.8.7, in sql.js 0.2.21) and that has no function of Mantis's writes
# into a captured file, in each way; all of it arrives, and what comes back can be read by it (C9, C20, C1, C3, C16, C22).
. "${0%/*}/functions.sh"
requires node npm
modules=$top/.build/npm
if [ ! -e "$modules/node_modules/sql.js/js/sql.js" ]; then
  mkdir -p "$modules"
  [ -e "$modules/package.json" ] || echo '{"private": true}' > "$modules/package.json"
  (cd "$modules" && timeout 120 npm install --no-audit --no-fund sql.js@0.2.21) > npm.log 2>&1 || skip "npm cannot fetch sql.js@0.2.21 here"
fi

cat > app.js << 'END'
// app.js DATABASE QUERY: the statements of standard input, then QUERY, on a copy in memory that is written back.
const fs = require('fs'), SQL = require(process.argv[4]);
const db = new SQL.Database(fs.readFileSync(process.argv[2]));
db.run(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify((db.exec(process.argv[3])[0] || {values: []}).values));
fs.writeFileSync(process.argv[2] + '.new', Buffer.from(db.export()));
fs.renameSync(process.argv[2] + '.new', process.argv[2]);
END
# old STATEMENTS QUERY: while Mantis is away, as the whole file is read and written.
old ()
{
  node app.js tablet.db "$2" "$modules/node_modules/sql.js/js/sql.js" <<< "$1" || fail "the old SQLite cannot: $1"
}

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT, n INTEGER UNIQUE); CREATE TABLE pair (b INTEGER, a TEXT, v REAL, PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE \"we\"\"ird 'tàble\" (\"the key\" INTEGER PRIMARY KEY, \"order\" BLOB);
  CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent ON DELETE CASCADE)"
sql office "$schema; INSERT INTO note VALUES ('a', 'one', 1), ('b', 'two', 2), ('c', 'three', 3); INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (10, 1), (20, 2)"
sql tablet "$schema"
start_mantisd office --mode server
# No write-ahead logging: a program that holds the file in memory does not see what lies beside it.
cat > tablet.json << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "tablet.db", "journal_mode": "keep"},
 "sync": {"server_url": "http://127.0.0.1:$port", "token_file": "tablet.token", "interval_seconds": 60}}
END
token tablet > tablet.token
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet

version=$(old "" "SELECT sqlite_version()")
[[ $version == *3.8.7* ]] || fail "that is SQLite $version"
old "INSERT INTO note VALUES ('d', 'émoji 🎉', 4);
  REPLACE INTO note VALUES ('e', 'evicts a', 1);
  INSERT OR IGNORE INTO note VALUES ('b', 'not this', 99);
  UPDATE OR REPLACE note SET n = 3 WHERE id = 'b';
  UPDATE note SET id = 'f', body = 'new key' WHERE id = 'd';
  INSERT INTO pair VALUES (1, 'x', 0.1), (2, 'x', -1.5e-300), (1, 'y', 9007199254740993);
  DELETE FROM pair WHERE b = 1 AND a = 'y';
  INSERT INTO \"we\"\"ird 'tàble\" VALUES (9223372036854775807, x'00ff00'), (-1, NULL);
  PRAGMA foreign_keys = ON; DELETE FROM parent WHERE id = 1;
  INSERT INTO parent SELECT id + 100 FROM parent" "SELECT last_insert_rowid(), changes()" > answer
[ "$(cat answer)" = "[[102,1]]" ] || fail "last_insert_rowid() and changes() are disturbed: $(cat answer)"
start_mantisd tablet --mode client
settled office tablet
[ "$(sql office "SELECT group_concat(id || n || body, ';') FROM (SELECT * FROM note ORDER BY id)")" = "b3two;e1evicts a;f4new key" ] || fail "notes: $(sql office "SELECT * FROM note")"
[ "$(sql office "SELECT group_concat(a || b || ' ' || v, ';') FROM pair")" = "x1 0.1;x2 -1.5e-300" ] || fail "pairs: $(sql office "SELECT * FROM pair")"
[ "$(sql office "SELECT count(*) FROM child WHERE p = 1")" = 0 ] || fail "a cascade was not captured"
[ "$(sql office "SELECT hex(\"order\") FROM \"we\"\"ird 'tàble\" WHERE \"the key\" > 0")" = 00FF00 ] || fail "the table with a strange name"
# And back.
sql office "UPDATE note SET body = 'from the office' WHERE id = 'f'"
settled office tablet
stop_mantisd tablet
[ "$(old "" "SELECT body FROM note WHERE id = 'f'")" = '[["from the office"]]' ] || fail "the old SQLite does not read what came"
