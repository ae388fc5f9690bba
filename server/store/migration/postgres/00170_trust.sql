-- +goose Up

-- Whose tokens of other issuers (GitHub, GitLab, Kubernetes) are exchanged for short-lived API keys. claims has the patterns
-- that the claims of a token must match; keys has a literal key set where the issuer cannot be asked for it. version
-- counts changes.
CREATE TABLE trust_rules (
    name             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version          INTEGER NOT NULL,
    description      TEXT NOT NULL,
    issuer           TEXT COLLATE "C" NOT NULL,
    audience         TEXT NOT NULL,
    claims           TEXT NOT NULL,
    bindings         TEXT NOT NULL,
    lifetime_seconds INTEGER NOT NULL,
    single_use       BOOLEAN NOT NULL,
    keys             TEXT NOT NULL,
    authorities      TEXT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    created_by       TEXT NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    updated_by       TEXT NOT NULL
);
CREATE INDEX trust_rules_issuer ON trust_rules (issuer);

-- Digests of tokens that were exchanged under rules that accept each token once.
CREATE TABLE exchanged_tokens (
    digest     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX exchanged_tokens_expiry ON exchanged_tokens (expires_at);

-- The rule, and whose token it was; empty for keys that people and programs create.
ALTER TABLE api_keys
    ADD COLUMN trust_rule TEXT COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN token_issuer TEXT NOT NULL DEFAULT '',
    ADD COLUMN token_subject TEXT NOT NULL DEFAULT '';
-- The valid keys of a rule, and the expired ones, which are removed.
CREATE INDEX api_keys_trust ON api_keys (trust_rule, expires_at) WHERE trust_rule <> '';

-- +goose Down
DROP INDEX api_keys_trust;
ALTER TABLE api_keys DROP COLUMN trust_rule, DROP COLUMN token_issuer, DROP COLUMN token_subject;
DROP TABLE exchanged_tokens;
DROP TABLE trust_rules;
