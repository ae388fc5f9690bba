package image

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PostgresReference is the name under which tests ask for a database. The image understands the environment
// of the well-known image of that name as far as tests use it, so that a cluster that can pull takes that one
// and the tests do not notice. It holds the PostgreSQL of this machine's distribution, which may be a newer
// one than the tag says.
const PostgresReference = "docker.io/library/postgres:15"

// postgresUser is the number of the user postgres, in this image as in the well-known one.
const postgresUser = 999

//go:embed postgres-entrypoint.sh
var postgresEntrypoint []byte

// Postgres describes an image of the machine's PostgreSQL, with the libraries that it is linked to and
// busybox's shell.
func Postgres(ctx context.Context) (Spec, error) {
	root, err := postgresRoot()
	if err != nil {
		return Spec{}, err
	}
	tree, err := busyboxTree(ctx, busyboxProgram)
	if err != nil {
		return Spec{}, err
	}
	if err := addPostgres(ctx, tree, root); err != nil {
		return Spec{}, err
	}
	if err := addTimeZones(ctx, tree); err != nil { // Debian's PostgreSQL ships none
		return Spec{}, err
	}
	tree.File("usr/local/bin/docker-entrypoint.sh", 0o755, postgresEntrypoint)
	tree.File(
		"etc/passwd",
		0o644,
		[]byte(
			"root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/sh\nnobody:x:65532:65532:nobody:/tmp:/bin/sh\n"),
	)
	tree.File("etc/group", 0o644, []byte("root:x:0:\npostgres:x:999:\nnobody:x:65532:\n"))
	tree.Dir("var/lib/postgresql/data", 0o777|fs.ModeSticky, postgresUser)
	tree.Dir("var/run/postgresql", 0o777|fs.ModeSticky, postgresUser)
	return Spec{
		Reference: PostgresReference,
		Layers:    []Tree{tree},
		Config: v1.Config{
			User:       "999:999",
			Entrypoint: []string{"/usr/local/bin/docker-entrypoint.sh"},
			Cmd:        []string{"postgres"},
			Env: []string{
				"PATH=/usr/local/bin:" + root + "/bin:/usr/bin:/bin",
				"PGDATA=/var/lib/postgresql/data/pgdata", "LANG=C.UTF-8",
			},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}},
			StopSignal:   "SIGINT", // end now, and cleanly; SIGTERM would wait for the clients
		},
	}, nil
}

// postgresRoot returns the newest of the machine's PostgreSQL versions.
func postgresRoot() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New(
			"there is no PostgreSQL in /usr/lib/postgresql to pack: install Debian's package postgresql")
	}
	roots := make([]string, len(found))
	for i, program := range found {
		roots[i] = filepath.Dir(filepath.Dir(program))
	}
	return slices.MaxFunc(roots,
		func(a, b string) int { return cmp.Compare(majorVersion(a), majorVersion(b)) }), nil
}

func majorVersion(root string) int {
	version, err := strconv.Atoi(filepath.Base(root))
	if err != nil {
		return 0 // not named as Debian names them; any other is better
	}
	return version
}

// addPostgres adds programs, modules, shared files and libraries at the places they have on the machine,
// which are compiled in. The just-in-time compiler is left out: it is larger than everything else together.
func addPostgres(ctx context.Context, tree Tree, root string) error {
	jit := func(relative string) bool {
		return strings.HasPrefix(relative, "bitcode") || strings.HasPrefix(relative, "llvmjit")
	}
	for _, dir := range []string{root + "/lib", "/usr/share/postgresql/" + filepath.Base(root), "/usr/lib/locale/C.utf8"} {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue // newer C libraries have the locale built in
		}
		if err := tree.CopyDir(dir, dir, jit); err != nil {
			return err
		}
	}
	var linked []string
	for _, program := range []string{"postgres", "initdb", "pg_ctl", "pg_isready", "psql", "pg_dump", "createdb"} {
		path := filepath.Join(root, "bin", program)
		if err := tree.CopyFile(path, path, 0o755); err != nil {
			return err
		}
		linked = append(linked, path)
	}
	for name := range tree {
		if strings.HasSuffix(name, ".so") {
			linked = append(linked, "/"+name)
		}
	}
	return addLibraries(ctx, tree, linked)
}

// addLibraries adds every library that the files are linked to, and the loader.
func addLibraries(ctx context.Context, tree Tree, linked []string) error {
	slices.Sort(linked)
	output, err := exec.CommandContext(ctx, "ldd", linked...).Output()
	if err != nil {
		return fmt.Errorf("find libraries: ldd: %w", err)
	}
	for _, library := range libraries(string(output)) {
		if err := tree.CopyFile(library, library, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// libraries reads the paths from what ldd prints, each once: "libc.so.6 => /lib/…/libc.so.6 (0x…)" for a
// library, "/lib64/ld-linux-x86-64.so.2 (0x…)" for the loader.
func libraries(output string) []string {
	var paths []string
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "\t") {
			continue // "file:", the heading of what follows
		}
		fields := strings.Fields(line)
		if len(fields) >= 3 && fields[1] == "=>" {
			fields = fields[2:]
		}
		if len(fields) > 0 && strings.HasPrefix(fields[0], "/") {
			paths = append(paths, fields[0])
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
