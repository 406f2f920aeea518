-- Names and small values: the version of the content, the identity of the site.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('version', '0');

-- Entities: what must be unique or must exist is a column, everything else is in `record`, JSON
-- of format number `format`.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    folded_key TEXT NOT NULL UNIQUE,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE credentials (
    user TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL,
    changed INTEGER NOT NULL
) STRICT;

CREATE TABLE streams (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (id),
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX streams_owner ON streams (owner);

CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (id),
    stream TEXT REFERENCES streams (id),
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX apps_owner ON apps (owner);
CREATE INDEX apps_stream ON apps (stream);

CREATE TABLE app_objects (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    engine_id TEXT NOT NULL,
    owner TEXT NOT NULL REFERENCES users (id),
    format INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (app, engine_id)
) STRICT;
CREATE INDEX app_objects_owner ON app_objects (owner);

CREATE TABLE object_properties (
    object TEXT NOT NULL PRIMARY KEY REFERENCES app_objects (id) ON DELETE CASCADE,
    parent TEXT,
    properties TEXT NOT NULL
) STRICT;

CREATE TABLE app_scripts (
    app TEXT NOT NULL PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    script TEXT NOT NULL
) STRICT;

-- Which data file is the current one.
CREATE TABLE app_data (
    app TEXT NOT NULL PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL
) STRICT;

CREATE TABLE rules (
    id TEXT NOT NULL PRIMARY KEY,
    seed TEXT,
    seed_version INTEGER NOT NULL,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

-- Shipped content that was laid down once, and in which version; outlives the content.
CREATE TABLE seeds (
    seed TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE virtual_proxies (
    id TEXT NOT NULL PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE,
    session_cookie TEXT NOT NULL UNIQUE COLLATE NOCASE,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE pools (
    id TEXT NOT NULL PRIMARY KEY,
    format INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

-- The ledger outlives pools, apps and people, so it refers to them by value.
CREATE TABLE ledger (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    pool TEXT NOT NULL,
    kind TEXT NOT NULL,
    meter TEXT NOT NULL,
    principal TEXT NOT NULL,
    app TEXT NOT NULL,
    session TEXT,
    entrance TEXT NOT NULL,
    address TEXT NOT NULL,
    starts INTEGER NOT NULL,
    -- Null for a seat, which is held until it is taken away.
    ends INTEGER,
    units INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_meter ON ledger (pool, meter, ends);
CREATE INDEX ledger_seat ON ledger (pool, units) WHERE ends IS NULL;
CREATE INDEX ledger_start ON ledger (pool, starts, units);

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;

CREATE TABLE sessions (
    hash TEXT NOT NULL PRIMARY KEY,
    json TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expires ON sessions (expires);
