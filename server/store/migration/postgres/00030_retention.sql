-- +goose Up

-- Output is kept in partitions, one a day in UTC, each named after its day: retention drops them whole. Servers make them
-- ahead; what has no other goes into log_chunks_rest. What was there until now, and comes until the end of tomorrow,
-- stays where it is: that table becomes the first partition.
-- A foreign key would lock all attempts when a partition is dropped; a trigger deletes output with its attempt.
ALTER TABLE log_chunks DROP CONSTRAINT log_chunks_attempt_id_fkey;
ALTER TABLE log_chunks DROP CONSTRAINT log_chunks_pkey;
-- +goose StatementBegin
DO $$
DECLARE
    ends  TIMESTAMPTZ := (date_trunc('day', now() AT TIME ZONE 'UTC') + INTERVAL '2 days') AT TIME ZONE 'UTC';
    first TEXT := 'log_chunks_p' || to_char((ends - INTERVAL '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    EXECUTE format('ALTER TABLE log_chunks RENAME TO %I', first);
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (attempt_id, byte_offset, at)', first);
    CREATE TABLE log_chunks (
        attempt_id  UUID NOT NULL,
        byte_offset BIGINT NOT NULL,
        at          TIMESTAMPTZ NOT NULL,
        content     BYTEA NOT NULL,
        PRIMARY KEY (attempt_id, byte_offset, at)
    ) PARTITION BY RANGE (at);
    EXECUTE format('ALTER TABLE log_chunks ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', first, ends);
    CREATE TABLE log_chunks_rest PARTITION OF log_chunks DEFAULT;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION delete_with_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log_chunks WHERE attempt_id IN (SELECT id FROM gone WHERE log_size > 0);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER delete_with_attempts AFTER DELETE ON attempts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION delete_with_attempts();

-- +goose Down
DROP TRIGGER delete_with_attempts ON attempts;
DROP FUNCTION delete_with_attempts;
CREATE TABLE log_chunks_whole (
    attempt_id  UUID NOT NULL,
    byte_offset BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    content     BYTEA NOT NULL
);
INSERT INTO log_chunks_whole (attempt_id, byte_offset, at, content)
SELECT attempt_id, byte_offset, at, content
FROM log_chunks c
WHERE EXISTS (SELECT 1 FROM attempts a WHERE a.id = c.attempt_id);
DROP TABLE log_chunks;
ALTER TABLE log_chunks_whole RENAME TO log_chunks;
ALTER TABLE log_chunks ADD PRIMARY KEY (attempt_id, byte_offset);
ALTER TABLE log_chunks ADD FOREIGN KEY (attempt_id) REFERENCES attempts (id) ON DELETE CASCADE;
