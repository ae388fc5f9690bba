-- +goose Up

-- Job variables that retries after running out of memory have raised: an object over the run's own; NULL is none. The
-- attempt keeps those that it was claimed with.
ALTER TABLE runs ADD COLUMN raised TEXT;
ALTER TABLE attempts ADD COLUMN raised TEXT;

-- +goose Down
ALTER TABLE attempts DROP COLUMN raised;
ALTER TABLE runs DROP COLUMN raised;
