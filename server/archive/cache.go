package archive

import (
	"container/list"
	"sync"
)

// cache keeps what was used last, up to a total weight. Objects never change, so that it is never wrong.
type cache[V any] struct {
	mu     sync.Mutex
	most   int64
	weight int64
	order  *list.List // of cached, the one used last in front
	known  map[string]*list.Element
}

type cached[V any] struct {
	key    string
	value  V
	weight int64
}

func newCache[V any](most int64) *cache[V] {
	return &cache[V]{most: most, order: list.New(), known: map[string]*list.Element{}}
}

func (c *cache[V]) get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cached[V]).value, true
}

func (c *cache[V]) put(key string, value V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.known[key]; ok || weight > c.most {
		return
	}
	c.known[key] = c.order.PushFront(cached[V]{key, value, weight})
	for c.weight += weight; c.weight > c.most; {
		last := c.order.Back()
		oldest := c.order.Remove(last).(cached[V])
		delete(c.known, oldest.key)
		c.weight -= oldest.weight
	}
}
