package migrate

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/store"
)

func partitionCommand(app *cli.App) *cobra.Command {
	var flags flagset.Database
	cmd := &cobra.Command{
		Use: "partition", Short: "Partition the tables of runs by week, while servers work", Args: cobra.NoArgs,
		Long: `Partition the tables of runs, attempts, manifests and events by the week in which a run was created.
Retention then empties a whole week at a time. This is for PostgreSQL with a million runs a day or more.

Servers and workers go on. Nothing is copied: the existing tables become the first partition, after they were
read once to check that it ends in one to two weeks. If the command is stopped, run it again; it continues.`,
		Example: "  berth migrate partition --database-url postgres://berth@db/berth",
	}
	flags.Add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.Complete(); err != nil {
			return err
		}
		if err := requirePostgres(flags); err != nil {
			return err
		}
		return flags.With(cmd.Context(), func(database *store.Store) error {
			if err := database.Ready(cmd.Context()); err != nil {
				return err
			}
			return partition(cmd, app, database)
		})
	}
	return cmd
}

// requirePostgres refuses to partition SQLite.
func requirePostgres(flags flagset.Database) error {
	if flags.URL == "" || strings.HasPrefix(flags.URL, "sqlite:") {
		return cli.Usagef("only PostgreSQL has partitions: set --database-url; move an installation on SQLite with " +
			"berth migrate copy first")
	}
	return nil
}

func partition(cmd *cobra.Command, app *cli.App, database *store.Store) error {
	before, err := database.GetRunLayout(cmd.Context())
	if err != nil {
		return err
	}
	if before.Partitions > 0 {
		return app.Printf("the tables of runs are partitioned already: %s\n", describe(before))
	}
	working := app.ShowElapsed("partitioning")
	defer working.Stop()
	err = database.PartitionRuns(cmd.Context(), store.PartitionOptions{Progress: func(p store.PartitionProgress) {
		did := "checking"
		if p.Done {
			did = "checked"
		}
		// What it says goes to standard error, and nothing can be done where that is gone.
		_ = working.PrintAbove(func() error { app.Notef("%s %s: %d MB", did, p.Table, p.Bytes>>20); return nil })
	}})
	working.Stop()
	if err != nil {
		return err
	}
	after, err := database.GetRunLayout(cmd.Context())
	if err != nil {
		return err
	}
	return app.Printf("partitioned the tables of runs: %s\n", describe(after))
}

// describe says what the layout is.
func describe(layout store.RunLayout) string {
	if layout.Partitions == 0 {
		return "plain"
	}
	return fmt.Sprintf("%d partitions, made until %s", layout.Partitions, layout.Until.Format("2006-01-02"))
}
