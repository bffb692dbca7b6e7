#!/bin/bash
# 13: values through a device, the server and another device, bit for bit: the Big List of Naughty Strings as values
# and as keys, doubles by their bits, 64-bit integers, infinities, NUL, bytes that are not UTF-8, BLOBs, NULL and what
# looks like something else.  V1, V4, V5, V8, V10, V11, V12, V14, V29, V30, V31, C19, C22.
. "${0%/*}/functions.sh"

for name in office till; do
  sql $name "CREATE TABLE value (id TEXT PRIMARY KEY, any, i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB,
    d DATETIME, flag BOOLEAN);
    CREATE TABLE \"by key\" (k BLOB, \"2\" TEXT NOT NULL, PRIMARY KEY (k, \"2\")) WITHOUT ROWID; CREATE TABLE real_key (x REAL PRIMARY KEY NOT NULL, n)"
done
cat > fill.py << 'END'
"""fill.py DATABASE SHARED: rows of every kind of value, each in a typeless column and where it fits; prints how many."""
import json, lzma, os, random, sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
db.text_factory = bytes
count = 0

def put(value, key=True):
    """In every column, and as a key."""
    global count
    count += 1
    db.execute("INSERT INTO value VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ("v%d" % count,) + (value,) * 8)
    if key and value is not None:
        db.execute('INSERT OR IGNORE INTO "by key" VALUES (?, ?)', (value, "x"))

def text(raw):
    """TEXT of any bytes, as C programs can write it."""
    global count
    count += 1
    db.execute("INSERT INTO value (id, any, t) VALUES (?, cast(? AS TEXT), cast(? AS TEXT))", ("t%d" % count, raw, raw))
    db.execute('INSERT OR IGNORE INTO "by key" VALUES (cast(? AS TEXT), ?)', (raw, "text"))

for v in (0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 10**18 + 1, None, b"", bytes(range(256)), b"\0" * 1000, "", "\0", "a\0b",
          "2024-02-30 25:61:00", "2024-01-01T00:00:00.123456Z", "20240101", 1700000000, 1700000000.5, 2460311.25, "1.005", "12:00", # in a DATETIME, too
          "007", "1e5", "null", "true", '{"a":1}', "[1,2]", '"', "\\", "NaN", "Infinity", "0x10", " 7", "7 ", "9223372036854775808", "1.0", "-0",
          float("inf"), float("-inf"), 0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1.0, -1.0, 1e15, 1e16, 123456789012345680.0,
          9007199254740993.0, "é", "e\u0301", "\U0001F389", "\ufeff", "\u2028", "\x7f", "$blob", "\ud7ff", "x" * 100000):
    put(v)
db.execute("INSERT INTO value (id, any) VALUES ('minus zero', ?)", (-0.0,))
for raw in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\0\xff", b"\xc0\x80", b"\xe2\x82", bytes(range(128, 256))):
    text(raw)
random.seed(13)
for _ in range(3000):
    x = struct.unpack("<d", struct.pack("<Q", random.getrandbits(64)))[0]
    if x == x:
        db.execute("INSERT OR IGNORE INTO real_key VALUES (?, ?)", (x, x))
        count += 1
strings = os.path.join(sys.argv[2], "conformance/strings-floats")
if os.path.exists(strings):
    for s in json.load(open(os.path.join(strings, "blns.json"), encoding="utf-8")):
        put(s)
    for name in sorted(os.listdir(strings)):
        if name.endswith(".xz"):
            for i, line in enumerate(lzma.open(os.path.join(strings, name), "rt")):
                if i % 40 == 0: # half, single, double, text
                    x = struct.unpack(">d", bytes.fromhex(line.split()[2]))[0]
                    if x == x:
                        db.execute("INSERT OR IGNORE INTO real_key VALUES (?, ?)", (x, line.split()[3].encode()))
                        count += 1
db.commit()
print(count)
END

# dump NAME: all rows by their bits: sqlite3's own printing rounds doubles.
cat > dump.py << 'END'
import sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1])
db.text_factory = lambda raw: ("text", raw)
for table in ("value", "by key", "real_key"):
    rows = db.execute('SELECT * FROM "%s"' % table).fetchall()
    print(table, len(rows))
    for line in sorted(repr([struct.pack(">d", v).hex() if isinstance(v, float) else v for v in row]) for row in rows):
        print(line)
END

same_bits ()
{
  local name

  for name in till office tablet; do
    python3 dump.py $name.db > $name.dump
  done
  for name in office tablet; do
    cmp -s till.dump $name.dump || { diff till.dump $name.dump | cut -c1-300 | head -n 10; fail "values are not the same in $name ($1)"; }
  done
}

start_mantisd office --mode server
start_mantisd till --mode client
start_mantisd tablet --mode client
settled office till tablet
filled=$(python3 fill.py till.db "$shared")
[ "$filled" -gt 3000 ] || fail "only $filled values"
settled office till tablet
same_bits "through the feed"
[ "$(kept office) $(kept till)" = "0 0" ] || fail "conflicts: $(sql office "SELECT tbl, key, reason FROM __sync_conflicts LIMIT 5")"

# A device that loads all of it; an update of each; V30: NULL, empty and absent are three things.
stop_mantisd tablet
rm -f tablet.db tablet.db-wal tablet.db-shm
start_mantisd tablet --mode client
settled office till tablet
same_bits "through the first load"
sql till "UPDATE value SET any = any, r = -r, b = NULL WHERE rowid % 2; UPDATE value SET t = '', b = x'' WHERE rowid % 3 = 0; UPDATE real_key SET n = -x"
settled office till tablet
same_bits "after updates"
call POST /sync/push -d '{"changes": [{"table": "value", "columns": ["id", "t"], "rows": [["v1", null], ["v2", ""]]}, {"table": "value", "columns": ["id", "i"], "rows": [["v3", 3]]}]}' > said
settled office till tablet
[ "$(sql tablet "SELECT typeof(t) FROM value WHERE id = 'v1'")$(sql tablet "SELECT typeof(t) || length(t) FROM value WHERE id = 'v2'")" = nulltext0 ] ||
  fail "NULL and '': $(cat said)"
same_bits "after a push by curl"
# A declared type says nothing of what is stored: numbers and text in a column of DATETIME, as they were put there (V29).
[ "$(sql tablet "SELECT group_concat(t, ' ') FROM (SELECT DISTINCT typeof(d) AS t FROM value ORDER BY 1)")" = "blob integer null real text" ] ||
  fail "types in a DATETIME: $(sql tablet "SELECT DISTINCT typeof(d) FROM value")"
# An idle cycle moves nothing (V31): settled has looked.
# German decimal commas, where the locale is there, and where it is not, nothing happens.
stop_mantisd till
LC_ALL=de_DE.UTF-8 start_mantisd till --mode client 2> locale.err
sql till "UPDATE real_key SET n = x * 1.5"
settled office till tablet
same_bits "with a decimal comma"
