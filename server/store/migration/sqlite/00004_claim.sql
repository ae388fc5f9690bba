-- +goose Up

-- What the template of a run's newest manifest says; it counts where the deployment says nothing.
ALTER TABLE runs ADD COLUMN template_timeout_us INTEGER;
ALTER TABLE runs ADD COLUMN template_infrastructure_max INTEGER;

-- The index of what is ready is kept by this column and not by the state, so that going from PENDING to RUNNING changes
-- no index.
ALTER TABLE runs ADD COLUMN ready BOOLEAN GENERATED ALWAYS AS (state_type = 'SCHEDULED') VIRTUAL;
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (queue_id, due_at, id) WHERE ready;

-- +goose Down
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (queue_id, due_at, id) WHERE state_type = 'SCHEDULED';
ALTER TABLE runs DROP COLUMN ready;
ALTER TABLE runs DROP COLUMN template_infrastructure_max;
ALTER TABLE runs DROP COLUMN template_timeout_us;
