-- +goose Up

-- Runs that did not succeed are few and much looked for.
ALTER TABLE runs ADD COLUMN unsuccessful TEXT
    GENERATED ALWAYS AS (CASE WHEN state_type IN ('FAILED', 'CRASHED', 'CANCELLED') THEN state_type END) VIRTUAL;
CREATE INDEX runs_unsuccessful ON runs (unsuccessful, id) WHERE unsuccessful IS NOT NULL;

-- +goose Down
DROP INDEX runs_unsuccessful;
ALTER TABLE runs DROP COLUMN unsuccessful;
