-- Where people are looked up, and taken over from.
CREATE TABLE user_directories (
    id TEXT NOT NULL PRIMARY KEY,
    folded_name TEXT NOT NULL UNIQUE,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
