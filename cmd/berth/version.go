package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// version is set by the linker for a release.
var version string

// buildVersion is the version that was linked in, and otherwise what the Go toolchain knows.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func versionCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the version of this binary", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		info := struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
		if *format == cli.Table {
			return app.Printf("berth %s (%s, %s)\n", info.Version, info.Go, info.Platform)
		}
		return app.Document(*format, info)
	}
	return cmd
}
