-- +goose Up

-- When deployments run by themselves. What a schedule says is a document that the server reads; slots are not stored
-- ahead: next_due is only where the scheduler looks next, and NULL where it need not.
CREATE TABLE schedules (
    id            TEXT NOT NULL PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    spec          TEXT NOT NULL,
    active        BOOLEAN NOT NULL,
    decided_until INTEGER NOT NULL,
    seen_until    INTEGER NOT NULL,
    next_due      INTEGER,
    held_until    INTEGER,
    last_slot     INTEGER,
    last_error    TEXT NOT NULL,
    last_error_at INTEGER,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    updated_at    INTEGER NOT NULL,
    updated_by    TEXT NOT NULL,
    UNIQUE (deployment_id, name)
);
CREATE INDEX schedules_due ON schedules (next_due) WHERE next_due IS NOT NULL;

ALTER TABLE runs ADD COLUMN schedule_id TEXT;
-- What of a schedule is live: its overlap policy asks.
CREATE INDEX runs_live_schedule ON runs (schedule_id) WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

-- +goose Down
DROP INDEX runs_live_schedule;
ALTER TABLE runs DROP COLUMN schedule_id;
DROP TABLE schedules;
