-- +goose Up

-- What the template of a run's newest manifest says; it counts where the deployment says nothing.
ALTER TABLE runs ADD COLUMN template_timeout_us BIGINT;
ALTER TABLE runs ADD COLUMN template_infrastructure_max INTEGER;

-- The index of what is ready is kept by this column and not by the state, so that going from PENDING to RUNNING changes
-- no index.
ALTER TABLE runs ADD COLUMN ready BOOLEAN GENERATED ALWAYS AS (state_type = 'SCHEDULED') STORED;
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (queue_id, due_at, id) WHERE ready;

-- Rows are written a few times within seconds and then never again: room beside them, and a vacuum that comes before the
-- tables have doubled.
ALTER TABLE runs SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE attempts SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE claim_requests SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE workers SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- +goose Down
DROP INDEX runs_ready;
CREATE INDEX runs_ready ON runs (queue_id, due_at, id) WHERE state_type = 'SCHEDULED';
ALTER TABLE runs DROP COLUMN ready;
ALTER TABLE runs RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE attempts RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE claim_requests RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE workers RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE runs DROP COLUMN template_infrastructure_max;
ALTER TABLE runs DROP COLUMN template_timeout_us;
