-- What a full cycle of a hundred runs writes, and nothing more: claimed, running, ended. For pgbench, beside
-- BenchmarkFullCycle: the same rows in the same tables, by a client that decides nothing, checks nothing and sends nothing
-- back.
BEGIN;
SELECT pg_advisory_xact_lock_shared(1886351212, hashtext('p'));
SELECT id AS pool FROM pools WHERE name = 'p' \gset
SELECT id AS session FROM worker_sessions WHERE worker = 'w' || :client_id FOR NO KEY UPDATE \gset
WITH due AS (
    SELECT deployment_id, run_id
    FROM ready
    WHERE queue_id = (SELECT id FROM queues WHERE pool_id = :pool::uuid) AND NOT limited AND due_at <= clock_timestamp()
    ORDER BY due_at, run_id
    LIMIT 100
    FOR UPDATE SKIP LOCKED
), claimed AS (
    DELETE FROM ready
    WHERE (deployment_id, run_id) IN (SELECT deployment_id, run_id FROM due)
    RETURNING run_id, deployment_id, pool_id, queue_id, due_at
), told AS (
    INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
    SELECT run_id, 2, clock_timestamp(), 'worker w', 1, 'PENDING', 'Claimed', 'claimed by worker w' FROM claimed
), renewed AS (
    UPDATE worker_sessions SET seen_at = clock_timestamp(), expires_at = clock_timestamp() + interval '30s', last_request = gen_random_uuid()
    WHERE id = :session::uuid
), started AS (
    INSERT INTO live (
        attempt_id, run_id, number, deployment_id, revision_id, pool_id, queue_id, session_id, epoch, leased_at, request_id,
        worker, cluster_id, template_version_id, frozen_revision_id, stored, state_type, state_name, state_message, state_at,
        cancel_reason, phase, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, due_at, claimed_at, spent, last_event
    )
    SELECT
        gen_random_uuid(), run_id, 1, deployment_id, deployment_id, pool_id, queue_id, :session::uuid, 1, clock_timestamp(),
        gen_random_uuid(), 'w', 'c', pool_id, deployment_id, '{}', 'PENDING', 'Claimed', 'claimed by worker w', clock_timestamp(),
        '', 'claimed', '', '', '', '', '', '', due_at, clock_timestamp(), '{}', 2
    FROM claimed
    RETURNING attempt_id, run_id
)
SELECT array_agg(attempt_id) AS attempts, array_agg(run_id) AS runs FROM started \gset
COMMIT;
BEGIN;
UPDATE live
SET state_type = 'RUNNING', state_name = 'Running', state_message = '', state_at = clock_timestamp(), started_at = clock_timestamp(),
    phase = 'running', node = 'node-1', running_at = clock_timestamp(), last_event = 3
WHERE attempt_id = ANY (:attempts::uuid[]);
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT id, 3, clock_timestamp(), 'worker w', 1, 'RUNNING', 'Running', '' FROM unnest(:runs::uuid[]) AS id;
COMMIT;
BEGIN;
WITH ended AS (
    DELETE FROM live WHERE attempt_id = ANY (:attempts::uuid[]) RETURNING *
)
INSERT INTO attempts (
    run_id, number, id, worker, cluster_id, epoch, template_version_id, job_namespace, job_name, job_uid, node, diagnosis, succeeded,
    category, message, last_lines, claimed_at, running_at, ended_at
)
SELECT
    run_id, number, attempt_id, worker, cluster_id, epoch, template_version_id, job_namespace, job_name, job_uid, node, diagnosis, TRUE,
    '', '', '', claimed_at, running_at, clock_timestamp()
FROM ended;
UPDATE runs
SET state_type = 'COMPLETED', state_name = 'Completed', state_at = clock_timestamp(), started_at = clock_timestamp(),
    ended_at = clock_timestamp(), attempt = 1, last_event = 4
WHERE id = ANY (:runs::uuid[]);
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT id, 4, clock_timestamp(), 'worker w', 1, 'COMPLETED', 'Completed', '' FROM unnest(:runs::uuid[]) AS id;
COMMIT;
