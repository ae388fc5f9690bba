-- +goose Up

-- On PostgreSQL output goes into partitions from here on. Here it stays as it is.

-- +goose Down
