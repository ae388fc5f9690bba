package jobs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// sight is something that was seen of an object, and when.
type sight[T any] struct {
	kind   watch.EventType
	object T
	at     time.Time
}

// sights are kept from when the watch begins; it is read all the time, since the API server drops who reads
// slowly.
type sights[T any] struct {
	b      *testing.B
	mu     sync.Mutex
	seen   []sight[T]
	signal chan struct{}
}

func watchJobs(b *testing.B, client kubernetes.Interface, namespace string) *sights[*batchv1.Job] {
	b.Helper()
	return watching[*batchv1.Job](b, func(ctx context.Context) (watch.Interface, error) {
		return client.BatchV1().Jobs(namespace).Watch(ctx, metav1.ListOptions{})
	})
}

func watchPods(b *testing.B, client kubernetes.Interface, namespace string) *sights[*corev1.Pod] {
	b.Helper()
	return watching[*corev1.Pod](b, func(ctx context.Context) (watch.Interface, error) {
		return client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{})
	})
}

// watching reopens the watch when the API server drops it, as it does with a slow reader; a new watch starts
// with every existing object.
func watching[T any](b *testing.B, open func(context.Context) (watch.Interface, error)) *sights[T] {
	b.Helper()
	s := &sights[T]{b: b, signal: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	events, err := open(ctx)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for err == nil {
			for event := range events.ResultChan() {
				s.see(event)
			}
			events, err = open(ctx)
		}
		ended <- err
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Errorf("watch: %v", err)
		}
	})
	return s
}

func (s *sights[T]) see(event watch.Event) {
	object, ok := event.Object.(T)
	if !ok {
		return
	}
	s.mu.Lock()
	s.seen = append(s.seen, sight[T]{event.Type, object, time.Now()})
	s.mu.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// until shows each sight to done, once and in order, until that is true, and returns when that was.
func (s *sights[T]) until(what string, done func(sight[T]) bool) time.Time {
	s.b.Helper()
	timeout := time.After(patience)
	for next := 0; ; {
		s.mu.Lock()
		fresh := s.seen[next:]
		s.mu.Unlock()
		for _, one := range fresh {
			if done(one) {
				return one.at
			}
		}
		next += len(fresh)
		select {
		case <-s.signal:
		case <-timeout:
			s.b.Fatalf("%s: not within %s, after %d sights", what, patience, next)
		}
	}
}
