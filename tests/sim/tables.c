/* tables.c - schemas that worlds are made of.
 *
 * Each table has a column v, which every write of an application sets to something new.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

const struct table tables[] = {
    {.name = "note",
     .sql =
         "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, v TEXT, body TEXT, n REAL, b BLOB, any)",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"body", TEXT, NULL},
                 {"n", REAL, NULL},
                 {"b", BLOB, NULL},
                 {"any", ANY, NULL}},
     .keyed_by_text = true},
    {.name = "item",
     .needs = WITH_UNIQUE,
     .sql = "CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT, code TEXT UNIQUE, qty INTEGER)",
     .columns = {{"id", INTEGER_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"code", CODE, NULL},
                 {"qty", INTEGER, NULL}}},
    {.name = "seat",
     .needs = WITH_UNIQUE,
     .sql = "CREATE TABLE seat (id TEXT PRIMARY KEY NOT NULL, v TEXT, row_no INTEGER NOT NULL, "
            "code TEXT NOT "
            "NULL, UNIQUE (row_no, code))",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"row_no", INTEGER_KEY, NULL},
                 {"code", CODE, NULL}},
     .keyed_by_text = true},
    {.name = "pair",
     .sql = "CREATE TABLE pair (a TEXT NOT NULL, v TEXT, x, b INTEGER NOT NULL, PRIMARY KEY (b, "
            "a)) WITHOUT ROWID",
     .columns =
         {{"b", INTEGER_KEY, NULL}, {"a", TEXT_KEY, NULL}, {"v", VERSION, NULL}, {"x", ANY, NULL}}},
    {.name = "owner",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE owner (id TEXT PRIMARY KEY NOT NULL, v TEXT, name TEXT)",
     .columns = {{"id", TEXT_KEY, NULL}, {"v", VERSION, NULL}, {"name", TEXT, NULL}},
     .keyed_by_text = true},
    {.name = "pet",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE pet (id INTEGER PRIMARY KEY, v TEXT, owner TEXT REFERENCES owner (id) ON "
            "DELETE CASCADE "
            "ON UPDATE CASCADE, age INTEGER)",
     .columns = {{"id", INTEGER_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"owner", PARENT, "owner"},
                 {"age", INTEGER, NULL}},
     .with = 5},
    {.name = "visit",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, v TEXT, owner TEXT REFERENCES owner "
            "(id), why ANY)",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"owner", PARENT, "owner"},
                 {"why", TEXT, NULL}},
     .keyed_by_text = true,
     .with = 5},
    {.name = "gift",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE gift (id TEXT PRIMARY KEY NOT NULL, v TEXT, owner TEXT REFERENCES owner "
            "(id) ON DELETE "
            "SET NULL ON UPDATE SET NULL, x)",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"owner", PARENT, "owner"},
                 {"x", ANY, NULL}},
     .keyed_by_text = true,
     .with = 5},
    {.name = "tree",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE tree (id INTEGER PRIMARY KEY, v TEXT, up INTEGER REFERENCES tree (id) ON "
            "DELETE CASCADE, "
            "x)",
     .columns = {{"id", INTEGER_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"up", PARENT, "tree"},
                 {"x", ANY, NULL}}},
    {.name = "twig",
     .needs = WITH_FAMILY,
     .sql = "CREATE TABLE twig (id TEXT PRIMARY KEY NOT NULL, v TEXT, up TEXT REFERENCES twig (id) "
            "DEFERRABLE "
            "INITIALLY DEFERRED)",
     .columns = {{"id", TEXT_KEY, NULL}, {"v", VERSION, NULL}, {"up", PARENT, "twig"}},
     .keyed_by_text = true},
    {.name = "account",
     .needs = WITH_BANK,
     .sql = "CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, v TEXT, balance INTEGER NOT NULL)",
     .columns = {{"id", TEXT_KEY, NULL}, {"v", VERSION, NULL}, {"balance", INTEGER, NULL}},
     .bank = true,
     .keyed_by_text = true},
    {.name = "exact",
     .needs = WITH_STRICT,
     .sql = "CREATE TABLE exact (id TEXT PRIMARY KEY NOT NULL, v TEXT, i INT CHECK (i BETWEEN 0 "
            "AND 1000), r REAL, "
            "x ANY, b BLOB) STRICT",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"i", CHECKED, NULL},
                 {"r", REAL, NULL},
                 {"x", ANY, NULL},
                 {"b", BLOB, NULL}},
     .keyed_by_text = true},
    {.name = "touched",
     .needs = WITH_TRIGGERS,
     .sql = "CREATE TABLE touched (id TEXT PRIMARY KEY NOT NULL, v TEXT, x, updated INTEGER)",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"x", ANY, NULL},
                 {"updated", DERIVED, NULL}},
     .server_trigger =
         "CREATE TRIGGER touch AFTER UPDATE OF v, x ON touched BEGIN UPDATE touched SET updated = "
         "strftime('%s', 'now') + 0 WHERE id = NEW.id; END",
     .client_trigger =
         "CREATE TRIGGER touch AFTER UPDATE OF v, x ON touched BEGIN UPDATE touched SET updated = "
         "strftime('%s', 'now') + 0 WHERE id = NEW.id; END",
     .keyed_by_text = true},
    {.name = "doc",
     .needs = WITH_TRIGGERS,
     .sql = "CREATE TABLE doc (id TEXT PRIMARY KEY NOT NULL, v TEXT, total INTEGER)",
     .columns = {{"id", TEXT_KEY, NULL}, {"v", VERSION, NULL}, {"total", DERIVED, NULL}},
     .keyed_by_text = true},
    {.name = "line",
     .needs = WITH_TRIGGERS,
     .sql = "CREATE TABLE line (doc TEXT NOT NULL, no INTEGER NOT NULL, v TEXT, amount INTEGER, "
            "PRIMARY KEY (doc, "
            "no))",
     .columns = {{"doc", TEXT_KEY, NULL},
                 {"no", INTEGER_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"amount", CHECKED, NULL}},
     .server_trigger = "CREATE TRIGGER add_line AFTER INSERT ON line BEGIN UPDATE doc SET total = "
                       "(SELECT sum(amount) FROM line "
                       "WHERE doc = NEW.doc) WHERE id = NEW.doc; END;"
                       "CREATE TRIGGER drop_line AFTER DELETE ON line BEGIN UPDATE doc SET total = "
                       "(SELECT sum(amount) FROM line "
                       "WHERE doc = OLD.doc) WHERE id = OLD.doc; END;"
                       "CREATE TRIGGER no_line BEFORE INSERT ON line WHEN NEW.amount = 666 BEGIN "
                       "SELECT RAISE(ABORT, 'unlucky'); "
                       "END",
     .with = 14},
    {.name = "job",
     .needs = WITH_HOLDERS,
     .sql = "CREATE TABLE job (id TEXT PRIMARY KEY NOT NULL, v TEXT, holder INTEGER, x)",
     .columns = {{"id", TEXT_KEY, NULL},
                 {"v", VERSION, NULL},
                 {"holder", HOLDING, NULL},
                 {"x", ANY, NULL}},
     .keyed_by_text = true},
    {.name = NULL},
};
