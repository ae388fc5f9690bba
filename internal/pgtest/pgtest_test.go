package pgtest_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

func query(t *testing.T, url, statement string) string {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var s string
	if err := db.QueryRowContext(t.Context(), statement).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	a, b := pgtest.Database(t), pgtest.Database(t)
	if a == b {
		t.Fatalf("both are %s", a)
	}
	if got := query(t, a, "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %s", got)
	}
	if strings.Contains(query(t, a, "SELECT current_setting('data_directory')"), "/var/lib") {
		t.Error("this is the machine's own server")
	}
}

func TestClonesHoldWhatWasFilledInOnce(t *testing.T) {
	t.Parallel()
	fills := 0
	fill := func(ctx context.Context, url string) error {
		fills++
		db, err := sql.Open("postgres", url)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, "CREATE TABLE word AS SELECT 'quay'::text AS word")
		return err
	}
	for range 2 {
		if got := query(t, pgtest.Clone(t, "word", fill), "SELECT word FROM word"); got != "quay" {
			t.Errorf("the clone holds %q", got)
		}
	}
	if fills != 1 {
		t.Errorf("filled %d times", fills)
	}
}

func TestRestartKeepsTheData(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t)
	url := s.CreateDatabase(t, "kept")
	s.Restart(t)
	if got := query(t, url, "SELECT current_database()"); got != "kept" {
		t.Errorf("current database is %q", got)
	}
}

// TestServerEndsWithAKilledProcess runs this test binary again as a process that starts a server and is then
// killed.
func TestServerEndsWithAKilledProcess(t *testing.T) {
	const child = "PGTEST_CHILD"
	if os.Getenv(child) == "1" {
		os.Stdout.WriteString(
			"dir " + query(t, pgtest.Database(t), "SELECT current_setting('data_directory')") + "\n")
		select {} // until killed
	}
	t.Parallel()
	pgtest.Shared(t) // not run where there is no PostgreSQL
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithAKilledProcess$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for said := bufio.NewScanner(out); dir == "" && said.Scan(); {
		dir, _ = strings.CutPrefix(said.Text(), "dir ")
		if !strings.HasPrefix(said.Text(), "dir ") {
			dir = ""
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if dir == "" {
		t.Fatal("the child started no server")
	}
	dir = strings.TrimSuffix(dir, "/data")
	tick := time.NewTicker(50 * time.Millisecond) // a killed process cannot notify
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still there", dir)
		}
	}
}
