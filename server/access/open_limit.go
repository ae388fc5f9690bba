package access

import "sync"

// OpenLimit bounds how many requests are open at the same time, of each caller and in all: streams have no end,
// and each takes memory and reads. It is safe for concurrent use.
type OpenLimit struct {
	perCaller, all int

	mu    sync.Mutex
	open  map[string]int
	total int
}

// Entry says whether a request may be opened.
type Entry int

// Entries.
const (
	Entered      Entry = iota
	CallerIsFull       // the caller has too many open requests
	ServerIsFull       // all callers together have too many
)

// NewOpenLimit returns an OpenLimit with the most requests that a caller, and all together, may have open.
func NewOpenLimit(perCaller, all int) *OpenLimit {
	return &OpenLimit{perCaller: perCaller, all: all, open: map[string]int{}}
}

// Enter counts a request of a caller. If it has Entered, leave must be called when the request ends.
func (l *OpenLimit) Enter(caller string) (leave func(), entry Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open[caller] >= l.perCaller:
		return nil, CallerIsFull
	case l.total >= l.all:
		return nil, ServerIsFull
	}
	l.open[caller]++
	l.total++
	return func() { l.leave(caller) }, Entered
}

func (l *OpenLimit) leave(caller string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.open[caller]--; l.open[caller] == 0 {
		delete(l.open, caller)
	}
}
