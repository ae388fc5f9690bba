package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const lockFile = "berth.lock"

// openDataDir makes the data directory and locks it: two servers on one SQLite file would each believe to be alone. The
// lock ends with the process, however that ends.
func (o Options) openDataDir() (unlock func(), err error) {
	if !o.embedded() || o.DataDir == "" {
		return func() {}, nil
	}
	const ownerOnly = 0o700
	if err := os.MkdirAll(o.DataDir, ownerOnly); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	path := filepath.Join(o.DataDir, lockFile)
	const ownerReadWrite = 0o600
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, ownerReadWrite)
	if err != nil {
		return nil, fmt.Errorf("data directory %s can not be written: %w", o.DataDir, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = errors.Join(err, file.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another berth server", o.DataDir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil // closing is unlocking; the file stays for the next one
}
