-- The tables of runs before ready and live, with their indexes and settings: a run and its attempt had one row each, which
-- every report wrote. BenchmarkKubernetesCycle measures beside them what the tables of today have won.
CREATE SCHEMA first;
CREATE TABLE first.runs (
    id                UUID NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    deployment_id     UUID NOT NULL,
    revision_id       UUID NOT NULL,
    pool_id           UUID NOT NULL,
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
    template_timeout_us         BIGINT,
    template_infrastructure_max INTEGER,
    ready             BOOLEAN GENERATED ALWAYS AS (state_type = 'SCHEDULED') STORED,
    raised            TEXT,
    schedule_id       UUID,
    unsuccessful      TEXT
        GENERATED ALWAYS AS (CASE WHEN state_type IN ('FAILED', 'CRASHED', 'CANCELLED') THEN state_type END) STORED,
    caller_kind       TEXT NOT NULL DEFAULT '',
    caller_role       TEXT NOT NULL DEFAULT '',
    UNIQUE (deployment_id, idempotency_key)
) WITH (fillfactor = 33, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX ON first.runs (queue_id, due_at, id) WHERE ready;
CREATE INDEX ON first.runs (pool_id, deployment_id) WHERE ended_at IS NULL;
CREATE INDEX ON first.runs (deployment_id) WHERE ended_at IS NULL;
CREATE INDEX ON first.runs (schedule_id) WHERE schedule_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX ON first.runs (start_deadline_at) WHERE start_deadline_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX ON first.runs (timeout_at) WHERE timeout_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX ON first.runs (pool_id, id);
CREATE INDEX ON first.runs (deployment_id, id);
CREATE INDEX ON first.runs (name text_pattern_ops);
CREATE INDEX ON first.runs (unsuccessful, id) WHERE unsuccessful IS NOT NULL;

CREATE TABLE first.attempts (
    id                  UUID NOT NULL PRIMARY KEY,
    run_id              UUID NOT NULL,
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
    raised              TEXT,
    job_key_hashes      TEXT,
    frozen_revision_id  UUID,
    UNIQUE (run_id, number)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX ON first.attempts (pool_id, cluster_id, lease_expires_at) WHERE ended_at IS NULL;
CREATE INDEX ON first.attempts (deployment_id) WHERE ended_at IS NULL;

CREATE TABLE first.events (
    run_id     UUID NOT NULL,
    seq        BIGINT NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    actor      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- Runs that are due, as many as asked for.
CREATE SEQUENCE first.made;
CREATE FUNCTION first.fill(wanted INTEGER) RETURNS VOID LANGUAGE SQL AS $$
INSERT INTO first.runs (
    id, name, deployment_id, revision_id, pool_id, queue_id, state_type, state_name, state_message, state_at, cancel_reason,
    parameters, job_variables, stored_names, tags, body_hash, scheduled_time, due_at, created_at, created_by, attempt, spent,
    category, last_event
)
SELECT
    (lpad(to_hex(n), 12, '0') || '7' || lpad('', 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid, 'calm-tide-' || n,
    md5('d')::uuid, md5('r')::uuid, md5('p')::uuid, md5('q')::uuid, 'SCHEDULED', 'Scheduled', '', clock_timestamp(), '',
    '{}', '{}', '[]', '[]', '', clock_timestamp(), clock_timestamp(), clock_timestamp(), 'ada', 0, '{}',
    '', 1
FROM (SELECT nextval('first.made') AS n FROM generate_series(1, wanted)) AS ids
$$;

-- Attempts under way, as many as asked for.
CREATE FUNCTION first.start(wanted INTEGER) RETURNS VOID LANGUAGE SQL AS $$
INSERT INTO first.attempts (
    id, run_id, number, pool_id, queue_id, deployment_id, phase, worker, cluster_id, epoch, lease_expires_at,
    template_version_id, stored, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, succeeded, category, message,
    last_lines, claimed_at, running_at, handed_back
)
SELECT
    md5('a' || n)::uuid, md5('r' || n)::uuid, 1, md5('p')::uuid, md5('q')::uuid, md5('d')::uuid, 'running', 'w' || n % 100, 'c', 1,
    clock_timestamp(), md5('t')::uuid, '{}', md5('m') || md5('h'), 'jobs', 'job-' || n, md5('u'), 'node-1', '', FALSE, '', '',
    '', clock_timestamp(), clock_timestamp(), FALSE
FROM generate_series(1, wanted) AS n
$$;
