-- Servers that share a data folder follow each other's sessions by number.
ALTER TABLE sessions ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_number ON sessions (number);
CREATE TABLE ended_sessions (
    number INTEGER NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL
) STRICT;
CREATE TABLE session_numbers (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO session_numbers (last) VALUES (0);
