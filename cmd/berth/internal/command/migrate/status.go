package migrate

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/store"
)

// schemaStatus is what `berth migrate status` prints.
type schemaStatus struct {
	Version int64 `json:"version"`
	Wanted  int64 `json:"wanted"`
	Ready   bool  `json:"ready"`
	// Partitions of the tables of runs; 0: they are plain.
	Partitions int `json:"partitions"`
	// PartitionsUntil is up to when they were made ahead.
	PartitionsUntil *time.Time `json:"partitions_until,omitempty"`
}

func statusCommand(app *cli.App) *cobra.Command {
	var flags flagset.Database
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show schema version and layout; exit with 1 if the schema is too old for this binary",
		Args:  cobra.NoArgs,
	}
	flags.Add(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var status schemaStatus
		var layout store.RunLayout
		err := flags.With(cmd.Context(), func(database *store.Store) error {
			var err error
			status.Version, status.Wanted, err = database.MigrationStatus(cmd.Context())
			status.Ready = status.Version >= status.Wanted
			if err != nil {
				return err
			}
			layout, err = database.GetRunLayout(cmd.Context())
			return err
		})
		if err != nil {
			return err
		}
		if status.Partitions = layout.Partitions; layout.Partitions > 0 {
			status.PartitionsUntil = &layout.Until
		}
		if err := cli.PrintObject(app, *format, status, []cli.Field{
			{Name: "Schema", Value: fmt.Sprint(status.Version)},
			{Name: "Needed", Value: fmt.Sprint(status.Wanted)},
			{Name: "Tables of runs", Value: describe(layout)},
		}); err != nil {
			return err
		}
		if !status.Ready {
			app.Notef("the schema is too old for this binary; migrate it with: berth migrate up")
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	}
	return cmd
}
