package cycletest

import (
	"database/sql"
	_ "embed"
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

//go:embed testdata/first_layout.sql
var firstLayoutSQL string

//go:embed testdata/first_kubernetes.sql
var firstKubernetesScript string

// FirstLayout is the tables of runs as they were before ready and live, to measure beside those of today. No code is left
// that serves them: pgbench writes what a run on Kubernetes wrote.
type FirstLayout struct {
	URL string
	db  *sql.DB
}

// NewFirstLayout makes the tables in a new database.
func NewFirstLayout(t testing.TB) *FirstLayout {
	t.Helper()
	return FirstLayoutIn(t, pgtest.Database(t))
}

// FirstLayoutIn makes the tables in a database that may have others.
func FirstLayoutIn(t testing.TB, url string) *FirstLayout {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), firstLayoutSQL); err != nil {
		t.Fatal(err)
	}
	return &FirstLayout{url, db}
}

// Create makes n runs that are due.
func (l *FirstLayout) Create(t testing.TB, n int) {
	t.Helper()
	if _, err := l.db.ExecContext(t.Context(), "SELECT first.fill($1)", n); err != nil {
		t.Fatal(err)
	}
}

// Start makes n attempts under way.
func (l *FirstLayout) Start(t testing.TB, n int) {
	t.Helper()
	if _, err := l.db.ExecContext(t.Context(), "SELECT first.start($1)", n); err != nil {
		t.Fatal(err)
	}
}

// Renew renews the leases of all attempts under way.
func (l *FirstLayout) Renew(t testing.TB) {
	t.Helper()
	const renewal = "UPDATE first.attempts SET lease_expires_at = clock_timestamp() + INTERVAL '30s' WHERE ended_at IS NULL"
	if _, err := l.db.ExecContext(t.Context(), renewal); err != nil {
		t.Fatal(err)
	}
}

// Run has pgbench take n runs through.
func (l *FirstLayout) Run(t testing.TB, n int) time.Duration {
	t.Helper()
	manifest := value{"text", "'" + string(job) + "'"}
	return Pgbench(t, l.URL, fmt.Sprintf(firstKubernetesScript, "the manifest of the Job", manifest.expression(nil)), n)
}
