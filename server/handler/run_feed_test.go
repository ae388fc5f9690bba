package handler

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// TestStreamsOfTheSameListShareAQuery: a hundred open pages read the database as often as one does.
func TestStreamsOfTheSameListShareAQuery(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	h := New(Options{Store: s.Store, Now: s.Now})
	var reads atomic.Int64
	feeds := newRunFeeds(s.Store, func(
		ctx context.Context, f store.RunFilter, p store.Page,
	) (*runList, error) {
		reads.Add(1)
		return h.readRunList(ctx, f, p)
	})
	filter, page := store.RunFilter{Tags: []string{"nightly"}}, store.Page{Limit: 50}
	var leave []func()
	follow := func(f store.RunFilter) *runFeed {
		t.Helper()
		feed, left, err := feeds.follow(t.Context(), f, page)
		if err != nil {
			t.Fatal(err)
		}
		if err := feed.first(t.Context()); err != nil {
			t.Fatal(err)
		}
		leave = append(leave, left)
		return feed
	}
	first := follow(filter)
	for range 99 {
		if follow(filter) != first {
			t.Fatal("another stream of the list has a feed of its own")
		}
	}
	if other := follow(store.RunFilter{Tags: []string{"hourly"}}); other == first {
		t.Error("a stream of another list has the same feed")
	}
	if n := reads.Load(); n >= 50 { // one of each list, and what the slow poll reads meanwhile
		t.Errorf("the lists were read %d times", n)
	}
	for _, left := range leave {
		left()
	}
	if n := len(feeds.open); n != 0 {
		t.Errorf("%d feeds are open without a stream", n)
	}
}
