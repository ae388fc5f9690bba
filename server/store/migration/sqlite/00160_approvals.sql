-- +goose Up

-- Which changes of a pool another person must approve, a JSON object. NULL asks for no approvals.
ALTER TABLE pools ADD COLUMN approval_policy TEXT;

-- Requests for the approval of a change in one pool. items names the changes, plan has their values; asker and decider are who asked
-- and who decided.
CREATE TABLE approvals (
    id          TEXT NOT NULL PRIMARY KEY,
    pool_id     TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    state       TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    operation   TEXT NOT NULL,
    subjects    TEXT NOT NULL,
    approver    TEXT NOT NULL,
    lifetime_s  BIGINT NOT NULL,
    items       TEXT NOT NULL,
    plan        TEXT NOT NULL,
    asker       TEXT NOT NULL,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    decider     TEXT,
    decided_at  INTEGER,
    used_by     TEXT NOT NULL DEFAULT '',
    ended_at    INTEGER,
    reason      TEXT NOT NULL DEFAULT ''
);
CREATE INDEX approvals_pool ON approvals (pool_id, id);
CREATE UNIQUE INDEX approvals_live ON approvals (pool_id, fingerprint) WHERE state IN ('open', 'approved');
CREATE INDEX approvals_expiry ON approvals (expires_at) WHERE state IN ('open', 'approved');
CREATE INDEX approvals_ended ON approvals (ended_at) WHERE ended_at IS NOT NULL;

-- +goose Down
DROP TABLE approvals;
ALTER TABLE pools DROP COLUMN approval_policy;
