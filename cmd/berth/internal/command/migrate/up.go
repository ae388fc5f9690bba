package migrate

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store"
)

func upCommand(app *cli.App) *cobra.Command {
	var flags flagset.Database
	var layout string
	var log flagset.Log
	cmd := &cobra.Command{
		Use: "up", Short: "Migrate the database schema to the version of this binary", Args: cobra.NoArgs,
		Long: "Migrate the database schema to the version of this binary. If no API key exists and standard output\nis a terminal, an admin key is created and shown once.",
	}
	flags.Add(cmd)
	log.AddFormat(cmd)
	cmd.Flags().StringVar(&layout, "partition", layoutAsIs,
		"weekly partitions the tables of runs, as berth migrate partition does; empty leaves them as they are")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.Complete(); err != nil {
			return err
		}
		if err := checkLayout(layout, flags); err != nil {
			return err
		}
		return flags.With(cmd.Context(), func(database *store.Store) error {
			before, wanted, err := database.MigrationStatus(cmd.Context())
			if err != nil {
				return fmt.Errorf("read the version of the schema: %w", err)
			}
			if before >= wanted {
				err = log.Say(app, "schema version %d is up to date (required: %d)", before, wanted)
			} else if err = database.Migrate(cmd.Context()); err == nil {
				err = log.Say(app, "migrated the schema from version %d to %d", before, wanted)
			} else {
				err = fmt.Errorf("migrate: %w", err)
			}
			if err == nil && layout == layoutWeekly {
				err = partition(cmd, app, database)
			}
			if err != nil {
				return err
			}
			return firstKey(cmd.Context(), app, database)
		})
	}
	return cmd
}

// The values of --partition.
const (
	layoutAsIs   = ""
	layoutWeekly = "weekly"
)

func checkLayout(layout string, flags flagset.Database) error {
	switch layout {
	case layoutAsIs:
		return nil
	case layoutWeekly:
		return requirePostgres(flags)
	}
	return cli.Usagef("--partition %q: must be weekly, or empty", layout)
}

// firstKey makes the first admin key of an installation that has no key at all. It is shown once, and to a
// terminal only: elsewhere it would end up in a log.
func firstKey(ctx context.Context, app *cli.App, database *store.Store) error {
	keys, err := database.ListKeys(ctx, store.KeyFilter{})
	if err != nil || len(keys) > 0 {
		return err
	}
	if !cli.IsTerminal(app.Out) {
		app.Notef(
			"no API key exists: start the server with BERTH_BOOTSTRAP_ADMIN_KEY, or run this command in a terminal")
		return nil
	}
	key, err := apikey.New()
	if err != nil {
		return err
	}
	err = database.CreateKey(ctx, store.Key{
		ID: key.ID, Name: "first-admin", SecretHash: key.Hash(),
		Bindings:  []store.Binding{{Role: string(api.RoleAdmin), Pool: store.AllPools}},
		CreatedAt: app.Now().UTC(), CreatedBy: "berth migrate up",
	})
	if err != nil {
		return fmt.Errorf("store the first API key: %w", err)
	}
	return app.Printf("admin API key, shown only once:\n  export BERTH_API_KEY=%s\n", key.Text)
}
