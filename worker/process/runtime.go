package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

// Options of a process runtime.
type Options struct {
	// Dir holds the files of attempts; it is made where it is missing, and one worker at a time may use it.
	Dir string
	// ClusterID names this host and directory; ClusterID(Dir) where it is empty.
	ClusterID string
	// StopGrace bounds how long a process may take to end when the worker stops, whatever its manifest says;
	// 10 s where it is 0.
	StopGrace time.Duration
	Logger    *slog.Logger
}

// Runtime runs attempts as processes of this host. It implements job.Runtime.
type Runtime struct {
	shelf     shelf
	clusterID string
	node      string
	stopGrace time.Duration
	log       *slog.Logger
	now       func() time.Time

	mu        sync.Mutex
	handler   job.Handler // set while Run observes
	attempts  map[job.Ref]*process
	followCtx context.Context
	tasks     sync.WaitGroup // supervisors and followers
}

var _ job.Runtime = (*Runtime)(nil)

// New makes a runtime; nothing happens before Run.
func New(o Options) (*Runtime, error) {
	if o.Dir == "" {
		return nil, errors.New("a process runtime needs a directory (--data-dir)")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the directory of processes: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host's name: %w", err)
	}
	if o.ClusterID == "" {
		o.ClusterID = clusterID(host, dir)
	}
	if o.StopGrace == 0 {
		o.StopGrace = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runtime{
		shelf:     shelf{dir},
		clusterID: o.ClusterID,
		node:      host,
		stopGrace: o.StopGrace,
		log:       o.Logger,
		now:       time.Now,
		attempts:  map[job.Ref]*process{},
	}, nil
}

// clusterID names the host and the directory: only a worker on both can know what became of an attempt.
func clusterID(host, dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return host + "-" + hex.EncodeToString(sum[:4])
}

// Type is "process".
func (r *Runtime) Type() string { return "process" }

// ClusterID names this host and directory.
func (r *Runtime) ClusterID() string { return r.clusterID }

// Namespaces is empty: a process lives in none.
func (r *Runtime) Namespaces() []string { return nil }

// DefaultNamespace stands where a Job has a namespace.
func (r *Runtime) DefaultNamespace() string { return "local" }

// Run ends what an earlier worker left running, tells of it, and then observes until ctx ends; it ends its
// processes then.
func (r *Runtime) Run(
	ctx context.Context,
	installation uuid.UUID,
	h job.Handler,
	ready chan<- struct{},
) (err error) {
	unlock, err := r.shelf.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	left, err := r.endLeft(ctx)
	if err != nil {
		return err
	}
	follow, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	r.begin(h, follow, left)
	for _, p := range left {
		if p.record.Installation == installation.String() {
			h.Discovered(job.Object{Ref: p.record.ref(), UID: p.record.UID})
		}
	}
	close(ready)
	<-ctx.Done()
	r.stop()
	stopFollowing()
	r.tasks.Wait()
	return r.close()
}

func (r *Runtime) begin(h job.Handler, follow context.Context, left []*process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler, r.followCtx = h, follow
	for _, p := range left {
		r.attempts[p.record.ref()] = p
	}
}

// stop ends all processes and returns when their outcomes have been told.
func (r *Runtime) stop() {
	r.mu.Lock()
	r.handler = nil // no launch from here on; what runs has its own handler
	var live []*process
	for _, p := range r.attempts {
		live = append(live, p)
	}
	r.mu.Unlock()
	for _, p := range live {
		p.tell(byStop)
	}
	for _, p := range live {
		<-p.ended
	}
	patience, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	for _, p := range live {
		p.handedOver(patience, stopPatience)
	}
}

// close gives back what is open; the records stay for the next start.
func (r *Runtime) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for ref, p := range r.attempts {
		errs = append(errs, p.spool.close())
		delete(r.attempts, ref)
	}
	return errors.Join(errs...)
}

// Drain ends what an earlier worker left and removes the installation's records. Processes can not be kept.
func (r *Runtime) Drain(ctx context.Context, installation uuid.UUID, _ bool) (err error) {
	unlock, err := r.shelf.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	left, err := r.endLeft(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range left {
		errs = append(errs, p.spool.close())
		if p.record.Installation == installation.String() {
			errs = append(errs, r.shelf.remove(p.record.ref()))
		}
	}
	return errors.Join(errs...)
}
