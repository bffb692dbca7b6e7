#!/bin/bash
# 15: bad JSON of every kind gets a 4xx, good JSON is read (JSONTestSuite).
. "${0%/*}/functions.sh"
requires_shared conformance/json_suite.py
start_mantisd office --mode server
token curl > curl.token

# suite OPTION...: its status is 1 for the one good document that we refuse, a key with NUL in it.
suite ()
{
  python3 "$shared/conformance/json_suite.py" "http://127.0.0.1:$port/sync/push" --header "Authorization: Bearer $(cat curl.token)" \
    --pid "$(pid_of office)" "$@" > suite || [ $? = 1 ] || fail "json_suite.py did not run: $(cat suite)"
  if grep '^FAIL' suite | grep -v 'y_object_escaped_null_in_key'; then
    fail "json_suite.py $*"
  fi
  tail -n 3 suite
}

suite
suite --embed '{"ignored":|}' # a member that nobody knows may hold anything
alive office || fail "office is gone"
