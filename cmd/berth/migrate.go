package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store"
)

func migrateCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "The schema of the database"}
	return cli.Group(cmd, migrateUpCommand(app), migrateStatusCommand(app), migrateCopyCommand(app))
}

func migrateUpCommand(app *cli.App) *cobra.Command {
	var flags databaseFlags
	cmd := &cobra.Command{Use: "up", Short: "Bring the schema to what this binary needs", Args: cobra.NoArgs,
		Long: "Bring the schema to what this binary needs. Where there is no API key at all, the first admin's is made and shown, on a terminal only."}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return flags.with(cmd.Context(), func(database *store.Store) error {
			before, wanted, err := database.MigrationStatus(cmd.Context())
			if err != nil {
				return fmt.Errorf("read the version of the schema: %w", err)
			}
			if before >= wanted {
				err = app.Printf(
					"the schema has version %d, this binary needs %d: nothing to do\n",
					before,
					wanted,
				)
			} else if err = database.Migrate(cmd.Context()); err == nil {
				err = app.Printf("the schema went from version %d to %d\n", before, wanted)
			} else {
				err = fmt.Errorf("migrate: %w", err)
			}
			if err != nil {
				return err
			}
			return firstKey(cmd.Context(), app, database)
		})
	}
	return cmd
}

// firstKey makes the first admin key of an installation that has no key at all. It is shown once, and to a
// terminal only: elsewhere it would end up in somebody's log.
func firstKey(ctx context.Context, app *cli.App, database *store.Store) error {
	keys, err := database.ListKeys(ctx)
	if err != nil || len(keys) > 0 {
		return err
	}
	if !cli.IsTerminal(app.Out) {
		app.Notef(
			"there is no API key yet: start the server with BERTH_BOOTSTRAP_ADMIN_KEY, or run this in a terminal",
		)
		return nil
	}
	key, err := apikey.New()
	if err != nil {
		return err
	}
	err = database.CreateKey(ctx, store.Key{
		ID: key.ID, Name: "first-admin", Role: string(api.RoleAdmin), SecretHash: key.Hash(), CreatedAt: app.Now().UTC(), CreatedBy: "berth migrate up",
	})
	if err != nil {
		return fmt.Errorf("store the first API key: %w", err)
	}
	return app.Printf("the first admin's API key, shown this once:\n  export BERTH_API_KEY=%s\n", key.Text)
}

// schemaStatus is what `berth migrate status` prints.
type schemaStatus struct {
	Version int64 `json:"version"`
	Wanted  int64 `json:"wanted"`
	Ready   bool  `json:"ready"`
}

func migrateStatusCommand(app *cli.App) *cobra.Command {
	var flags databaseFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the version of the schema; 1 when it is older than this binary needs",
		Args:  cobra.NoArgs,
	}
	flags.add(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var status schemaStatus
		err := flags.with(cmd.Context(), func(database *store.Store) error {
			var err error
			status.Version, status.Wanted, err = database.MigrationStatus(cmd.Context())
			status.Ready = status.Version >= status.Wanted
			return err
		})
		if err != nil {
			return err
		}
		if err := cli.One(app, *format, status, []cli.Field{
			{Name: "Schema", Value: fmt.Sprint(status.Version)}, {Name: "Needed", Value: fmt.Sprint(status.Wanted)},
		}); err != nil {
			return err
		}
		if !status.Ready {
			app.Notef("the schema is older than this binary needs; bring it up with: berth migrate up")
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	}
	return cmd
}

// with opens the database for the work and closes it after.
func (d *databaseFlags) with(ctx context.Context, work func(*store.Store) error) error {
	if err := d.check(); err != nil {
		return err
	}
	options := store.Options{URL: d.url, DirectURL: d.directURL}
	if d.url == "" {
		dir, err := filepath.Abs(d.dataDir)
		if err != nil {
			return fmt.Errorf("data directory %q: %w", d.dataDir, err)
		}
		const ownerOnly = 0o700
		if err := os.MkdirAll(dir, ownerOnly); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
		options.URL = "sqlite://" + filepath.ToSlash(filepath.Join(dir, "berth.db"))
	}
	database, err := store.Open(ctx, options)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return errors.Join(work(database), database.Close())
}
