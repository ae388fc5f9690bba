-- An installation of some years, for BenchmarkQuestions: %[1]d deployments with a schedule each, none of them due, and %[2]d
-- finished runs, one each ten seconds up to now, one in a hundred failed, with an attempt and four events each, the first of which is the run itself.
INSERT INTO pools (id, name, type, description, paused, template_version, created_at, created_by, updated_at, updated_by)
SELECT gen_random_uuid(), 'pool-' || i, 'kubernetes', '', FALSE, 1, now(), 'ada', now(), 'ada' FROM generate_series(1, 9) AS i;
INSERT INTO template_versions (id, pool_id, version, document, document_hash, source, comment, stored_names, created_at, created_by)
SELECT gen_random_uuid(), id, 1, '{}', '', '', '', '[]', now(), 'ada' FROM pools WHERE name LIKE 'pool-%%';
INSERT INTO queues (id, pool_id, name, priority, paused, created_at, created_by)
SELECT gen_random_uuid(), id, 'default', 1, FALSE, now(), 'ada' FROM pools WHERE name LIKE 'pool-%%';
CREATE TEMPORARY TABLE made AS
SELECT i, gen_random_uuid() AS id, gen_random_uuid() AS revision_id, p.id AS pool_id, q.id AS queue_id
FROM generate_series(1, %[1]d) AS i
JOIN pools p ON p.name = 'pool-' || (1 + i %% 9)
JOIN queues q ON q.pool_id = p.id;
INSERT INTO deployments (id, name, pool_id, queue_id, revision_id, description, tags, paused, created_at, created_by, updated_at, updated_by)
SELECT id, 'etl-' || lpad(i::text, 6, '0'), pool_id, queue_id, revision_id, '', '[]', FALSE, now(), 'ada', now(), 'ada' FROM made;
INSERT INTO deployment_revisions (
    id, deployment_id, version, job_variables, parameters, frozen_variables, frozen_parameters, retries, created_at, created_by
)
SELECT revision_id, id, '', '{}', '{}', '[]', '[]', '{}', now(), 'ada' FROM made;
INSERT INTO schedules (
    id, deployment_id, name, spec, active, slots_since, decided_until, seen_until, next_due, last_error, created_at, created_by, updated_at, updated_by
)
SELECT gen_random_uuid(), id, 'nightly', '{"cron":"0 3 * * *"}', TRUE, now(), now(), now(), now() + i * interval '1 second' + interval '1 day', '', now(), 'ada', now(), 'ada'
FROM made;
CREATE TEMPORARY TABLE ran AS
SELECT
    n.i, d.id AS deployment_id, d.revision_id, d.pool_id, d.queue_id, at, gen_random_uuid() AS attempt_id,
    CASE WHEN n.i %% 100 = 0 THEN 'FAILED' ELSE 'COMPLETED' END AS state,
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n.i %% 4096), 3, '0') || '8' || lpad(to_hex(n.i), 15, '0'))::uuid AS id
FROM (SELECT i, now() - (%[2]d - i) * interval '10 seconds' AS at FROM generate_series(1, %[2]d) AS i) AS n
JOIN made d ON d.i = 1 + n.i::bigint * 7919 %% %[1]d;
INSERT INTO runs (
    id, name, deployment_id, revision_id, pool_id, queue_id, state_type, state_name, state_message, state_at, parameters,
    job_variables, stored_names, tags, body_hash, scheduled_time, due_at, created_at, created_by, caller_kind, caller_role, started_at,
    ended_at, attempt, spent, category, last_event
)
SELECT
    id, 'run-' || i, deployment_id, revision_id, pool_id, queue_id, state, initcap(state), '', at, '{"date":"2026-01-01"}', '{}', '[]',
    '["nightly"]', '', at, at, at, 'ada', 'schedule', '', at, at + interval '5 seconds', 1, '{}', '', 4
FROM ran
ORDER BY i;
INSERT INTO run_counts (deployment_id, span, created, ended, pool_id, queue_id, state_type, category, took, n)
SELECT
    CASE WHEN c.of_deployment THEN deployment_id ELSE '00000000-0000-0000-0000-000000000000' END, c.span,
    CASE WHEN c.span = 0 THEN 0 ELSE hour_of(at) / c.span * c.span END,
    CASE WHEN c.span = 0 THEN 0 ELSE hour_of(at + interval '5 seconds') / c.span * c.span END,
    pool_id, queue_id, state, '', CASE WHEN c.of_deployment THEN run_took(at, at + interval '5 seconds') ELSE 0 END, COUNT(*)
FROM ran, (VALUES (TRUE, 1), (FALSE, 0), (FALSE, 24), (FALSE, 1)) AS c (of_deployment, span)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 9;
INSERT INTO attempts (
    id, run_id, number, worker, cluster_id, epoch, template_version_id, job_namespace, job_name, job_uid, node, diagnosis, succeeded,
    category, message, last_lines, claimed_at, running_at, ended_at
)
SELECT
    attempt_id, id, 1, 'w', 'c', 1, pool_id, 'jobs', 'job-' || i, '', 'node', '', state = 'COMPLETED',
    '', '', '', at, at, at + interval '5 seconds'
FROM ran
ORDER BY i;
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT id, seq, at, 'worker w', 1, state, initcap(state), '' FROM ran, generate_series(2, 4) AS seq ORDER BY i, seq;
ANALYZE;
