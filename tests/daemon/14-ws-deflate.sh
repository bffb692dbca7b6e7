#!/bin/bash
# 14: permessage-deflate is agreed on as RFC 7692 says; what is compressed counts by what it inflates to, is checked as text like any other,
# and takes no memory when it has been read.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
configure_server office
sed -i 's/"transport": "rest",/"transport": "rest", "max_connections": 500,/' office.json
sed -i 's/^ "auth"/ "plugins": ["rest", "sqlite", "jwt", "timestamp", {"path": "websocket", "options": {"max_message_bytes": "1M", "max_buffered_bytes": "4M"}}],\n&/' office.json
start_mantisd office --mode server
token office > office.token
cat > deflate.py << END
import sys, time
sys.path.insert(0, "$top/tests/daemon")
from ws import *
pid, port = $(pid_of office), $port
END
cat >> deflate.py << 'END'
token = open("office.token").read().strip()
def W(*offers):
    return WebSocket(port, token, *(f"Sec-WebSocket-Extensions: {offer}" for offer in offers))
def resident():
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096

# ---- What is agreed on.
both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
for offers, agreed in (
    ([], None),
    ([""], None),
    (["permessage-deflate"], both),
    (["PerMessage-Deflate"], both),
    (["permessage-deflate; client_max_window_bits"], both),
    (["permessage-deflate; client_max_window_bits=8"], both),
    (["permessage-deflate ;\tserver_no_context_takeover;client_no_context_takeover"], both),
    (["permessage-deflate; server_max_window_bits=10"], both + "; server_max_window_bits=10"),
    (['permessage-deflate; server_max_window_bits="15"'], both + "; server_max_window_bits=15"),
    # Declined: what is not known, not so written, or said twice.
    (["x-webkit-deflate-frame"], None),
    (["permessage-deflate; server_max_window_bits"], None),
    (["permessage-deflate; server_max_window_bits=08"], None),
    (["permessage-deflate; server_max_window_bits=8"], None),  # zlib has none
    (["permessage-deflate; server_max_window_bits=16"], None),
    (["permessage-deflate; client_max_window_bits=7"], None),
    (["permessage-deflate; server_no_context_takeover=1"], None),
    (["permessage-deflate; client_no_context_takeover; client_no_context_takeover"], None),
    (["permessage-deflate; quality=9"], None),
    # The first that will do.
    (["permessage-deflate; quality=9, permessage-deflate"], both),
    (["x-other; a=\"b\", permessage-deflate; server_max_window_bits=8, , permessage-deflate; server_max_window_bits=9"], both + "; server_max_window_bits=9"),
    (["permessage-deflate, permessage-deflate; server_max_window_bits=9"], both),
    (["permessage-deflate; quality=9", "permessage-deflate"], None),  # in two lines
):
    got = W(*offers).agreed
    assert got == agreed, (offers, got)
for offer in ("permessage-deflate;", "permessage-deflate; =1", "permessage-deflate; a=", "permessage deflate", 'a; b="c d"', 'a; b="c', "a; b=c/d", "/", "a; b;; c"):
    try:
        W(offer)
        raise AssertionError(offer)
    except Refused as refused:
        assert refused.status == 400, (offer, refused.status)

# ---- Messages.
w = W("permessage-deflate")
rows = [[f"k{i}", "über " * 40] for i in range(200)]
push = json.dumps({"type": "push", "id": 1, "body": {"changes": [{"table": "note", "columns": ["id", "body"], "rows": rows}]}}, ensure_ascii=False).encode()
w.send_compressed(push)
a = w.receive()
assert a["id"] == 1 and a["status"] == 200, a
head = w.ask({"type": "pull", "body": {}})["body"]["cursor"]
load = {"type": "pull", "id": 2, "body": {"cursor": head, "load": {"table": "note", "limit": 500}}}
w.send_compressed(json.dumps(load).encode())
before = w.compressed
a = w.receive()
assert a["status"] == 200 and a["body"]["load"]["changes"][0]["rows"][7][1] == "über " * 40 and w.compressed == before + 1, a
w.compressed = 0
for pieces in (2, 7):  # fragments, with a ping between them
    w.send_compressed(push[:100] + b" " * 50000 + push[100:], pieces)
    assert w.receive()["status"] == 200
