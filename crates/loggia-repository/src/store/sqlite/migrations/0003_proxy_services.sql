-- What each node listens with, and which entrances it serves. The links are in `record`: an
-- entrance that is gone simply is linked no more.
CREATE TABLE proxy_services (
    id TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL UNIQUE,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
