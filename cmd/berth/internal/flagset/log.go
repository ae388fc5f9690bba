package flagset

import (
	"fmt"
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

// AddFormat adds only the format, for a command that says one thing and ends.
func (l *Log) AddFormat(cmd *cobra.Command) {
	l.level = slog.LevelInfo.String()
	cmd.Flags().StringVar(&l.format, "log-format", "text", "format of what it says: text, or json for a line of a log")
}

// Say prints a line, or logs it to standard error where the format is JSON.
func (l *Log) Say(app *cli.App, format string, args ...any) error {
	if l.format == "text" {
		return app.Printf(format+"\n", args...)
	}
	logger, err := l.Logger(app)
	if err == nil {
		logger.Info(fmt.Sprintf(format, args...))
	}
	return err
}

// readable writes durations as 1m30s in both formats: JSON would have nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func (l *Log) Logger(app *cli.App) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, cli.Usagef("--log-level %q: must be debug, info, warn or error", l.level)
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(app.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(app.Err, options)), nil
	}
	return nil, cli.Usagef("--log-format %q: must be text or json", l.format)
}
