-- Lines of more kinds than what was drawn: seats that were taken away, used, given back, and alerts.
ALTER TABLE ledger ADD COLUMN line TEXT NOT NULL DEFAULT 'taken';
-- When it was written; null for lines of a time when that was when they began.
ALTER TABLE ledger ADD COLUMN moment INTEGER;
ALTER TABLE ledger ADD COLUMN device TEXT;
-- Who did it by hand.
ALTER TABLE ledger ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- The newest lines of a meter, with all that is asked of them.
DROP INDEX ledger_meter;
CREATE INDEX ledger_meter ON ledger (pool, meter, sequence, ends);
DROP INDEX ledger_seat;
CREATE INDEX ledger_alert ON ledger (pool, sequence) WHERE line = 'alert';

-- What follows from the lines, written with each of them, so that nothing is ever added up over
-- many: how every seat stands now,
CREATE TABLE ledger_seats (
    pool TEXT NOT NULL,
    meter TEXT NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    -- 'held', 'quarantined' until `ends`, or 'free'.
    state TEXT NOT NULL,
    ends INTEGER,
    since INTEGER NOT NULL,
    last_used INTEGER,
    by_rule INTEGER NOT NULL,
    last_line INTEGER NOT NULL,
    PRIMARY KEY (pool, meter)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_seats_out ON ledger_seats (kind, pool, state, ends);
INSERT INTO ledger_seats
    SELECT pool, meter, kind, max(principal), 'held', NULL, min(starts), max(starts), 1,
        max(sequence)
    FROM ledger WHERE ends IS NULL GROUP BY pool, meter, kind;

-- what was drawn in each quarter of an hour and each day of UTC, both in milliseconds,
CREATE TABLE ledger_sums (
    pool TEXT NOT NULL,
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    kind TEXT NOT NULL,
    units INTEGER NOT NULL,
    units_of_visitors INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    PRIMARY KEY (pool, span, start)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger_sums
    SELECT pool, span, starts - (starts % span + span) % span, kind, sum(units),
        sum(CASE WHEN meter LIKE 'visitor:%' THEN units ELSE 0 END), count(*)
    FROM ledger, (SELECT 900000 AS span UNION ALL SELECT 86400000) GROUP BY 1, 2, 3;

-- and what the visitors of each address began lately.
CREATE TABLE ledger_addresses (
    pool TEXT NOT NULL,
    address TEXT NOT NULL,
    starts INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (pool, address, starts, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_addresses_start ON ledger_addresses (starts);

-- Old lines, many in one block: compaction moves them, and nothing else shortens the ledger.
CREATE TABLE ledger_archive (
    first INTEGER NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL UNIQUE,
    lines INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TRIGGER ledger_archive_is_never_changed BEFORE UPDATE ON ledger_archive
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_archive_is_never_shortened BEFORE DELETE ON ledger_archive
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;
DROP TRIGGER ledger_is_never_shortened;
CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
WHEN NOT EXISTS (
    SELECT 1 FROM ledger_archive WHERE first <= OLD.sequence AND last >= OLD.sequence
)
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;
