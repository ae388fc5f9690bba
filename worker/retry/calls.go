package retry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/berth-dev/berth/worker/client"
)

// ErrStopped is returned instead of a failure whose context has ended.
var ErrStopped = errors.New("stopped while retrying")

// Contact is told whether calls reach the server.
type Contact interface {
	Reached()
	Away(err error)
}

// Calls repeats one kind of call to the server.
type Calls struct {
	Backoff
	// Name of the kind, for logs.
	Name    string
	Contact Contact
	Log     *slog.Logger
}

// maxRetryAfter bounds the wait that a server can ask for: the worker is not told when a server is back earlier.
const maxRetryAfter = time.Minute

// Failed decides what follows a failed call. It waits, at least as long as the server asked for, and returns
// nil if the call is to be repeated. It returns ErrStopped when ctx ends, and an error that ends the worker
// if the server refuses its API key.
func (c *Calls) Failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrStopped
	}
	failed := client.AsError(err)
	if failed.Denied() {
		return fmt.Errorf(
			"the server refuses this worker's API key: %w; "+
				"use a key with role worker for its pool (--api-key-file or BERTH_API_KEY)",
			err,
		)
	}

	c.Contact.Away(err)
	c.Log.Warn("call to the server failed, retrying", "loop", c.Name, "error", err)
	if !c.Wait(ctx, min(failed.RetryAfter, maxRetryAfter)) {
		return ErrStopped
	}
	return nil
}
