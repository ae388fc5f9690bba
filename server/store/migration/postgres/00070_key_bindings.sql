-- +goose Up

-- A key has a list of roles, each in one pool or, with null, in all: [{"role": "deployer", "pool": "team-a"}].
-- Pools are named, not referenced: a key can be made before its pool, and outlives it.
ALTER TABLE api_keys ADD COLUMN bindings TEXT NOT NULL DEFAULT '[]';

UPDATE api_keys
SET bindings = CASE
    WHEN pools IS NULL THEN json_build_array(json_build_object('role', role, 'pool', NULL))::text
    ELSE (
        SELECT coalesce(json_agg(json_build_object('role', role, 'pool', pool)), '[]')::text
        FROM json_array_elements_text(pools::json) AS pool
    )
END;

ALTER TABLE api_keys DROP COLUMN role, DROP COLUMN pools;

-- +goose Down
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer', ADD COLUMN pools TEXT;
ALTER TABLE api_keys DROP COLUMN bindings;
