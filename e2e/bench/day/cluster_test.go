package day

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

// cluster has the jobs of all workers. A job takes its time, succeeds and has printed something.
type cluster struct {
	takes  time.Duration
	output []byte

	mu   sync.Mutex
	jobs map[job.Ref]memoryJob
	// created counts how often a job was created for a run.
	created map[uuid.UUID]int
}

// memoryJob is a job that ends at its time.
type memoryJob struct {
	uid          string
	begins, ends time.Time
}

func newCluster(takes time.Duration, output []byte) *cluster {
	return &cluster{takes: takes, output: output, jobs: map[job.Ref]memoryJob{}, created: map[uuid.UUID]int{}}
}

// launch returns the job of an attempt, which it creates if there is none.
func (c *cluster) launch(ref job.Ref) (j memoryJob, adopted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j, adopted = c.jobs[ref]
	if !adopted {
		now := time.Now()
		j = memoryJob{uid: uuid.NewString(), begins: now, ends: now.Add(c.takes)}
		c.jobs[ref] = j
		c.created[ref.RunID]++
	}
	return j, adopted
}

func (c *cluster) find(ref job.Ref) (memoryJob, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j, ok := c.jobs[ref]
	return j, ok
}

func (c *cluster) forget(ref job.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.jobs, ref)
}

// doubled counts the runs for which more than one job was created.
func (c *cluster) doubled() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.created {
		if times > 1 {
			n++
		}
	}
	return n
}

// runtime is what one worker sees of the cluster.
type runtime struct {
	*cluster
	ctx       context.Context // of Run
	handler   job.Handler
	following sync.WaitGroup
}

func (r *runtime) Type() string             { return "process" }
func (r *runtime) ClusterID() string        { return "memory" }
func (r *runtime) Namespaces() []string     { return nil }
func (r *runtime) DefaultNamespace() string { return "jobs" }

func (r *runtime) Identify(context.Context) error { return nil }

func (r *runtime) ClusterObjects() map[string]string { return nil }

func (r *runtime) Run(ctx context.Context, _ uuid.UUID, h job.Handler, ready chan<- struct{}) error {
	r.ctx, r.handler = ctx, h
	close(ready)
	<-ctx.Done()
	r.following.Wait()
	return nil
}

func (r *runtime) Launch(_ context.Context, a job.Attempt) (job.Launched, error) {
	if !a.HoldsLease() {
		return job.Launched{}, job.ErrLeaseLost
	}
	j, adopted := r.launch(a.Ref)
	r.follow(a, j)
	return job.Launched{Namespace: "jobs", Name: a.Manifest.Name, UID: j.uid, Adopted: adopted}, nil
}

func (r *runtime) Adopt(_ context.Context, a job.Attempt) error {
	if j, ok := r.find(a.Ref); ok {
		r.follow(a, j)
	}
	return nil
}

// follow reports a job, hands its output over, and reports its end.
func (r *runtime) follow(a job.Attempt, j memoryJob) {
	r.following.Go(func() {
		running := job.Observation{Phase: job.Running, UID: j.uid, Node: "memory", RunningSince: &j.begins}
		r.handler.Observed(a.Ref, running)
		select {
		case <-time.After(time.Until(j.ends)):
		case <-r.ctx.Done():
			return
		}
		if rest := r.output[min(a.OutputOffset, int64(len(r.output))):]; len(rest) > 0 {
			if err := r.handler.Output(r.ctx, a.Ref, job.Output{Offset: a.OutputOffset, Text: rest}); err != nil {
				return // it is not wanted here any longer
			}
		}
		ended := running
		ended.Phase, ended.Succeeded, ended.EndedAt = job.Ended, true, &j.ends
		r.handler.Observed(a.Ref, ended)
	})
}

func (r *runtime) Grant(context.Context, job.Object) error { return nil }
func (r *runtime) Cancel(context.Context, job.Ref) error   { return nil }
func (r *runtime) Disown(job.Ref)                          {}

func (r *runtime) Unobserved(job.Ref) time.Duration { return 0 }
func (r *runtime) Drain(context.Context, uuid.UUID, bool) ([]job.Drained, error) {
	return nil, nil
}

func (r *runtime) Finalize(_ context.Context, o job.Object) error {
	r.forget(o.Ref)
	return nil
}

func (r *runtime) FinalizeUnknown(context.Context, job.Object) error { return nil }
func (r *runtime) DeleteDuplicate(context.Context, job.Object) error { return nil }
