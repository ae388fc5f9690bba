package rule

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// Cache keeps compiled sets by their id. A set never changes, so that an entry never goes stale. It is safe for
// concurrent use.
type Cache struct {
	limit int

	mu   sync.Mutex
	sets map[uuid.UUID]*Compiled
}

// NewCache makes a Cache of at most limit sets.
func NewCache(limit int) *Cache { return &Cache{limit: limit, sets: map[uuid.UUID]*Compiled{}} }

// Get returns a compiled set; load reads one that is not in the cache. A set that does not compile is not kept,
// and its error holds templating.Problems.
func (c *Cache) Get(
	ctx context.Context, id uuid.UUID, load func(context.Context, uuid.UUID) (Set, error),
) (*Compiled, error) {
	c.mu.Lock()
	known := c.sets[id]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	set, err := load(ctx, id)
	if err != nil {
		return nil, err
	}
	compiled, err := Compile(set)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for old := range c.sets { // any: a set is quickly compiled again
		if len(c.sets) < c.limit {
			break
		}
		delete(c.sets, old)
	}
	c.sets[id] = compiled
	return compiled, nil
}
