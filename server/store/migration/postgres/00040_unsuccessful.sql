-- +goose Up

-- Runs that did not succeed are few and much looked for: they have an index, which costs the others nothing. The state itself
-- can not be in one, or every change of it would be written to every index.
ALTER TABLE runs ADD COLUMN unsuccessful TEXT
    GENERATED ALWAYS AS (CASE WHEN state_type IN ('FAILED', 'CRASHED', 'CANCELLED') THEN state_type END) STORED;
CREATE INDEX runs_unsuccessful ON runs (unsuccessful, id) WHERE unsuccessful IS NOT NULL;

-- +goose Down
DROP INDEX runs_unsuccessful;
ALTER TABLE runs DROP COLUMN unsuccessful;
