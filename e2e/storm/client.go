package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/server/api/apiclient"
)

const (
	callPatience = 20 * time.Second
	remembered   = 400 // runs that may be cancelled or retried
)

// callers create and change runs until enough were asked for.
type callers struct {
	site    *site
	counts  *counts
	api     *apiclient.ClientWithResponses
	open    func() int   // runs that have not ended
	faults  atomic.Int64 // that have happened
	spread  int64        // over how many faults the creation of runs is spread; 0: over none
	asked   atomic.Int64 // runs
	pausing sync.Mutex   // held by the client that pauses something
	mu      sync.Mutex
	recents []uuid.UUID
}

func newCallers(s *site, n *network, c *counts, open func() int) *callers {
	client, err := apiclient.NewClientWithResponses(address, apiclient.WithHTTPClient(n.client()))
	if err != nil {
		panic(err) // the address is ours
	}
	return &callers{site: s, counts: c, api: client, open: open}
}

// caller is one client.
type caller struct {
	*callers
	name string
	dice *rand.Rand
}

// run creates runs, and now and then changes some, until enough were asked for.
func (c *callers) run(ctx context.Context, n int) {
	me := &caller{callers: c, name: fmt.Sprint("client-", n), dice: c.site.config.dice("client", n)}
	for ctx.Err() == nil && c.asked.Load() < int64(c.site.config.runs) {
		if c.open() >= c.site.config.backlog || c.ahead() {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		switch draw := me.dice.Float64(); {
		case draw < 0.08:
			me.cancel(ctx)
		case draw < 0.14:
			me.retry(ctx)
		case draw < 0.145:
			me.pauseForAWhile(ctx)
		default:
			me.create(ctx)
		}
	}
}

// ahead says that too many runs were asked for in relation to the faults that have happened: a short storm would be over
// before most of them.
func (c *callers) ahead() bool {
	return c.spread > 0 && c.asked.Load() > int64(c.site.config.runs)*(c.faults.Load()+1)/c.spread
}

// try calls until there is an answer, or only once. It returns the status, 0 for no answer.
func (c *caller) try(ctx context.Context, again bool, call func(context.Context) (int, []byte, error)) int {
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, callPatience)
		status, body, err := call(limited)
		cancel()
		switch {
		case err == nil && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			return status
		case ctx.Err() == nil:
			c.counts.unmade.Add(1)
			if status >= 500 && status != http.StatusServiceUnavailable && status != http.StatusInsufficientStorage {
				c.counts.unexpected(fmt.Sprintf("status %d: %.300s", status, body))
			}
		}
		if !again {
			return 0
		}
		pause(ctx, 50*time.Millisecond)
	}
	return 0
}

// answered is an answer with any body.
type answered interface {
	StatusCode() int
	GetBody() []byte
}

// answer is what try needs of an answer.
func answer[T answered](r T, err error) (int, []byte, error) {
	if err != nil {
		return 0, nil, err
	}
	return r.StatusCode(), r.GetBody(), nil
}

func (c *caller) remember(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recents) < remembered {
		c.recents = append(c.recents, id)
		return
	}
	c.recents[rand.IntN(remembered)] = id
}

// recent returns a run that some client was told of.
func (c *caller) recent() (uuid.UUID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recents) == 0 {
		return uuid.Nil, false
	}
	return c.recents[c.dice.IntN(len(c.recents))], true
}

func (c *caller) cancel(ctx context.Context) {
	if id, ok := c.recent(); ok {
		c.change(ctx, journal.Cancelled, id, func(ctx context.Context) (int, []byte, error) {
			r, err := c.api.CancelRunWithResponse(ctx, id)
			return answer(r, err)
		})
	}
}

func (c *caller) retry(ctx context.Context) {
	if id, ok := c.recent(); ok {
		c.change(ctx, journal.Retried, id, func(ctx context.Context) (int, []byte, error) {
			r, err := c.api.RetryRunWithResponse(ctx, id)
			return answer(r, err)
		})
	}
}

// change changes a run, which is refused in many states.
func (c *caller) change(
	ctx context.Context, kind journal.Kind, id uuid.UUID, call func(context.Context) (int, []byte, error),
) {
	sent := c.site.journal.Now()
	status := c.try(ctx, false, call)
	c.site.journal.Add(journal.Entry{Sent: sent, Kind: kind, Who: c.name, Run: id, Status: statusText(status)})
	if status != 0 && status != http.StatusOK && status != http.StatusConflict {
		c.counts.unexpected(fmt.Sprintf("%s: status %d", kind, status))
	}
}

func statusText(status int) string {
	switch status {
	case 0:
		return journal.NoAnswer
	case http.StatusOK, http.StatusCreated:
		return journal.Accepted
	}
	return fmt.Sprint(status)
}
