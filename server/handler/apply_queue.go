package handler

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// queues creates and changes the queues that a pool describes. Like the pool's, what is not given of one
// stays as it is.
func (a *applying) queues(ctx context.Context, i int, spec api.PoolSpec) error {
	wanted := value(spec.Queues, nil)
	if len(wanted) == 0 {
		return nil
	}
	a.refuseTwice(a.at+"/queues", len(wanted), func(i int) string { return wanted[i].Name })
	given, err := a.rawQueues(i)
	if err != nil {
		return fmt.Errorf("read the queues of work pool %q: %w", spec.Name, err)
	}
	current, err := a.tx.ListQueues(ctx, spec.Name)
	if err != nil {
		return err
	}
	for j, q := range wanted {
		at := slices.IndexFunc(current, func(c store.Queue) bool { return c.Name == q.Name })
		if at < 0 {
			if slices.ContainsFunc(
				wanted[:j],
				func(earlier api.QueueSpec) bool { return earlier.Name == q.Name },
			) {
				continue // said already
			}
			_, err := a.tx.CreateQueue(ctx, store.Queue{
				Pool: spec.Name, Name: q.Name, Priority: value(q.Priority, 1), ConcurrencyLimit: q.ConcurrencyLimit,
			}, actor(ctx))
			if err != nil {
				return err
			}
			if err := a.change(ctx, applied{kind: api.ChangeKindQueue, name: queueName(spec.Name, q.Name), action: api.Create}); err != nil {
				return err
			}
			continue
		}
		_, limited := given[j]["concurrency_limit"]
		if err := a.queue(ctx, current[at], q, limited); err != nil {
			return err
		}
	}
	return nil
}

// queue changes a queue that exists; limited is true where a limit, or null for none, is given.
func (a *applying) queue(ctx context.Context, current store.Queue, wanted api.QueueSpec, limited bool) error {
	done := applied{
		kind:   api.ChangeKindQueue,
		name:   queueName(current.Pool, current.Name),
		before: map[string]any{},
		after:  map[string]any{},
	}
	var change store.QueueChange
	if wanted.Priority != nil && *wanted.Priority != current.Priority {
		change.Priority = wanted.Priority
		done.fields = append(done.fields, "priority")
		done.before["priority"], done.after["priority"] = int64(current.Priority), int64(*wanted.Priority)
	}
	if limited && !equalLimit(wanted.ConcurrencyLimit, current.ConcurrencyLimit) {
		change.ConcurrencyLimit, change.NoConcurrencyLimit = wanted.ConcurrencyLimit, wanted.ConcurrencyLimit == nil
		done.fields = append(done.fields, "concurrency_limit")
		done.before["concurrency_limit"], done.after["concurrency_limit"] = limitValue(
			current.ConcurrencyLimit,
		), limitValue(
			wanted.ConcurrencyLimit,
		)
	}
	if len(done.fields) > 0 {
		if _, err := a.tx.UpdateQueue(ctx, current.Pool, current.Name, change, actor(ctx)); err != nil {
			return err
		}
	}
	return a.change(ctx, done)
}
