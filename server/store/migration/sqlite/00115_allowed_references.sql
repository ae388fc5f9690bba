-- +goose Up

-- What job variables of a pool may refer to in the cluster, a JSON object. NULL allows nothing.
ALTER TABLE pools ADD COLUMN allowed_references TEXT;

-- +goose Down
ALTER TABLE pools DROP COLUMN allowed_references;
