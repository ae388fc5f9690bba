// Package podlog follows the output of an attempt: of its pods one after the other, of each pod the instances
// of the job container, or of all containers.
//
//	Follower.Run: choose the next log ──▶ read it ──▶ Output(offset, text)
//	                    ▲                   │ interrupted: resume at the position
//	                    └───────────────────┘
//
// The API can resume a log only at a whole second. A position therefore counts the lines of the latest
// seconds, so that after any interruption each byte is handed over exactly once. The position goes to the server with the
// output, and a worker that takes the attempt over resumes there.
//
// The node keeps a part of a log only: it rotates the file, and the API shows the newest. Where output is or may be
// missing, a line in the output says so and how much.
//
// Memory is bounded: one buffer per attempt, and reading stops while Output blocks.
package podlog

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Options of a Follower.
type Options struct {
	API kubernetes.Interface
	// Pods lists the attempt's pods as they are now.
	Pods func() []*corev1.Pod
	// Output takes output from a byte offset on, with the position after it. It drops what it has, and may block. An
	// error ends the Follower.
	Output func(ctx context.Context, offset int64, text []byte, position string) error
	// Container is the job container; AllContainers takes the output of all others too.
	Container     string
	AllContainers bool
	// Stored is how many bytes the server has from an earlier worker, and Position what came with the last of them.
	Stored   int64
	Position string
	// Unpermitted is called when the worker may not read the logs of a pod.
	Unpermitted func(pod *corev1.Pod, err error)
	Log         *slog.Logger
}

// Follower follows the output of one attempt.
type Follower struct {
	Options
	notify chan struct{} // has room for one notification that the pods may have changed
	done   chan struct{} // closed when Run has returned

	mu        sync.Mutex
	finishing bool // the attempt has ended: no pods will follow
	tail      tail // of the job container's output
	tailEnds  bool // with the end of the job container's newest log

	// The fields below belong to the goroutine of Run.

	offset      int64 // of the next byte to hand over
	reading     source
	podName     string // of reading
	instance    int32  // of the container: its restart count
	position    position
	finished    []source     // will give no more output
	headed      bool         // the heading of this container was written
	midLine     bool         // the output so far does not end with a newline
	restored    *resumePoint // where an earlier worker was; nil once the follower is there
	notes       []string     // lines that go before the next output
	unpermitted bool         // the worker may not read logs, and the output says so
}

// New returns a Follower; Run starts it.
func New(o Options) *Follower {
	f := &Follower{Options: o, notify: make(chan struct{}, 1), done: make(chan struct{})}
	f.restore(o.Position)
	return f
}

// PodsChanged tells the Follower that the pods may have changed. It never blocks.
func (f *Follower) PodsChanged() {
	select {
	case f.notify <- struct{}{}:
	default:
	}
}

// Finish tells the Follower that no pods will follow: Run returns after it has read what there is.
func (f *Follower) Finish() {
	f.mu.Lock()
	f.finishing = true
	f.mu.Unlock()
	f.PodsChanged()
}

// Done is closed when Run has returned.
func (f *Follower) Done() <-chan struct{} { return f.done }

func (f *Follower) isFinishing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.finishing
}

// source is one container of one pod.
type source struct {
	pod       types.UID
	container string
}

// logRequest is one log to read.
type logRequest struct {
	pod       *corev1.Pod
	container string
	previous  bool // the instance before the current one
	follow    bool
	complete  bool // when the log ends, so does this instance's output
	once      bool // the container is not read again
}

func (r logRequest) source() source { return source{r.pod.UID, r.container} }

// Waits after a log could not be read: doubling from the first to the last, half of it random.
const (
	firstRetryWait = 200 * time.Millisecond
	lastRetryWait  = 5 * time.Second
	// unpermittedWait is the wait of a worker that may not read logs, until it may.
	unpermittedWait = 30 * time.Second
)

// Run follows the output until ctx ends, Output fails, or everything was read after Finish.
func (f *Follower) Run(ctx context.Context) {
	defer close(f.done)
	wait := firstRetryWait
	for ctx.Err() == nil {
		// Asked before the pods are listed: what they show then is final.
		finishing := f.isFinishing()
		request, ok := f.next()
		if !ok {
			if finishing {
				// An error means that the output is not wanted any more.
				_ = f.handOver(ctx, nil)
				return
			}
			select {
			case <-f.notify:
			case <-ctx.Done():
			}
			continue
		}

		before := f.offset
		reader, err := f.open(ctx, request)
		if err == nil {
			err = reader.run(ctx) // here it waits, mostly: a deeper stack would take twice the memory
		}
		switch {
		case isUnwanted(err):
			return
		case err == nil:
			f.unpermitted = false
		case cluster.IsUnpermitted(err):
			if f.cannotRead(ctx, request, err) != nil || finishing {
				return
			}
			wait = unpermittedWait
		}
		if f.finishRequest(request, err) {
			wait = firstRetryWait
			continue
		}

		if f.offset > before {
			wait = firstRetryWait
		}
		if err != nil {
			f.Log.Debug("log interrupted, resuming",
				"pod", request.pod.Name, "container", request.container, "error", err)
		}
		f.pause(ctx, wait)
		wait = min(2*wait, max(wait, lastRetryWait))
	}
}

