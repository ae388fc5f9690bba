-- +goose Up

-- The same tables as on PostgreSQL. Times are microseconds since 1970 in UTC, ids are TEXT.
-- Foreign keys stand where a delete follows them, each served by an index. What belongs to runs is deleted by triggers.

CREATE TABLE installation (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    audit_key  TEXT NOT NULL
);
INSERT INTO installation (id, created_at, audit_key) VALUES (
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
        substr('89ab', abs(random() % 4) + 1, 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER),
    lower(hex(randomblob(32)))
);

CREATE TABLE pools (
    id                  TEXT NOT NULL PRIMARY KEY,
    name                TEXT NOT NULL,
    type                TEXT NOT NULL,
    description         TEXT NOT NULL,
    concurrency_limit   INTEGER,
    paused              BOOLEAN NOT NULL,
    pause               TEXT, -- who paused it, when and why; NULL unless paused
    template_version    INTEGER NOT NULL,
    -- The project whose berth.yaml describes it: what a deploy may delete when it is not described any more.
    project             TEXT,
    -- The audiences for which the jobs of a pool may get run tokens, a JSON list. NULL grants none.
    run_token_audiences TEXT,
    -- What job variables of a pool may refer to in the cluster, a JSON object. NULL allows nothing.
    allowed_references  TEXT,
    -- Which changes of a pool another person must approve, a JSON object. NULL asks for no approvals.
    approval_policy     TEXT,
    created_at          INTEGER NOT NULL,
    created_by          TEXT NOT NULL,
    updated_at          INTEGER NOT NULL,
    updated_by          TEXT NOT NULL,
    deleted_at          INTEGER,
    -- A deleted pool that can be brought back is kept; the sweep removes those that are not.
    kept                BOOLEAN NOT NULL DEFAULT FALSE
);
-- A deleted pool stays until its last run has ended; its name is free at once.
CREATE UNIQUE INDEX pools_name ON pools (name) WHERE deleted_at IS NULL;
CREATE INDEX pools_deleted ON pools (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX pools_cleared ON pools (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;

CREATE TABLE template_versions (
    id            TEXT NOT NULL PRIMARY KEY,
    pool_id       TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    document      TEXT NOT NULL,
    document_hash TEXT NOT NULL,
    source        TEXT NOT NULL, -- as it was written; empty: as a document
    comment       TEXT NOT NULL,
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
    -- The longest that a due run is to wait in it; NULL: no objective.
    objective_us      BIGINT,
    paused            BOOLEAN NOT NULL,
    pause             TEXT, -- who paused it, when and why; NULL unless paused
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    -- A deleted queue stays for the finished runs that were in it; one of the same name brings it back.
    deleted_at        INTEGER,
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
    pause             TEXT, -- who paused it, when and why; NULL unless paused
    project           TEXT,
    created_at        INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    updated_at        INTEGER NOT NULL,
    updated_by        TEXT NOT NULL,
    deleted_at        INTEGER,
    kept              BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX deployments_name ON deployments (name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_pool ON deployments (pool_id, name);
CREATE INDEX deployments_project ON deployments (project) WHERE project IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX deployments_deleted ON deployments (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX deployments_cleared ON deployments (deleted_at) WHERE deleted_at IS NOT NULL AND NOT kept;

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

-- When deployments run by themselves. What a schedule says is a document that the server reads; slots are not stored
-- ahead: next_due is only where the scheduler looks next, and NULL where it need not.
CREATE TABLE schedules (
    id            TEXT NOT NULL PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    spec          TEXT NOT NULL,
    active        BOOLEAN NOT NULL,
    pause         TEXT, -- who paused it, when and why; NULL unless it is inactive
    -- Since when it has the slots that spec says.
    slots_since   INTEGER NOT NULL,
    decided_until INTEGER NOT NULL,
    seen_until    INTEGER NOT NULL,
    next_due      INTEGER,
    held_until    INTEGER,
    last_slot     INTEGER,
    last_error    TEXT NOT NULL,
    last_error_at INTEGER,
    -- The newest slot could not create its run, though nobody had asked to leave it out.
    failing       BOOLEAN NOT NULL DEFAULT FALSE,
    -- The slots that wait for the end of an earlier run, as a list of times: those that the misfire policy has dropped in
    -- between must not come back.
    waiting       TEXT NOT NULL DEFAULT '[]',
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    updated_at    INTEGER NOT NULL,
    updated_by    TEXT NOT NULL,
    UNIQUE (deployment_id, name)
);
CREATE INDEX schedules_due ON schedules (next_due) WHERE next_due IS NOT NULL;
CREATE INDEX schedules_failing ON schedules (deployment_id) WHERE failing;

-- Why slots have no run: from first on, up to last, of all that have none. Few rows: equal reasons in a row share one.
CREATE TABLE schedule_gaps (
    schedule_id TEXT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    first_slot  INTEGER NOT NULL,
    last_slot   INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (schedule_id, first_slot, kind)
);

-- A run is written when it is created and when it ends. Until it has ended, its state is that of its row in ready or in
-- live: it has exactly one row in one of the two. No index here holds what the end changes, so that the end is written on
-- the page of the run and nowhere else.
CREATE TABLE runs (
    id                TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL,
    deployment_id     TEXT NOT NULL,
    revision_id       TEXT NOT NULL,
    pool_id           TEXT NOT NULL,
    queue_id          TEXT NOT NULL,
    schedule_id       TEXT,
    parameters        TEXT NOT NULL,
    job_variables     TEXT NOT NULL,
    stored_names      TEXT NOT NULL,
    tags              TEXT NOT NULL,
    idempotency_key   TEXT,
    body_hash         TEXT NOT NULL,
    scheduled_time    INTEGER NOT NULL,
    -- Of the schedule that made the run; empty is UTC.
    timezone          TEXT NOT NULL DEFAULT '',
    created_at        INTEGER NOT NULL,
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
    state_at          INTEGER NOT NULL,
    due_at            INTEGER NOT NULL,
    started_at        INTEGER,
    timeout_at        INTEGER,
    start_deadline_at INTEGER,
    ended_at          INTEGER,
    attempt           INTEGER NOT NULL,
    spent             TEXT NOT NULL,
    exit_code         INTEGER,
    category          TEXT NOT NULL,
    last_event        INTEGER NOT NULL,
    -- The template's budget for failures of the infrastructure, where the deployment has none.
    template_infrastructure_max INTEGER,
    -- Runs that did not succeed are few and much looked for: they have an index, which costs the others nothing.
    unsuccessful      TEXT
        GENERATED ALWAYS AS (CASE WHEN state_type IN ('FAILED', 'CRASHED', 'CANCELLED') THEN state_type END) VIRTUAL
);
-- Lists, newest first.
CREATE INDEX runs_pool ON runs (pool_id, id);
CREATE INDEX runs_deployment ON runs (deployment_id, id);
-- People know runs by their name, or by the beginning of it.
CREATE INDEX runs_name ON runs (name);
CREATE INDEX runs_unsuccessful ON runs (unsuccessful, id) WHERE unsuccessful IS NOT NULL;
-- Few: all other runs are found by their ID, which tells about when they were scheduled.
CREATE INDEX runs_apart ON runs (scheduled_time, id) WHERE apart;

-- The first run of each idempotency key of a deployment.
CREATE TABLE idempotency_keys (
    deployment_id   TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    run_id          TEXT NOT NULL,
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
    pool_id       TEXT NOT NULL,
    queue_id      TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    created       INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    state_type    TEXT NOT NULL,
    category      TEXT NOT NULL,
    took          INTEGER NOT NULL,
    n             BIGINT NOT NULL,
    kept          BIGINT NOT NULL DEFAULT 0,
    waits         TEXT NOT NULL DEFAULT '',
    last_end      INTEGER
);

-- Rows of a deployment (span 1: hours) have the time that runs took. Those of a queue have the deployment
-- 00000000-0000-0000-0000-000000000000: of all time (span 0), with hours 0, of days (span 24), with the first hour of the day,
-- and of hours. What retention has removed is in rows of its own, of both (span -1): by the hour of the end alone, which is
-- also in created.
CREATE TABLE run_counts (
    deployment_id TEXT NOT NULL,
    span          INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    pool_id       TEXT NOT NULL,
    queue_id      TEXT NOT NULL,
    state_type    TEXT NOT NULL,
    category      TEXT NOT NULL,
    took          INTEGER NOT NULL,
    n             BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, span, created, ended, pool_id, queue_id, state_type, category, took)
);
CREATE INDEX run_counts_ended ON run_counts (span, ended) WHERE deployment_id = '00000000-0000-0000-0000-000000000000';
CREATE INDEX run_counts_kept ON run_counts (ended) WHERE span < 0;

-- How long the runs of a deployment or of a queue, the subject, waited, by the hour in which they ended; see waits above. What
-- happened stays as it is when runs are tried again or removed.
CREATE TABLE run_waits (
    subject_id TEXT NOT NULL,
    hour       INTEGER NOT NULL,
    waited     INTEGER NOT NULL,
    n          BIGINT NOT NULL,
    PRIMARY KEY (subject_id, hour, waited)
);
CREATE INDEX run_waits_hour ON run_waits (hour);

-- How the runs of each deployment ended lately, moved here with the counts: the state of the last one, when the last one
-- completed, and how many have failed or crashed since.
CREATE TABLE deployment_outcomes (
    deployment_id   TEXT NOT NULL PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    last_state      TEXT NOT NULL,
    last_end        INTEGER NOT NULL,
    last_completion INTEGER,
    failures        BIGINT NOT NULL
);

-- The runs that wait to be claimed: SCHEDULED, first or again. A claim deletes the row. limited only chooses the index:
-- true where the deployment may keep its runs from being claimed, as far as was known when the row was written. Claims
-- read limits and pauses from the deployment, and set limited where it is missing.
CREATE TABLE ready (
    run_id                      TEXT NOT NULL,
    deployment_id               TEXT NOT NULL,
    pool_id                     TEXT NOT NULL,
    queue_id                    TEXT NOT NULL,
    due_at                      INTEGER NOT NULL,
    limited                     BOOLEAN NOT NULL,
    state_name                  TEXT NOT NULL,
    state_message               TEXT NOT NULL,
    state_at                    INTEGER NOT NULL,
    attempt                     INTEGER NOT NULL,
    last_event                  INTEGER NOT NULL,
    spent                       TEXT NOT NULL,
    raised                      TEXT,
    started_at                  INTEGER,
    start_deadline_at           INTEGER,
    timeout_at                  INTEGER,
    deadline_at                 INTEGER,
    template_timeout_us         INTEGER,
    template_infrastructure_max INTEGER,
    -- The attempt that was handed back: the next claim uses it again under the next epoch.
    handed_back_id              TEXT,
    epoch                       INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, run_id)
);
-- What a claim walks, in its order.
CREATE UNIQUE INDEX ready_queue ON ready (queue_id, due_at, run_id) WHERE NOT limited;
-- One probe per deployment finds what it has, however much that is.
CREATE INDEX ready_limited ON ready (queue_id, deployment_id, due_at, run_id) WHERE limited;
CREATE INDEX ready_deadline ON ready (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE UNIQUE INDEX ready_handed_back ON ready (handed_back_id) WHERE handed_back_id IS NOT NULL;

-- The attempts under way, each with the state of its run. A row is a slot of its pool, queue and deployment, so that no slot
-- can leak. With the room on its page, a report writes the row there and no index.
CREATE TABLE live (
    attempt_id                  TEXT NOT NULL PRIMARY KEY,
    run_id                      TEXT NOT NULL,
    number                      INTEGER NOT NULL,
    deployment_id               TEXT NOT NULL,
    revision_id                 TEXT NOT NULL,
    pool_id                     TEXT NOT NULL,
    queue_id                    TEXT NOT NULL,
    -- The lease: that of the worker's session, while it has not expired. NULL: the lease was released.
    session_id                  TEXT,
    epoch                       INTEGER NOT NULL,
    leased_at                   INTEGER NOT NULL,
    request_id                  TEXT NOT NULL,
    worker                      TEXT NOT NULL,
    cluster_id                  TEXT NOT NULL,
    -- The render input. frozen_revision_id is the deployment's revision at the claim: what it freezes holds.
    template_version_id         TEXT NOT NULL,
    frozen_revision_id          TEXT NOT NULL,
    stored                      TEXT NOT NULL,
    raised                      TEXT,
    -- Hashes of the keys that were made for the attempt's own use, the newest first, separated by spaces.
    job_key_hashes              TEXT,
    due_at                      INTEGER NOT NULL,
    claimed_at                  INTEGER NOT NULL,
    start_deadline_at           INTEGER,
    -- From here on, what reports change comes later the more often it changes: the log of an update holds all between the
    -- first and the last byte that it changes.
    manifest_hash               TEXT NOT NULL,
    template_timeout_us         INTEGER,
    template_infrastructure_max INTEGER,
    job_namespace               TEXT NOT NULL,
    job_name                    TEXT NOT NULL,
    job_uid                     TEXT NOT NULL,
    submitted_at                INTEGER,
    node                        TEXT NOT NULL,
    running_at                  INTEGER,
    -- Since when its Job is suspended after it ran: that time does not count in its timeout.
    suspended_at                INTEGER,
    started_at                  INTEGER,
    timeout_at                  INTEGER,
    -- When the sweep has to look at the deadlines. It may be too early, so that a start changes no index.
    deadline_at                 INTEGER,
    -- When its run became CANCELLING; NULL before.
    cancelled_at                INTEGER,
    spent                       TEXT NOT NULL,
    cancel_reason               TEXT NOT NULL,
    phase                       TEXT NOT NULL,
    state_type                  TEXT NOT NULL,
    state_name                  TEXT NOT NULL,
    state_message               TEXT NOT NULL,
    state_at                    INTEGER NOT NULL,
    diagnosis                   TEXT NOT NULL,
    last_event                  INTEGER NOT NULL,
    UNIQUE (deployment_id, run_id)
);
CREATE INDEX live_queue ON live (pool_id, queue_id);
CREATE INDEX live_session ON live (session_id);
CREATE INDEX live_released ON live (pool_id, cluster_id) WHERE session_id IS NULL;
CREATE INDEX live_cancelled ON live (session_id) WHERE cancelled_at IS NOT NULL;
CREATE INDEX live_deadline ON live (deadline_at) WHERE deadline_at IS NOT NULL;

-- The attempts that have ended. A row is inserted once and never changed.
CREATE TABLE attempts (
    run_id              TEXT NOT NULL,
    number              INTEGER NOT NULL,
    id                  TEXT NOT NULL,
    worker              TEXT NOT NULL,
    cluster_id          TEXT NOT NULL,
    epoch               INTEGER NOT NULL,
    template_version_id TEXT NOT NULL,
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
    claimed_at          INTEGER NOT NULL,
    submitted_at        INTEGER,
    running_at          INTEGER,
    ended_at            INTEGER NOT NULL,
    PRIMARY KEY (run_id, number)
);
CREATE INDEX attempts_id ON attempts (id);

-- The Job manifests that workers reported. The next claim of an attempt that was handed back makes another one.
CREATE TABLE manifests (
    run_id      TEXT NOT NULL,
    number      INTEGER NOT NULL,
    manifest    TEXT NOT NULL,
    -- By the clock of the worker; NULL where it did not say.
    rendered_at INTEGER,
    PRIMARY KEY (run_id, number)
);

-- A run's history after its creation, which the run itself tells: that is number 1.
CREATE TABLE events (
    run_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- What a workload says of itself: its result, and how far it is. Of the newest attempt that said something.
CREATE TABLE run_results (
    run_id           TEXT NOT NULL PRIMARY KEY,
    result           TEXT,
    result_attempt   INTEGER,
    result_at        INTEGER,
    percent          REAL,
    message          TEXT,
    progress_attempt INTEGER,
    progress_at      INTEGER
);

-- What rules said of a run: attempt 0 is when it was created, others when a worker was about to create the Job. Only runs
-- of which a rule said something have a row.
CREATE TABLE run_rule_findings (
    run_id   TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    findings TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- How the indexes of an attempt stand whose Job is Indexed. Other attempts have no row.
CREATE TABLE attempt_indexes (
    run_id  TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    indexes TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- How often an attempt got a token for an audience. The tokens themselves are stored nowhere.
CREATE TABLE run_tokens (
    run_id     TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    audience   TEXT NOT NULL,
    issued     INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    PRIMARY KEY (run_id, attempt_id, audience)
);

-- How far the output of each attempt is stored, and where. Appending output writes this row and neither reads nor locks
-- more than the epoch of the attempt. See output.go. No index holds a column that appending changes, so that these updates
-- are HOT.
CREATE TABLE outputs (
    attempt_id    TEXT NOT NULL PRIMARY KEY,
    run_id        TEXT NOT NULL,
    number        INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    -- How far its worker had read its source for that, in the words of the worker; empty if it has not said.
    position      TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    written_at    INTEGER NOT NULL,
    archived_size INTEGER NOT NULL,
    object        TEXT NOT NULL,
    object_size   INTEGER NOT NULL,
    archived_at   INTEGER,
    upload        TEXT NOT NULL,
    due_at        INTEGER,
    tries         INTEGER NOT NULL,
    last_error    TEXT NOT NULL
);
CREATE INDEX outputs_run ON outputs (run_id, number);
CREATE INDEX outputs_due ON outputs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outputs_archived ON outputs (attempt_id) WHERE object <> '';

-- The objects of the archive that nothing refers to any longer, until they are deleted. One that is not whole comes from
-- an upload that was interrupted, or may still be.
CREATE TABLE output_deletions (
    object     TEXT NOT NULL PRIMARY KEY,
    whole      BOOLEAN NOT NULL,
    due_at     INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
CREATE INDEX output_deletions_due ON output_deletions (due_at);

CREATE TABLE log_chunks (
    attempt_id  TEXT NOT NULL,
    byte_offset INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (attempt_id, byte_offset)
);

-- Workers as they introduced themselves last, by the name of their pool.
CREATE TABLE workers (
    pool              TEXT NOT NULL,
    name              TEXT NOT NULL,
    type              TEXT NOT NULL,
    cluster_id        TEXT NOT NULL,
    version           TEXT NOT NULL,
    namespaces        TEXT NOT NULL,
    -- The namespace of Jobs whose template names none; empty where the worker has not said.
    default_namespace TEXT NOT NULL,
    greeted_at        INTEGER NOT NULL,
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
    id           TEXT NOT NULL PRIMARY KEY,
    pool         TEXT NOT NULL,
    worker       TEXT NOT NULL,
    cluster_id   TEXT NOT NULL,
    -- UIDs of objects of its cluster, by name. They differ where two clusters have the same ID.
    cluster_objects TEXT NOT NULL,
    seen_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- What of its cluster the worker cannot reach: a list of namespaces and reasons.
    lost         TEXT NOT NULL DEFAULT '[]',
    -- The last claim that took something: repeated, it gets the same answer.
    last_request TEXT
);
CREATE INDEX worker_sessions_worker ON worker_sessions (pool, worker);

-- Questions to the workers of a cluster, for as long as the asker waits for the answer.
CREATE TABLE dry_runs (
    id         TEXT NOT NULL PRIMARY KEY,
    pool       TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    question   TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    -- From when on a worker can take it: again some seconds after one has, which may have died with it.
    open_at    INTEGER NOT NULL,
    worker     TEXT NOT NULL DEFAULT '', -- that has taken it last
    answer     TEXT
);
CREATE INDEX dry_runs_pool ON dry_runs (pool, cluster_id);

CREATE TABLE variables (
    name       TEXT NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    project    TEXT,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE api_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    secret_hash   TEXT NOT NULL,
    -- A key has a list of roles, each in one pool or, with null, in all: [{"role": "deployer", "pool": "team-a"}].
    -- Pools are named, not referenced: a key can be made before its pool, and outlives it.
    bindings      TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    expires_at    INTEGER,
    last_used_at  INTEGER,
    revoked_at    INTEGER,
    revoked_by    TEXT NOT NULL,
    -- The rule, and whose token it was; empty for keys that people and programs create.
    trust_rule    TEXT NOT NULL DEFAULT '',
    token_issuer  TEXT NOT NULL DEFAULT '',
    token_subject TEXT NOT NULL DEFAULT '',
    -- Keys that the server's configuration makes at each start. Other keys lose their roles in a pool with the pool.
    configured    BOOLEAN NOT NULL DEFAULT FALSE,
    -- Whose key it is: the person, or the service account, that created it. Empty: the key is a service account.
    owner         TEXT NOT NULL DEFAULT '',
    owner_kind    TEXT NOT NULL DEFAULT '',
    owner_id      TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;
-- The valid keys of a rule, and the expired ones, which are removed.
CREATE INDEX api_keys_trust ON api_keys (trust_rule, expires_at) WHERE trust_rule <> '';

-- Who changed what, and when. It outlives what it is about. Values that may hold secrets are here only as digests under
-- audit_key, so that nobody can guess what they were. actor_kind is person, key, ci, worker, job, system or anonymous.
CREATE TABLE audit (
    id         TEXT NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    address    TEXT NOT NULL,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    pool       TEXT NOT NULL,
    detail     TEXT NOT NULL,
    changes    TEXT NOT NULL
);
-- The history of one thing; the whole list goes by id.
CREATE INDEX audit_subject ON audit (kind, name, id);

-- Sessions of people who signed in at the company's provider. Of the token there is only a hash, and the provider's
-- refresh token is encrypted under the token, so that this table alone opens nothing.
CREATE TABLE sessions (
    id               TEXT NOT NULL PRIMARY KEY,
    secret_hash      TEXT NOT NULL,
    kind             TEXT NOT NULL,
    issuer           TEXT NOT NULL,
    subject          TEXT NOT NULL,
    actor            TEXT NOT NULL,
    email            TEXT NOT NULL,
    email_verified   BOOLEAN NOT NULL,
    name             TEXT NOT NULL,
    user_groups      TEXT NOT NULL,
    client           TEXT NOT NULL,
    address          TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    checked_at       INTEGER NOT NULL,
    check_from       INTEGER NOT NULL,
    refresh_token    TEXT NOT NULL,
    revoked_at       INTEGER,
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
    created_at  INTEGER NOT NULL,
    signs_from  INTEGER NOT NULL
);

-- The rules of a pool, or of the installation where pool_id is NULL. Each change makes a new set; sets never change, so that
-- server and workers evaluate the same text.
CREATE TABLE rule_sets (
    id         TEXT NOT NULL PRIMARY KEY,
    pool_id    TEXT REFERENCES pools (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    is_current BOOLEAN NOT NULL,
    rules      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (pool_id, version)
);
CREATE UNIQUE INDEX rule_sets_current ON rule_sets (pool_id) WHERE is_current;
CREATE UNIQUE INDEX rule_sets_installation ON rule_sets (is_current) WHERE is_current AND pool_id IS NULL;

-- Requests for the approval of a change in one pool. items names the changes, plan has their values; asker and decider are
-- who asked and who decided.
CREATE TABLE approvals (
    id          TEXT NOT NULL PRIMARY KEY,
    pool_id     TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    state       TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    operation   TEXT NOT NULL,
    subjects    TEXT NOT NULL,
    approver    TEXT NOT NULL,
    lifetime_s  INTEGER NOT NULL,
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

-- Whose tokens of other issuers (GitHub, GitLab, Kubernetes) are exchanged for short-lived API keys. claims has the patterns
-- that the claims of a token must match; keys has a literal key set where the issuer cannot be asked for it. version
-- counts changes.
CREATE TABLE trust_rules (
    name             TEXT NOT NULL PRIMARY KEY,
    version          INTEGER NOT NULL,
    description      TEXT NOT NULL,
    issuer           TEXT NOT NULL,
    audience         TEXT NOT NULL,
    claims           TEXT NOT NULL,
    bindings         TEXT NOT NULL,
    lifetime_seconds INTEGER NOT NULL,
    single_use       BOOLEAN NOT NULL,
    keys             TEXT NOT NULL,
    authorities      TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    created_by       TEXT NOT NULL,
    updated_at       INTEGER NOT NULL,
    updated_by       TEXT NOT NULL
);
CREATE INDEX trust_rules_issuer ON trust_rules (issuer);

-- Digests of tokens that were exchanged under rules that accept each token once.
CREATE TABLE exchanged_tokens (
    digest     TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
);
CREATE INDEX exchanged_tokens_expiry ON exchanged_tokens (expires_at);

-- Who is told what by webhooks. The address and the secrets are encrypted; target is what may be shown of the address.
CREATE TABLE webhooks (
    id              TEXT NOT NULL PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    format          TEXT NOT NULL,
    events          TEXT NOT NULL,
    filter          TEXT NOT NULL,
    failures        INTEGER NOT NULL,
    target          TEXT NOT NULL,
    secrets         TEXT NOT NULL,
    -- Until when the secret before the last one signs, too.
    rotated_until   INTEGER,
    paused          BOOLEAN NOT NULL,
    -- Why the server has paused it; empty where it has not.
    paused_reason   TEXT NOT NULL,
    -- The number of its last delivery: deliveries about one subject are sent in this order.
    last_seq        INTEGER NOT NULL,
    -- How many attempts in a row its receiver has not answered, and until when it is left alone.
    unanswered      INTEGER NOT NULL,
    rest_until      INTEGER,
    -- Events that were not kept, because too many were waiting.
    dropped         INTEGER NOT NULL,
    dropped_at      INTEGER,
    created_at      INTEGER NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      INTEGER NOT NULL,
    updated_by      TEXT NOT NULL
);

-- Ends of runs that a webhook may be interested in, until it was decided which are: a moment.
CREATE TABLE webhook_events (
    id            TEXT NOT NULL PRIMARY KEY,
    run_id        TEXT NOT NULL,
    run           TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
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
    started_at    INTEGER,
    ended_at      INTEGER NOT NULL
);

-- Ends of attempts and runs whose spans were not sent yet. Only what a later retry would change is kept here; the rest is read
-- when they are sent. A server takes rows until taken_until.
CREATE TABLE trace_ends (
    id          TEXT NOT NULL PRIMARY KEY,
    run_id      TEXT NOT NULL,
    -- The attempt that ended; 0 for a run that ended while it waited.
    attempt     INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    -- Of the run, with its end; empty where the run goes on.
    state_type  TEXT NOT NULL,
    category    TEXT NOT NULL,
    ended_at    INTEGER,
    last_event  BIGINT NOT NULL,
    taken_until INTEGER NOT NULL
);
CREATE INDEX trace_ends_taken ON trace_ends (taken_until);

-- What a webhook knows of a deployment, a schedule or a pool that is not well, so that it tells the begin and the end once.
CREATE TABLE webhook_conditions (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    -- How often it was seen in a row, and whether that was enough to tell. event is what was told.
    count      INTEGER NOT NULL,
    firing     BOOLEAN NOT NULL,
    event      TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, kind, subject)
);

CREATE TABLE webhook_deliveries (
    id          TEXT NOT NULL PRIMARY KEY,
    webhook_id  TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    type        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    pool        TEXT NOT NULL,
    event       TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    -- Since when it is tried: later than created_at where a person sends it again.
    queued_at   INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    held_until  INTEGER,
    last_status INTEGER,
    last_error  TEXT NOT NULL,
    tried_at    INTEGER,
    ended_at    INTEGER
);
CREATE UNIQUE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, seq);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_subject ON webhook_deliveries (webhook_id, subject, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- What was deleted and can be brought back: one row for each object, until retention removes it. Pools, deployments and queues
-- keep their own row and are only marked; variables and rules are in document. Objects that one request deleted have the same
-- deletion_id.
CREATE TABLE deletions (
    id          TEXT NOT NULL PRIMARY KEY,
    deletion_id TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    pool_id     TEXT,
    object_id   TEXT,
    document    TEXT,
    deleted_at  INTEGER NOT NULL,
    deleted_by  TEXT NOT NULL
);
CREATE INDEX deletions_deletion ON deletions (deletion_id);
CREATE INDEX deletions_name ON deletions (kind, name, id);
CREATE INDEX deletions_pool ON deletions (pool_id) WHERE pool_id IS NOT NULL;

-- An upload may be under way, so its object is deleted an hour later.
-- +goose StatementBegin
CREATE TRIGGER delete_with_outputs AFTER DELETE ON outputs
BEGIN
    DELETE FROM log_chunks WHERE attempt_id = old.attempt_id;
    INSERT INTO output_deletions (object, whole, due_at, tries, last_error)
    SELECT old.object, TRUE, unixepoch() * 1000000, 0, '' WHERE old.object <> ''
    UNION ALL
    SELECT old.upload, FALSE, (unixepoch() + 3600) * 1000000, 0, '' WHERE old.upload <> ''
    ON CONFLICT (object) DO NOTHING;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER delete_with_runs AFTER DELETE ON runs BEGIN
    INSERT INTO run_count_changes (pool_id, queue_id, deployment_id, created, ended, state_type, category, took, n)
    SELECT old.pool_id, old.queue_id, old.deployment_id, old.created_at / 3600000000, old.ended_at / 3600000000, old.state_type,
        old.category,
        CASE WHEN old.started_at IS NULL THEN -100
            ELSE CAST(FLOOR(4 * LN(MAX((old.ended_at - old.started_at) / 1e6, 0.001)) / LN(2.0)) AS INTEGER) END,
        -1
    WHERE old.ended_at IS NOT NULL;
    DELETE FROM idempotency_keys WHERE run_id = old.id;
    DELETE FROM events WHERE run_id = old.id;
    DELETE FROM manifests WHERE run_id = old.id;
    DELETE FROM run_results WHERE run_id = old.id;
    DELETE FROM run_rule_findings WHERE run_id = old.id;
    DELETE FROM attempt_indexes WHERE run_id = old.id;
    DELETE FROM run_tokens WHERE run_id = old.id;
    DELETE FROM outputs WHERE run_id = old.id;
    DELETE FROM attempts WHERE run_id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER delete_with_deployments AFTER DELETE ON deployments BEGIN
    DELETE FROM runs WHERE deployment_id = old.id;
    DELETE FROM run_counts WHERE deployment_id = old.id AND span < 0;
    DELETE FROM run_waits WHERE subject_id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER delete_with_pools AFTER DELETE ON pools BEGIN
    DELETE FROM runs WHERE pool_id = old.id;
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE runs;
DROP TABLE run_counts;
DROP TABLE run_count_changes;
DROP TABLE run_waits;
DROP TABLE deployment_outcomes;
DROP TABLE deployments;
DROP TABLE pools;
DROP TABLE template_versions;
DROP TABLE queues;
DROP TABLE deployment_revisions;
DROP TABLE schedule_gaps;
DROP TABLE schedules;
DROP TABLE idempotency_keys;
DROP TABLE ready;
DROP TABLE live;
DROP TABLE attempts;
DROP TABLE manifests;
DROP TABLE events;
DROP TABLE run_results;
DROP TABLE run_rule_findings;
DROP TABLE attempt_indexes;
DROP TABLE run_tokens;
DROP TABLE outputs;
DROP TABLE output_deletions;
DROP TABLE log_chunks;
DROP TABLE workers;
DROP TABLE worker_sessions;
DROP TABLE dry_runs;
DROP TABLE variables;
DROP TABLE api_keys;
DROP TABLE audit;
DROP TABLE sessions;
DROP TABLE signing_keys;
DROP TABLE rule_sets;
DROP TABLE approvals;
DROP TABLE trust_rules;
DROP TABLE exchanged_tokens;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_conditions;
DROP TABLE webhook_events;
DROP TABLE trace_ends;
DROP TABLE webhooks;
DROP TABLE deletions;
DROP TABLE installation;
