-- What the watcher of a recording is told should the process die before its end.
ALTER TABLE recordings ADD COLUMN owed TEXT;

PRAGMA user_version = 3;
