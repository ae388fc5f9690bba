package worker

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// attempt is one attempt that this worker holds. All fields below the line belong to the table's lock.
type attempt struct {
	id    uuid.UUID
	ref   job.Ref
	epoch int64
	pool  string
	// poke wakes the goroutine that brings the attempt to its Job when anything about the attempt has
	// changed.
	poke chan struct{}

	// ----
	claim   *api.Claim    // nil once the attempt has its Job: of those there are many
	lease   time.Duration // how long one lasts
	expires time.Time     // of the lease, by our own clock
	known   known
	said    said
	// cancelled: the attempt shall end. abandoned: the server counts on it no more, its Job is to be ended
	// and let go.
	cancelled, abandoned bool
	// cancelling is true while somebody sees to it that the runtime cancels.
	cancelling bool
	// gone: it has left the table.
	gone bool
	// settled is what the end is when the runtime only finds the Job gone after we told it to end; nil
	// before.
	settled *job.Observation
	// holdEnd keeps an end back until then, for the last output.
	holdEnd time.Time
	queued  bool // for the reporter
}

// table holds the attempts by id and by what the runtime calls them.
type table struct {
	now func() time.Time

	mu     sync.Mutex
	byID   map[uuid.UUID]*attempt
	byRef  map[job.Ref]*attempt
	queue  []*attempt    // those with something to report, oldest first
	wake   chan struct{} // the reporter
	freed  chan struct{} // the claimer: there may be room
	closed bool          // no new attempts: the worker stops
}

func newTable(now func() time.Time) *table {
	return &table{now: now, byID: map[uuid.UUID]*attempt{}, byRef: map[job.Ref]*attempt{},
		wake: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add takes a claimed attempt in. asked is when the claim was asked for: the lease counts from then. It
// returns nil where the attempt is held already with this epoch, as after an answer that came twice.
func (t *table) add(c api.Claim, asked time.Time) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	lease := time.Duration(c.LeaseSeconds) * time.Second
	if held, ok := t.byID[c.AttemptID]; ok {
		if held.epoch >= c.Epoch {
			return nil
		}
		t.removeLocked(held)
	}
	a := &attempt{
		id:        c.AttemptID,
		ref:       job.Ref{RunID: c.RunID, Attempt: int(c.Attempt)},
		epoch:     c.Epoch,
		pool:      c.Pool,
		claim:     &c,
		lease:     lease,
		expires:   asked.Add(lease),
		cancelled: c.Cancelling,
		poke:      make(chan struct{}, 1),
	}
	t.byID[a.id], t.byRef[a.ref] = a, a
	return a
}

// remove takes the attempt out and frees its slot. It may be called twice.
func (t *table) remove(a *attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeLocked(a)
}

func (t *table) removeLocked(a *attempt) {
	if a.gone {
		return
	}
	a.gone = true
	delete(t.byID, a.id)
	delete(t.byRef, a.ref)
	poke(a.poke)
	poke(t.freed)
	poke(t.wake)
}

// update changes an attempt under the lock, wakes who waits for it, and queues it for the reporter. It
// reports false, without calling change, when the attempt is held no more.
func (t *table) update(a *attempt, change func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.gone {
		return false
	}
	change()
	poke(a.poke)
	t.enqueueLocked(a)
	return true
}

func (t *table) enqueueLocked(a *attempt) {
	if !a.queued {
		a.queued = true
		t.queue = append(t.queue, a)
	}
	poke(t.wake)
}

// view reads an attempt under the lock.
func (t *table) view(read func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	read()
}

func (t *table) find(ref job.Ref) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byRef[ref]
}

func (t *table) get(id uuid.UUID) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

func (t *table) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// leases lists what is held, without what the server has ended already. Without all, those are left out whose
// cancel has arrived: a claim that lists them would be answered with the same cancel at once, for ever.
func (t *table) leases(all bool) []api.AttemptLease {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]api.AttemptLease, 0, len(t.byID))
	for _, a := range t.byID {
		if !a.abandoned && (all || !a.cancelled) {
			list = append(list, api.AttemptLease{AttemptID: a.id, Epoch: a.epoch})
		}
	}
	return list
}

// renewed notes that the server renewed these leases, asked for at the given time. Those of an older epoch
// are not meant.
func (t *table) renewed(leases []api.AttemptLease, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, lease := range leases {
		if a, ok := t.byID[lease.AttemptID]; ok && a.epoch == lease.Epoch && until.After(a.expires) {
			a.expires = until
			poke(a.poke)
		}
	}
}

// overdue is for how long the lease that ran out first has been out; 0 where none has.
func (t *table) overdue() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	now := t.now()
	for _, a := range t.byID {
		longest = max(longest, now.Sub(a.expires))
	}
	return longest
}

// mayCreate says whether a Job may be created for the attempt now: the lease is ours with a margin for the
// create itself, and nobody wants the attempt to end.
func (t *table) mayCreate(a *attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed && !a.gone && !a.cancelled && !a.abandoned && t.heldLocked(a)
}

// heldLocked keeps a fifth of the lease, at most 5 s, as a margin.
func (t *table) heldLocked(a *attempt) bool {
	return t.now().Add(min(5*time.Second, a.lease/5)).Before(a.expires)
}

// known is all we know about an attempt that the server should know.
type known struct {
	manifest json.RawMessage
	limits   limits // that come with it
	// failEvicted is the template's policy to end a run whose pod was taken away.
	failEvicted bool
	// job is where its Job is, as far as it was created; the UID is empty before.
	job job.Launched
	// tried is set before the Job is created: from then on there may be one.
	tried bool
	// seen is the newest observation; nil before the first.
	seen *job.Observation
	// handBack: nothing was created and nothing will be.
	handBack bool
}

// said is what the server has accepted about an attempt.
type said struct {
	manifest  bool
	uid       string
	phase     job.Phase
	diagnosis string
	node      string
	over      bool // handed back, or ended: there is nothing more to say
	// refused is the message with which the server called an end invalid; it is then said in fewer words.
	refused string
}

// due lists what is to be reported of the attempt now.
func (a *attempt) due() []api.Report {
	return due(api.AttemptLease{AttemptID: a.id, Epoch: a.epoch}, a.known, a.said)
}
