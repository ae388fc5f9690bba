-- +goose Up

-- A foreign key looks up and locks the row it refers to for every row that is inserted, which was a third of what a run
-- costs. Runs are made under a lock of their deployment, attempts and events under one of their run, so that nothing can
-- refer to what is not there; that everything goes with its run is kept by triggers, once per statement.
ALTER TABLE runs DROP CONSTRAINT runs_deployment_id_fkey;
ALTER TABLE runs DROP CONSTRAINT runs_pool_id_fkey;
ALTER TABLE attempts DROP CONSTRAINT attempts_run_id_fkey;
ALTER TABLE events DROP CONSTRAINT events_run_id_fkey;

-- +goose StatementBegin
CREATE FUNCTION delete_with_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM events WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM attempts WHERE run_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_runs AFTER DELETE ON runs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_runs();

-- +goose StatementBegin
CREATE FUNCTION delete_with_deployments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE deployment_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_deployments AFTER DELETE ON deployments
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_deployments();

-- +goose StatementBegin
CREATE FUNCTION delete_with_pools() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE pool_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_pools AFTER DELETE ON pools
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_pools();

-- +goose Down
DROP TRIGGER delete_with_pools ON pools;
DROP TRIGGER delete_with_deployments ON deployments;
DROP TRIGGER delete_with_runs ON runs;
DROP FUNCTION delete_with_pools, delete_with_deployments, delete_with_runs;
ALTER TABLE events ADD CONSTRAINT events_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE;
ALTER TABLE attempts ADD CONSTRAINT attempts_run_id_fkey FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE;
ALTER TABLE runs ADD CONSTRAINT runs_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES pools (id) ON DELETE CASCADE;
ALTER TABLE runs ADD CONSTRAINT runs_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES deployments (id) ON DELETE CASCADE;
