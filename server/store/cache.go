package store

import "sync"

// cache remembers what never changes, so that nobody reads it again and again. It is bounded: when it is full
// it begins anew.
type cache[K comparable, V any] struct {
	most  int
	mu    sync.Mutex
	known map[K]V
}

func (f *cache[K, V]) get(k K) (V, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.known[k]
	return v, ok
}

func (f *cache[K, V]) put(k K, v V) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= f.most {
		f.known = map[K]V{}
	}
	f.known[k] = v
}
