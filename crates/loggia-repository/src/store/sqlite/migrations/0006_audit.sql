-- The audit trail: rows are chained by their hashes, appended at the end and taken from the oldest
-- end, never changed in between. The triggers keep programs from mistakes; that nobody did it past
-- them is what `loggia audit verify` shows.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    correlation TEXT NOT NULL,
    node TEXT NOT NULL,
    principal TEXT NOT NULL,
    is_anonymous INTEGER NOT NULL CHECK (is_anonymous IN (0, 1)),
    session TEXT,
    entrance TEXT NOT NULL,
    app TEXT,
    network TEXT,
    network_salt BLOB,
    network_hash BLOB,
    personal TEXT,
    personal_salt BLOB,
    personal_hash BLOB,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_kind ON audit (kind, number);
CREATE INDEX audit_principal ON audit (principal COLLATE NOCASE, number);
CREATE INDEX audit_session ON audit (session, number) WHERE session IS NOT NULL;
CREATE INDEX audit_correlation ON audit (correlation) WHERE correlation <> '';

CREATE TABLE audit_head (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    pruned INTEGER NOT NULL,
    pruned_hash BLOB NOT NULL,
    forgotten INTEGER NOT NULL,
    seal BLOB
) STRICT;
INSERT INTO audit_head (one, number, hash, pruned, pruned_hash, forgotten)
VALUES (1, 0, zeroblob(32), 0, zeroblob(32), 0);

-- How far rows were sent to each place outside.
CREATE TABLE audit_sent (
    place TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_append BEFORE INSERT ON audit
WHEN NEW.number <> (SELECT number + 1 FROM audit_head)
    OR NEW.previous <> (SELECT hash FROM audit_head)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail grows at its end only');
END;
CREATE TRIGGER audit_appended AFTER INSERT ON audit
BEGIN
    UPDATE audit_head SET number = NEW.number, hash = NEW.hash, seal = NULL;
END;
CREATE TRIGGER audit_keep BEFORE DELETE ON audit
WHEN OLD.number > (SELECT pruned FROM audit_head)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not deleted from');
END;
CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit
WHEN OLD.number > (SELECT forgotten FROM audit_head)
    OR NEW.personal IS NOT NULL
    OR NEW.personal_salt IS NOT NULL
    OR NEW.number IS NOT OLD.number
    OR NEW.previous IS NOT OLD.previous
    OR NEW.hash IS NOT OLD.hash
    OR NEW.time IS NOT OLD.time
    OR NEW.kind IS NOT OLD.kind
    OR NEW.correlation IS NOT OLD.correlation
    OR NEW.node IS NOT OLD.node
    OR NEW.principal IS NOT OLD.principal
    OR NEW.is_anonymous IS NOT OLD.is_anonymous
    OR NEW.session IS NOT OLD.session
    OR NEW.entrance IS NOT OLD.entrance
    OR NEW.app IS NOT OLD.app
    OR NEW.network IS NOT OLD.network
    OR NEW.network_salt IS NOT OLD.network_salt
    OR NEW.network_hash IS NOT OLD.network_hash
    OR NEW.personal_hash IS NOT OLD.personal_hash
    OR NEW.details IS NOT OLD.details
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is not changed');
END;
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the ends of the audit trail stay');
END;
CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_head
WHEN NEW.number < OLD.number OR NEW.pruned < OLD.pruned OR NEW.forgotten < OLD.forgotten
    OR NEW.pruned > NEW.number OR NEW.forgotten > NEW.number
BEGIN
    SELECT RAISE(ABORT, 'the ends of the audit trail do not go back');
END;
