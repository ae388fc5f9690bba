// Package image packs directory trees as container images, without a container engine or a registry, and
// always into the same bytes: entries are sorted and carry no time but a fixed one.
//
// A Tree describes what is in an image, a Spec how it runs, Write makes the archive. The images themselves
// are described in files of their names: berth.go for the product's, busybox.go, postgres.go and program.go
// for what tests need.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An Entry is a file, directory or symbolic link of a tree.
type Entry struct {
	Mode fs.FileMode // permissions and sticky bit; ModeDir or ModeSymlink says what it is
	UID  int
	GID  int
	Data []byte // of a file
	Link string // of a symbolic link
}

// A Tree maps slash-separated paths, without a leading slash, to entries. Directories that are only passed
// through need not be there: they belong to root and are open to all.
type Tree map[string]Entry

// Dir adds a directory.
func (t Tree) Dir(name string, mode fs.FileMode, owner int) {
	t[clean(name)] = Entry{Mode: mode | fs.ModeDir, UID: owner, GID: owner}
}

// HomeDir adds a directory in which its owner may write, and group 0: where a cluster chooses the user of a
// container, as OpenShift does, the user is in that group.
func (t Tree) HomeDir(name string, owner int) {
	t[clean(name)] = Entry{Mode: 0o770 | fs.ModeDir, UID: owner}
}

// File adds a file that belongs to root.
func (t Tree) File(name string, mode fs.FileMode, data []byte) {
	t[clean(name)] = Entry{Mode: mode, Data: data}
}

// Symlink adds a symbolic link.
func (t Tree) Symlink(name, target string) {
	t[clean(name)] = Entry{Mode: fs.ModeSymlink | 0o777, Link: target}
}

// CopyFile adds the file at source, following links, under name.
func (t Tree) CopyFile(name, source string, mode fs.FileMode) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("copy into image: %w", err)
	}
	t.File(name, mode, data)
	return nil
}

// CopyDir adds what is below the directory source at the same places below name. Files outside keep nothing
// but whether they may be executed. Those for which skip returns true are left out.
func (t Tree) CopyDir(name, source string, skip func(relative string) bool) error {
	err := filepath.WalkDir(source, func(place string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, place)
		if err != nil {
			return err
		}
		if relative != "." && skip != nil && skip(filepath.ToSlash(relative)) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		info, err := os.Stat(place) // through links: what they lead to may not be in the image
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		return t.CopyFile(path.Join(name, filepath.ToSlash(relative)), place, mode)
	})
	if err != nil {
		return fmt.Errorf("copy %s into image: %w", source, err)
	}
	return nil
}

// Tar returns the tree as a tar archive, parents before children, with every time set to modified.
func (t Tree) Tar(modified time.Time) ([]byte, error) {
	full := t.withParents()
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(full)) {
		entry := full[name]
		header := &tar.Header{
			Name: name, Mode: permissions(entry.Mode), Uid: entry.UID, Gid: entry.GID, ModTime: modified,
			Format: tar.FormatPAX, Typeflag: tar.TypeReg, Size: int64(len(entry.Data)),
		}
		switch {
		case entry.Mode.IsDir():
			header.Typeflag, header.Name = tar.TypeDir, name+"/"
		case entry.Mode&fs.ModeSymlink != 0:
			header.Typeflag, header.Linkname = tar.TypeSymlink, entry.Link
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := writer.Write(entry.Data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return buffer.Bytes(), nil
}

// Write makes the tree as files below root, for an engine to copy. Owners are set where this process may set
// them.
func (t Tree) Write(root string) error {
	full := t.withParents()
	for _, name := range slices.Sorted(maps.Keys(full)) {
		if err := writeEntry(filepath.Join(root, filepath.FromSlash(name)), full[name]); err != nil {
			return fmt.Errorf("write tree: %w", err)
		}
	}
	return nil
}

func writeEntry(place string, entry Entry) error {
	switch {
	case entry.Mode.IsDir():
		if err := os.MkdirAll(place, 0o755); err != nil {
			return err
		}
	case entry.Mode&fs.ModeSymlink != 0:
		return os.Symlink(entry.Link, place)
	default:
		if err := os.WriteFile(place, entry.Data, entry.Mode.Perm()); err != nil {
			return err
		}
	}
	if err := os.Chmod(place, entry.Mode); err != nil { // whatever the umask
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(place, entry.UID, entry.GID)
}

// withParents returns the tree with the directories that lead to its entries.
func (t Tree) withParents() Tree {
	full := maps.Clone(t)
	for name := range t {
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			if _, there := full[parent]; !there {
				full[parent] = Entry{Mode: fs.ModeDir | 0o755}
			}
		}
	}
	return full
}

// permissions are a mode's bits as tar has them.
func permissions(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }
