package pgtest

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berth-dev/berth/internal/testenv"
)

// Pooler is a running PgBouncer in front of a server.
type Pooler struct{ dir string }

// pool runs PgBouncer until its input ends, as supervise does with PostgreSQL, and reports when its socket is
// there.
const pool = `
set -e
trap '' INT TERM HUP
cat >"$2/pgbouncer.ini" <<END
[databases]
* = host=$3 user=` + superuser + `
[pgbouncer]
listen_addr =
unix_socket_dir = $2
listen_port = 5432
auth_type = any
pool_mode = $4
logfile = $2/log
END
"$1" -q "$2/pgbouncer.ini" >/dev/null 2>&1 &
until [ -S "$2/.s.PGSQL.5432" ]; do
	kill -0 $! 2>/dev/null || { cat "$2/log"; rm -rf "$2"; exit 1; }
	sleep 0.02
done
echo ready
cat >/dev/null || true
kill -KILL $!
wait $! 2>/dev/null || true
rm -rf "$2"
`

// NewPooler returns a PgBouncer in front of the server. The mode is session, transaction or statement. It ends
// with the test.
func (s *Server) NewPooler(t testing.TB, mode string) *Pooler {
	t.Helper()
	program := testenv.Program(t, "pgbouncer", "apt-get install pgbouncer", "/usr/sbin")
	dir, err := os.MkdirTemp(shortTempDir(), "berth-pool-")
	if err != nil {
		t.Fatal(err)
	}
	owner := &Server{dir: dir}
	if err := owner.dropRoot(); err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	cmd := exec.Command("/bin/sh", "-c", pool, "pool", program, dir, s.socketDir(), mode)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner.credential, Setpgid: true}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Errorf("stop PgBouncer: %v", err)
		}
	})
	for said := bufio.NewScanner(out); said.Scan(); {
		if said.Text() == "ready" {
			return &Pooler{dir}
		}
		t.Log(said.Text())
	}
	t.Fatal("PgBouncer does not start")
	return nil
}

// URL returns the URL of a database through the pooler.
func (p *Pooler) URL(database string) string { return hostURL(database, filepath.Clean(p.dir)) }
