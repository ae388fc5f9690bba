-- +goose Up

-- People know runs by their name, or by the beginning of it.
CREATE INDEX runs_name ON runs (name);

-- +goose Down
DROP INDEX runs_name;
