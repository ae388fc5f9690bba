-- +goose Up

-- What makes claims of a pool follow each other: with none of these, they go beside each other.
CREATE INDEX deployments_held ON deployments (pool_id)
    WHERE (paused OR concurrency_limit IS NOT NULL) AND deleted_at IS NULL;

-- +goose Down
DROP INDEX deployments_held;
