package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/client"
)

const (
	workerCapacity = 40
	clusterID      = "storm" // one cluster, so that all workers of a pool take over from each other
	reportsAtOnce  = 200
)

// worker speaks the protocol as a worker does, with the client of real ones, and only pretends to execute. One session.
type worker struct {
	site    *site
	counts  *counts
	pool    string
	name    string
	session string // in the journal
	client  *client.Client
	dice    *rand.Rand // under mu
	frozen  atomic.Pointer[chan struct{}]
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu       sync.Mutex
	dead     bool
	held     map[uuid.UUID]*attempt
	until    time.Duration // of the session's lease
	outcomes int
}

// attempt is one that the worker has, or had and does not know better.
type attempt struct {
	claim     api.Claim
	steps     []step
	due       time.Duration // of the first step
	busy      bool          // its report is under way
	tried     bool          // its report had no answer: it is repeated as it was
	abandoned bool          // its lease is not renewed
	cancelled bool
}

// step is a report, some time after the one before.
type step struct {
	after  time.Duration
	report api.Report
}

// startWorker starts a session of a worker.
func startWorker(ctx context.Context, s *site, n *network, counts *counts, pool, name string, session int) *worker {
	w := &worker{
		site: s, counts: counts, pool: pool, name: name, session: fmt.Sprintf("%s#%d", name, session),
		dice: s.config.dice(name, session), held: map[uuid.UUID]*attempt{},
	}
	var err error
	w.client, err = client.New(client.Options{
		ServerURL: address, HTTP: n.client(), Pool: pool, Worker: name, Version: "storm",
	})
	if err != nil {
		panic(err) // the address is ours
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.done.Go(func() {
		if w.hello(ctx) {
			w.done.Go(func() { w.claimLoop(ctx) })
			w.done.Go(func() { w.renewLoop(ctx) })
			w.done.Go(func() { w.reportLoop(ctx) })
		}
	})
	return w
}

func (w *worker) hello(ctx context.Context) bool {
	for ctx.Err() == nil {
		_, err := w.client.Hello(ctx, api.WorkerHello{
			Protocol: client.ProtocolVersion, Pool: w.pool, Worker: w.name, Type: api.Process, ClusterID: clusterID, Version: "storm",
		})
		if err == nil {
			return true
		}
		w.counts.failed(err)
		pause(ctx, 100*time.Millisecond)
	}
	return false
}

// kill ends the session as a worker does whose process is killed.
func (w *worker) kill() {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	sent := w.site.journal.Now()
	w.cancel()
	w.done.Wait()
	w.site.journal.Add(journal.Entry{Sent: sent, Kind: journal.Killed, Who: w.session})
}

// stop ends the session as a worker does that is asked to: it releases its leases.
func (w *worker) stop() {
	w.cancel()
	w.done.Wait()
	w.mu.Lock()
	leases := []api.AttemptLease{}
	for _, a := range w.held {
		leases = append(leases, api.AttemptLease{AttemptID: a.claim.AttemptID, Epoch: a.claim.Epoch})
		w.add(journal.Entry{Kind: journal.Released}, a)
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := w.client.ReleaseLeases(ctx, leases); err != nil {
		w.counts.failed(err)
	}
}

// freeze keeps the session from doing anything until the returned function is called.
func (w *worker) freeze() (resume func()) {
	thaw := make(chan struct{})
	w.frozen.Store(&thaw)
	return func() {
		w.frozen.Store(nil)
		close(thaw)
	}
}

// awake waits while the session is frozen. It returns false when the session ends.
func (w *worker) awake(ctx context.Context) bool {
	if thaw := w.frozen.Load(); thaw != nil {
		select {
		case <-*thaw:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// add adds an entry about an attempt.
func (w *worker) add(e journal.Entry, a *attempt) {
	e.Who, e.Run, e.Attempt, e.Number, e.Epoch = w.session, a.claim.RunID, a.claim.AttemptID, a.claim.Attempt, a.claim.Epoch
	w.site.journal.Add(e)
}

// claimLoop claims as long as there is room.
func (w *worker) claimLoop(ctx context.Context) {
	for w.awake(ctx) {
		request, free := w.claimRequest()
		if free <= 0 {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		sent := w.site.journal.Now()
		for w.awake(ctx) {
			answer, err := w.client.Claim(ctx, request)
			if err == nil {
				w.claimed(sent, answer)
				break
			}
			w.counts.failed(err)
			pause(ctx, 50*time.Millisecond)
			if w.roll(0.4) {
				break // what it may have been given is released: renewals do not list it
			}
		}
	}
}

func (w *worker) claimRequest() (api.ClaimRequest, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	free := workerCapacity - len(w.held)
	return api.ClaimRequest{
		RequestID: uuid.New(), Pool: w.pool, Worker: w.name, ClusterID: clusterID,
		Max: int32(min(free, 1+w.dice.IntN(20))), WaitSeconds: int32(1 + w.dice.IntN(2)),
	}, free
}

func (w *worker) roll(share float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dice.Float64() < share
}

// claimed takes over the answer of a claim.
func (w *worker) claimed(sent time.Duration, answer *api.ClaimResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return
	}
	for _, c := range answer.Claims {
		known := w.held[c.AttemptID]
		a := &attempt{claim: c}
		text := ""
		switch {
		case c.Takeover:
			text = "taken over"
			w.counts.takeovers.Add(1)
		case known != nil && known.claim.Epoch == c.Epoch:
			text = "repeated"
			a = known
		}
		until := sent + time.Duration(c.LeaseSeconds)*time.Second
		w.until = max(w.until, until)
		w.counts.claims.Add(1)
		w.add(journal.Entry{Sent: sent, Kind: journal.Claimed, Until: until, Text: text}, a)
		if a != known {
			w.plan(a)
			w.held[c.AttemptID] = a
		}
	}
	w.cancelAll(answer.Cancels)
}

// renewLoop renews the leases of all attempts that are not abandoned.
func (w *worker) renewLoop(ctx context.Context) {
	for pause(ctx, w.site.config.lease/3) && w.awake(ctx) {
		w.mu.Lock()
		leases := []api.AttemptLease{}
		for _, a := range w.held {
			if !a.abandoned {
				leases = append(leases, api.AttemptLease{AttemptID: a.claim.AttemptID, Epoch: a.claim.Epoch})
			}
		}
		w.mu.Unlock()
		sent := w.site.journal.Now()
		answer, err := w.client.Renew(ctx, leases, false)
		if err != nil {
			w.counts.failed(err)
			continue
		}
		w.renewed(sent, leases, answer)
	}
}

func (w *worker) renewed(sent time.Duration, leases []api.AttemptLease, answer *api.RenewResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return
	}
	epochs := map[uuid.UUID]int64{}
	for _, l := range leases {
		epochs[l.AttemptID] = l.Epoch
	}
	for _, id := range answer.Lost {
		if a := w.held[id]; a != nil && a.claim.Epoch == epochs[id] {
			w.add(journal.Entry{Sent: sent, Kind: journal.Lost}, a)
			delete(w.held, id)
		}
	}
	until := sent + time.Duration(answer.LeaseSeconds)*time.Second
	w.until = max(w.until, until)
	w.site.journal.Add(journal.Entry{Sent: sent, Kind: journal.Renewed, Who: w.session, Until: until})
	w.cancelAll(answer.Cancels)
}

// sorted are the attempts in an order that the seed repeats.
func (w *worker) sorted() []*attempt {
	return slices.SortedFunc(maps.Values(w.held), func(a, b *attempt) int {
		return slices.Compare(a.claim.AttemptID[:], b.claim.AttemptID[:])
	})
}
