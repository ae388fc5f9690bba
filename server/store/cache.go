package store

import "sync"

// cache holds immutable values. It is bounded: when full it is emptied.
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
