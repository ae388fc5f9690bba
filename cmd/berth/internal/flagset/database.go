// Package flagset holds the flags that several commands share: how to reach the cluster and the database, how
// to log, what Jobs get.
package flagset

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/store"
)

// With opens the database for the work and closes it after.
func (d *Database) With(ctx context.Context, work func(*store.Store) error) error {
	if err := d.Complete(); err != nil {
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
type Database struct {
	DataDir, URL, DirectURL string
	// CAFile has the certificates that the database is checked against.
	CAFile string

	host, name, user, password, tls string
	port                            int
}

func (d *Database) Add(cmd *cobra.Command) {
	d.addParts(cmd)
	cmd.Flags().
		StringVar(&d.DataDir, "data-dir", "", "directory of the SQLite database; used without --database-url")
	cmd.Flags().
		StringVar(&d.URL, "database-url", "", "PostgreSQL URL, such as postgres://… (default: SQLite in --data-dir)")
	cmd.Flags().
		StringVar(&d.DirectURL, "database-direct-url", "", "PostgreSQL URL that bypasses the connection pooler (default: --database-url)")
}

// addParts adds the flags of the parts of a URL. Operators of PostgreSQL store them apart.
func (d *Database) addParts(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.host, "database-host", "", "host of PostgreSQL; with the flags below instead of --database-url")
	flags.IntVar(&d.port, "database-port", defaultPostgresPort, "port of --database-host")
	flags.StringVar(&d.name, "database-name", "berth", "name of the database at --database-host")
	flags.StringVar(&d.user, "database-user", "berth", "user at --database-host")
	flags.StringVar(&d.password, "database-password", "",
		"password of --database-user; set BERTH_DATABASE_PASSWORD, since all users of a machine see its command lines")
	flags.StringVar(&d.tls, "database-sslmode", "", "sslmode of --database-host (default: prefer; verify-full with --database-ca-file)")
	flags.StringVar(&d.CAFile, "database-ca-file", "",
		"file with the CA certificates of PostgreSQL (default: sslrootcert of the URL)")
}

const defaultPostgresPort = 5432

// Complete checks the flags and makes the URL of its parts, once.
func (d *Database) Complete() error {
	if d.host != "" && d.URL != "" {
		return cli.Usagef("--database-host and --database-url exclude each other")
	}
	if d.host != "" {
		d.URL, d.host = d.urlOfParts(), ""
	}
	if d.DataDir == "" && d.URL == "" {
		return cli.Usagef("no database: set --data-dir for SQLite, or --database-url for PostgreSQL")
	}
	var err error
	if d.URL, err = d.WithCA(d.URL); err != nil {
		return err
	}
	d.DirectURL, err = d.WithCA(d.DirectURL)
	return err
}

func (d *Database) urlOfParts() string {
	u := url.URL{
		Scheme: "postgres", User: url.User(d.user), Host: net.JoinHostPort(strings.Trim(d.host, "[]"), strconv.Itoa(d.port)),
		Path: "/" + d.name,
	}
	if d.password != "" {
		u.User = url.UserPassword(d.user, d.password)
	}
	if d.tls != "" {
		u.RawQuery = url.Values{"sslmode": {d.tls}}.Encode()
	}
	return u.String()
}

// WithCA adds the file with the certificates to a URL that names none. The host is then checked too, unless the URL has
// another sslmode.
func (d *Database) WithCA(text string) (string, error) {
	if d.CAFile == "" || text == "" {
		return text, nil
	}
	if _, err := os.Stat(d.CAFile); err != nil {
		return "", cli.Usagef("--database-ca-file: %v", err)
	}
	base, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", cli.Usagef("the parameters of the database URL are malformed")
	}
	if !values.Has("sslrootcert") {
		values.Set("sslrootcert", d.CAFile)
	}
	if !values.Has("sslmode") {
		values.Set("sslmode", "verify-full")
	}
	return base + "?" + values.Encode(), nil
}
