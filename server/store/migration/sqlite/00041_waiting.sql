-- +goose Up

-- The slots of a schedule that wait for the end of an earlier run, as a list of times: those that its misfire policy has
-- dropped in between must not come back.
ALTER TABLE schedules ADD COLUMN waiting TEXT NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE schedules DROP COLUMN waiting;
