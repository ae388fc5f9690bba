package database

import (
	"context"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

// woken counts the subscriptions that have received.
func woken(subscriptions []*Subscription) (n int) {
	for _, s := range subscriptions {
		select {
		case <-s.C():
			n++
		default:
		}
	}
	return n
}

func subscribeTurns(t *testing.T, db *DB, n int) []*Subscription {
	t.Helper()
	var all []*Subscription
	for range n {
		s := db.SubscribeTurn("pool:p")
		t.Cleanup(s.Close)
		all = append(all, s)
	}
	return all
}

func hintTurns(t *testing.T, db *DB, n int) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *Tx) error {
		tx.HintTurns("pool:p", n-1)
		tx.HintTurns("pool:p", 1) // they add up
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func openMemory(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{URL: "sqlite::memory:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestAHintOfSomeRunsWakesAsManyThatWait(t *testing.T) {
	t.Parallel()
	db := openMemory(t)
	all := subscribeTurns(t, db, 10)
	observer := db.Subscribe("pool:p")
	defer observer.Close()

	hintTurns(t, db, 3)
	if first, others := woken(all[:3]), woken(all[3:]); first != 3 || others != 0 {
		t.Errorf("the first three: %d, the others: %d", first, others)
	}
	if woken([]*Subscription{observer}) != 1 {
		t.Error("who takes no turn was not woken")
	}
	all[0].Next() // to the end
	hintTurns(t, db, 7)
	if n := woken(all[3:]); n != 7 {
		t.Errorf("%d of the seven that waited longest were woken", n)
	}
	hintTurns(t, db, 5)
	if woken(all[:1]) != 1 || woken(all[1:]) != 0 {
		t.Error("who did not ask for another turn was woken, or who did was not")
	}
	db.Wake("pool:p")
	if n := woken(all); n != 10 {
		t.Errorf("a hint to all woke %d", n)
	}
}

func TestATurnThatIsNotTakenGoesToTheNext(t *testing.T) {
	t.Parallel()
	db := openMemory(t)
	all := subscribeTurns(t, db, 4)
	hintTurns(t, db, 1)
	all[0].Close() // it was woken, and is gone
	if woken(all[1:2]) != 1 || woken(all[2:]) != 0 {
		t.Error("the second was not woken, or another one was")
	}
	all[1].Next()
	all[1].PassOn() // it got as much as it could take
	if woken(all[2:3]) != 1 || woken(all[3:]) != 0 {
		t.Error("the third was not woken, or another one was")
	}
	all[2].Next()
	hintTurns(t, db, 2) // for the fourth and the third, while that looks for more
	all[2].PassOn()
	all[2].Close()
	if woken(all[3:]) != 1 {
		t.Error("the fourth was not woken")
	}
	if n := len(db.hub.queues); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}

func TestOtherServersGetTheTurnsThatAreLeft(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	one, other := openAndRun(t, url), openAndRun(t, url)
	here, there := subscribeTurns(t, one, 1), subscribeTurns(t, other, 5)
	// The listener is there when a hint to all has come through.
	ready := other.Subscribe("ready")
	defer ready.Close()
	hintUntil(t, one, ready)
	woken(there)

	hintTurns(t, one, 3)
	if woken(here) != 1 {
		t.Error("the one that waits here was not woken")
	}
	n := 0
	for range 3 { // the order within a notification is any
		hintUntil(t, one, ready)
		n += woken(there)
	}
	if n != 2 {
		t.Errorf("%d were woken there, want 2", n)
	}
}

func openAndRun(t *testing.T, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// hintUntil hints until the subscription has received.
func hintUntil(t *testing.T, db *DB, s *Subscription) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		err := db.InTx(t.Context(), func(tx *Tx) error {
			tx.Hint(s.topics...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		again := time.NewTimer(50 * time.Millisecond)
		select {
		case <-s.C():
			again.Stop()
			return
		case <-again.C:
		case <-deadline:
			t.Fatal("no hint comes through")
		}
	}
}
