-- +goose Up

-- Times are UTC with microseconds. JSON documents are TEXT, as they were sent. Names sort by bytes, as in SQLite.
-- Foreign keys stand where a delete follows them, each served by an index; other references have none on purpose.

CREATE TABLE installation (
    id         UUID NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
);
INSERT INTO installation (id, created_at) VALUES (gen_random_uuid(), now());

CREATE TABLE pools (
    id                UUID NOT NULL PRIMARY KEY,
    name              TEXT COLLATE "C" NOT NULL,
    type              TEXT NOT NULL,
    description       TEXT NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    template_version  INTEGER NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        TIMESTAMPTZ
);
-- A deleted pool stays until its last run has ended; its name is free at once.
CREATE UNIQUE INDEX pools_name ON pools (name) WHERE deleted_at IS NULL;
CREATE INDEX pools_deleted ON pools (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE template_versions (
    id            UUID NOT NULL PRIMARY KEY,
    pool_id       UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    document      TEXT NOT NULL,
    document_hash TEXT NOT NULL,
    stored_names  TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    created_by    TEXT NOT NULL,
    UNIQUE (pool_id, version)
);

CREATE TABLE queues (
    id                UUID NOT NULL PRIMARY KEY,
    pool_id           UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    name              TEXT COLLATE "C" NOT NULL,
    priority          INTEGER NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    UNIQUE (pool_id, name)
);

CREATE TABLE deployments (
    id                UUID NOT NULL PRIMARY KEY,
    name              TEXT COLLATE "C" NOT NULL,
    pool_id           UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    queue_id          UUID NOT NULL,
    revision_id       UUID NOT NULL,
    description       TEXT NOT NULL,
    tags              TEXT NOT NULL,
    concurrency_limit INTEGER,
    paused            BOOLEAN NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        TIMESTAMPTZ
);
CREATE UNIQUE INDEX deployments_name ON deployments (name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_pool ON deployments (pool_id, name);
CREATE INDEX deployments_deleted ON deployments (deleted_at) WHERE deleted_at IS NOT NULL;

-- What a run takes over from its deployment at creation. A revision is never changed; runs refer to theirs.
CREATE TABLE deployment_revisions (
    id                UUID NOT NULL PRIMARY KEY,
    deployment_id     UUID NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    version           TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    parameters        TEXT NOT NULL,
    parameter_schema  TEXT,
    frozen_variables  TEXT NOT NULL,
    frozen_parameters TEXT NOT NULL,
    retries           TEXT NOT NULL,
    timeout_us        BIGINT,
    start_deadline_us BIGINT,
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL
);
CREATE INDEX deployment_revisions_deployment ON deployment_revisions (deployment_id);

CREATE TABLE runs (
    id                UUID NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    deployment_id     UUID NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    revision_id       UUID NOT NULL,
    pool_id           UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    queue_id          UUID NOT NULL,
    state_type        TEXT NOT NULL,
    state_name        TEXT NOT NULL,
    state_message     TEXT NOT NULL,
    state_at          TIMESTAMPTZ NOT NULL,
    cancel_reason     TEXT NOT NULL,
    parameters        TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    stored_names      TEXT NOT NULL,
    tags              TEXT NOT NULL,
    idempotency_key   TEXT,
    body_hash         TEXT NOT NULL,
    scheduled_time    TIMESTAMPTZ NOT NULL,
    due_at            TIMESTAMPTZ NOT NULL,
    start_deadline_at TIMESTAMPTZ,
    timeout_at        TIMESTAMPTZ,
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    started_at        TIMESTAMPTZ,
    ended_at          TIMESTAMPTZ,
    attempt           INTEGER NOT NULL,
    spent             TEXT NOT NULL,
    exit_code         INTEGER,
    category          TEXT NOT NULL,
    last_event        BIGINT NOT NULL,
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
    id                  UUID NOT NULL PRIMARY KEY,
    run_id              UUID NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number              INTEGER NOT NULL,
    pool_id             UUID NOT NULL,
    queue_id            UUID NOT NULL,
    deployment_id       UUID NOT NULL,
    phase               TEXT NOT NULL,
    worker              TEXT NOT NULL,
    cluster_id          TEXT NOT NULL,
    epoch               BIGINT NOT NULL,
    lease_expires_at    TIMESTAMPTZ NOT NULL,
    template_version_id UUID NOT NULL,
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
    claimed_at          TIMESTAMPTZ NOT NULL,
    submitted_at        TIMESTAMPTZ,
    running_at          TIMESTAMPTZ,
    ended_at            TIMESTAMPTZ,
    handed_back         BOOLEAN NOT NULL,
    log_size            BIGINT NOT NULL,
    UNIQUE (run_id, number)
);
-- Slots in use, and leases that run out.
CREATE INDEX attempts_active ON attempts (pool_id, cluster_id, lease_expires_at) WHERE ended_at IS NULL;
CREATE INDEX attempts_active_deployment ON attempts (deployment_id) WHERE ended_at IS NULL;

CREATE TABLE events (
    run_id     UUID NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    actor      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE log_chunks (
    attempt_id  UUID NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    byte_offset BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    content     BYTEA NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset)
);

-- The answers to claims, kept for a while so that a lost answer can be given again.
CREATE TABLE claim_requests (
    id         UUID NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    claims     TEXT NOT NULL
);
CREATE INDEX claim_requests_created ON claim_requests (created_at);

CREATE TABLE workers (
    pool         TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    type         TEXT NOT NULL,
    cluster_id   TEXT NOT NULL,
    version      TEXT NOT NULL,
    namespaces   TEXT NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (pool, name)
);

CREATE TABLE variables (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    role         TEXT NOT NULL,
    pools        TEXT,
    secret_hash  TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    revoked_by   TEXT NOT NULL
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE api_keys, variables, workers, claim_requests, log_chunks, events, attempts, runs, deployment_revisions,
    deployments, queues, template_versions, pools, installation;
