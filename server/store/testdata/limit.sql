-- What a full cycle of a hundred runs writes, and nothing more: claimed, running, ended. For pgbench, beside
-- BenchmarkFullCycle: the same rows in the same tables under a lock of the pool, by a client that decides nothing, checks
-- nothing and sends nothing back. The lock is that of a pool with limits; claims of one without, as that benchmark has it,
-- share theirs.
BEGIN;
SELECT id AS pool FROM pools WHERE name = 'p' FOR NO KEY UPDATE \gset
WITH due AS (
    SELECT id FROM runs WHERE queue_id = (SELECT id FROM queues WHERE pool_id = :pool::uuid) AND ready ORDER BY due_at, id LIMIT 100
), claimed AS (
    UPDATE runs
    SET state_type = 'PENDING', state_name = 'Claimed', state_message = 'claimed by worker w', state_at = clock_timestamp(),
        attempt = 1, last_event = 2
    FROM due
    WHERE runs.id = due.id
    RETURNING runs.id, runs.pool_id, runs.queue_id, runs.deployment_id
), tried AS (
    INSERT INTO attempts (
        id, run_id, number, pool_id, queue_id, deployment_id, phase, worker, cluster_id, epoch, lease_expires_at,
        template_version_id, stored, manifest_hash, job_namespace, job_name, job_uid, node, diagnosis, succeeded, category,
        message, last_lines, claimed_at, handed_back
    )
    SELECT
        gen_random_uuid(), id, 1, pool_id, queue_id, deployment_id, 'claimed', 'w', 'c', 1, clock_timestamp() + interval '30s',
        pool_id, '{}', '', '', '', '', '', '', FALSE, '', '', '', clock_timestamp(), FALSE
    FROM claimed
    RETURNING id, run_id
), told AS (
    INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
    SELECT id, 2, clock_timestamp(), 'worker w', 1, 'PENDING', 'Claimed', 'claimed by worker w' FROM claimed
)
SELECT array_agg(id) AS attempts, array_agg(run_id) AS runs FROM tried \gset
INSERT INTO claim_requests (id, created_at, claims) VALUES (gen_random_uuid(), clock_timestamp(), :attempts);
COMMIT;
BEGIN;
UPDATE runs
SET state_type = 'RUNNING', state_name = 'Running', state_message = '', state_at = clock_timestamp(), started_at = clock_timestamp(),
    last_event = 3
WHERE id = ANY (:runs::uuid[]);
UPDATE attempts SET phase = 'running', node = 'node-1', running_at = clock_timestamp() WHERE id = ANY (:attempts::uuid[]);
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT id, 3, clock_timestamp(), 'worker w', 1, 'RUNNING', 'Running', '' FROM unnest(:runs::uuid[]) AS id;
COMMIT;
BEGIN;
UPDATE runs
SET state_type = 'COMPLETED', state_name = 'Completed', state_at = clock_timestamp(), ended_at = clock_timestamp(), last_event = 4
WHERE id = ANY (:runs::uuid[]);
UPDATE attempts SET phase = 'ended', succeeded = TRUE, ended_at = clock_timestamp() WHERE id = ANY (:attempts::uuid[]);
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT id, 4, clock_timestamp(), 'worker w', 1, 'COMPLETED', 'Completed', '' FROM unnest(:runs::uuid[]) AS id;
COMMIT;
