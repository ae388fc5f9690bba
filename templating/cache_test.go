package templating

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/internal/problem"
)

const cachedTemplate = `{"variables": {"properties": {"a": {}}}, "job_configuration": {"a": "{{ a }}"}}`

// cacheLoader counts how often each version is loaded.
type cacheLoader struct {
	cache *Cache
	loads map[uuid.UUID]int
}

func newCacheLoader(limit int) *cacheLoader {
	return &cacheLoader{cache: NewCache(DefaultRegistry(), limit), loads: map[uuid.UUID]int{}}
}

func (l *cacheLoader) get(t *testing.T, version uuid.UUID, document string) (*Compiled, error) {
	t.Helper()
	return l.cache.Get(t.Context(), version, func(context.Context) ([]byte, error) {
		l.loads[version]++
		return []byte(document), nil
	})
}

func TestCacheCompilesAVersionOnce(t *testing.T) {
	l, version := newCacheLoader(2), uuid.New()
	first, err := l.get(t, version, cachedTemplate)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.get(t, version, cachedTemplate)
	if err != nil || again != first {
		t.Errorf("the second call got another value: %v", err)
	}
	if l.loads[version] != 1 {
		t.Errorf("loaded %d times, want once", l.loads[version])
	}
}

func TestCacheEvictsTheLeastRecentlyUsedVersion(t *testing.T) {
	l := newCacheLoader(2)
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	for _, version := range []uuid.UUID{a, b, a, c, a, b} {
		if _, err := l.get(t, version, cachedTemplate); err != nil {
			t.Fatal(err)
		}
	}
	// c evicts b, because a was used after it; then b evicts c.
	for version, want := range map[uuid.UUID]int{a: 1, b: 2, c: 1} {
		if l.loads[version] != want {
			t.Errorf("loaded %d times, want %d", l.loads[version], want)
		}
	}
	if len(l.cache.entries) != 2 || l.cache.recent.Len() != 2 {
		t.Errorf("holds %d entries, want its limit of 2", len(l.cache.entries))
	}
}

func TestCacheWithLimitZeroStillServes(t *testing.T) {
	l := newCacheLoader(0)
	for range 2 {
		if _, err := l.get(t, uuid.New(), cachedTemplate); err != nil {
			t.Error(err)
		}
	}
}

func TestCacheKeepsTheErrorOfADocument(t *testing.T) {
	tests := map[string]struct{ document, stage, code string }{
		"a document that does not parse":         {`{"job_configuration": `, StageParse, problem.CodeSyntax},
		"a document without a job configuration": {`{}`, StageParse, problem.CodeRequired},
		"a placeholder of an undeclared variable": {
			`{"job_configuration": {"a": "{{ a }}"}}`, StageCompile, problem.CodeUndeclared,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, version := newCacheLoader(2), uuid.New()
			for range 2 {
				compiled, err := l.get(t, version, test.document)
				var failed *CompileError
				if compiled != nil || !errors.As(err, &failed) || failed.Stage != test.stage {
					t.Fatalf("got %v, %v; want an error of stage %q", compiled, err, test.stage)
				}
				if problems := problem.AsProblems(err); problems[0].Code != test.code {
					t.Errorf("got code %q, want %q", problems[0].Code, test.code)
				}
			}
			if l.loads[version] != 1 {
				t.Errorf("loaded %d times, want once", l.loads[version])
			}
		})
	}
}

func TestCacheForgetsAnErrorOfLoad(t *testing.T) {
	l, version := newCacheLoader(2), uuid.New()
	away := errors.New("connection refused")
	_, err := l.cache.Get(t.Context(), version, func(context.Context) ([]byte, error) { return nil, away })
	if err != away { //nolint:errorlint // the error must come back unchanged
		t.Errorf("got %v, want the error of load itself", err)
	}
	if _, err := l.get(t, version, cachedTemplate); err != nil {
		t.Errorf("the next call failed: %v", err)
	}
}

func TestConcurrentCallersOfOneVersionCompileOnce(t *testing.T) {
	cache, version := NewCache(DefaultRegistry(), 2), uuid.New()
	var loads atomic.Int32
	var callers sync.WaitGroup
	got := make([]*Compiled, 20)
	for i := range got {
		callers.Go(func() {
			compiled, err := cache.Get(t.Context(), version, func(context.Context) ([]byte, error) {
				loads.Add(1)
				return []byte(cachedTemplate), nil
			})
			if err != nil {
				t.Error(err)
			}
			got[i] = compiled
		})
	}
	callers.Wait()
	if loads.Load() != 1 {
		t.Errorf("loaded %d times, want once", loads.Load())
	}
	for _, compiled := range got {
		if compiled != got[0] {
			t.Error("callers got different values")
		}
	}
}

func TestAWaitingCaller(t *testing.T) {
	tests := map[string]struct {
		first   error // of the load that the second caller waits for
		cancel  bool  // the second caller while it waits
		want    error
		loadsBy string
	}{
		"gets what the first caller compiled":         {loadsBy: "first"},
		"loads itself when the first load failed":     {first: errors.New("timeout"), loadsBy: "first second"},
		"stops waiting when its own context ends":     {cancel: true, want: errStopped, loadsBy: "first"},
		"does not see that the first one was stopped": {first: context.Canceled, loadsBy: "first second"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache, version := NewCache(DefaultRegistry(), 2), uuid.New()
				loadsBy := ""
				release := make(chan struct{})
				go func() {
					_, _ = cache.Get(t.Context(), version, func(context.Context) ([]byte, error) {
						loadsBy = "first"
						<-release
						return []byte(cachedTemplate), test.first
					})
				}()
				synctest.Wait()

				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, err = cache.Get(ctx, version, func(context.Context) ([]byte, error) {
						loadsBy += " second"
						return []byte(cachedTemplate), nil
					})
				}()
				synctest.Wait()
				if test.cancel {
					stop(errStopped)
					<-done
				}
				close(release)
				<-done
				if !errors.Is(err, test.want) || loadsBy != test.loadsBy {
					t.Errorf("got %v with loads by %q, want %v and %q", err, loadsBy, test.want, test.loadsBy)
				}
			})
		})
	}
}

var errStopped = errors.New("stopped")

func BenchmarkCacheHit(b *testing.B) {
	cache := NewCache(DefaultRegistry(), 16)
	versions := make([]uuid.UUID, 16)
	for i := range versions {
		versions[i] = uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i))
	}
	load := func(context.Context) ([]byte, error) { return []byte(cachedTemplate), nil }
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := cache.Get(b.Context(), versions[i%len(versions)], load); err != nil {
				b.Error(err)
			}
		}
	})
}
