-- +goose Up

-- Whose key it is: the person, or the service account, that created it. Empty: the key is a service account.
ALTER TABLE api_keys ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN owner_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';

-- What the actor is: person, key, ci, worker, job, system or anonymous. Of earlier entries the length of the ID tells it.
ALTER TABLE audit ADD COLUMN actor_kind TEXT NOT NULL DEFAULT 'system';
UPDATE audit
SET actor_kind = CASE length(key_id)
    WHEN 8 THEN 'key'
    WHEN 20 THEN 'person'
    WHEN 32 THEN 'job'
    ELSE CASE actor WHEN 'anonymous' THEN 'anonymous' ELSE 'system' END
END;

-- What a sign-out at the provider needs: the ID token, encrypted as the refresh token is, and the provider's own session.
ALTER TABLE sessions ADD COLUMN id_token TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN id_token;
ALTER TABLE sessions DROP COLUMN provider_session;
ALTER TABLE audit DROP COLUMN actor_kind;
ALTER TABLE api_keys DROP COLUMN owner;
ALTER TABLE api_keys DROP COLUMN owner_kind;
ALTER TABLE api_keys DROP COLUMN owner_id;