// cannotRead says in the output that the worker may not read it, once.
func (f *Follower) cannotRead(ctx context.Context, request logRequest, err error) error {
	if f.unpermitted {
		return nil
	}
	f.unpermitted = true
	f.Unpermitted(request.pod, err)
	f.note("the output of pod %s cannot be read: the worker's ServiceAccount needs get on pods/log in namespace %s",
		request.pod.Name, request.pod.Namespace)
	return f.handOver(ctx, nil)
}

// note adds a line before the next output.
func (f *Follower) note(format string, args ...any) {
	f.notes = append(f.notes, "[berth] "+fmt.Sprintf(format, args...)+"\n")
}

// finishRequest reports whether the request needs no retry, and notes what it has completed.
func (f *Follower) finishRequest(request logRequest, err error) bool {
	switch {
	case err == nil && request.complete:
		f.completeInstance(request)
	case request.previous && (apierrors.IsNotFound(err) || apierrors.IsBadRequest(err)):
		f.note("output of container %s is missing: its node has deleted the log of start %d",
			request.container, f.instance+1)
		f.completeInstance(request)
	case apierrors.IsNotFound(err):
		f.note("the rest of the output of pod %s is missing: the pod was deleted before it was read", request.pod.Name)
		f.finished = append(f.finished, request.source())
	default:
		return false
	}
	return true
}

// pause waits, but not longer than until the pods change.
func (f *Follower) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.notify:
	case <-ctx.Done():
	}
}

// next chooses the log to read now. There is none while the next container has not started, and after all was
// read.
func (f *Follower) next() (logRequest, bool) {
	pods := slices.SortedStableFunc(slices.Values(f.Pods()), func(a, b *corev1.Pod) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	if f.restored != nil && len(pods) > 0 {
		f.skipRead(pods)
	}
	for _, pod := range pods {
		for _, name := range f.containers(pod) {
			from := source{pod.UID, name}
			if slices.Contains(f.finished, from) {
				continue
			}
			status := podstatus.AnyContainer(pod, name)
			started := status != nil &&
				(status.State.Waiting == nil || status.LastTerminationState.Terminated != nil)
			if started {
				return f.choose(logRequest{pod: pod, container: name}, *status)
			}
			if !podstatus.Terminal(pod) {
				return logRequest{}, false
			}
			f.finished = append(f.finished, from)
		}
	}
	return logRequest{}, false
}

// choose decides how to read the log of a container that has started.
func (f *Follower) choose(request logRequest, status corev1.ContainerStatus) (logRequest, bool) {
	if f.reading != request.source() {
		if f.reading.pod != "" && f.reading.pod != request.pod.UID {
			f.note("pod %s", request.pod.Name)
		}
		f.reading, f.podName, f.position, f.headed = request.source(), request.pod.Name, position{}, false
		f.instance = max(0, status.RestartCount-1)
	}
	switch {
	case f.instance < status.RestartCount:
		if f.instance < status.RestartCount-1 {
			// The kubelet keeps one previous log; the instances in between are lost.
			f.note("output of container %s is missing: its node keeps the log of one earlier start, and it started %d times",
				request.container, status.RestartCount+1)
			f.instance, f.position = status.RestartCount-1, position{}
		}
		request.previous, request.complete = true, true
		return request, true
	case f.instance > status.RestartCount:
		// The latest instance was read, and the next one has not started.
		if podstatus.Terminal(request.pod) {
			f.finished = append(f.finished, f.reading)
		}
		return logRequest{}, false
	case status.State.Running != nil && f.runsBeside(request.pod, request.container):
		// It may run until its pod is deleted, and its log with it: read what there is now.
		request.complete, request.once = true, true
		return request, !podstatus.SidecarStopping(request.pod, request.container)
	case status.State.Running != nil:
		// The end of this log may be an interruption: the instance is complete only after it has ended.
		request.follow = true
		return request, true
	}
	request.complete = true
	return request, true
}

// completeInstance goes on to the next instance of the container, or leaves the container if there is none.
func (f *Follower) completeInstance(request logRequest) {
	pod := request.pod
	last := request.once || podstatus.Terminal(pod) || pod.Spec.RestartPolicy == corev1.RestartPolicyNever ||
		podstatus.Succeeded(pod, request.container)
	if last && !request.previous {
		f.finished = append(f.finished, request.source())
		if request.container == f.Container {
			f.mu.Lock()
			f.tailEnds = true
			f.mu.Unlock()
		}
		return
	}
	f.instance++
	f.position = position{}
}
