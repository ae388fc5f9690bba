-- +goose Up

-- What was deleted and can be brought back: one row for each object, until retention removes it. Pools, deployments and queues
-- keep their own row and are only marked; variables and rules are in document. Objects that one request deleted have the same
-- deletion_id.
CREATE TABLE deletions (
    id          UUID NOT NULL PRIMARY KEY,
    deletion_id UUID NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    pool_id     UUID,
    object_id   UUID,
    document    TEXT,
    deleted_at  TIMESTAMPTZ NOT NULL,
    deleted_by  TEXT NOT NULL
);
CREATE INDEX deletions_deletion ON deletions (deletion_id);
CREATE INDEX deletions_name ON deletions (kind, name, id);
CREATE INDEX deletions_pool ON deletions (pool_id) WHERE pool_id IS NOT NULL;

-- A deleted pool or deployment that can be brought back is kept; the sweep removes those that are not.
ALTER TABLE pools ADD COLUMN kept BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE deployments ADD COLUMN kept BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX deployments_cleared ON deployments (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;
CREATE INDEX pools_cleared ON pools (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;

-- Keys that the server's configuration makes at each start. Other keys lose their roles in a pool with the pool.
ALTER TABLE api_keys ADD COLUMN configured BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE api_keys DROP COLUMN configured;
DROP INDEX pools_cleared;
DROP INDEX deployments_cleared;
ALTER TABLE deployments DROP COLUMN kept;
ALTER TABLE pools DROP COLUMN kept;
DROP TABLE deletions;
