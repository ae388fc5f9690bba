// Package state knows where a source-built cluster keeps things: one directory holds everything that belongs
// to it, and everything that runs can be recognised by that directory.
//
// The directory is $BERTH_CLUSTER_DIR or, without it, berth/cluster in the user's cache directory. Two
// clusters stand side by side in two directories: each has its own process, mount and network namespace, so
// they share nothing but the machine's memory and the port numbers of 127.0.0.1, which are chosen.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// EnvDir is the environment variable that overrides where the cluster keeps its state.
const EnvDir = "BERTH_CLUSTER_DIR"

// maxPath bounds the length of the directory's name: a unix socket's path holds 107 bytes, and the longest
// below it is the kubelet's pod resources socket.
const maxPath = 64

// Dir is the directory of one cluster, an absolute path.
type Dir string

// Default returns the directory the environment asks for. It need not exist.
func Default() (Dir, error) {
	path := os.Getenv(EnvDir)
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cluster's directory (set %s): %w", EnvDir, err)
		}
		path = filepath.Join(cache, "berth", "cluster")
	}
	return New(path)
}

// New returns the directory at path, made absolute and free of symbolic links, because processes are
// recognised by it.
func New(path string) (Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the cluster's directory: %w", err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	if err == nil {
		absolute = filepath.Join(parent, filepath.Base(absolute))
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("find the cluster's directory: %w", err)
	}
	if len(absolute) > maxPath {
		return "", fmt.Errorf(
			"the cluster's directory %s is longer than %d bytes, too long for the sockets in it: set %s to a shorter one",
			absolute,
			maxPath,
			EnvDir,
		)
	}
	return Dir(absolute), nil
}

// Path returns the path of what is called elem below the directory.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// ID is a short name that only this directory has; the cluster's control groups carry it.
func (d Dir) ID() string {
	sum := sha256.Sum256([]byte(d))
	return hex.EncodeToString(sum[:4])
}

// Cgroup is the name of the control group that holds every process of the cluster, in each hierarchy of the
// machine.
func (d Dir) Cgroup() string { return "berth-" + d.ID() }

// Kubeconfig is the file with which people and tests reach the cluster.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Program is the copy of the running program that the cluster's first process is started from. Being inside
// the directory, it is what that process is recognised by.
func (d Dir) Program() string { return d.Path("bin", "cluster") }

// SupervisorSocket is where the supervisor answers questions about the components.
func (d Dir) SupervisorSocket() string { return d.Path("supervisor.sock") }

// Log is the file that the component's output goes to.
func (d Dir) Log(component string) string { return d.Path("log", component+".log") }
