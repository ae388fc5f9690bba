-- +goose Up

-- What a workload says of itself: its result, and how far it is. Of the newest attempt that said something.
CREATE TABLE run_results (
    run_id           UUID NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    result           TEXT,
    result_attempt   INTEGER,
    result_at        TIMESTAMPTZ,
    percent          DOUBLE PRECISION,
    message          TEXT,
    progress_attempt INTEGER,
    progress_at      TIMESTAMPTZ
);
-- Hashes of the keys that were made for the attempt's own use, the newest first, separated by spaces. They are good until
-- it has ended.
ALTER TABLE attempts ADD COLUMN job_key_hashes TEXT;

-- +goose Down
ALTER TABLE attempts DROP COLUMN job_key_hashes;
DROP TABLE run_results;
