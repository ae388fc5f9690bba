-- +goose Up

-- Times are UTC with microseconds. JSON documents are TEXT, as they were sent. Names sort by bytes, as in SQLite.
-- Foreign keys stand where a delete follows them, each served by an index. A foreign key looks up and locks the row that
-- it refers to for every row that is inserted; so the tables that each run writes have none, and triggers delete with
-- their runs, once per statement.

CREATE TABLE installation (
    id         UUID NOT NULL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    audit_key  TEXT NOT NULL
);
INSERT INTO installation (id, created_at, audit_key)
VALUES (gen_random_uuid(), now(), replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

CREATE TABLE pools (
    id                  UUID NOT NULL PRIMARY KEY,
    name                TEXT COLLATE "C" NOT NULL,
    type                TEXT NOT NULL,
    description         TEXT NOT NULL,
    concurrency_limit   INTEGER,
    paused              BOOLEAN NOT NULL,
    pause               TEXT, -- who paused it, when and why; NULL unless paused
    template_version    INTEGER NOT NULL,
    -- The project whose berth.yaml describes it: what a deploy may delete when it is not described any more.
    project             TEXT COLLATE "C",
    -- The audiences for which the jobs of a pool may get run tokens, a JSON list. NULL grants none.
    run_token_audiences TEXT,
    -- What job variables of a pool may refer to in the cluster, a JSON object. NULL allows nothing.
    allowed_references  TEXT,
    -- Which changes of a pool another person must approve, a JSON object. NULL asks for no approvals.
    approval_policy     TEXT,
    created_at          TIMESTAMPTZ NOT NULL,
    created_by          TEXT NOT NULL,
    updated_at          TIMESTAMPTZ NOT NULL,
    updated_by          TEXT NOT NULL,
    deleted_at          TIMESTAMPTZ,
    -- A deleted pool that can be brought back is kept; the sweep removes those that are not.
    kept                BOOLEAN NOT NULL DEFAULT FALSE
);
-- A deleted pool stays until its last run has ended; its name is free at once.
CREATE UNIQUE INDEX pools_name ON pools (name) WHERE deleted_at IS NULL;
CREATE INDEX pools_deleted ON pools (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX pools_cleared ON pools (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;

CREATE TABLE template_versions (
    id            UUID NOT NULL PRIMARY KEY,
    pool_id       UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    document      TEXT NOT NULL,
    document_hash TEXT NOT NULL,
    source        TEXT NOT NULL, -- as it was written; empty: as a document
    comment       TEXT NOT NULL,
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
    -- The longest that a due run is to wait in it; NULL: no objective.
    objective_us      BIGINT,
    paused            BOOLEAN NOT NULL,
    pause             TEXT, -- who paused it, when and why; NULL unless paused
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    -- A deleted queue stays for the finished runs that were in it; one of the same name brings it back.
    deleted_at        TIMESTAMPTZ,
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
    pause             TEXT, -- who paused it, when and why; NULL unless paused
    project           TEXT COLLATE "C",
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        TIMESTAMPTZ,
    kept              BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX deployments_name ON deployments (name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_pool ON deployments (pool_id, name);
CREATE INDEX deployments_project ON deployments (project) WHERE project IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX deployments_deleted ON deployments (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX deployments_cleared ON deployments (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;

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

-- When deployments run by themselves. What a schedule says is a document that the server reads; slots are not stored
-- ahead: next_due is only where the scheduler looks next, and NULL where it need not.
CREATE TABLE schedules (
    id            UUID NOT NULL PRIMARY KEY,
    deployment_id UUID NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    name          TEXT COLLATE "C" NOT NULL,
    spec          TEXT NOT NULL,
    active        BOOLEAN NOT NULL,
    pause         TEXT, -- who paused it, when and why; NULL unless it is inactive
    -- Since when it has the slots that spec says.
    slots_since   TIMESTAMPTZ NOT NULL,
    decided_until TIMESTAMPTZ NOT NULL,
    seen_until    TIMESTAMPTZ NOT NULL,
    next_due      TIMESTAMPTZ,
    held_until    TIMESTAMPTZ,
    last_slot     TIMESTAMPTZ,
    last_error    TEXT NOT NULL,
    last_error_at TIMESTAMPTZ,
    -- The newest slot could not create its run, though nobody had asked to leave it out.
    failing       BOOLEAN NOT NULL DEFAULT FALSE,
    -- The slots that wait for the end of an earlier run, as a list of times: those that the misfire policy has dropped in
    -- between must not come back.
    waiting       TEXT NOT NULL DEFAULT '[]',
    created_at    TIMESTAMPTZ NOT NULL,
    created_by    TEXT NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    updated_by    TEXT NOT NULL,
    UNIQUE (deployment_id, name)
);
CREATE INDEX schedules_due ON schedules (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX schedules_failing ON schedules (deployment_id) WHERE failing;

-- Why slots have no run: from first on, up to last, of all that have none. Few rows: equal reasons in a row share one.
CREATE TABLE schedule_gaps (
    schedule_id UUID NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    first_slot  TIMESTAMPTZ NOT NULL,
    last_slot   TIMESTAMPTZ NOT NULL,
    kind        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (schedule_id, first_slot, kind)
);

-- A run is written when it is created and when it ends. Until it has ended, its state is that of its row in ready or in
-- live: it has exactly one row in one of the two. No index here holds what the end changes, so that the end is written on
-- the page of the run and nowhere else.
CREATE TABLE runs (
    id                UUID NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    deployment_id     UUID NOT NULL,
    revision_id       UUID NOT NULL,
    pool_id           UUID NOT NULL,
    queue_id          UUID NOT NULL,
    schedule_id       UUID,
    parameters        TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    stored_names      TEXT NOT NULL,
    tags              TEXT NOT NULL,
    idempotency_key   TEXT,
    body_hash         TEXT NOT NULL,
    scheduled_time    TIMESTAMPTZ NOT NULL,
    -- Of the schedule that made the run; empty is UTC.
    timezone          TEXT NOT NULL DEFAULT '',
    created_at        TIMESTAMPTZ NOT NULL,
    created_by        TEXT NOT NULL,
    -- Who created the run, as rules see it, beside created_by: api-key, job-key, schedule or anonymous; and the role in the
    -- run's pool.
    caller_kind       TEXT NOT NULL,
    caller_role       TEXT NOT NULL,
    -- The span of the caller, as a traceparent header; NULL where there is none.
    traceparent       TEXT,
    -- The scheduled time is far from the time of the ID (run_order.go).
    apart             BOOLEAN NOT NULL DEFAULT FALSE,
    -- The end.
    state_type        TEXT NOT NULL,
    state_name        TEXT NOT NULL,
    state_message     TEXT NOT NULL,
    state_at          TIMESTAMPTZ NOT NULL,
    due_at            TIMESTAMPTZ NOT NULL,
    started_at        TIMESTAMPTZ,
    timeout_at        TIMESTAMPTZ,
    start_deadline_at TIMESTAMPTZ,
    ended_at          TIMESTAMPTZ,
    attempt           INTEGER NOT NULL,
    spent             TEXT NOT NULL,
    exit_code         INTEGER,
    category          TEXT NOT NULL,
    last_event        BIGINT NOT NULL,
    -- The template's budget for failures of the infrastructure, where the deployment has none.
    template_infrastructure_max INTEGER,
    -- Runs that did not succeed are few and much looked for: they have an index, which costs the others nothing.
    unsuccessful      TEXT
        GENERATED ALWAYS AS (CASE WHEN state_type IN ('FAILED', 'CRASHED', 'CANCELLED') THEN state_type END) STORED
) WITH (fillfactor = 42, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Lists, newest first.
CREATE INDEX runs_pool ON runs (pool_id, id);
CREATE INDEX runs_deployment ON runs (deployment_id, id);
-- People know runs by their name, or by the beginning of it.
CREATE INDEX runs_name ON runs (name text_pattern_ops);
CREATE INDEX runs_unsuccessful ON runs (unsuccessful, id) WHERE unsuccessful IS NOT NULL;
-- Few: all other runs are found by their ID, which tells about when they were scheduled.
CREATE INDEX runs_apart ON runs (scheduled_time, id) WHERE apart;

-- The first run of each idempotency key of a deployment.
CREATE TABLE idempotency_keys (
    deployment_id   UUID NOT NULL,
    idempotency_key TEXT NOT NULL,
    run_id          UUID NOT NULL,
    PRIMARY KEY (deployment_id, idempotency_key)
);
CREATE INDEX idempotency_keys_run ON idempotency_keys (run_id);

-- How many runs have ended, by hour. Whoever ends a run, takes its end back or deletes it adds to run_count_changes in the same
-- transaction; the sweep moves what is there to run_counts. The sum of both is what the runs say, at any moment. created and
-- ended are hours since 1970. took is the time from the start to the end, as the quarter octave of its seconds (0: from 1
-- second on, 4: from 2, 8: from 4), and -100 for runs that never started. waits has the same of the time from due to claimed of
-- the last attempt of each of the runs, as a list with commas; a run that was never claimed has none. kept counts runs that
-- retention removes, beside the row that takes them away. last_end is when the last of the runs ended, where they have just
-- ended. There is no index: the table is nearly empty.
CREATE TABLE run_count_changes (
    pool_id       UUID NOT NULL,
    queue_id      UUID NOT NULL,
    deployment_id UUID NOT NULL,
    created       INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    state_type    TEXT NOT NULL,
    category      TEXT NOT NULL,
    took          INTEGER NOT NULL,
    n             BIGINT NOT NULL,
    kept          BIGINT NOT NULL DEFAULT 0,
    waits         TEXT NOT NULL DEFAULT '',
    last_end      TIMESTAMPTZ
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Rows of a deployment (span 1: hours) have the time that runs took. Those of a queue have the deployment
-- 00000000-0000-0000-0000-000000000000: of all time (span 0), with hours 0, of days (span 24), with the first hour of the day,
-- and of hours. What retention has removed is in rows of its own, of both (span -1): by the hour of the end alone, which is
-- also in created.
CREATE TABLE run_counts (
    deployment_id UUID NOT NULL,
    span          INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    pool_id       UUID NOT NULL,
    queue_id      UUID NOT NULL,
    state_type    TEXT NOT NULL,
    category      TEXT NOT NULL,
    took          INTEGER NOT NULL,
    n             BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, span, created, ended, pool_id, queue_id, state_type, category, took)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX run_counts_ended ON run_counts (span, ended) WHERE deployment_id = '00000000-0000-0000-0000-000000000000';
CREATE INDEX run_counts_kept ON run_counts (ended) WHERE span < 0;

-- How long the runs of a deployment or of a queue, the subject, waited, by the hour in which they ended; see waits above. What
-- happened stays as it is when runs are tried again or removed.
CREATE TABLE run_waits (
    subject_id UUID NOT NULL,
    hour       INTEGER NOT NULL,
    waited     INTEGER NOT NULL,
    n          BIGINT NOT NULL,
    PRIMARY KEY (subject_id, hour, waited)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX run_waits_hour ON run_waits (hour);

-- How the runs of each deployment ended lately, moved here with the counts: the state of the last one, when the last one
-- completed, and how many have failed or crashed since.
CREATE TABLE deployment_outcomes (
    deployment_id   UUID NOT NULL PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    last_state      TEXT NOT NULL,
    last_end        TIMESTAMPTZ NOT NULL,
    last_completion TIMESTAMPTZ,
    failures        BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- The runs that wait to be claimed: SCHEDULED, first or again. A claim deletes the row. limited only chooses the index:
-- true where the deployment may keep its runs from being claimed, as far as was known when the row was written. Claims
-- read limits and pauses from the deployment, and set limited where it is missing.
CREATE TABLE ready (
    run_id                      UUID NOT NULL,
    deployment_id               UUID NOT NULL,
    pool_id                     UUID NOT NULL,
    queue_id                    UUID NOT NULL,
    due_at                      TIMESTAMPTZ NOT NULL,
    limited                     BOOLEAN NOT NULL,
    state_name                  TEXT NOT NULL,
    state_message               TEXT NOT NULL,
    state_at                    TIMESTAMPTZ NOT NULL,
    attempt                     INTEGER NOT NULL,
    last_event                  BIGINT NOT NULL,
    spent                       TEXT NOT NULL,
    raised                      TEXT,
    started_at                  TIMESTAMPTZ,
    start_deadline_at           TIMESTAMPTZ,
    timeout_at                  TIMESTAMPTZ,
    deadline_at                 TIMESTAMPTZ,
    template_timeout_us         BIGINT,
    template_infrastructure_max INTEGER,
    -- The attempt that was handed back: the next claim uses it again under the next epoch.
    handed_back_id              UUID,
    epoch                       BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, run_id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- What a claim walks, in its order.
CREATE UNIQUE INDEX ready_queue ON ready (queue_id, due_at, run_id) WHERE NOT limited;
-- One probe per deployment finds what it has, however much that is.
CREATE INDEX ready_limited ON ready (queue_id, deployment_id, due_at, run_id) WHERE limited;
CREATE INDEX ready_deadline ON ready (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE UNIQUE INDEX ready_handed_back ON ready (handed_back_id) WHERE handed_back_id IS NOT NULL;

-- The attempts under way, each with the state of its run. A row is a slot of its pool, queue and deployment, so that no slot
-- can leak. With the room on its page, a report writes the row there and no index.
CREATE TABLE live (
    attempt_id                  UUID NOT NULL PRIMARY KEY,
    run_id                      UUID NOT NULL,
    number                      INTEGER NOT NULL,
    deployment_id               UUID NOT NULL,
    revision_id                 UUID NOT NULL,
    pool_id                     UUID NOT NULL,
    queue_id                    UUID NOT NULL,
    -- The lease: that of the worker's session, while it has not expired. NULL: the lease was released.
    session_id                  UUID,
    epoch                       BIGINT NOT NULL,
    leased_at                   TIMESTAMPTZ NOT NULL,
    request_id                  UUID NOT NULL,
    worker                      TEXT NOT NULL,
    cluster_id                  TEXT NOT NULL,
    -- The render input. frozen_revision_id is the deployment's revision at the claim: what it freezes holds.
    template_version_id         UUID NOT NULL,
    frozen_revision_id          UUID NOT NULL,
    stored                      TEXT NOT NULL,
    raised                      TEXT,
    -- Hashes of the keys that were made for the attempt's own use, the newest first, separated by spaces.
    job_key_hashes              TEXT,
    due_at                      TIMESTAMPTZ NOT NULL,
    claimed_at                  TIMESTAMPTZ NOT NULL,
    start_deadline_at           TIMESTAMPTZ,
    -- From here on, what reports change comes later the more often it changes: the log of an update holds all between the
    -- first and the last byte that it changes.
    manifest_hash               TEXT NOT NULL,
    template_timeout_us         BIGINT,
    template_infrastructure_max INTEGER,
    job_namespace               TEXT NOT NULL,
    job_name                    TEXT NOT NULL,
    job_uid                     TEXT NOT NULL,
    submitted_at                TIMESTAMPTZ,
    node                        TEXT NOT NULL,
    running_at                  TIMESTAMPTZ,
    -- Since when its Job is suspended after it ran: that time does not count in its timeout.
    suspended_at                TIMESTAMPTZ,
    started_at                  TIMESTAMPTZ,
    timeout_at                  TIMESTAMPTZ,
    -- When the sweep has to look at the deadlines. It may be too early, so that a start changes no index.
    deadline_at                 TIMESTAMPTZ,
    -- When its run became CANCELLING; NULL before.
    cancelled_at                TIMESTAMPTZ,
    spent                       TEXT NOT NULL,
    cancel_reason               TEXT NOT NULL,
    phase                       TEXT NOT NULL,
    state_type                  TEXT NOT NULL,
    state_name                  TEXT NOT NULL,
    state_message               TEXT NOT NULL,
    state_at                    TIMESTAMPTZ NOT NULL,
    diagnosis                   TEXT NOT NULL,
    last_event                  BIGINT NOT NULL,
    UNIQUE (deployment_id, run_id)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX live_queue ON live (pool_id, queue_id);
CREATE INDEX live_session ON live (session_id);
CREATE INDEX live_released ON live (pool_id, cluster_id) WHERE session_id IS NULL;
CREATE INDEX live_cancelled ON live (session_id) WHERE cancelled_at IS NOT NULL;
CREATE INDEX live_deadline ON live (deadline_at) WHERE deadline_at IS NOT NULL;

-- The attempts that have ended. A row is inserted once and never changed.
CREATE TABLE attempts (
    run_id              UUID NOT NULL,
    number              INTEGER NOT NULL,
    id                  UUID NOT NULL,
    worker              TEXT NOT NULL,
    cluster_id          TEXT NOT NULL,
    epoch               BIGINT NOT NULL,
    template_version_id UUID NOT NULL,
    raised              TEXT,
    job_key_hashes      TEXT,
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
    image               TEXT NOT NULL DEFAULT '',
    claimed_at          TIMESTAMPTZ NOT NULL,
    submitted_at        TIMESTAMPTZ,
    running_at          TIMESTAMPTZ,
    ended_at            TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, number)
);
CREATE INDEX attempts_id ON attempts (id);

-- The Job manifests that workers reported. The next claim of an attempt that was handed back makes another one.
CREATE TABLE manifests (
    run_id      UUID NOT NULL,
    number      INTEGER NOT NULL,
    manifest    TEXT NOT NULL,
    -- By the clock of the worker; NULL where it did not say.
    rendered_at TIMESTAMPTZ,
    PRIMARY KEY (run_id, number)
);

-- A run's history after its creation, which the run itself tells: that is number 1.
CREATE TABLE events (
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

-- What a workload says of itself: its result, and how far it is. Of the newest attempt that said something.
CREATE TABLE run_results (
    run_id           UUID NOT NULL PRIMARY KEY,
    result           TEXT,
    result_attempt   INTEGER,
    result_at        TIMESTAMPTZ,
    percent          DOUBLE PRECISION,
    message          TEXT,
    progress_attempt INTEGER,
    progress_at      TIMESTAMPTZ
);

-- What rules said of a run: attempt 0 is when it was created, others when a worker was about to create the Job. Only runs
-- of which a rule said something have a row.
CREATE TABLE run_rule_findings (
    run_id   UUID NOT NULL,
    attempt  INTEGER NOT NULL,
    findings TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- How the indexes of an attempt stand whose Job is Indexed. Other attempts have no row.
CREATE TABLE attempt_indexes (
    run_id  UUID NOT NULL,
    attempt INTEGER NOT NULL,
    indexes TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- How often an attempt got a token for an audience. The tokens themselves are stored nowhere.
CREATE TABLE run_tokens (
    run_id     UUID NOT NULL,
    attempt_id UUID NOT NULL,
    audience   TEXT COLLATE "C" NOT NULL,
    issued     BIGINT NOT NULL,
    first_at   TIMESTAMPTZ NOT NULL,
    last_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, attempt_id, audience)
);

-- How far the output of each attempt is stored, and where. Appending output writes this row and neither reads nor locks
-- more than the epoch of the attempt. See output.go. No index holds a column that appending changes, so that these updates
-- are HOT.
CREATE TABLE outputs (
    attempt_id    UUID NOT NULL PRIMARY KEY,
    run_id        UUID NOT NULL,
    number        INTEGER NOT NULL,
    size          BIGINT NOT NULL,
    -- How far its worker had read its source for that, in the words of the worker; empty if it has not said.
    position      TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    written_at    TIMESTAMPTZ NOT NULL,
    archived_size BIGINT NOT NULL,
    object        TEXT NOT NULL,
    object_size   BIGINT NOT NULL,
    archived_at   TIMESTAMPTZ,
    upload        TEXT NOT NULL,
    due_at        TIMESTAMPTZ,
    tries         INTEGER NOT NULL,
    last_error    TEXT NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX outputs_run ON outputs (run_id, number);
CREATE INDEX outputs_due ON outputs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outputs_archived ON outputs (attempt_id) WHERE object <> '';

-- The objects of the archive that nothing refers to any longer, until they are deleted. One that is not whole comes from
-- an upload that was interrupted, or may still be.
CREATE TABLE output_deletions (
    object     TEXT NOT NULL PRIMARY KEY,
    whole      BOOLEAN NOT NULL,
    due_at     TIMESTAMPTZ NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
CREATE INDEX output_deletions_due ON output_deletions (due_at);

-- Output is kept in partitions, one a day in UTC, each named after its day: retention drops them whole. Servers make them
-- ahead; what has no other goes into log_chunks_rest.
CREATE TABLE log_chunks (
    attempt_id  UUID NOT NULL,
    byte_offset BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    content     BYTEA NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset, at)
) PARTITION BY RANGE (at);
CREATE TABLE log_chunks_rest PARTITION OF log_chunks DEFAULT;
-- +goose StatementBegin
DO $$
DECLARE
    ends TIMESTAMPTZ := (date_trunc('day', now() AT TIME ZONE 'UTC') + INTERVAL '2 days') AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format('CREATE TABLE %I PARTITION OF log_chunks FOR VALUES FROM (MINVALUE) TO (%L)',
        'log_chunks_p' || to_char((ends - INTERVAL '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD'), ends);
END
$$;
-- +goose StatementEnd

-- Workers as they introduced themselves last, by the name of their pool.
CREATE TABLE workers (
    pool              TEXT COLLATE "C" NOT NULL,
    name              TEXT COLLATE "C" NOT NULL,
    type              TEXT NOT NULL,
    cluster_id        TEXT NOT NULL,
    version           TEXT NOT NULL,
    namespaces        TEXT NOT NULL,
    -- The namespace of Jobs whose template names none; empty where the worker has not said.
    default_namespace TEXT NOT NULL,
    greeted_at        TIMESTAMPTZ NOT NULL,
    -- A paused worker claims nothing new.
    paused            BOOLEAN NOT NULL DEFAULT FALSE,
    pause             TEXT, -- who paused it, when and why; NULL unless paused
    -- It said that it stops, and has not been heard of since.
    stopped           BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (pool, name)
);

-- A process of a worker. Its lease is that of every attempt in live that names it, so that a renewal writes one row, on its
-- page and nowhere else.
CREATE TABLE worker_sessions (
    id           UUID NOT NULL PRIMARY KEY,
    pool         TEXT COLLATE "C" NOT NULL,
    worker       TEXT COLLATE "C" NOT NULL,
    cluster_id   TEXT NOT NULL,
    -- UIDs of objects of its cluster, by name. They differ where two clusters have the same ID.
    cluster_objects TEXT NOT NULL,
    seen_at      TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    -- What of its cluster the worker cannot reach: a list of namespaces and reasons.
    lost         TEXT NOT NULL DEFAULT '[]',
    -- The last claim that took something: repeated, it gets the same answer.
    last_request UUID
) WITH (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX worker_sessions_worker ON worker_sessions (pool, worker);

-- Questions to the workers of a cluster, for as long as the asker waits for the answer.
CREATE TABLE dry_runs (
    id         UUID NOT NULL PRIMARY KEY,
    pool       TEXT COLLATE "C" NOT NULL,
    cluster_id TEXT NOT NULL,
    question   TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- From when on a worker can take it: again some seconds after one has, which may have died with it.
    open_at    TIMESTAMPTZ NOT NULL,
    worker     TEXT NOT NULL DEFAULT '', -- that has taken it last
    answer     TEXT
);
CREATE INDEX dry_runs_pool ON dry_runs (pool, cluster_id);

CREATE TABLE variables (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    project    TEXT COLLATE "C",
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE api_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    secret_hash   TEXT NOT NULL,
    -- A key has a list of roles, each in one pool or, with null, in all: [{"role": "deployer", "pool": "team-a"}].
    -- Pools are named, not referenced: a key can be made before its pool, and outlives it.
    bindings      TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    created_by    TEXT NOT NULL,
    expires_at    TIMESTAMPTZ,
    last_used_at  TIMESTAMPTZ,
    revoked_at    TIMESTAMPTZ,
    revoked_by    TEXT NOT NULL,
    -- The rule, and whose token it was; empty for keys that people and programs create.
    trust_rule    TEXT COLLATE "C" NOT NULL DEFAULT '',
    token_issuer  TEXT NOT NULL DEFAULT '',
    token_subject TEXT NOT NULL DEFAULT '',
    -- Keys that the server's configuration makes at each start. Other keys lose their roles in a pool with the pool.
    configured    BOOLEAN NOT NULL DEFAULT FALSE,
    -- Whose key it is: the person, or the service account, that created it. Empty: the key is a service account.
    owner         TEXT COLLATE "C" NOT NULL DEFAULT '',
    owner_kind    TEXT NOT NULL DEFAULT '',
    owner_id      TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;
-- The valid keys of a rule, and the expired ones, which are removed.
CREATE INDEX api_keys_trust ON api_keys (trust_rule, expires_at) WHERE trust_rule <> '';

-- Who changed what, and when. It outlives what it is about. Values that may hold secrets are here only as digests under
-- audit_key, so that nobody can guess what they were. actor_kind is person, key, ci, worker, job, system or anonymous.
CREATE TABLE audit (
    id         UUID NOT NULL PRIMARY KEY,
    at         TIMESTAMPTZ NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    actor_kind TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    address    TEXT NOT NULL,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    pool       TEXT COLLATE "C" NOT NULL,
    detail     TEXT NOT NULL,
    changes    TEXT NOT NULL
);
-- The history of one thing; the whole list goes by id.
CREATE INDEX audit_subject ON audit (kind, name, id);

-- Sessions of people who signed in at the company's provider. Of the token there is only a hash, and the provider's
-- refresh token is encrypted under the token, so that this table alone opens nothing.
CREATE TABLE sessions (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash      TEXT NOT NULL,
    kind             TEXT NOT NULL,
    issuer           TEXT NOT NULL,
    subject          TEXT COLLATE "C" NOT NULL,
    actor            TEXT COLLATE "C" NOT NULL,
    email            TEXT COLLATE "C" NOT NULL,
    email_verified   BOOLEAN NOT NULL,
    name             TEXT NOT NULL,
    user_groups      TEXT NOT NULL,
    client           TEXT NOT NULL,
    address          TEXT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    last_used_at     TIMESTAMPTZ NOT NULL,
    expires_at       TIMESTAMPTZ NOT NULL,
    checked_at       TIMESTAMPTZ NOT NULL,
    check_from       TIMESTAMPTZ NOT NULL,
    refresh_token    TEXT NOT NULL,
    revoked_at       TIMESTAMPTZ,
    revoked_by       TEXT NOT NULL,
    -- What a sign-out at the provider needs: the ID token, encrypted as the refresh token is, and the provider's own session.
    id_token         TEXT NOT NULL DEFAULT '',
    provider_session TEXT NOT NULL DEFAULT ''
);
-- The sessions of one person, the newest first.
CREATE INDEX sessions_person ON sessions (subject, id);
-- The dead ones, which are removed.
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- The keys that sign run tokens. The private part is encrypted with a key that the database never sees.
CREATE TABLE signing_keys (
    id          TEXT NOT NULL PRIMARY KEY,
    algorithm   TEXT NOT NULL,
    public_key  TEXT NOT NULL,
    private_key TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    signs_from  TIMESTAMPTZ NOT NULL
);

-- The rules of a pool, or of the installation where pool_id is NULL. Each change makes a new set; sets never change, so that
-- server and workers evaluate the same text.
CREATE TABLE rule_sets (
    id         UUID NOT NULL PRIMARY KEY,
    pool_id    UUID REFERENCES pools (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    is_current BOOLEAN NOT NULL,
    rules      TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (pool_id, version)
);
CREATE UNIQUE INDEX rule_sets_current ON rule_sets (pool_id) WHERE is_current;
CREATE UNIQUE INDEX rule_sets_installation ON rule_sets (is_current) WHERE is_current AND pool_id IS NULL;

-- Requests for the approval of a change in one pool. items names the changes, plan has their values; asker and decider are
-- who asked and who decided.
CREATE TABLE approvals (
    id          UUID NOT NULL PRIMARY KEY,
    pool_id     UUID NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    state       TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    operation   TEXT NOT NULL,
    subjects    TEXT NOT NULL,
    approver    TEXT NOT NULL,
    lifetime_s  BIGINT NOT NULL,
    items       TEXT NOT NULL,
    plan        TEXT NOT NULL,
    asker       TEXT NOT NULL,
    asked_at    TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    decider     TEXT,
    decided_at  TIMESTAMPTZ,
    used_by     TEXT NOT NULL DEFAULT '',
    ended_at    TIMESTAMPTZ,
    reason      TEXT NOT NULL DEFAULT ''
);
CREATE INDEX approvals_pool ON approvals (pool_id, id);
CREATE UNIQUE INDEX approvals_live ON approvals (pool_id, fingerprint) WHERE state IN ('open', 'approved');
CREATE INDEX approvals_expiry ON approvals (expires_at) WHERE state IN ('open', 'approved');
CREATE INDEX approvals_ended ON approvals (ended_at) WHERE ended_at IS NOT NULL;

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

-- Who is told what by webhooks. The address and the secrets are encrypted; target is what may be shown of the address.
CREATE TABLE webhooks (
    id              UUID NOT NULL PRIMARY KEY,
    name            TEXT COLLATE "C" NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    format          TEXT NOT NULL,
    events          TEXT NOT NULL,
    filter          TEXT NOT NULL,
    failures        INTEGER NOT NULL,
    target          TEXT NOT NULL,
    secrets         TEXT NOT NULL,
    -- Until when the secret before the last one signs, too.
    rotated_until   TIMESTAMPTZ,
    paused          BOOLEAN NOT NULL,
    -- Why the server has paused it; empty where it has not.
    paused_reason   TEXT NOT NULL,
    -- The number of its last delivery: deliveries about one subject are sent in this order.
    last_seq        BIGINT NOT NULL,
    -- How many attempts in a row its receiver has not answered, and until when it is left alone.
    unanswered      INTEGER NOT NULL,
    rest_until      TIMESTAMPTZ,
    -- Events that were not kept, because too many were waiting.
    dropped         BIGINT NOT NULL,
    dropped_at      TIMESTAMPTZ,
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    updated_by      TEXT NOT NULL
);

-- Ends of runs that a webhook may be interested in, until it was decided which are: a moment.
CREATE TABLE webhook_events (
    id            UUID NOT NULL PRIMARY KEY,
    run_id        UUID NOT NULL,
    run           TEXT NOT NULL,
    deployment_id UUID NOT NULL,
    deployment    TEXT NOT NULL,
    pool          TEXT NOT NULL,
    tags          TEXT NOT NULL,
    state_type    TEXT NOT NULL,
    state_name    TEXT NOT NULL,
    state_message TEXT NOT NULL,
    category      TEXT NOT NULL,
    exit_code     INTEGER,
    attempt       INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    started_at    TIMESTAMPTZ,
    ended_at      TIMESTAMPTZ NOT NULL
);

-- Ends of attempts and runs whose spans were not sent yet. Only what a later retry would change is kept here; the rest is read
-- when they are sent. A server takes rows until taken_until.
CREATE TABLE trace_ends (
    id          UUID NOT NULL PRIMARY KEY,
    run_id      UUID NOT NULL,
    -- The attempt that ended; 0 for a run that ended while it waited.
    attempt     INTEGER NOT NULL,
    due_at      TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    -- Of the run, with its end; empty where the run goes on.
    state_type  TEXT NOT NULL,
    category    TEXT NOT NULL,
    ended_at    TIMESTAMPTZ,
    last_event  BIGINT NOT NULL,
    taken_until TIMESTAMPTZ NOT NULL
);
CREATE INDEX trace_ends_taken ON trace_ends (taken_until);

-- What a webhook knows of a deployment, a schedule or a pool that is not well, so that it tells the begin and the end once.
CREATE TABLE webhook_conditions (
    webhook_id UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    -- How often it was seen in a row, and whether that was enough to tell. event is what was told.
    count      INTEGER NOT NULL,
    firing     BOOLEAN NOT NULL,
    event      TEXT NOT NULL,
    since      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (webhook_id, kind, subject)
);

CREATE TABLE webhook_deliveries (
    id          UUID NOT NULL PRIMARY KEY,
    webhook_id  UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    seq         BIGINT NOT NULL,
    type        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    pool        TEXT NOT NULL,
    event       TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    -- Since when it is tried: later than created_at where a person sends it again.
    queued_at   TIMESTAMPTZ NOT NULL,
    next_at     TIMESTAMPTZ NOT NULL,
    held_until  TIMESTAMPTZ,
    last_status INTEGER,
    last_error  TEXT NOT NULL,
    tried_at    TIMESTAMPTZ,
    ended_at    TIMESTAMPTZ
);
CREATE UNIQUE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, seq);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_subject ON webhook_deliveries (webhook_id, subject, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- What was deleted and can be brought back: one row for each object, until retention removes it. Pools, deployments and queues
-- keep their own row and are only marked; variables and rules are in document. Objects that one request deleted have the same
-- deletion_id.
CREATE TABLE deletions (
    id          UUID NOT NULL PRIMARY KEY,
    deletion_id UUID NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    pool_id     UUID,
    object_id   UUID,
    document    TEXT,
    deleted_at  TIMESTAMPTZ NOT NULL,
    deleted_by  TEXT NOT NULL
);
CREATE INDEX deletions_deletion ON deletions (deletion_id);
CREATE INDEX deletions_name ON deletions (kind, name, id);
CREATE INDEX deletions_pool ON deletions (pool_id) WHERE pool_id IS NOT NULL;

-- An upload may be under way, so its object is deleted an hour later.
-- +goose StatementBegin
CREATE FUNCTION delete_with_outputs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log_chunks WHERE attempt_id IN (SELECT attempt_id FROM gone WHERE due_at IS NOT NULL);
    INSERT INTO output_deletions (object, whole, due_at, tries, last_error)
    SELECT object, TRUE, now(), 0, '' FROM gone WHERE object <> ''
    UNION ALL
    SELECT upload, FALSE, now() + INTERVAL '1 hour', 0, '' FROM gone WHERE upload <> ''
    ON CONFLICT (object) DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_outputs AFTER DELETE ON outputs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_outputs();

-- What run_counts says of a run. As STABLE, which date_part is, PostgreSQL puts them into the statement and calls nothing.
CREATE FUNCTION hour_of(at TIMESTAMPTZ) RETURNS INTEGER LANGUAGE SQL STABLE
    AS 'SELECT FLOOR(DATE_PART(''epoch'', at) / 3600)::INTEGER';
CREATE FUNCTION run_took(started TIMESTAMPTZ, ended TIMESTAMPTZ) RETURNS INTEGER LANGUAGE SQL STABLE
    AS 'SELECT CASE WHEN started IS NULL THEN -100
        ELSE FLOOR(4 * LN(GREATEST(DATE_PART(''epoch'', ended - started), 0.001)) / LN(2::DOUBLE PRECISION))::INTEGER END';

-- +goose StatementBegin
CREATE FUNCTION delete_with_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO run_count_changes (pool_id, queue_id, deployment_id, created, ended, state_type, category, took, n)
    SELECT pool_id, queue_id, deployment_id, hour_of(created_at), hour_of(ended_at), state_type, category,
        run_took(started_at, ended_at), -COUNT(*)
    FROM gone
    WHERE ended_at IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
    DELETE FROM idempotency_keys WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM events WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM manifests WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM run_results WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM run_rule_findings WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM attempt_indexes WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM run_tokens WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM outputs WHERE run_id IN (SELECT id FROM gone);
    DELETE FROM attempts WHERE run_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_runs AFTER DELETE ON runs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_runs();

-- +goose StatementBegin
CREATE FUNCTION delete_with_deployments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE deployment_id IN (SELECT id FROM gone);
    DELETE FROM run_counts WHERE deployment_id IN (SELECT id FROM gone) AND span < 0;
    DELETE FROM run_waits WHERE subject_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_deployments AFTER DELETE ON deployments
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_deployments();

-- +goose StatementBegin
CREATE FUNCTION delete_with_pools() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE pool_id IN (SELECT id FROM gone);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_pools AFTER DELETE ON pools
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_pools();

-- +goose Down
DROP TABLE runs, run_counts, run_count_changes, run_waits, deployment_outcomes, deployments, pools, template_versions, queues, deployment_revisions, schedule_gaps, schedules, idempotency_keys, ready,
    live, attempts, manifests, events, run_results, run_rule_findings, attempt_indexes, run_tokens, outputs,
    output_deletions, log_chunks, workers, worker_sessions, dry_runs,
    variables, api_keys, audit, sessions, signing_keys, rule_sets, approvals, trust_rules, exchanged_tokens,
    webhook_deliveries, webhook_conditions, webhook_events, webhooks, trace_ends, deletions, installation;
DROP FUNCTION hour_of, run_took, delete_with_pools, delete_with_deployments, delete_with_runs, delete_with_outputs;
