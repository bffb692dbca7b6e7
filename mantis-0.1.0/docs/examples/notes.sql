-- A table of notes.  The key is text that each device makes up by itself: no two ever make the same.
CREATE TABLE notes (
  id    TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL,
  body  TEXT
);
