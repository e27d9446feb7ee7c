-- Times are milliseconds since 1970; SIDs and words are spelled as users see them.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    sid         TEXT PRIMARY KEY,
    parent      TEXT,
    from_       TEXT NOT NULL,
    to_         TEXT NOT NULL,
    direction   TEXT NOT NULL,
    status      TEXT NOT NULL,
    started     INTEGER NOT NULL,
    answered    INTEGER,
    ended       INTEGER,
    reason      TEXT NOT NULL,
    sip_status  INTEGER,
    sip_call_id TEXT,
    -- The callback to send if the process dies first: JSON [url, method, [[name, value], …]].
    owed        TEXT
) STRICT;
CREATE INDEX calls_started ON calls (started);
CREATE INDEX calls_parent ON calls (parent) WHERE parent IS NOT NULL;
CREATE INDEX calls_going_on ON calls (sid) WHERE ended IS NULL;

CREATE TABLE recordings (
    sid      TEXT PRIMARY KEY,
    call     TEXT NOT NULL,
    status   TEXT NOT NULL,
    started  INTEGER NOT NULL,
    duration INTEGER,
    channels INTEGER NOT NULL,
    source   TEXT NOT NULL
) STRICT;
CREATE INDEX recordings_started ON recordings (started);
CREATE INDEX recordings_call ON recordings (call);

-- AUTOINCREMENT: a number is never used twice, so neither is the idempotency token made from it.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    call       TEXT NOT NULL,
    url        TEXT NOT NULL,
    method     TEXT NOT NULL,
    parameters TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_call ON outbox (call, id);
CREATE INDEX outbox_due ON outbox (due);

PRAGMA user_version = 1;
