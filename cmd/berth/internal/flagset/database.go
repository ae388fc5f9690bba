// Package flagset holds the flags that several commands share: how to reach the cluster and the database, how
// to log, what Jobs get.
package flagset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/store"
)

// With opens the database for the work and closes it after.
func (d *Database) With(ctx context.Context, work func(*store.Store) error) error {
	if err := d.Check(); err != nil {
		return err
	}
	options := store.Options{URL: d.URL, DirectURL: d.DirectURL}
	if d.URL == "" {
		dir, err := filepath.Abs(d.DataDir)
		if err != nil {
			return fmt.Errorf("data directory %q: %w", d.DataDir, err)
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

// Database say where the database is.
type Database struct{ DataDir, URL, DirectURL string }

func (d *Database) Add(cmd *cobra.Command) {
	cmd.Flags().
		StringVar(&d.DataDir, "data-dir", "", "directory of the SQLite database; used without --database-url")
	cmd.Flags().
		StringVar(&d.URL, "database-url", "", "PostgreSQL URL, such as postgres://… (default: SQLite in --data-dir)")
	cmd.Flags().
		StringVar(&d.DirectURL, "database-direct-url", "", "PostgreSQL URL that bypasses the connection pooler (default: --database-url)")
}

func (d *Database) Check() error {
	if d.DataDir == "" && d.URL == "" {
		return cli.Usagef("no database: set --data-dir for SQLite, or --database-url for PostgreSQL")
	}
	return nil
}
