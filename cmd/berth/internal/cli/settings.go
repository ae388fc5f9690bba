package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// settingsDirVariable names a directory whose files are environment variables: their names are those of the files. A
// Secret that is mounted there is not in the environment, which child processes inherit.
const settingsDirVariable = "BERTH_SETTINGS_DIR"

const (
	settingsPoll = 5 * time.Second
	// settingsSpread is the time over which the replicas that see a change at the same time restart.
	settingsSpread = 20 * time.Second
)

var settingName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// ErrSettingsChanged is why a process ends that was told to restart with other settings.
var ErrSettingsChanged = errors.New("a file of the settings directory changed")

// addSettings adds the files of the settings directory that are named like variables to the environment. A variable that
// is set wins.
func (a *App) addSettings() error {
	settings, err := readSettings(a.Env[settingsDirVariable])
	if err != nil {
		return err
	}
	for name, value := range settings {
		if settingName.MatchString(name) && a.Env[name] == "" {
			a.Env[name] = trimmed(value)
		}
	}
	return nil
}

// readSettings returns the text of all files, of which some are not variables but certificates. Kubelet's own begin with "..".
func readSettings(dir string) (map[string]string, error) {
	settings := map[string]string{}
	if dir == "" {
		return settings, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, Usagef("%s: %v", settingsDirVariable, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() || strings.HasPrefix(entry.Name(), "..") {
			continue // an optional key that was just removed is not there
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, Usagef("%s: %v", settingsDirVariable, err)
		}
		settings[entry.Name()] = string(text)
	}
	return settings, nil
}

// WithSettings runs a long-lived command until its context ends or the settings change: the process then ends without
// an error, and whoever started it starts it again, with the new ones. Without a settings directory it just runs it.
func (a *App) WithSettings(ctx context.Context, logger *slog.Logger, run func(context.Context) error) error {
	return a.withSettings(ctx, logger, settingsPoll, settingsSpread, run)
}

func (a *App) withSettings(
	ctx context.Context, logger *slog.Logger, poll, spread time.Duration, run func(context.Context) error,
) error {
	dir := a.Env[settingsDirVariable]
	if dir == "" {
		return run(ctx)
	}
	first, err := readSettings(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if settingsChange(ctx, logger, dir, first, poll) {
			logger.Info("the settings changed; this process ends to be started with the new ones", "directory", dir)
			sleep(ctx, rand.N(spread))
			cancel(ErrSettingsChanged)
		}
	}()
	err = run(ctx)
	changed := errors.Is(context.Cause(ctx), ErrSettingsChanged)
	cancel(nil)
	<-watched
	if changed && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// settingsChange waits until the files of the directory are others than the first, and reports false if the context
// ends before.
func settingsChange(
	ctx context.Context, logger *slog.Logger, dir string, first map[string]string, poll time.Duration,
) bool {
	for sleep(ctx, poll) {
		now, err := readSettings(dir)
		if err != nil {
			logger.Warn("the settings directory cannot be read; the settings stay", "error", err)
			continue
		}
		if !maps.Equal(now, first) {
			return true
		}
	}
	return false
}

// sleep reports false if the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
