package database

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockFile takes the lock that one process at a time has on a SQLite database. The kernel releases it with
// the process, however that ends; the file stays, with the process id of who had it last.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the database's lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := readHolder(f)
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &Error{Code: Conflict, Message: fmt.Sprintf(
				"%s is in use by another berth process%s", strings.TrimSuffix(path, ".lock"), holder)}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := writeHolder(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return heldLock{f}, nil
}

// heldLock is the file of a lock that is held.
type heldLock struct{ *os.File }

// Close releases the lock before it closes the file: a process that is being started at this very moment has
// a copy of the file until it executes another program, and would keep the lock for so long.
func (l heldLock) Close() error {
	return errors.Join(syscall.Flock(int(l.Fd()), syscall.LOCK_UN), l.File.Close())
}

func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	pid := strings.TrimSpace(string(b))
	if _, numErr := strconv.Atoi(pid); err != nil || numErr != nil {
		return ""
	}
	return " (pid " + pid + ")"
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
