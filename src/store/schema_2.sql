-- Where phones are registered, so that they are found after a restart. A row without a URI is one
-- that was taken back in the transaction under way.
CREATE TABLE bindings (
    aor        TEXT NOT NULL,
    place      TEXT NOT NULL,
    uri        TEXT,
    transport  TEXT,
    local      TEXT,
    remote     TEXT,
    path       TEXT,
    expires    INTEGER,
    updated    INTEGER,
    q          INTEGER,
    instance   TEXT,
    reg_id     INTEGER,
    user_agent TEXT,
    call_id    TEXT,
    cseq       INTEGER,
    PRIMARY KEY (aor, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_gone ON bindings (aor) WHERE uri IS NULL;

-- How trunks and lines fare, for whoever looks; of no use to the next process.
CREATE TABLE trunks (
    line    INTEGER NOT NULL,
    name    TEXT NOT NULL,
    state   TEXT NOT NULL,
    account TEXT,
    up      INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    trouble TEXT,
    server  TEXT,
    retry   INTEGER,
    until   INTEGER,
    PRIMARY KEY (line, name)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
