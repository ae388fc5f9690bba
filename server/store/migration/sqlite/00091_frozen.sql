-- +goose Up

-- The revision of the deployment whose frozen values an attempt holds: the one that was current at its claim, while
-- the run keeps the revision that it was created from. NULL: that of the run.
ALTER TABLE attempts ADD COLUMN frozen_revision_id TEXT;

-- +goose Down
ALTER TABLE attempts DROP COLUMN frozen_revision_id;
