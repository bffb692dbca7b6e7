#!/bin/bash
# 00: what monitors and people are shown over HTTP is right: each figure of /metrics counted by hand, the pages of
# /sync/conflicts, and a server that cannot use its database says so at /readyz and nowhere calls it well.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

began=$(date +%s)
sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); CREATE TABLE plan (id INTEGER PRIMARY KEY, body TEXT);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 7) INSERT INTO note SELECT k, 'old' FROM k; INSERT INTO plan VALUES (1, 'old')"
start_mantisd office --mode server
call GET /healthz > /dev/null # a token

# figure NAME: in the file "metrics".
figure ()
{
  awk -v name="mantis_$1" '$1 == name { print $2 }' metrics
}

# grows NAME BY: since the file "before".
grows ()
{
  local now was

  now=$(figure "$1")
  cp metrics after
  cp before metrics
  was=$(figure "$1")
  cp after metrics
  [ -n "$now" ] && [ $((now - was)) = "$2" ] || fail "$1 grew by $((now - was)), not $2"
}

# ---- Figures -------------------------------------------------------------------------------------------------
call GET /metrics > before
old=1000 # a time long ago: it loses
call POST /sync/push -d '{"changes": [{"table": "note", "columns": ["id", "body"], "rows": [[8, "new"], [9, "new"], [7, "old"]]}]}' > push1 # two applied, one the same
call POST /sync/push -d "{\"changes\": [{\"table\": \"note\", \"columns\": [\"id\", \"body\"], \"meta\": [\"updated_at\"],
  \"rows\": [[1, \"lost\", $old], [2, \"lost\", $old], [3, \"lost\", $old], [4, \"lost\", $old]]}, {\"table\": \"plan\", \"columns\": [\"id\", \"body\"], \"meta\": [\"updated_at\"], \"rows\": [[1, \"lost\", $old]]}]}" > push2
call POST /sync/push -d '{"changes": [{"table": "nope", "columns": ["id"], "rows": [[1]]}]}' > push3 # refused: 400
call POST /sync/push -d '{}' > push4
call POST /sync/pull -d '{"load": {"table": "note", "limit": 4}}' > pull1
call POST /sync/pull -d '{"load": {"table": "note", "after": [4]}}' > pull2
curl -sS -o /dev/null -H 'Authorization: Bearer x.y.z' "http://127.0.0.1:$port/sync/status" # 401
curl -sS -o /dev/null "http://127.0.0.1:$port/sync/status" # no message: nobody says it
head=$(python3 -c 'import json; print(json.dumps(json.load(open("pull2"))["cursor"]))')
call POST /sync/pull -d "{\"cursor\": $head, \"wait\": 20}" > pull3 & # one page, however often it is looked for
pids[curl]=$!
call GET /sync/status > /dev/null
sql office "INSERT INTO plan VALUES (2, 'wakes it up')"
wait "${pids[curl]}"
grep -q 'wakes it up' pull3 || fail "nothing came: $(cat pull3)"
call GET /metrics > metrics
grep -q '"applied":2' push1 && grep -q '"same":1' push1 && grep -q '"superseded":5' push2 || fail "not what was meant: $(cat push1 push2)"
grows requests_total 10 # with the first of /metrics: an answer is counted when it is given
grows requests_refused_total 2
grows pushes_total 3
grows pulls_total 3
grows rows_sent_total 10
grows conflicts_total 5
grows 'changes_total{outcome="applied"}' 2
grows 'changes_total{outcome="same"}' 1
grows 'changes_total{outcome="superseded"}' 5
for outcome in merged deferred rejected retry; do
  grows "changes_total{outcome=\"$outcome\"}" 0
done
[ "$(figure head_revision)" = "$(sql office "SELECT max(seq) FROM __sync_log")" ] || fail "head_revision $(figure head_revision)"
[ "$(figure start_time_seconds)" -ge "$began" ] && [ "$(figure start_time_seconds)" -le "$(date +%s)" ] || fail "start_time_seconds"

# ---- Pages of conflicts ----------------------------------------------------------------------------------------
cat > pages.py << 'END'
import json, subprocess, sys

def page(query):
    url = sys.argv[1] + "/sync/conflicts?" + query
    return json.loads(subprocess.run(["curl", "-sS", "-H", "Authorization: Bearer " + open("curl.token").read().strip(), url],
                                     capture_output=True, check=True).stdout)

def walk(query, sizes):
    seen, after = [], 0
    for n, size in enumerate(sizes):
        answer = page(f"{query}&after={after}")
        assert len(answer["conflicts"]) == size, (query, n, answer)
        assert all(c["id"] > after for c in answer["conflicts"]), answer
        assert answer["end"] == (n == len(sizes) - 1), (query, n, answer)
        seen += answer["conflicts"]
        after = answer["after"]
    return seen

all_of_them = walk("limit=100", [5])
assert [c["loser"]["body"] for c in all_of_them] == ["lost"] * 5 and len({c["id"] for c in all_of_them}) == 5
assert walk("limit=2", [2, 2, 1]) == all_of_them
assert walk("limit=5", [5, 0]) == all_of_them  # as many as fit: that was all, which the next page says
assert walk("limit=1&table=plan", [1, 0]) == [c for c in all_of_them if c["table" if "table" in c else "tbl"] == "plan"]
assert walk("limit=3&table=note", [3, 1]) == [c for c in all_of_them if c["table" if "table" in c else "tbl"] == "note"]
assert page("after=1000000")["conflicts"] == []
for wrong in ("limit=0", "limit=x", "after=-1", "after="):
    assert page(wrong).get("status") == 400, wrong
END
python3 pages.py "http://127.0.0.1:$port" || fail "the pages of /sync/conflicts"

# ---- A server that is not ready ---------------------------------------------------------------------------------
# status PATH: the status of the answer.
status ()
{
  curl -sS -o answer -w '%{http_code}' -m "$patience" -H "Authorization: Bearer $(cat curl.token)" "http://127.0.0.1:$port$1"
}

ready ()
{
  [ "$(status /readyz)" = "$1" ]
}

ready 200 || fail "not ready: $(cat answer)"
mkdir away
mv office.db office.db-wal office.db-shm away
mkdir office.db # nothing can be opened there
wait_for "readyz to say so" ready 503
python3 -c 'import json; a = json.load(open("answer")); assert a["status"] == 503 and a["detail"], a' || fail "$(cat answer)"
[ "$(status /healthz)" = 200 ] || fail "it lives, and says that it does not"
for path in /sync/status /sync/schema /metrics; do
  [ "$(status $path)" = 503 ] || fail "$path: $(cat answer)"
done
rmdir office.db
mv away/* .
wait_for "readyz to be well again" ready 200
[ "$(status /sync/status)" = 200 ] || fail "/sync/status: $(cat answer)"
