-- Values that functions keep, by store and key.
CREATE TABLE function_values (
    store TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL,
    expires INTEGER,
    PRIMARY KEY (store, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX function_values_expires ON function_values (expires) WHERE expires IS NOT NULL;

PRAGMA user_version = 4;
