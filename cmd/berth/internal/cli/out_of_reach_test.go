package cli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// TestAHomeOfAnotherUserIsNoConfiguration: a cluster that chooses the user of a container gives it the home of the
// image's user. What was named has to be readable.
func TestAHomeOfAnotherUserIsNoConfiguration(t *testing.T) {
	home := t.TempDir()
	closed := filepath.Join(home, ".config")
	if err := os.MkdirAll(filepath.Join(closed, "berth"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"config.yaml", "sessions.yaml"} {
		if err := os.WriteFile(filepath.Join(closed, "berth", file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asAnotherUser(t, closed)

	for name, env := range map[string]map[string]string{
		"a closed directory":       {"HOME": home},
		"a file where HOME should": {"HOME": filepath.Join(closed, "berth", "config.yaml")},
		"a HOME that is missing":   {"HOME": "/nonexistent"},
	} {
		app, _, _ := newApp(env)
		cmd := &cobra.Command{}
		cli.ClientFlags(cmd)
		connection, err := app.Connection(cmd)
		if err != nil || connection.URL != cli.DefaultAPIURL {
			t.Errorf("%s: %+v, %v", name, connection, err)
		}
	}
	app, _, _ := newApp(nil)
	if _, err := app.ReadConfig(filepath.Join(closed, "berth", "config.yaml")); err == nil {
		t.Error("a configuration that was named and is closed is taken for none")
	}
}

// asAnotherUser takes from this thread, until the test ends, the right to enter a directory.
func asAnotherUser(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Error(err)
			}
		})
		return
	}
	const other = 54321
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := unix.Setfsuid(other); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Error(err)
		}
	})
}
