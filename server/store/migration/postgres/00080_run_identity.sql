-- +goose Up

-- The audiences for which the jobs of a pool may get run tokens, a JSON list. NULL grants none.
ALTER TABLE pools ADD COLUMN run_token_audiences TEXT;

-- The keys that sign run tokens. The private part is encrypted with a key that the database never sees.
CREATE TABLE signing_keys (
    id          TEXT NOT NULL PRIMARY KEY,
    algorithm   TEXT NOT NULL,
    public_key  TEXT NOT NULL,
    private_key TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    signs_from  TIMESTAMPTZ NOT NULL
);

-- How often an attempt got a token for an audience. The tokens themselves are stored nowhere.
CREATE TABLE run_tokens (
    attempt_id UUID NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    audience   TEXT COLLATE "C" NOT NULL,
    issued     BIGINT NOT NULL,
    first_at   TIMESTAMPTZ NOT NULL,
    last_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (attempt_id, audience)
);

-- +goose Down
DROP TABLE run_tokens;
DROP TABLE signing_keys;
ALTER TABLE pools DROP COLUMN run_token_audiences;
