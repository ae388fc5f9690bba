-- +goose Up

-- How far the output of each attempt is stored, and where. It belongs to the run, not to the row of the attempt, which may
-- move. See output.go.
CREATE TABLE outputs (
    attempt_id    TEXT NOT NULL PRIMARY KEY,
    run_id        TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    written_at    INTEGER NOT NULL,
    archived_size INTEGER NOT NULL,
    object        TEXT NOT NULL,
    object_size   INTEGER NOT NULL,
    archived_at   INTEGER,
    upload        TEXT NOT NULL,
    due_at        INTEGER,
    tries         INTEGER NOT NULL,
    last_error    TEXT NOT NULL
);
CREATE INDEX outputs_run ON outputs (run_id, number);
CREATE INDEX outputs_due ON outputs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outputs_archived ON outputs (attempt_id) WHERE object <> '';

INSERT INTO outputs (
    attempt_id, run_id, number, size, created_at, written_at, archived_size, object, object_size, upload, due_at, tries,
    last_error
)
SELECT id, run_id, number, log_size, claimed_at, COALESCE(ended_at, claimed_at), 0, '', 0, '', claimed_at, 0, ''
FROM attempts
WHERE log_size > 0;

-- The objects of the archive that nothing refers to any longer, until they are deleted. One that is not whole comes from
-- an upload that was interrupted, or may still be.
CREATE TABLE output_deletions (
    object     TEXT NOT NULL PRIMARY KEY,
    whole      BOOLEAN NOT NULL,
    due_at     INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
CREATE INDEX output_deletions_due ON output_deletions (due_at);

CREATE TABLE log_chunks_of_outputs (
    attempt_id  TEXT NOT NULL REFERENCES outputs (attempt_id) ON DELETE CASCADE,
    byte_offset INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset)
);
INSERT INTO log_chunks_of_outputs (attempt_id, byte_offset, at, content)
SELECT attempt_id, byte_offset, at, content
FROM log_chunks;
DROP TABLE log_chunks;
ALTER TABLE log_chunks_of_outputs RENAME TO log_chunks;
ALTER TABLE attempts DROP COLUMN log_size;

-- An upload may be under way, so its object is deleted an hour later.
-- +goose StatementBegin
CREATE TRIGGER delete_with_outputs AFTER DELETE ON outputs
WHEN old.object <> '' OR old.upload <> ''
BEGIN
    INSERT INTO output_deletions (object, whole, due_at, tries, last_error)
    SELECT old.object, TRUE, unixepoch() * 1000000, 0, '' WHERE old.object <> ''
    UNION ALL
    SELECT old.upload, FALSE, (unixepoch() + 3600) * 1000000, 0, '' WHERE old.upload <> ''
    ON CONFLICT (object) DO NOTHING;
END;
-- +goose StatementEnd

-- +goose Down
ALTER TABLE attempts ADD COLUMN log_size INTEGER NOT NULL DEFAULT 0;
UPDATE attempts SET log_size = COALESCE((SELECT o.size FROM outputs o WHERE o.attempt_id = attempts.id), 0);
CREATE TABLE log_chunks_of_attempts (
    attempt_id  TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    byte_offset INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset)
);
INSERT INTO log_chunks_of_attempts (attempt_id, byte_offset, at, content)
SELECT attempt_id, byte_offset, at, content
FROM log_chunks;
DROP TABLE log_chunks;
ALTER TABLE log_chunks_of_attempts RENAME TO log_chunks;
DROP TABLE outputs;
DROP TABLE output_deletions;
