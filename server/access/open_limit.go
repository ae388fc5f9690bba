package access

import "sync"

// OpenLimit bounds how many requests each caller has open at the same time: streams have no end, and each takes
// memory and reads. It is safe for concurrent use.
type OpenLimit struct {
	most int

	mu   sync.Mutex
	open map[string]int
}

// NewOpenLimit returns an OpenLimit with the most requests that a caller may have open.
func NewOpenLimit(most int) *OpenLimit { return &OpenLimit{most: most, open: map[string]int{}} }

// Enter counts a request of a caller. It returns false if the caller has too many; otherwise leave must be called when
// the request ends.
func (l *OpenLimit) Enter(caller string) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[caller] >= l.most {
		return nil, false
	}
	l.open[caller]++
	return func() { l.leave(caller) }, true
}

func (l *OpenLimit) leave(caller string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[caller]--; l.open[caller] == 0 {
		delete(l.open, caller)
	}
}
