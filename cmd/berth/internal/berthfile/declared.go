package berthfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server"
)

// declaredFile is the file of a directory that a server applies by itself; the other files are what it refers to.
const declaredFile = "berth.yaml"

// Declared returns the berth.yaml of each directory below dir, in the order of their names. What belongs to a file that
// names no project belongs to that of its directory. A directory without one is an error of its file.
func Declared(dir string, prune bool) []server.DeclaredFile { return declaredIn(dir, prune, nil) }

// declaredIn takes over the known files that have not changed.
func declaredIn(dir string, prune bool, known []server.DeclaredFile) []server.DeclaredFile {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []server.DeclaredFile{{Name: dir, Digest: err.Error(), Err: err}}
	}
	var files []server.DeclaredFile
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if info, err := os.Stat(path); err != nil || !info.IsDir() || strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		files = append(files, declared(entry.Name(), path, prune, known))
	}
	return files
}

// WatchDeclared returns Declared for who asks again and again: what has not changed is not parsed again.
func WatchDeclared(dir string, prune bool) func() []server.DeclaredFile {
	var known []server.DeclaredFile
	return func() []server.DeclaredFile {
		known = declaredIn(dir, prune, known)
		return known
	}
}

func declared(name, dir string, prune bool, known []server.DeclaredFile) server.DeclaredFile {
	file := server.DeclaredFile{Name: name}
	if file.Digest, file.Err = digestOf(dir); file.Err != nil {
		file.Digest = file.Err.Error()
		return file
	}
	same := func(other server.DeclaredFile) bool { return other.Name == name && other.Digest == file.Digest }
	if i := slices.IndexFunc(known, same); i >= 0 {
		return known[i]
	}
	described, err := Load(filepath.Join(dir, declaredFile), Source{Read: os.ReadFile})
	if err != nil {
		file.Err = oneError(err)
		return file
	}
	if described.Project() == "" {
		described.DeriveProject("apply:" + name)
	}
	file.Request = func(dryRun bool, plan string) (json.RawMessage, error) {
		return described.Request(Options{DryRun: dryRun, Plan: plan, Prune: prune})
	}
	file.Locate = described.Locate
	return file
}

// oneError makes one sentence of all that is wrong with a file.
func oneError(err error) error {
	var problems Problems
	if !errors.As(err, &problems) {
		return err
	}
	lines := make([]string, 0, len(problems))
	for _, problem := range problems {
		lines = append(lines, problem.String())
	}
	return errors.New(strings.Join(lines, "; "))
}

// digestOf is that of the files of a directory. Kubernetes replaces them all at once, by a link.
func digestOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, entry := range slices.SortedFunc(slices.Values(entries), func(a, b fs.DirEntry) int {
		return strings.Compare(a.Name(), b.Name())
	}) {
		path := filepath.Join(dir, entry.Name())
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintf(sum, "%q %d\n%s", entry.Name(), len(text), text); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
