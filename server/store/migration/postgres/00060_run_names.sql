-- +goose Up

-- People know runs by their name, or by the beginning of it.
CREATE INDEX runs_name ON runs (name text_pattern_ops);

-- +goose Down
DROP INDEX runs_name;
