-- +goose Up

-- How far the output of each attempt is stored, and where. Appending output writes this row and neither reads nor locks
-- more than the epoch of the attempt. It belongs to the run, not to the row of the attempt, which may move. See
-- output.go. No index holds a column that appending changes, so that these updates are HOT.
CREATE TABLE outputs (
    attempt_id    UUID NOT NULL PRIMARY KEY,
    run_id        UUID NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    size          BIGINT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    written_at    TIMESTAMPTZ NOT NULL,
    archived_size BIGINT NOT NULL,
    object        TEXT NOT NULL,
    object_size   BIGINT NOT NULL,
    archived_at   TIMESTAMPTZ,
    upload        TEXT NOT NULL,
    due_at        TIMESTAMPTZ,
    tries         INTEGER NOT NULL,
    last_error    TEXT NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
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
    due_at     TIMESTAMPTZ NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
CREATE INDEX output_deletions_due ON output_deletions (due_at);

DROP TRIGGER delete_with_attempts ON attempts;
DROP FUNCTION delete_with_attempts;
ALTER TABLE attempts DROP COLUMN log_size;

-- A foreign key would lock all outputs when a partition is dropped. An upload may be under way, so its object is deleted
-- an hour later.
-- +goose StatementBegin
CREATE FUNCTION delete_with_outputs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log_chunks WHERE attempt_id IN (SELECT attempt_id FROM gone WHERE due_at IS NOT NULL);
    INSERT INTO output_deletions (object, whole, due_at, tries, last_error)
    SELECT object, TRUE, now(), 0, '' FROM gone WHERE object <> ''
    UNION ALL
    SELECT upload, FALSE, now() + INTERVAL '1 hour', 0, '' FROM gone WHERE upload <> ''
    ON CONFLICT (object) DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_outputs AFTER DELETE ON outputs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_outputs();

-- +goose Down
ALTER TABLE attempts ADD COLUMN log_size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ALTER COLUMN log_size DROP DEFAULT;
UPDATE attempts SET log_size = o.size FROM outputs o WHERE o.attempt_id = attempts.id;
DROP TRIGGER delete_with_outputs ON outputs;
DROP FUNCTION delete_with_outputs;
DROP TABLE outputs;
DROP TABLE output_deletions;
-- +goose StatementBegin
CREATE FUNCTION delete_with_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log_chunks WHERE attempt_id IN (SELECT id FROM gone WHERE log_size > 0);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_attempts AFTER DELETE ON attempts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_attempts();
