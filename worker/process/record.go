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

// record is what survives the worker about one attempt.
type record struct {
	Run          uuid.UUID `json:"run"`
	Attempt      int       `json:"attempt"`
	UID          string    `json:"uid"`
	Installation string    `json:"installation"`
	Namespace    string    `json:"namespace"`
	Name         string    `json:"name"`
	CreatedAt    time.Time `json:"created_at"`
	// PID and Identity name the process; the identity tells it from a later one with the same number. Both
	// are empty until it has started, and the identity where it was over before it could be read.
	PID      int    `json:"pid,omitempty"`
	Identity string `json:"identity,omitempty"`
	// StartedAt is set with PID.
	StartedAt *time.Time `json:"started_at,omitempty"`
	// Outcome is set once it has ended.
	Outcome *job.Observation `json:"outcome,omitempty"`
}

// ref reads only what never changes, so it needs no lock.
func (r *record) ref() job.Ref { return job.Ref{RunID: r.Run, Attempt: r.Attempt} }

// shelf is the directory of records.
type shelf struct{ dir string }

// errKept is the answer to creating a record that is there already.
var errKept = errors.New("the attempt has a record already")

func (s shelf) of(ref job.Ref) string {
	return filepath.Join(s.dir, "attempts", fmt.Sprintf("%s-%d", ref.RunID, ref.Attempt))
}

func (s shelf) output(ref job.Ref) string { return filepath.Join(s.of(ref), "output") }
func (s shelf) work(ref job.Ref) string   { return filepath.Join(s.of(ref), "work") }

// lock makes this worker the only one on the directory until the returned function is called.
func (s shelf) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Join(s.dir, "attempts"), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of processes: %w", err)
	}
	file, err := os.OpenFile(
		filepath.Join(s.dir, "worker.lock"),
		os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC,
		0o600,
	)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the directory of processes: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(
			fmt.Errorf("another worker uses %s: stop it, or give this one its own --data-dir", s.dir),
			file.Close(),
		)
	}
	return file.Close, nil
}

// create stores the record of an attempt that has none. Of two callers one gets errKept.
func (s shelf) create(r record) error {
	err := os.Mkdir(s.of(r.ref()), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return errKept
	}
	if err != nil {
		return fmt.Errorf("make the directory of the attempt: %w", err)
	}
	if err := os.Mkdir(s.work(r.ref()), 0o700); err != nil {
		return fmt.Errorf("make the working directory of the attempt: %w", err)
	}
	return s.save(r)
}

// save replaces the record as a whole: a reader, or the next worker, sees the old one or the new one.
func (s shelf) save(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the record of attempt %s: %w", r.ref(), err)
	}
	path := filepath.Join(s.of(r.ref()), "record.json")
	if err := writeSynced(path+".new", data); err != nil {
		return fmt.Errorf("write the record of attempt %s: %w", r.ref(), err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the record of attempt %s: %w", r.ref(), err)
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

// all returns the records of the directory. A directory without one was made just before its worker died,
// which started nothing: it is removed.
func (s shelf) all() ([]record, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "attempts"))
	if err != nil {
		return nil, fmt.Errorf("read the directory of processes: %w", err)
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
				return nil, fmt.Errorf("remove an attempt that never started: %w", err)
			}
			continue
		}
		records = append(records, *r)
	}
	return records, nil
}

// load returns the record of an attempt, nil where there is none.
func (s shelf) load(ref job.Ref) (*record, error) { return readRecord(s.of(ref)) }

func readRecord(dir string) (*record, error) {
	data, err := os.ReadFile(filepath.Join(dir, "record.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a record: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w (move the directory away to go on without it)", dir, err)
	}
	return &r, nil
}

func (s shelf) remove(ref job.Ref) error {
	if err := os.RemoveAll(s.of(ref)); err != nil {
		return fmt.Errorf("remove the files of attempt %s: %w", ref, err)
	}
	return nil
}