w.frame(1, deflated(push)[:50], False, RSV1)
w.frame(9, b"ping")
assert w.next() == (10, b"ping")
w.frame(0, deflated(push)[50:])
assert w.receive()["status"] == 200
a = w.ask({"type": "noop", "id": 3})  # as it is, between compressed ones
assert a["status"] == 404 and w.compressed == 0, (a, w.compressed)  # and short ones are not compressed

# RFC 7692, 7.2.3: blocks that are stored, of a fixed code, last ones, several, none.
for small in (bytes.fromhex("f248cdc9c90700"), bytes.fromhex("000500faff48656c6c6f00"), bytes.fromhex("f348cdc9c9070000"),
              bytes.fromhex("f248050000 00ffffcac9c90700"), b"\0"):
    w.frame(1, small, True, RSV1)
    a = w.receive()
    assert a["type"] == "error" and a["status"] == 400, (small, a)
w.frame(2, b"\xff\xff\xff", True, RSV1)  # nobody looks into a binary one
assert w.receive()["status"] == 400
narrow = W("permessage-deflate; server_max_window_bits=9")
a = narrow.ask(load)
assert a["status"] == 200 and len(a["body"]["load"]["changes"][0]["rows"]) == 200 and narrow.compressed == 1

# When a message has been read, nothing of it stays: a stream would be 40 kB, one that compresses 256 kB.
def talk(w):
    w.send_compressed(b'{"type":"metrics","body":"' + os.urandom(5000).hex().encode() + b'"}')
    assert w.receive()["status"] == 200 and w.compressed == 1
talk(W("permessage-deflate"))
before = resident()
idle = [W("permessage-deflate") for i in range(400)]
for i in idle:
    talk(i)
print("an idle connection has", (resident() - before) // 400)
assert resident() - before < 400 * 24576
del idle

# ---- What is wrong.
def closes(*frames, offers=("permessage-deflate",)):
    w = W(*offers)
    for frame in frames:
        w.frame(*frame)
    return w.closes()
noop = b'{"type":"noop"}'
assert closes((1, deflated(noop), True, RSV1), offers=()) == 1002         # nobody agreed on it
assert closes((1, deflated(noop), True, 2)) == 1002                       # other bits
assert closes((1, deflated(noop)[:3], False, RSV1), (0, deflated(noop)[3:], True, RSV1)) == 1002  # on a fragment
assert closes((9, b"", True, RSV1)) == 1002
assert closes((1, b"\xff\xff\xff\xff", True, RSV1)) == 1007
assert closes((1, deflated(noop)[:-3], True, RSV1)) == 1007               # not whole
assert closes((1, b"", True, RSV1)) == 1007
assert closes((1, deflated(b'"\xff"'), True, RSV1)) == 1007
assert closes((1, deflated(b'"\xed\xa0\x80"'), True, RSV1)) == 1007
assert closes((1, deflated('"ü'.encode()[:-1]), True, RSV1)) == 1007      # cut within a character
assert closes((1, deflated(b" " * (1 << 20) + b" "), True, RSV1)) == 1009
w = W("permessage-deflate")
w.send_compressed(noop + b" " * ((1 << 20) - len(noop)))
assert w.receive()["status"] == 404                                        # what just fits

# A gigabyte: 1 MB as it travels.  No memory, at once or in small pieces, of many peers.
z = zlib.compressobj(wbits=-15)
bomb = ((z.compress(b" " * (1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)) * 1000)[:-4]
before = resident()
bombs = []
for i in range(10):
    w = W("permessage-deflate")
    bombs.append(w)
    try:
        w.frame(1, bomb[:1000], False, RSV1)
        w.frame(0, bomb[1000:], True)
    except ConnectionError:
        pass
for w in bombs:
    try:
        code = w.closes()
        assert code in (1009, 1013), code
    except ConnectionError:
        pass
# What inflating takes counts before it is had.
many = []
for i in range(200):
    w = W("permessage-deflate")
    many.append(w)
    w.frame(1, deflated(noop)[:3], False, RSV1)
    w.frame(9, b"here")
refused = 0
for w in many:
    try:
        while w.next()[0] != 10:
            pass
    except (Closed, ConnectionError):
        refused += 1
assert 0 < refused < 200, refused
print("grown", resident() - before, "closed", refused)
assert resident() - before < 16 << 20
END
python3 -B deflate.py > deflate.out 2>&1 || { cat deflate.out; fail "deflate.py"; }
cat deflate.out
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
! grep -q "leaked\|AddressSanitizer" office.log || fail "$(cat office.log)"
