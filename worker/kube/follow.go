package kube

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// follower hands over the output of one attempt while it runs: of its pods one after the other, of each the
// instances of the job container, or of all. Nothing waits for it but Release, and that not for long.
type follower struct {
	w         *watcher
	ref       job.Ref
	container string // the job container
	all       bool   // the others' output is taken, too
	cancel    context.CancelFunc
	wake      chan struct{} // something changed
	done      chan struct{} // closed when it has ended

	mu    sync.Mutex
	ended bool // the attempt has: what is there now is all there will be
	tail  ring

	// Of its goroutine alone.
	offset    int64
	skip      int64
	skipUntil time.Time
	from      source
	finished  []source // those that have no more to say
	instance  int32
	position  position
	headed    bool // the output of this container has its heading
	midLine   bool // what was handed over last is no whole line
}

// skewAllowed is how far the clocks of nodes and workers may differ: a line that is younger than the takeover
// by more than that can not be known to the server.
const skewAllowed = 5 * time.Second

// follow sees to it that the output is followed once there is any, and wakes whoever follows.
func (w *watcher) follow(t *tracked, v observe.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := t.follower; f != nil {
		f.poke()
		return
	}
	if !t.stream || !v.HasOutput || w.tracked[t.ref] != t {
		return
	}
	ctx, cancel := context.WithCancel(w.ctx)
	f := &follower{
		w: w, ref: t.ref, container: t.container, all: v.Policy.AllLogs, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}),
		offset: t.offset, skip: t.offset, skipUntil: t.adoptedAt.Add(skewAllowed),
	}
	t.follower = f
	w.followers.Go(func() {
		defer close(f.done)
		defer cancel()
		f.run(ctx)
	})
}

func (w *watcher) followerOf(t *tracked) *follower {
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.follower
}

// stopFollowing ends the following of an attempt that is none of ours any more.
func (r *Runtime) stopFollowing(t *tracked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.follower != nil {
		t.follower.cancel()
	}
}

// waitForOutput gives what is left of the output a moment, before the Job and its log may go.
func (r *Runtime) waitForOutput(ctx context.Context, found job.Object) {
	t := r.trackedOf(found.Ref)
	if t == nil || (found.UID != "" && string(r.uidOf(t)) != found.UID) {
		return
	}
	r.mu.Lock()
	f := t.follower
	r.mu.Unlock()
	if f == nil {
		return
	}
	f.finish()
	timer := time.NewTimer(r.options.Timing.Output)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-ctx.Done():
	case <-timer.C:
		r.options.Log.Warn(
			"output was not read to its end before the job was released",
			"attempt",
			found.Ref.String(),
		)
	}
}

func (f *follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// finish says that no new pods will come.
func (f *follower) finish() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.poke()
}

func (f *follower) isEnded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// reading is one log to be read.
type reading struct {
	pod       *corev1.Pod
	container string
	previous  bool
	follow    bool
	last      bool // when it is read to its end, so is this instance
	once      bool // the container is not looked at again
}

func (r reading) source() source { return source{r.pod.UID, r.container} }

// Waits after a log could not be read.
const (
	firstLogWait = 200 * time.Millisecond
	lastLogWait  = 5 * time.Second
)

func (f *follower) run(ctx context.Context) {
	wait := firstLogWait
	for ctx.Err() == nil {
		ended := f.isEnded()
		r, ok := f.next()
		if !ok {
			if ended {
				return
			}
			select {
			case <-f.wake:
			case <-ctx.Done():
			}
			continue
		}
		before := f.offset
		err := f.read(ctx, r)
		switch {
		case err == nil && r.last:
			f.endInstance(r)
			wait = firstLogWait
			continue
		case isUnwanted(err):
			return
		case r.previous && (apierrors.IsNotFound(err) || apierrors.IsBadRequest(err)): // collected already
			f.endInstance(r)
			continue
		case apierrors.IsNotFound(err):
			f.finished = append(f.finished, r.source())
			continue
		case f.offset > before:
			wait = firstLogWait
		}
		if err != nil {
			f.w.options.Log.Debug(
				"log was interrupted, it is resumed",
				"attempt",
				f.ref.String(),
				"error",
				err,
			)
		}
		f.pause(ctx, wait)
		wait = min(2*wait, lastLogWait)
	}
}

// pause waits, but not longer than until something changes.
func (f *follower) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.wake:
	case <-ctx.Done():
	}
}

// next chooses the log to read now. There is none while the container has not started, and after all has been
// read.
func (f *follower) next() (reading, bool) {
	pods := f.w.podsOf(f.ref)
	slices.SortStableFunc(
		pods,
		func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) },
	)
	for _, pod := range pods {
		for _, name := range f.containers(pod) {
			from := source{pod.UID, name}
			if slices.Contains(f.finished, from) {
				continue
			}
			status := podstatus.AnyContainer(pod, name)
			if status == nil ||
				(status.State.Waiting != nil && status.LastTerminationState.Terminated == nil) {
				if podstatus.Terminal(pod) {
					f.finished = append(f.finished, from)
					continue
				}
				return reading{}, false
			}
			return f.choose(reading{pod: pod, container: name}, *status)
		}
	}
	return reading{}, false
}

func (f *follower) choose(r reading, status corev1.ContainerStatus) (reading, bool) {
	if f.from != r.source() {
		f.from, f.instance, f.position, f.headed = r.source(), max(
			0,
			status.RestartCount-1,
		), position{}, false
	}
	switch {
	case f.instance < status.RestartCount:
		if f.instance < status.RestartCount-1 { // instances in between are lost
			f.instance, f.position = status.RestartCount-1, position{}
		}
		r.previous, r.last = true, true
		return r, true
	case f.instance > status.RestartCount: // read to its end; the next has not started
		if podstatus.Terminal(r.pod) {
			f.finished = append(f.finished, f.from)
		}
		return reading{}, false
	case status.State.Running != nil && f.beside(r.pod, r.container):
		// It may run until its pod is stopped, and its log goes with the pod: what there is now is taken.
		r.last, r.once = true, true
		return r, !podstatus.SidecarStopping(r.pod, r.container)
	case status.State.Running != nil:
		r.follow = true
		return r, true
	}
	r.last = true
	return r, true
}

// endInstance goes on to the next instance, or leaves the pod where there will be none.
func (f *follower) endInstance(r reading) {
	if !r.previous &&
		(r.once || podstatus.Terminal(r.pod) || r.pod.Spec.RestartPolicy == corev1.RestartPolicyNever || podstatus.Succeeded(r.pod, r.container)) {
		f.finished = append(f.finished, r.source())
		return
	}
	f.instance++
	f.position = position{}
}
