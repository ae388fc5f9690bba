package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// listPause is the least time between two reads of a list, however often its runs change.
const listPause = 500 * time.Millisecond

// runFeeds are the lists of runs that streams follow. Streams of the same list share one feed, so that a hundred
// open pages cost one query, not a hundred. A feed reads while a stream follows it.
type runFeeds struct {
	read  func(ctx context.Context, f store.RunFilter, p store.Page) (*runList, error)
	hints func() *store.Subscription

	mu   sync.Mutex
	open map[string]*runFeed
}

// runList is a list at one moment.
type runList struct {
	runs  []store.Run
	items []api.Run // the runs as they are shown
}

// runFeed reads one list again and again.
type runFeed struct {
	key       string
	followers int // guarded by runFeeds.mu
	cancel    context.CancelFunc
	ended     chan struct{}

	mu   sync.Mutex
	list *runList
	err  error
	next chan struct{} // closed when the list was read again
}

func newRunFeeds(s *store.Store, read func(context.Context, store.RunFilter, store.Page) (*runList, error)) *runFeeds {
	return &runFeeds{
		read: read, open: map[string]*runFeed{},
		hints: func() *store.Subscription { return s.Subscribe(store.RunsTopic()) },
	}
}

// follow returns the feed of a list. Call leave when the stream ends.
func (f *runFeeds) follow(
	ctx context.Context, filter store.RunFilter, page store.Page,
) (feed *runFeed, leave func(), err error) {
	key, err := json.Marshal([]any{filter, page})
	if err != nil {
		return nil, nil, fmt.Errorf("name the list: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	feed = f.open[string(key)]
	if feed == nil {
		reading, cancel := context.WithCancel(store.ForPeople(context.WithoutCancel(ctx)))
		feed = &runFeed{key: string(key), cancel: cancel, ended: make(chan struct{}), next: make(chan struct{})}
		f.open[feed.key] = feed
		go f.run(reading, feed, filter, page)
	}
	feed.followers++
	return feed, func() { f.leave(feed) }, nil
}

// leave ends the feed with its last follower.
func (f *runFeeds) leave(feed *runFeed) {
	f.mu.Lock()
	feed.followers--
	last := feed.followers == 0
	if last && f.open[feed.key] == feed {
		delete(f.open, feed.key)
	}
	f.mu.Unlock()
	if last {
		feed.cancel()
		<-feed.ended
	}
}

// run reads the list until the last follower has left or a read fails.
func (f *runFeeds) run(ctx context.Context, feed *runFeed, filter store.RunFilter, page store.Page) {
	defer close(feed.ended)
	changed := f.hints()
	defer changed.Close()
	again := time.NewTicker(pollInterval)
	defer again.Stop()
	for {
		list, err := f.read(ctx, filter, page)
		if err != nil {
			f.close(feed) // who comes next starts anew
			feed.publish(nil, err)
			return
		}
		feed.publish(list, nil)
		pause := time.NewTimer(listPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		select {
		case <-changed.C():
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

func (f *runFeeds) close(feed *runFeed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[feed.key] == feed {
		delete(f.open, feed.key)
	}
}

func (f *runFeed) publish(list *runList, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.err = list, err
	close(f.next)
	f.next = make(chan struct{})
}

// latest returns the list as it was read last, nil before that, and a channel that is closed by the next read.
func (f *runFeed) latest() (list *runList, next <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, f.next, f.err
}

// first waits for the list.
func (f *runFeed) first(ctx context.Context) error {
	list, next, err := f.latest()
	if list != nil || err != nil {
		return err
	}
	select {
	case <-next:
		_, _, err := f.latest()
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
