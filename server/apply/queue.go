package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

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
			declares := func(field string) bool { return p.declares("pools", i, "queues", j, field) }
			err = p.updateQueue(ctx, current[at], queue, declares)
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
	objective, err := wire.ReadObjective(spec.Objective)
	if err != nil {
		return err
	}
	_, err = p.tx.CreateQueue(ctx, store.Queue{
		Pool:             pool,
		Name:             spec.Name,
		Priority:         wire.Or(spec.Priority, 1),
		ConcurrencyLimit: spec.ConcurrencyLimit,
		Objective:        wire.Or(objective, 0),
	}, p.By.Name)
	if err != nil {
		return err
	}
	return p.record(ctx, change{
		kind: api.ChangeKindQueue, name: queueName(pool, spec.Name), pool: pool, action: api.Create,
	})
}

// updateQueue changes an existing queue. declares is true for fields that the file has, be it as null for none.
func (p *planner) updateQueue(
	ctx context.Context, current store.Queue, spec api.QueueSpec, declares func(field string) bool,
) error {
	c := newChange(api.ChangeKindQueue, queueName(current.Pool, current.Name), current.Pool)
	var fields store.QueueUpdate
	if spec.Priority != nil && *spec.Priority != current.Priority {
		fields.Priority = spec.Priority
		c.set("priority", int64(current.Priority), int64(*spec.Priority))
	}
	if declares("concurrency_limit") && !equalLimit(spec.ConcurrencyLimit, current.ConcurrencyLimit) {
		fields.ConcurrencyLimit, fields.NoConcurrencyLimit = spec.ConcurrencyLimit, spec.ConcurrencyLimit == nil
		c.set("concurrency_limit", limitValue(current.ConcurrencyLimit), limitValue(spec.ConcurrencyLimit))
	}
	read, err := wire.ReadObjective(spec.Objective)
	if err != nil {
		return err
	}
	if objective := wire.Or(read, 0); declares("objective") && objective != current.Objective {
		fields.Objective = &objective
		c.set("objective", objectiveValue(current.Objective), objectiveValue(objective))
	}
	if len(c.fields) > 0 {
		if _, err := p.tx.UpdateQueue(ctx, current.Pool, current.Name, fields, p.By.Name); err != nil {
			return err
		}
	}
	return p.record(ctx, c)
}

func objectiveValue(d time.Duration) any {
	if text := wire.Objective(d); text != nil {
		return *text
	}
	return nil
}

func queueName(pool, queue string) string { return pool + "/" + queue }
