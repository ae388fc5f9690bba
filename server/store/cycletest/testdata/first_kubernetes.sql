-- What a hundred runs wrote in those tables on a Kubernetes worker's path, 18 rows each, in the way of claims beside each
-- other. %s is the manifest. For pgbench: it decides nothing, checks nothing and sends back no more than IDs.
BEGIN;
SELECT pg_advisory_xact_lock_shared(1886351212, hashtext('p'));
WITH due AS (
    SELECT id FROM first.runs
    WHERE queue_id = md5('q')::uuid AND ready AND due_at <= clock_timestamp()
    ORDER BY due_at, id
    LIMIT 100
    FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE first.runs
    SET attempt = 1, last_event = 2, state_at = clock_timestamp(), state_message = 'claimed by worker w0', state_name = 'Claimed',
        state_type = 'PENDING'
    FROM due
    WHERE runs.id = due.id
    RETURNING runs.id, runs.pool_id, runs.queue_id, runs.deployment_id
), tried AS (
    INSERT INTO first.attempts (
        id, run_id, number, pool_id, queue_id, deployment_id, phase, worker, cluster_id, epoch, lease_expires_at,
        template_version_id, stored, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, succeeded, category, message,
        last_lines, claimed_at, handed_back, frozen_revision_id
    )
    SELECT
        id, id, 1, pool_id, queue_id, deployment_id, 'claimed', 'w0', 'c', 1, clock_timestamp() + INTERVAL '30s',
        pool_id, '{}', '', '', '', '', '', '', FALSE, '', '',
        '', clock_timestamp(), FALSE, pool_id
    FROM claimed
), told AS (
    INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
    SELECT id, 2, clock_timestamp(), 'worker w0', 1, 'PENDING', 'Claimed', 'claimed by worker w0' FROM claimed
)
SELECT array_agg(id) AS runs FROM claimed \gset
COMMIT;
BEGIN;
UPDATE first.runs SET last_event = 3, state_at = clock_timestamp(), state_message = '', state_name = 'Submitting'
WHERE id = ANY (:runs::uuid[]);
UPDATE first.attempts
SET manifest = %s, manifest_hash = '0d6afb5f96edec85f8741f4e059687e7c400112f14a2d23e7a2acff18959d665', phase = 'submitting'
WHERE run_id = ANY (:runs::uuid[]);
INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT unnest(:runs::uuid[]), 3, clock_timestamp(), 'worker w0', 1, 'PENDING', 'Submitting', '';
COMMIT;
BEGIN;
UPDATE first.runs SET last_event = 4, state_at = clock_timestamp(), state_message = 'Job created', state_name = 'InfrastructurePending'
WHERE id = ANY (:runs::uuid[]);
UPDATE first.attempts
SET job_name = 'job', job_namespace = 'jobs', job_uid = 'uid-01a22778-959f-7b07-b04c-b9f6da64b0cd', phase = 'pending',
    submitted_at = clock_timestamp()
WHERE run_id = ANY (:runs::uuid[]);
INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT unnest(:runs::uuid[]), 4, clock_timestamp(), 'worker w0', 1, 'PENDING', 'InfrastructurePending', 'Job created';
COMMIT;
BEGIN;
UPDATE first.runs SET last_event = 5, state_at = clock_timestamp(), state_message = 'pulling image registry/etl'
WHERE id = ANY (:runs::uuid[]);
UPDATE first.attempts SET diagnosis = 'pulling image registry/etl' WHERE run_id = ANY (:runs::uuid[]);
INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT unnest(:runs::uuid[]), 5, clock_timestamp(), 'worker w0', 1, 'PENDING', 'InfrastructurePending', 'pulling image registry/etl';
COMMIT;
BEGIN;
UPDATE first.runs
SET last_event = 6, started_at = clock_timestamp(), state_at = clock_timestamp(), state_message = 'on node node-1',
    state_name = 'Running', state_type = 'RUNNING'
WHERE id = ANY (:runs::uuid[]);
UPDATE first.attempts SET diagnosis = '', node = 'node-1', phase = 'running', running_at = clock_timestamp()
WHERE run_id = ANY (:runs::uuid[]);
INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT unnest(:runs::uuid[]), 6, clock_timestamp(), 'worker w0', 1, 'RUNNING', 'Running', 'on node node-1';
COMMIT;
BEGIN;
UPDATE first.runs
SET ended_at = clock_timestamp(), last_event = 7, state_at = clock_timestamp(), state_message = 'succeeded',
    state_name = 'Completed', state_type = 'COMPLETED'
WHERE id = ANY (:runs::uuid[]);
UPDATE first.attempts SET ended_at = clock_timestamp(), phase = 'ended', succeeded = TRUE WHERE run_id = ANY (:runs::uuid[]);
INSERT INTO first.events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT unnest(:runs::uuid[]), 7, clock_timestamp(), 'worker w0', 1, 'COMPLETED', 'Completed', 'succeeded';
COMMIT;
