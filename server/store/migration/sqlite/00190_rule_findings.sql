-- +goose Up

-- What rules said of a run: attempt 0 is when it was created, others when a worker was about to create the Job. Only runs
-- of which a rule said something have a row.
CREATE TABLE run_rule_findings (
    run_id   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt  INTEGER NOT NULL,
    findings TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);
-- The namespace of Jobs whose template names none; empty where the worker has not said.
ALTER TABLE workers ADD COLUMN default_namespace TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE workers DROP COLUMN default_namespace;
DROP TABLE run_rule_findings;
