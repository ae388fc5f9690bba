-- +goose Up

-- The project whose berth.yaml describes it: what a deploy may delete when it is not described any more.
ALTER TABLE pools ADD COLUMN project TEXT COLLATE "C";
ALTER TABLE deployments ADD COLUMN project TEXT COLLATE "C";
ALTER TABLE variables ADD COLUMN project TEXT COLLATE "C";
CREATE INDEX deployments_project ON deployments (project) WHERE project IS NOT NULL AND deleted_at IS NULL;

-- +goose Down
DROP INDEX deployments_project;
ALTER TABLE variables DROP COLUMN project;
ALTER TABLE deployments DROP COLUMN project;
ALTER TABLE pools DROP COLUMN project;
