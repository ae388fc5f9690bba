-- +goose Up

-- The same tables as on PostgreSQL. Times are microseconds since 1970 in UTC, ids are TEXT.
-- Foreign keys stand where a delete follows them, each served by an index; other references have none on purpose.

CREATE TABLE installation (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
);
INSERT INTO installation (id, created_at) VALUES (
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', abs(random() % 4) + 1, 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
);

CREATE TABLE pools (
    id                TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    type              TEXT NOT NULL,
    description       TEXT NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    template_version  INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        INTEGER NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        INTEGER
);
-- A deleted pool stays until its last run has ended; its name is free at once.
CREATE UNIQUE INDEX pools_name ON pools (name) WHERE deleted_at IS NULL;
CREATE INDEX pools_deleted ON pools (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE template_versions (
    id            TEXT NOT NULL PRIMARY KEY,
    pool_id       TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    document      TEXT NOT NULL,
    document_hash TEXT NOT NULL,
    stored_names  TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    UNIQUE (pool_id, version)
);

CREATE TABLE queues (
    id                TEXT NOT NULL PRIMARY KEY,
    pool_id           TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    UNIQUE (pool_id, name)
);

CREATE TABLE deployments (
    id                TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    pool_id           TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    queue_id          TEXT NOT NULL,
    revision_id       TEXT NOT NULL,
    description       TEXT NOT NULL,
    tags              TEXT NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        INTEGER NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        INTEGER
);
CREATE UNIQUE INDEX deployments_name ON deployments (name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_pool ON deployments (pool_id, name);
CREATE INDEX deployments_deleted ON deployments (deleted_at) WHERE deleted_at IS NOT NULL;

-- What a run takes over from its deployment at creation. A revision is never changed; runs refer to theirs.
CREATE TABLE deployment_revisions (
    id                TEXT NOT NULL PRIMARY KEY,
    deployment_id     TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    version           TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    parameters        TEXT NOT NULL,
    parameter_schema  TEXT,
    frozen_variables  TEXT NOT NULL,
    frozen_parameters TEXT NOT NULL,
    retries           TEXT NOT NULL,
    timeout_us        INTEGER,
    start_deadline_us INTEGER,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL
);
CREATE INDEX deployment_revisions_deployment ON deployment_revisions (deployment_id);

CREATE TABLE runs (
    id                TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    deployment_id     TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    revision_id       TEXT NOT NULL,
    pool_id           TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    queue_id          TEXT NOT NULL,
    state_type        TEXT NOT NULL,
    state_name        TEXT NOT NULL,
    state_message     TEXT NOT NULL,
    state_at          INTEGER NOT NULL,
    cancel_reason     TEXT NOT NULL,
    parameters        TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    stored_names      TEXT NOT NULL,
    tags              TEXT NOT NULL,
    idempotency_key   TEXT,
    body_hash         TEXT NOT NULL,
    scheduled_time    INTEGER NOT NULL,
    due_at            INTEGER NOT NULL,
    start_deadline_at INTEGER,
    timeout_at        INTEGER,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    started_at        INTEGER,
    ended_at          INTEGER,
    attempt           INTEGER NOT NULL,
    spent             TEXT NOT NULL,
    exit_code         INTEGER,
    category          TEXT NOT NULL,
    last_event        INTEGER NOT NULL,
    UNIQUE (deployment_id, idempotency_key)
);
-- What a claim walks, in its order.
CREATE INDEX runs_ready ON runs (queue_id, due_at, id) WHERE state_type = 'SCHEDULED';
-- What is not finished: counts, and whether a pool or deployment may go.
CREATE INDEX runs_live ON runs (pool_id, deployment_id) WHERE ended_at IS NULL;
CREATE INDEX runs_live_deployment ON runs (deployment_id) WHERE ended_at IS NULL;
CREATE INDEX runs_start_deadline ON runs (start_deadline_at)
    WHERE start_deadline_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX runs_timeout ON runs (timeout_at) WHERE timeout_at IS NOT NULL AND ended_at IS NULL;
-- Lists, newest first.
CREATE INDEX runs_pool ON runs (pool_id, id);
CREATE INDEX runs_deployment ON runs (deployment_id, id);

-- One try of a run each. A row whose ended_at is NULL holds a slot. One that was handed back is used again.
CREATE TABLE attempts (
    id                  TEXT NOT NULL PRIMARY KEY,
    run_id              TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number              INTEGER NOT NULL,
    pool_id             TEXT NOT NULL,
    queue_id            TEXT NOT NULL,
    deployment_id       TEXT NOT NULL,
    phase               TEXT NOT NULL,
    worker              TEXT NOT NULL,
    cluster_id          TEXT NOT NULL,
    epoch               INTEGER NOT NULL,
    lease_expires_at    INTEGER NOT NULL,
    template_version_id TEXT NOT NULL,
    stored              TEXT NOT NULL,
    manifest            TEXT,
    manifest_hash       TEXT NOT NULL,
    job_namespace       TEXT NOT NULL,
    job_name            TEXT NOT NULL,
    job_uid             TEXT NOT NULL,
    node                TEXT NOT NULL,
    diagnosis           TEXT NOT NULL,
    succeeded           BOOLEAN NOT NULL,
    exit_code           INTEGER,
    category            TEXT NOT NULL,
    message             TEXT NOT NULL,
    last_lines          TEXT NOT NULL,
    claimed_at          INTEGER NOT NULL,
    submitted_at        INTEGER,
    running_at          INTEGER,
    ended_at            INTEGER,
    handed_back         BOOLEAN NOT NULL,
    log_size            INTEGER NOT NULL,
    UNIQUE (run_id, number)
);
-- Slots in use, and leases that run out.
CREATE INDEX attempts_active ON attempts (pool_id, cluster_id, lease_expires_at) WHERE ended_at IS NULL;
CREATE INDEX attempts_active_deployment ON attempts (deployment_id) WHERE ended_at IS NULL;

CREATE TABLE events (
    run_id     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE log_chunks (
    attempt_id  TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    byte_offset INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset)
);

-- The answers to claims, kept for a while so that a lost answer can be given again.
CREATE TABLE claim_requests (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    claims     TEXT NOT NULL
);
CREATE INDEX claim_requests_created ON claim_requests (created_at);

CREATE TABLE workers (
    pool         TEXT NOT NULL,
    name         TEXT NOT NULL,
    type         TEXT NOT NULL,
    cluster_id   TEXT NOT NULL,
    version      TEXT NOT NULL,
    namespaces   TEXT NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (pool, name)
);

CREATE TABLE variables (
    name       TEXT NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    pools        TEXT,
    secret_hash  TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    revoked_by   TEXT NOT NULL
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE api_keys;
DROP TABLE variables;
DROP TABLE workers;
DROP TABLE claim_requests;
DROP TABLE log_chunks;
DROP TABLE events;
DROP TABLE attempts;
DROP TABLE runs;
DROP TABLE deployment_revisions;
DROP TABLE deployments;
DROP TABLE queues;
DROP TABLE template_versions;
DROP TABLE pools;
DROP TABLE installation;
