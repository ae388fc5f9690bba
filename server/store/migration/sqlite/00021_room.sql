-- +goose Up

-- On PostgreSQL pages are given room for the changes of their rows. There is nothing like it here.

-- +goose Down
