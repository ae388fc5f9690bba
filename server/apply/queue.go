package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// applyQueues creates and updates the queues that the i-th pool of the file declares. As with the pool, what
// is not declared of a queue stays as it is.
func (p *planner) applyQueues(ctx context.Context, i int, spec api.PoolSpec) error {
	queues := wire.Or(spec.Queues, nil)
	if len(queues) == 0 {
		return nil
	}
	p.refuseDuplicates(p.place+"/queues", len(queues), func(j int) string { return queues[j].Name })

	current, err := p.tx.ListQueues(ctx, spec.Name)
	if err != nil {
		return err
	}
	pool := p.place
	defer func() { p.place = pool }()
	for j, queue := range queues {
		err = nil
		p.place = fmt.Sprintf("%s/queues/%d", pool, j)
		sameName := func(other api.QueueSpec) bool { return other.Name == queue.Name }
		at := slices.IndexFunc(current, func(c store.Queue) bool { return c.Name == queue.Name })
		switch {
		case at >= 0:
			limitDeclared := p.declares("pools", i, "queues", j, "concurrency_limit")
			err = p.updateQueue(ctx, current[at], queue, limitDeclared)
		case slices.ContainsFunc(queues[:j], sameName): // has a finding already
		default:
			err = p.createQueue(ctx, spec.Name, queue)
		}
		if err := p.collect(err); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) createQueue(ctx context.Context, pool string, spec api.QueueSpec) error {
	_, err := p.tx.CreateQueue(ctx, store.Queue{
		Pool:             pool,
		Name:             spec.Name,
		Priority:         wire.Or(spec.Priority, 1),
		ConcurrencyLimit: spec.ConcurrencyLimit,
	}, p.By.Name)
	if err != nil {
		return err
	}
	return p.record(ctx, change{
		kind: api.ChangeKindQueue, name: queueName(pool, spec.Name), pool: pool, action: api.Create,
	})
}

// updateQueue changes an existing queue. limitDeclared is true where the file has a limit, or null for none.
func (p *planner) updateQueue(
	ctx context.Context, current store.Queue, spec api.QueueSpec, limitDeclared bool,
) error {
	c := newChange(api.ChangeKindQueue, queueName(current.Pool, current.Name), current.Pool)
	var fields store.QueueUpdate
	if spec.Priority != nil && *spec.Priority != current.Priority {
		fields.Priority = spec.Priority
		c.set("priority", int64(current.Priority), int64(*spec.Priority))
	}
	if limitDeclared && !equalLimit(spec.ConcurrencyLimit, current.ConcurrencyLimit) {
		fields.ConcurrencyLimit, fields.NoConcurrencyLimit = spec.ConcurrencyLimit, spec.ConcurrencyLimit == nil
		c.set("concurrency_limit", limitValue(current.ConcurrencyLimit), limitValue(spec.ConcurrencyLimit))
	}
	if len(c.fields) > 0 {
		if _, err := p.tx.UpdateQueue(ctx, current.Pool, current.Name, fields, p.By.Name); err != nil {
			return err
		}
	}
	return p.record(ctx, c)
}

func queueName(pool, queue string) string { return pool + "/" + queue }
