-- +goose Up

-- A run is written three times after it was made, an attempt twice: with room for that on its page, what changes no index
-- is written there and nowhere else. The tables come out as large as they were without the room.
ALTER TABLE runs SET (fillfactor = 33);
ALTER TABLE attempts SET (fillfactor = 50);

-- +goose Down
ALTER TABLE runs SET (fillfactor = 75);
ALTER TABLE attempts SET (fillfactor = 75);
