# orders.py URL TOKEN-FILE SEED: random histories of one row, changed by 2 to 5 devices that did not know of each other, reach the
# server in every order, a row for each order; prints what docs/conflicts.md says of each as SQL values: "table key JSON".
# It is written from that page: from the changes, and for `server' and `client' from their order, never from L.
# In the file written.json: what the devices wrote into columns that do not add up, as [[table, key, column, value], ...].
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import itertools, json, random, sys, urllib.request

url, token, seed = sys.argv[1], open(sys.argv[2]).read().strip(), int(sys.argv[3])
chance = random.Random(seed)
COLUMNS = ["title", "note", "start", "stop", "qty", "top"]
POLICIES = ["timestamp", "latest", "first", "last", "final", "manual"]  # final: latest, and deletions win


def call(path, body, node):
    request = urllib.request.Request(url + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + token, "Content-Type": "application/json", "Mantis-Node": node})
    return json.load(urllib.request.urlopen(request, timeout=60))


hello = call("/sync/hello", {"protocol": 1}, "f" * 32)
head, now = hello["head"]["rev"], hello["clock"]  # the changes are later than the rows, and have arrived some milliseconds later
base = dict(title="t", note="n", start="a", stop="z", qty=10, top=10)


def change(node, policy, deletes, time):
    if deletes and chance.random() < 0.2:
        return dict(node=node, deleted=True, time=now - 60 + 10 * time)
    row = dict(base)
    for column in chance.sample(COLUMNS, chance.randrange(1, 5)):
        row[column] = chance.choice([8, 9, 11, 12]) if column in ("qty", "top") else chance.choice("bcdef")
    if policy == "timestamp":  # of two that make the same row (or none) the time of the one that comes first counts
        row["title"] = "by " + node[0]
    return dict(node=node, deleted=False, time=now - 60 + 10 * time, row=row)


def edits(changes, columns):  # that changed one of these
    return [c for c in changes if not c["deleted"] and any(c["row"][x] != base[x] for x in columns)]


def expected(policy, order):
    when = lambda c: (c["time"], c["node"])
    if policy == "timestamp":
        last = max(order, key=when)
        return None if last["deleted"] else last["row"]
    if policy == "manual":  # what came first stands, until somebody decides
        return None if order[0]["deleted"] else order[0]["row"]
    gone = [c["deleted"] for c in order]
    if all(gone) or (policy == "final" and any(gone)):
        return None
    row = dict(base)
    for unit in (["title"], ["note"], ["start", "stop"]):
        changed = edits(order, unit)
        if changed:
            wins = changed[0] if policy == "first" else changed[-1] if policy == "last" else max(changed, key=when)
            row.update({x: wins["row"][x] for x in unit})
    row["qty"] = 10 + sum(c["row"]["qty"] - 10 for c in edits(order, ["qty"]))
    row["top"] = max([c["row"]["top"] for c in edits(order, ["top"])], default=10)
    return row


orders = []  # (table, key, changes in that order)
for policy in POLICIES:
    key = 0
    for devices in (2, 3, 3, 3, 4, 5):
        times = [chance.randrange(5) for i in range(devices)]
        if policy == "timestamp" and devices > 2:  # of three at one time, the page does not say which
            times = chance.sample(range(5), devices)
        history = [change(("%x" % (10 - i)) * 32, policy, i == 0 or policy != "timestamp", times[i]) for i in range(devices)]
        for order in itertools.permutations(history):
            orders.append((policy, key, order))
            key += 1
numbers = {}
for step in range(5):
    for node in sorted({o[2][step]["node"] for o in orders if len(o[2]) > step}):
        blocks = []
        for policy in POLICIES:
            block = dict(table=policy, columns=["id"] + COLUMNS, base=head, meta=["updated_at", "was"], rows=[], deleted=[])
            for table, key, order in orders:
                if table != policy or len(order) <= step or order[step]["node"] != node:
                    continue
                c = order[step]
                if c["deleted"]:
                    block["deleted"].append([key, c["time"], base])
                else:
                    was = {x: base[x] for x in COLUMNS if c["row"][x] != base[x]}
                    block["rows"].append([key] + [c["row"][x] for x in COLUMNS] + [c["time"], was])
            blocks.append(block)
        numbers[node] = numbers.get(node, 0) + 1
        call("/sync/push", {"number": numbers[node], "nonce": "n%d" % step, "changes": blocks}, node)
json.dump([[policy, key, column, c["row"][column]] for policy, key, order in orders for c in order if not c["deleted"]
           for column in COLUMNS if c["row"][column] != base[column] and (column != "qty" or policy in ("timestamp", "manual"))], open("written.json", "w"))
# What waits for a person in the end: of each row what differs from what stands, in the order of arrival.
row_of = lambda c: None if c["deleted"] else c["row"]
json.dump({key: [row_of(c) for c in order[1:] if row_of(c) != row_of(order[0])] for policy, key, order in orders if policy == "manual"},
          open("waits.json", "w"))
for policy, key, order in orders:
    row = expected(policy, order)
    print("%s|%d|%s" % (policy, key, json.dumps([row[x] for x in COLUMNS], separators=(",", ":")) if row else ""))
