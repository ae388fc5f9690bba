package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func writeSetting(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfTheSettingsDirectoryAreVariables(t *testing.T) {
	dir := t.TempDir()
	writeSetting(t, dir, "BERTH_API_KEY", "from-file\n")
	writeSetting(t, dir, "BERTH_API_URL", "http://file:1")
	writeSetting(t, dir, "..data", "not a variable")
	writeSetting(t, dir, "ca.crt", "not a variable")
	app := &App{Env: map[string]string{settingsDirVariable: dir, "BERTH_API_URL": "http://env:2"}}
	if err := app.addSettings(); err != nil {
		t.Fatal(err)
	}
	if app.Env["BERTH_API_KEY"] != "from-file" || app.Env["BERTH_API_URL"] != "http://env:2" || len(app.Env) != 3 {
		t.Errorf("the environment is %v", app.Env)
	}
	app.Env[settingsDirVariable] = filepath.Join(dir, "missing")
	if err := app.addSettings(); ExitCode(err) != ExitUsage {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestAProcessEndsWhenItsSettingsChange(t *testing.T) {
	for _, name := range []string{"BERTH_API_KEY", "ca.crt", "database-ca.crt"} {
		dir := t.TempDir()
		writeSetting(t, dir, name, "old")
		app := &App{Env: map[string]string{settingsDirVariable: dir}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := app.withSettings(ctx, slog.New(slog.DiscardHandler), time.Millisecond, time.Millisecond,
			func(ctx context.Context) error {
				writeSetting(t, dir, name, "new")
				<-ctx.Done()
				return ctx.Err()
			})
		cancel()
		if err != nil {
			t.Errorf("%s: the process fails: %v", name, err)
		}
	}
}

func TestAProcessWhoseSettingsStayReturnsItsError(t *testing.T) {
	dir, failure := t.TempDir(), errors.New("out of disk")
	for _, env := range []map[string]string{{}, {settingsDirVariable: dir}} {
		app := &App{Env: env}
		err := app.WithSettings(t.Context(), slog.New(slog.DiscardHandler), func(context.Context) error { return failure })
		if !errors.Is(err, failure) {
			t.Errorf("%v: %v", env, err)
		}
	}
}
