package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// directory is a bucket in a directory, which may be on a volume that several servers share.
type directory struct {
	path string
}

// partSuffix marks a file that is being written.
const partSuffix = ".part"

const (
	ownerDirectory = 0o750
	ownerFile      = 0o640
)

func (d directory) String() string { return "file://" + d.path }

// open opens the directory. It must exist: an empty mount point must not be filled.
func (d directory) open() (*os.Root, error) {
	root, err := os.OpenRoot(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		// Not fs.ErrNotExist, which would mean that an object is lost.
		return nil, fmt.Errorf("the directory %s does not exist: create it or mount the volume", d.path)
	}
	return root, err
}

// Put writes a file beside the one that it then becomes, so that no one sees a part of an object.
func (d directory) Put(ctx context.Context, key string, content io.Reader) (err error) {
	root, err := d.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	part := key + partSuffix
	file, err := createFile(root, part)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, contextReader{ctx, content})
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = root.Rename(part, key)
	}
	if err != nil {
		return errors.Join(err, removeFile(root, part))
	}
	return syncDirectories(root, path.Dir(key))
}

// createFile creates a file and its folders. Another server may remove a folder that is empty at this moment.
func createFile(root *os.Root, name string) (file *os.File, err error) {
	const tries = 5
	for range tries {
		if err = root.MkdirAll(path.Dir(name), ownerDirectory); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		file, err = root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, ownerFile)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, err
}

// syncDirectories makes a new name, and those of its folders, survive a power failure.
func syncDirectories(root *os.Root, folder string) error {
	for ; ; folder = path.Dir(folder) {
		opened, err := root.Open(folder)
		if err != nil {
			return err
		}
		err = errors.Join(opened.Sync(), opened.Close())
		if err != nil || folder == "." {
			return err
		}
	}
}

// Open reads a part of a file.
func (d directory) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	root, err := d.open()
	if err != nil {
		return nil, err
	}
	file, err := root.Open(key)
	if err := errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, offset, length), file}, nil
}

// Delete removes a file, and the folders that are empty then.
func (d directory) Delete(_ context.Context, key string) error { return d.remove(key) }

// Discard also removes the file that Put had not renamed yet.
func (d directory) Discard(_ context.Context, key string) error { return d.remove(key+partSuffix, key) }

func (d directory) remove(names ...string) (err error) {
	root, err := d.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, name := range names {
		if err := removeFile(root, name); err != nil {
			return err
		}
	}
	for folder := path.Dir(names[0]); folder != "."; folder = path.Dir(folder) {
		if root.Remove(folder) != nil {
			break // it is not empty, or another server has removed it
		}
	}
	return nil
}

func removeFile(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// contextReader stops reading when the context ends.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
