#!/bin/bash
# 00: what docs/acceptance.md names is there: each file of tests, each case, plan and line of figures in it; and each
# guarantee has its row.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

cat > names.py << 'END_OF_PYTHON'
import os, re, sys
top, bad = sys.argv[1], []
page = open(f"{top}/docs/acceptance.md").read()
for name in re.findall(r"`((?:abi|bad-plugins|bench|daemon|fuzz|law|sim|unit)/[^`]+)`", page):
    path, _, cases = name.partition(": ")
    try:
        text = re.sub(r'"\s*\n\s*"', "", open(f"{top}/tests/{path}").read())
    except OSError:
        bad.append(f"there is no tests/{path}")
        continue
    for case in cases.split(", ") if cases and not path.startswith("bench/") else [cases]:
        wanted = {"unit": f"({case})", "law": f"({case})", "abi": f"({case})", "bad-plugins": f"({case})",
                  "sim": '"%s"' % case.removeprefix("plan ")}.get(path.split("/")[0], case)
        if case and wanted not in text:
            bad.append(f"tests/{path} has no {case}")
guarantees = re.findall(r"^## (\d+)\. ", open(f"{top}/docs/guarantees.md").read(), re.M)
bad += [f"guarantee {n} has no row" for n in guarantees if not re.search(rf"^\| {n}\. ", page, re.M)]
sys.exit("\n".join(bad) or None)
END_OF_PYTHON
python3 names.py "$top" || fail "docs/acceptance.md names what is not there"
