-- +goose Up

-- Sessions of people who signed in at the company's provider. Of the token there is only a hash, and the provider's
-- refresh token is encrypted under the token, so that this table alone opens nothing.
CREATE TABLE sessions (
    id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash    TEXT NOT NULL,
    kind           TEXT NOT NULL,
    issuer         TEXT NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    actor          TEXT COLLATE "C" NOT NULL,
    email          TEXT COLLATE "C" NOT NULL,
    email_verified BOOLEAN NOT NULL,
    name           TEXT NOT NULL,
    user_groups    TEXT NOT NULL,
    client         TEXT NOT NULL,
    address        TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    last_used_at   TIMESTAMPTZ NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL,
    checked_at     TIMESTAMPTZ NOT NULL,
    check_from     TIMESTAMPTZ NOT NULL,
    refresh_token  TEXT NOT NULL,
    revoked_at     TIMESTAMPTZ,
    revoked_by     TEXT NOT NULL
);
-- The sessions of one person, the newest first.
CREATE INDEX sessions_person ON sessions (subject, id);
-- The dead ones, which are removed.
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
