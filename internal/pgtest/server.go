package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	superuser    = "berth"
	minimum      = 14 // major version
	unprivileged = "postgres"
)

// Server is a running PostgreSQL.
type Server struct {
	bin, dir   string
	credential *syscall.Credential // nil: our own
	lifeline   io.Closer           // closing it ends the server and removes its directory
	supervisor *exec.Cmd
	disk       *Disk // nil: the data is on a disk of the machine
}

// binaries is the directory of the newest PostgreSQL of the machine.
func binaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return major(b) - major(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		_, err := exec.LookPath(filepath.Join(dir, "initdb"))
		_, err2 := exec.LookPath(filepath.Join(dir, "postgres"))
		if v := major(dir); err == nil && err2 == nil && (v == 0 || v >= minimum) {
			return dir, nil
		}
	}
	return "", errors.New("no PostgreSQL found")
}

// major is the version in /usr/lib/postgresql/15/bin, 0 where there is none.
func major(bin string) int {
	v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return v
}

// supervise starts the server, a standby if it is told the socket directory of its primary, reports it, and stops
// it when its input ends: with the process that holds the other end, even if that process is killed.
const supervise = `
set -e
trap '' INT TERM HUP
if [ -n "$3" ]; then
	"$1/pg_basebackup" -D "$2/data" -h "$3" -U ` + superuser + ` -R -X stream -c fast --no-sync >"$2/log" 2>&1 ||
		{ cat "$2/log"; rm -rf "$2"; exit 1; }
else
	"$1/initdb" -D "$2/data" -U ` + superuser + ` -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$2/log" 2>&1 ||
		{ cat "$2/log"; rm -rf "$2"; exit 1; }
fi
cat >>"$2/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$2/s'
fsync = off
full_page_writes = off
max_connections = 400
shared_buffers = 128MB
END
mkdir "$2/s"
"$1/pg_ctl" -D "$2/data" -w -t 60 -l "$2/log" start >/dev/null 2>&1 || { cat "$2/log"; rm -rf "$2"; exit 1; }
echo ready
cat >/dev/null || true
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$2"
`

// start starts a server: a standby of the primary, or a new one if that is nil. Its data is on the disk, if there is one.
func start(primary *Server, disk *Disk) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, disk: disk}
	if s.dir, err = os.MkdirTemp(shortTempDir(), "berth-pg-"); err != nil {
		return nil, err
	}
	if err := s.dropRoot(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	supervisor := []string{"/bin/sh", "-c", supervise, "supervise", bin, s.dir, primary.socketDir()}
	attributes := &syscall.SysProcAttr{
		Credential: s.credential,
		Setpgid:    true,
	} // a signal to our process group must not reach the server
	if disk != nil {
		supervisor, attributes.Credential = disk.around(s, supervisor), nil
	}
	s.supervisor = exec.Command(supervisor[0], supervisor[1:]...)
	s.supervisor.Dir, s.supervisor.SysProcAttr = s.dir, attributes
	s.supervisor.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + s.dir}
	if s.lifeline, err = s.supervisor.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.supervisor.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.supervisor.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, s.awaitReady(out)
}

// awaitReady reads the report of the supervisor: ready, or why not.
func (s *Server) awaitReady(out io.Reader) error {
	said := bufio.NewScanner(out)
	var why []string
	for said.Scan() {
		if said.Text() == "ready" {
			return nil
		}
		why = append(why, said.Text())
	}
	return fmt.Errorf("%s\n%w", strings.Join(why, "\n"), errors.Join(said.Err(), s.supervisor.Wait()))
}

// shortTempDir returns a directory for sockets, whose paths have at most 107 bytes.
func shortTempDir() string {
	if dir := os.TempDir(); len(dir) < 60 {
		return dir
	}
	return "/tmp"
}

// dropRoot sets the user that runs the server, which refuses to run as root, and gives it the directory.
func (s *Server) dropRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(unprivileged)
	if err != nil {
		return fmt.Errorf("as root the server runs as user %s: %w", unprivileged, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

// Launch starts a server for a program that is a test itself. Its data is on the disk, or on one of the machine if that is
// nil. It ends with Close, or with the process.
func Launch(disk *Disk) (*Server, error) { return start(nil, disk) }

// Close ends the server and removes its directory.
func (s *Server) Close() error {
	if err := s.lifeline.Close(); err != nil {
		return err
	}
	return s.supervisor.Wait()
}

// Kill ends the server at once, without a checkpoint, which breaks its connections.
func (s *Server) Kill() error { return s.pgctl("stop", "-m", "immediate") }

// StartAgain starts the server after Kill, or after it ended by itself.
func (s *Server) StartAgain() error { return s.pgctl("start", "-l", filepath.Join(s.dir, "log")) }

// Running reports whether the server runs.
func (s *Server) Running() bool { return s.pgctl("status") == nil }

// Log is what the server has logged.
func (s *Server) Log() string {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Socket is the address of the server, a unix socket.
func (s *Server) Socket() string { return filepath.Join(s.socketDir(), ".s.PGSQL.5432") }

func (s *Server) pgctl(args ...string) error {
	command := append([]string{filepath.Join(s.bin, "pg_ctl"), "-D", filepath.Join(s.dir, "data"), "-w"}, args...)
	attributes := &syscall.SysProcAttr{Credential: s.credential, Setpgid: true}
	if s.disk != nil {
		command, attributes.Credential = s.disk.inside(s, command), nil
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.SysProcAttr = s.dir, attributes
	if err := cmd.Run(); err != nil { // its output is not read: a server that it starts would keep that open
		return fmt.Errorf("pg_ctl %s: %w", args[0], err)
	}
	return nil
}
