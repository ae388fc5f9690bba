// Package importing holds `berth import`.
package importing

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/prefect"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Write what another orchestrator has as a berth.yaml",
	}
	cmd.AddCommand(prefectCommand(app))
	return cmd
}

// reportName is the file with what does not carry over.
const reportName = "report.txt"

// summary is what the command answers.
type summary struct {
	Files       []string       `json:"files"`
	Pools       int            `json:"pools"`
	Deployments int            `json:"deployments"`
	Schedules   int            `json:"schedules"`
	Variables   int            `json:"variables"`
	Report      []prefect.Note `json:"report"`
}

func prefectCommand(app *cli.App) *cobra.Command {
	var url, out, project string
	var force bool
	cmd := &cobra.Command{
		Use:   "prefect",
		Short: "Write what a Prefect server has as a berth.yaml",
		Long: `Write the work pools with their base job templates and queues, the deployments with their schedules, and
the variables of a Prefect server as a berth.yaml and its templates, and say what does not carry over. Blocks
are named, as Secrets to be made: what is in them is neither read nor written. Nothing is changed in Prefect.

The key of Prefect Cloud is read from PREFECT_API_KEY, the password of a server from PREFECT_API_AUTH_STRING.`,
		Example: `  berth import prefect --prefect-url http://127.0.0.1:4200/api --out berth
  berth deploy -f berth/berth.yaml --dry-run`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&url, "prefect-url", "", "URL of Prefect's API (default: PREFECT_API_URL)")
	flags.StringVar(&out, "out", "berth", "directory to write to")
	flags.StringVar(&project, "project", "", "project that all of it will belong to; by default the git origin of the directory")
	flags.BoolVar(&force, "force", false, "write over files that are there")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if url == "" {
			url = app.Env["PREFECT_API_URL"]
		}
		if url == "" {
			return cli.Usagef("say which Prefect server: --prefect-url URL, or PREFECT_API_URL")
		}
		if err := prefect.CheckURL(url); err != nil {
			return cli.Usagef("--prefect-url: %v", err)
		}
		client := &prefect.Client{
			URL: url, Key: app.Env["PREFECT_API_KEY"], Basic: app.Env["PREFECT_API_AUTH_STRING"], Transport: app.Transport,
		}
		found, err := client.Read(cmd.Context())
		if err != nil {
			return err
		}
		made, err := prefect.Convert(found, project)
		if err != nil {
			return err
		}
		made.Files[reportName] = []byte(made.Text())
		files, err := write(out, made.Files, force)
		if err != nil {
			return err
		}
		s := summary{files, made.Pools, made.Deployments, made.Schedules, made.Variables, made.Report}
		if *format != cli.Table {
			return app.PrintDocument(*format, s)
		}
		return printSummary(app, s, made.Text())
	}
	return cmd
}

// write writes all files or, where one of them is there and force is not set, none.
func write(dir string, files map[string][]byte, force bool) (written []string, err error) {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Lstat(path); err == nil && !force {
			return nil, cli.Usagef("%s is there: choose another directory with --out, or write over it with --force", path)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("write what was imported: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return nil, fmt.Errorf("write what was imported: %w", err)
		}
		written = append(written, path)
	}
	return written, nil
}

func printSummary(app *cli.App, s summary, report string) error {
	for _, file := range s.Files {
		if err := app.Printf("wrote %s\n", file); err != nil {
			return err
		}
	}
	if err := app.Printf("\n%s", report); err != nil {
		return err
	}
	return app.Printf("\nnext: read the report and the files, then berth deploy --dry-run -f %s\n", s.Files[0])
}
