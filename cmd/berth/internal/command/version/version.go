// Package version holds `berth version`.
package version

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/ui"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		info := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
			// Page is "complete", or "plain" without the editor, the log viewer and all that needs a script.
			Page string `json:"page"`
		}{build.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, "plain"}
		if ui.Built() {
			info.Page = "complete"
		}
		if *format == cli.Table {
			return app.Printf("berth %s (%s, %s, %s page)\n", info.Version, info.Go, info.Platform, info.Page)
		}
		return app.PrintDocument(*format, info)
	}
	return cmd
}
