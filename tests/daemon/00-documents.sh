#!/bin/bash
# 00: mantisctl(1) and mantisctl --help name the same; the pages link to what is there, and speak of files that are;
# the configurations in conf/ are sound; completion knows what the programs know.
. "${0%/*}/functions.sh"
requires python3

"$build/mantisctl" --help > ctl.help
"$build/mantisd" --help > daemon.help
cat > compare.py << 'END'
import re, sys
help, page = open("ctl.help").read(), open(sys.argv[1]).read()
asked = set(re.findall(r"--[a-z-]+", help))
told = set(re.findall(r"--[a-z-]+", "\n".join(re.findall(r"^=item (.*)$", page, re.M))))
assert asked == told, f"options of --help and mantisctl.pod: {asked ^ told}"
commands = set(re.findall(r"^  (\w+ )", help, re.M))
items = set(re.findall(r"^=item B<(\w+)", page, re.M))
assert {c.strip() for c in commands} <= items, f"commands that mantisctl.pod lacks: {commands} {items}"
END
python3 compare.py "$top/docs/man/mantisctl.pod" || fail "mantisctl(1)"

cat > links.py << 'END'
import os, re, sys
top, bad = sys.argv[1], []
pages = [f"{top}/README.md"] + [f"{top}/docs/{f}" for f in os.listdir(f"{top}/docs") if f.endswith(".md")]
for page in pages:
    text = open(page).read()
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http") and not os.path.exists(os.path.join(os.path.dirname(page), target)):
            bad.append(f"{os.path.basename(page)}: {target}")
    for path in re.findall(r"`((?:core|plugins|tests|docs|conf|include)/[\w./-]+\.\w+)`", text):
        if not re.search(r"NN|NAME|KIND", path) and not os.path.exists(os.path.join(top, path)):
            bad.append(f"{os.path.basename(page)}: {path}")
sys.exit("\n".join(bad) or 0)
END
python3 links.py "$top" || fail "pages speak of files that are not there"

for file in client server; do
  "$build/mantisd" --config "$top/conf/$file.json" --check-config > said 2>&1 || fail "conf/$file.json: $(cat said)"
done

# With Tab.
PATH=$build:$PATH
. "$top/conf/mantis.bash"
compopt () { :; }
completes ()
{
  local program=$1 before=$2 word=$3 expected=$4

  _mantis "$program" "$word" "$before"
  [[ " ${COMPREPLY[*]} " == *" $expected "* ]] || fail "$program $before $word<Tab>: ${COMPREPLY[*]}"
}
while read -r option; do
  completes mantisd mantisd "$option" "$option"
done < <(grep -o '^ *--[a-z-]*' daemon.help)
while read -r option; do
  completes mantisctl mantisctl "$option" "$option"
done < <(grep -o -- '--[a-z-]*' ctl.help)
while read -r command; do
  completes mantisctl --json "$command" "$command"
done < <(sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' ctl.help | sort -u)
completes mantisd --mode s server
completes mantisd --dump-plugin t timestamp
completes mantisctl conflicts l list
