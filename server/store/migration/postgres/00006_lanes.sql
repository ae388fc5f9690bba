-- +goose Up

-- A deleted queue stays for the finished runs that were in it; one of the same name brings it back.
ALTER TABLE queues ADD COLUMN deleted_at TIMESTAMPTZ;
-- A paused worker claims nothing new.
ALTER TABLE workers ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE workers DROP COLUMN paused;
ALTER TABLE queues DROP COLUMN deleted_at;
