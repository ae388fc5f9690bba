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
	// Dir holds the files of attempts. It is created if missing; one worker at a time may use it.
	Dir string
	// ClusterID names this host and directory; derived from both if empty.
	ClusterID string
	// StopGrace bounds the grace period of a process when the worker stops; 0 means 10 s.
	StopGrace time.Duration
	Logger    *slog.Logger
}

// Runtime runs attempts as processes of this host. It implements job.Runtime.
type Runtime struct {
	records   recordStore
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

// New returns a runtime that does nothing before Run.
func New(o Options) (*Runtime, error) {
	if o.Dir == "" {
		return nil, errors.New("--data-dir is not set: the process runtime needs a directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve data directory: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
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
		records:   recordStore{dir},
		clusterID: o.ClusterID,
		node:      host,
		stopGrace: o.StopGrace,
		log:       o.Logger,
		now:       time.Now,
		attempts:  map[job.Ref]*process{},
	}, nil
}

// clusterID names the host and the directory: only a worker with both can know the outcome of an attempt.
func clusterID(host, dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return host + "-" + hex.EncodeToString(sum[:4])
}

// Type is "process".
func (r *Runtime) Type() string { return "process" }

// Identify has nothing to find out.
func (r *Runtime) Identify(context.Context) error { return nil }

// ClusterID names this host and directory.
func (r *Runtime) ClusterID() string { return r.clusterID }

// ClusterObjects is empty: the ID names the host.
func (r *Runtime) ClusterObjects() map[string]string { return nil }

// Namespaces is empty: processes have no namespace.
func (r *Runtime) Namespaces() []string { return nil }

// DefaultNamespace is a placeholder in records.
func (r *Runtime) DefaultNamespace() string { return "local" }

// Run ends processes of an earlier worker, hands over their attempts as discovered, and observes until ctx
// ends. Then it ends its own processes.
func (r *Runtime) Run(
	ctx context.Context,
	installation uuid.UUID,
	h job.Handler,
	ready chan<- struct{},
) (err error) {
	unlock, err := r.records.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	left, err := r.endLeftovers(ctx)
	if err != nil {
		return err
	}
	follow, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	r.startObserving(h, follow, left)
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

func (r *Runtime) startObserving(h job.Handler, follow context.Context, left []*process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler, r.followCtx = h, follow
	for _, p := range left {
		r.attempts[p.record.ref()] = p
	}
}

// stop ends all processes and returns once their outcomes were observed.
func (r *Runtime) stop() {
	r.mu.Lock()
	r.handler = nil // no launch from here on; running processes have the handler already
	var live []*process
	for _, p := range r.attempts {
		live = append(live, p)
	}
	r.mu.Unlock()
	for _, p := range live {
		p.requestEnd(byStop)
	}
	for _, p := range live {
		<-p.ended
	}
	patience, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	for _, p := range live {
		p.waitForOutput(patience, stopPatience)
	}
}

// close closes all files. The records stay for the next start.
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

// Drain ends processes of an earlier worker and removes the records of the installation. Processes cannot be
// kept.
func (r *Runtime) Drain(ctx context.Context, installation uuid.UUID, _ bool) (ended []job.Drained, err error) {
	unlock, err := r.records.lock()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	left, err := r.endLeftovers(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range left {
		errs = append(errs, p.spool.close())
		if p.record.Installation == installation.String() {
			errs = append(errs, r.records.remove(p.record.ref()))
		}
	}
	return nil, errors.Join(errs...)
}
