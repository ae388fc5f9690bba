-- +goose Up

-- Who changed what, and when. It outlives what it is about. Values that may hold secrets are here only as digests under
-- audit_key, so that nobody can guess what they were.
CREATE TABLE audit (
    id      TEXT NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    key_id  TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    pool    TEXT NOT NULL,
    detail  TEXT NOT NULL,
    changes TEXT NOT NULL
);
-- The history of one thing; the whole list goes by id.
CREATE INDEX audit_subject ON audit (kind, name, id);

ALTER TABLE installation ADD COLUMN audit_key TEXT NOT NULL DEFAULT '';
UPDATE installation SET audit_key = lower(hex(randomblob(32)));

-- +goose Down
ALTER TABLE installation DROP COLUMN audit_key;
DROP TABLE audit;
