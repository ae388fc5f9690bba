package templating

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// Cache keeps compiled template versions, keyed by the ID of the version. A version never changes, so an
// entry never goes stale; the least recently used one leaves when the cache is full.
//
// It is safe for concurrent use, and concurrent callers of one version compile it once.
type Cache struct {
	registry *Registry
	limit    int

	mu      sync.Mutex
	entries map[uuid.UUID]*list.Element // of *cacheEntry
	recent  *list.List                  // most recently used first
}

// cacheEntry is one version. It may outlive its place in the cache while a caller still compiles it.
type cacheEntry struct {
	version uuid.UUID
	lock    chan struct{} // capacity 1: the caller that has sent to it loads and compiles
	result  atomic.Pointer[compileResult]
}

type compileResult struct {
	compiled *Compiled
	err      error
}

// CompileError is a document that does not parse or does not compile. It fails the same way every time, so a
// retry is of no use. Unwrap gives its Problems.
type CompileError struct {
	// Stage is StageParse or StageCompile.
	Stage    string
	Problems Problems
}

// The stages a document fails in.
const (
	StageParse   = "parse"
	StageCompile = "compile"
)

func (e *CompileError) Error() string { return fmt.Sprintf("%s template: %v", e.Stage, e.Problems) }

// Unwrap returns the problems.
func (e *CompileError) Unwrap() error { return e.Problems }

// NewCache returns a Cache of at most limit versions (at least one) that compiles with registry.
func NewCache(registry *Registry, limit int) *Cache {
	return &Cache{
		registry: registry,
		limit:    max(limit, 1),
		entries:  map[uuid.UUID]*list.Element{},
		recent:   list.New(),
	}
}

// Get returns the compiled version. On a miss it calls load for the document, a base job template in JSON or
// YAML; concurrent callers of the same version wait for that call until their ctx ends.
//
// An error of load is returned unchanged and not kept, so the next caller loads again. A document that does
// not parse or compile gives a *CompileError, which is kept. The error is the cause of ctx when ctx ends
// first.
func (c *Cache) Get(
	ctx context.Context, version uuid.UUID, load func(context.Context) ([]byte, error),
) (*Compiled, error) {
	entry := c.entry(version)
	if result := entry.result.Load(); result != nil {
		return result.compiled, result.err
	}

	select {
	case entry.lock <- struct{}{}:
		defer func() { <-entry.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}

	// The caller that held the lock before may have stored a result, or may have failed to load.
	if result := entry.result.Load(); result != nil {
		return result.compiled, result.err
	}

	document, err := load(ctx)
	if err != nil {
		return nil, err
	}
	result := c.compile(document)
	entry.result.Store(&result)
	return result.compiled, result.err
}

// entry finds or adds the entry of a version and marks it as the most recently used.
func (c *Cache) entry(version uuid.UUID) *cacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[version]; ok {
		c.recent.MoveToFront(element)
		return element.Value.(*cacheEntry)
	}

	if c.recent.Len() >= c.limit {
		evicted := c.recent.Remove(c.recent.Back()).(*cacheEntry)
		delete(c.entries, evicted.version)
	}
	entry := &cacheEntry{version: version, lock: make(chan struct{}, 1)}
	c.entries[version] = c.recent.PushFront(entry)
	return entry
}

// Compile compiles a document that has no version, and keeps nothing of it.
func (c *Cache) Compile(document []byte) (*Compiled, error) {
	result := c.compile(document)
	return result.compiled, result.err
}

func (c *Cache) compile(document []byte) compileResult {
	parsed, err := Parse(document)
	if err != nil {
		return compileResult{err: &CompileError{Stage: StageParse, Problems: AsProblems(err)}}
	}
	compiled, err := c.registry.Compile(parsed)
	if err != nil {
		return compileResult{err: &CompileError{Stage: StageCompile, Problems: AsProblems(err)}}
	}
	return compileResult{compiled: compiled}
}
