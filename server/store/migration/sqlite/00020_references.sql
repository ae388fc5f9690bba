-- +goose Up

-- On PostgreSQL foreign keys made way for triggers. Here they cost little and stay.

-- +goose Down
