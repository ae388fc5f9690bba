package migrate

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/store"
)

func copyCommand(app *cli.App) *cobra.Command {
	var flags flagset.Database
	cmd := &cobra.Command{
		Use: "copy", Short: "Copy an installation from SQLite into an empty PostgreSQL database", Args: cobra.NoArgs,
		Long: `Copy all data from the SQLite database in --data-dir to the PostgreSQL database at --database-url,
then compare both. The SQLite database stays unchanged.

Stop the server first: only one process can use the SQLite database. The PostgreSQL database must be
empty; the command migrates its schema. The copy is one transaction: if it fails, no data is left.`,
		Example: "  berth migrate copy --data-dir /var/lib/berth --database-url postgres://berth@db/berth",
	}
	flags.Add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.Complete(); err != nil {
			return err
		}
		if flags.URL == "" {
			return cli.Usagef("no PostgreSQL database to copy to: set --database-url")
		}
		source := flags
		source.URL, source.DirectURL = "", ""
		target := flags
		return source.With(cmd.Context(), func(from *store.Store) error {
			if err := from.Migrate(cmd.Context()); err != nil {
				return fmt.Errorf("migrate the SQLite file: %w", err)
			}
			return target.With(cmd.Context(), func(to *store.Store) error {
				if err := to.Migrate(cmd.Context()); err != nil {
					return fmt.Errorf("migrate PostgreSQL: %w", err)
				}
				return copyDatabase(cmd, app, from, to)
			})
		})
	}
	return cmd
}

func copyDatabase(cmd *cobra.Command, app *cli.App, from, to *store.Store) error {
	var rows int64
	working := app.ShowElapsed("copying")
	defer working.Stop()
	err := store.Copy(cmd.Context(), from, to, func(c store.CopyProgress) {
		if c.Compared {
			rows += c.Rows
			return
		}
		// What it says goes to standard error, and nothing can be done where that is gone.
		_ = working.PrintAbove(func() error { app.Notef("copied %s: %d rows", c.Table, c.Rows); return nil })
	})
	working.Stop()
	if err != nil {
		return err
	}
	return app.Printf("copied %d rows; both databases are equal\n", rows)
}
