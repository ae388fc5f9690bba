// Package version holds `berth version`.
package version

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		info := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{build.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		if *format == cli.Table {
			return app.Printf("berth %s (%s, %s)\n", info.Version, info.Go, info.Platform)
		}
		return app.PrintDocument(*format, info)
	}
	return cmd
}
