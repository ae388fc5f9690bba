package state

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock waits for the lock file at path and returns the function that gives it back and removes the file. The
// kernel gives it back by itself when the process ends, however it ends. While it has to wait it says so to
// progress, once.
func Lock(ctx context.Context, path string, progress io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	told := false
	for {
		file, err := tryLock(path)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if file != nil {
			return func() {
				os.Remove(path) // while the lock is held, so that no other process can hold this file
				file.Close()
			}, nil
		}
		if !told {
			fmt.Fprintf(progress, "waiting for another process that holds %s\n", path)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tryLock returns the locked file, or nil where another process holds it or has just removed it.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, nil
		}
		return nil, err
	}
	held, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(held, there) {
		file.Close() // its last holder removed it: the lock is worth nothing
		return nil, nil
	}
	return file, nil
}
