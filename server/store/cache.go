package store

import "sync"

// cache holds immutable values. It is bounded, by number and by weight: when full it is emptied.
type cache[K comparable, V any] struct {
	most    int
	weigh   func(V) int // in bytes; nil: the values are small
	maximum int         // of the weight of all

	mu     sync.Mutex
	known  map[K]V
	weight int
}

func (f *cache[K, V]) get(k K) (V, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.known[k]
	return v, ok
}

func (f *cache[K, V]) put(k K, v V) {
	added := 0
	if f.weigh != nil {
		added = f.weigh(v)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := f.known[k]; ok && f.weigh != nil {
		f.weight -= f.weigh(old)
	}
	if f.known == nil || len(f.known) >= f.most || f.weigh != nil && f.weight+added > f.maximum {
		f.known, f.weight = map[K]V{}, 0
	}
	f.known[k] = v
	f.weight += added
}
