package flagset

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// Log say how a long-running command logs to standard error.
type Log struct{ format, level string }

func (l *Log) Add(cmd *cobra.Command, level string) {
	cmd.Flags().StringVar(&l.format, "log-format", "text", "log format: text or json")
	cmd.Flags().StringVar(&l.level, "log-level", level, "log level: debug, info, warn or error")
}

func (l *Log) Logger(app *cli.App) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, cli.Usagef("--log-level %q: must be debug, info, warn or error", l.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(app.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(app.Err, options)), nil
	}
	return nil, cli.Usagef("--log-format %q: must be text or json", l.format)
}
