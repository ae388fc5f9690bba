package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

// record is what the directory holds of one attempt.
type record struct {
	Run          uuid.UUID `json:"run"`
	Attempt      int       `json:"attempt"`
	UID          string    `json:"uid"`
	Installation string    `json:"installation"`
	Namespace    string    `json:"namespace"`
	Name         string    `json:"name"`
	CreatedAt    time.Time `json:"created_at"`
	// PID and Identity name the process. The identity tells it from a later process with the same PID. Both
	// are empty before the start; the identity is also empty if the process ended before it could be read.
	PID      int    `json:"pid,omitempty"`
	Identity string `json:"identity,omitempty"`
	// StartedAt is set with PID.
	StartedAt *time.Time `json:"started_at,omitempty"`
	// Outcome is set once it has ended.
	Outcome *job.Observation `json:"outcome,omitempty"`
}

// ref reads only fields that never change, so it needs no lock.
func (r *record) ref() job.Ref { return job.Ref{RunID: r.Run, Attempt: r.Attempt} }

// recordStore is the data directory with its records.
type recordStore struct{ dir string }

// errRecordExists is returned by create.
var errRecordExists = errors.New("the attempt already has a record")

func (s recordStore) attemptDir(ref job.Ref) string {
	return filepath.Join(s.dir, "attempts", fmt.Sprintf("%s-%d", ref.RunID, ref.Attempt))
}

func (s recordStore) outputPath(ref job.Ref) string {
	return filepath.Join(s.attemptDir(ref), "output")
}
func (s recordStore) workDir(ref job.Ref) string { return filepath.Join(s.attemptDir(ref), "work") }

// lock takes the lock of the directory, so that one worker uses it at a time.
func (s recordStore) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Join(s.dir, "attempts"), 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	file, err := os.OpenFile(
		filepath.Join(s.dir, "worker.lock"),
		os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC,
		0o600,
	)
	if err != nil {
		return nil, fmt.Errorf("open lock of data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(
			fmt.Errorf("data directory %s is in use by another worker: choose another --data-dir", s.dir),
			file.Close(),
		)
	}
	return file.Close, nil
}

// create stores the first record of an attempt. One of two callers gets errRecordExists.
func (s recordStore) create(r record) error {
	err := os.Mkdir(s.attemptDir(r.ref()), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return errRecordExists
	}
	if err != nil {
		return fmt.Errorf("create directory of attempt: %w", err)
	}
	if err := os.Mkdir(s.workDir(r.ref()), 0o700); err != nil {
		return fmt.Errorf("create working directory of attempt: %w", err)
	}
	return s.save(r)
}

// save replaces the record atomically.
func (s recordStore) save(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record of attempt %s: %w", r.ref(), err)
	}
	path := filepath.Join(s.attemptDir(r.ref()), "record.json")
	if err := writeSynced(path+".new", data); err != nil {
		return fmt.Errorf("write record of attempt %s: %w", r.ref(), err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write record of attempt %s: %w", r.ref(), err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// list returns all records. It removes an attempt without one, whose worker died before it started anything.
func (s recordStore) list() ([]record, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "attempts"))
	if err != nil {
		return nil, fmt.Errorf("read data directory: %w", err)
	}
	var records []record
	for _, entry := range entries {
		dir := filepath.Join(s.dir, "attempts", entry.Name())
		r, err := readRecord(dir)
		if err != nil {
			return nil, err
		}
		if r == nil {
			if err := os.RemoveAll(dir); err != nil {
				return nil, fmt.Errorf("remove attempt that never started: %w", err)
			}
			continue
		}
		records = append(records, *r)
	}
	return records, nil
}

// load returns the record of an attempt, or nil.
func (s recordStore) load(ref job.Ref) (*record, error) { return readRecord(s.attemptDir(ref)) }

func readRecord(dir string) (*record, error) {
	data, err := os.ReadFile(filepath.Join(dir, "record.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read record: %w (move %s away to continue without it)", err, dir)
	}
	return &r, nil
}

func (s recordStore) remove(ref job.Ref) error {
	if err := os.RemoveAll(s.attemptDir(ref)); err != nil {
		return fmt.Errorf("remove files of attempt %s: %w", ref, err)
	}
	return nil
}
