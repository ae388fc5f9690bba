-- +goose Up

-- The rules of a pool, or of the installation where pool_id is NULL. Each change makes a new set; sets never change, so that
-- server and workers evaluate the same text.
CREATE TABLE rule_sets (
    id         TEXT NOT NULL PRIMARY KEY,
    pool_id    TEXT REFERENCES pools (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    is_current BOOLEAN NOT NULL,
    rules      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (pool_id, version)
);
CREATE UNIQUE INDEX rule_sets_current ON rule_sets (pool_id) WHERE is_current;
CREATE UNIQUE INDEX rule_sets_installation ON rule_sets (is_current) WHERE is_current AND pool_id IS NULL;

-- Who created a run, as rules see it, beside created_by: api-key, job-key, schedule or anonymous; and the role in the run's pool.
ALTER TABLE runs ADD COLUMN caller_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN caller_role TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE runs DROP COLUMN caller_role;
ALTER TABLE runs DROP COLUMN caller_kind;
DROP TABLE rule_sets;
