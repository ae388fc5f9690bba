-- +goose Up

-- A key has a list of roles, each in one pool or, with null, in all: [{"role": "deployer", "pool": "team-a"}].
-- Pools are named, not referenced: a key can be made before its pool, and outlives it.
ALTER TABLE api_keys ADD COLUMN bindings TEXT NOT NULL DEFAULT '[]';

UPDATE api_keys
SET bindings = CASE
    WHEN pools IS NULL THEN json_array(json_object('role', role, 'pool', NULL))
    ELSE (
        SELECT json_group_array(json_object('role', role, 'pool', value))
        FROM json_each(pools)
    )
END;

ALTER TABLE api_keys DROP COLUMN role;
ALTER TABLE api_keys DROP COLUMN pools;

-- +goose Down
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer';
ALTER TABLE api_keys ADD COLUMN pools TEXT;
ALTER TABLE api_keys DROP COLUMN bindings;
