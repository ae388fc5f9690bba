-- +goose Up

-- What the template of a run's newest manifest says; it counts where the deployment says nothing.
ALTER TABLE runs ADD COLUMN template_timeout_us BIGINT;
ALTER TABLE runs ADD COLUMN template_infrastructure_max INTEGER;

-- +goose Down
ALTER TABLE runs DROP COLUMN template_infrastructure_max;
ALTER TABLE runs DROP COLUMN template_timeout_us;
