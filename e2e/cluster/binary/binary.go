// Package binary builds the programs that the cluster is made of from their pinned Go modules, and keeps them
// in the user's cache directory.
//
// Each program has its own nested module next to this one (kube, etcd, coredns, kwok, kueue, kind), with a
// committed go.mod and go.sum, so that a build is the same everywhere and one program's dependencies do not
// move another's. A built file is named by a hash of everything that decides its content; another pin or another
// Go makes another file.
package binary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// Builder makes programs.
type Builder struct {
	// Source is the directory that holds the nested modules.
	Source string
	// Cache is the directory that built programs are kept in.
	Cache string
	// Progress is told what is built and how long it takes.
	Progress io.Writer
}

// NewBuilder returns a builder that keeps its programs in the user's cache directory.
func NewBuilder(source string, progress io.Writer) (*Builder, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the user's cache directory: %w", err)
	}
	return &Builder{Source: source, Cache: filepath.Join(cache, "berth", "bin"), Progress: progress}, nil
}

// Build returns the path of the named program, having built it where it is not there yet.
func (b *Builder) Build(ctx context.Context, name string) (string, error) {
	target, err := find(name)
	if err != nil {
		return "", err
	}
	key, err := b.key(ctx, target)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	path := filepath.Join(b.Cache, name+"-"+key)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := state.Lock(ctx, filepath.Join(b.Cache, name+".lock"), b.Progress)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil { // another process has just built it
		return path, nil
	}
	if err := b.compile(ctx, target, path); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return path, nil
}

// ModuleSource returns the directory with the sources of a module that the named program's module requires.
func (b *Builder) ModuleSource(ctx context.Context, name, module string) (string, error) {
	target, err := find(name)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	command.Dir = filepath.Join(b.Source, target.dir)
	command.Env = buildEnv()
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", module, err, output)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(output, &downloaded); err != nil {
		return "", fmt.Errorf("download %s: %w", module, err)
	}
	return downloaded.Dir, nil
}

// compile builds the target into path; a build that does not end leaves nothing that looks built.
func (b *Builder) compile(ctx context.Context, target target, path string) error {
	began := time.Now()
	fmt.Fprintf(b.Progress, "building %s (%s the first time)\n", target.name, target.duration)
	stop := b.heartbeat(target.name, began)
	defer stop()
	temporary := path + ".new"
	defer os.Remove(temporary)
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags",
		target.ldflags, "-o", temporary, target.pkg)
	command.Dir = filepath.Join(b.Source, target.dir)
	command.Env = buildEnv()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	fmt.Fprintf(b.Progress, "built %s in %s\n", target.name, time.Since(began).Round(time.Second))
	return nil
}

// heartbeat says every quarter of a minute that the build goes on, until the returned function is called.
func (b *Builder) heartbeat(name string, began time.Time) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(15 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Fprintf(b.Progress, "still building %s, %s so far\n", name,
					time.Since(began).Round(time.Second))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// key is a hash of what decides the program's content: sources, pins, flags and the Go that builds it.
func (b *Builder) key(ctx context.Context, target target) (string, error) {
	hash := sha256.New()
	command := exec.CommandContext(ctx, "go", "version")
	command.Dir = filepath.Join(b.Source, target.dir)
	version, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go version: %w", err)
	}
	fmt.Fprintf(hash, "%s\n%s\n%s\n", version, target.ldflags, target.pkg)
	files, err := filepath.Glob(filepath.Join(b.Source, target.dir, "*"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("its sources are not in " + filepath.Join(b.Source, target.dir))
	}
	for _, file := range files { // Glob sorts
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(data), data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// buildEnv is the environment of a build: static programs for this machine, whatever the caller's settings
// for its own builds are.
func buildEnv() []string {
	var env []string
	for _, setting := range os.Environ() {
		switch name, _, _ := strings.Cut(setting, "="); name {
		case "GOOS", "GOARCH", "GOFLAGS", "GOWORK", "CGO_ENABLED":
		default:
			env = append(env, setting)
		}
	}
	return append(env, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
}
