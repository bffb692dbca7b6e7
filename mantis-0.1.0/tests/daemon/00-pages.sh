#!/bin/bash
# 00: mantis-plugin(3) and the pages of the kinds name all that the headers declare: callbacks, functions, fields, values of
# enumerations, macros; and nothing that the headers do not.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

cat > compare.py << 'END_OF_PYTHON'
import re, sys
top, bad = sys.argv[1], []
PAGES = {"plugin": ["plugin", "change", "host"], "resolver": ["resolver"], "filter": ["filter"], "hook": ["hook"],
         "auth": ["auth"], "storage": ["storage"], "transport": ["transport"]}

# What a header declares.  Left out: "size", which each struct begins with; what only the macros of plugin.h fill in.
def declared(header):
    text = open(f"{top}/include/mantis/{header}.h").read()
    text = re.sub(r"/\*.*?\*/|\\\n", " ", text, flags=re.S)
    names = set(re.findall(r"^#define (MANTIS_\w+)", text, re.M))
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    for kind, name, body in re.findall(r"\b(struct|enum) (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
        names.add(name)
        if kind == "enum":
            names |= set(re.findall(r"\b(MANTIS_\w+)", body))
            continue
        for field in re.sub(r"union \{|\{|\}", ";", body).split(";"):
            callback = re.search(r"\(\*(\w+)\) \(", field)
            names |= {callback[1]} if callback else set(re.findall(r"(\w+)(?:\[\d+\])?\s*(?:,|$)", field.strip()))
    names |= set(re.findall(r"^(?:MANTIS_PUBLIC|typedef)[^;]*?\(?\*?\b(mantis_\w+)\)? \(", text, re.M))
    names |= set(re.findall(r"^struct (\w+);", text, re.M)) if header == "host" else set()
    names |= set(re.findall(r"^typedef [^;(]*\b(\w+);", text, re.M))
    return names - {"size", "const"}

HIDDEN = {"magic", "abi", "kind", "kind_abi", "ops", "offset", "MANTIS_PLUGIN", "MANTIS_PLUGIN_SYMBOL", "MANTIS_PRINTF", "MANTIS_PUBLIC"}
HIDDEN |= {name for header in sum(PAGES.values(), []) for name in declared(header)
           if re.fullmatch(r"MANTIS_(\w+_H|\w*ABI|MAGIC|KIND_\w+)", name)}
known = set().union(*(declared(header) for headers in PAGES.values() for header in headers))
for page, headers in PAGES.items():
    pod = open(f"{top}/docs/man/mantis-{page}.pod").read()
    pod = pod.replace("-E<gt>", "→").replace("E<gt>", " ").replace("E<lt>", " ")
    # Names stand in B<>, C<> or I<>, in an indented line, or have the look of one of ours.
    shown = " ".join(re.findall(r"[BCI]<([^>]*)>", pod) + re.findall(r"^[ \t].*$", pod, re.M)
                     + re.findall(r"\bmantis_\w+|\bMANTIS_\w+", pod))
    shown = set(re.findall(r"\w+", shown))
    wanted = set().union(*(declared(header) for header in headers)) - HIDDEN
    bad += [f"mantis-{page}.pod does not say what {name} is" for name in sorted(wanted - shown)]
    ours = {name for name in shown if re.match(r"mantis_|MANTIS_", name)}
    bad += [f"mantis-{page}.pod speaks of {name}, which no header has" for name in sorted(ours - known)]
    items = set(re.findall(r"^=item .*", pod, re.M)) if page != "plugin" else set()
    for item in items:
        for name in re.findall(r"B<(?:\w+→)?(\w+)>", item):
            if name not in known | {"merged", "error"}:
                bad.append(f"mantis-{page}.pod lists {name}, which no header has")
assert len(known) > 200, len(known)
sys.exit("\n".join(bad) or None)
END_OF_PYTHON
python3 compare.py "$top" || fail "pages and headers differ"
