package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/server/api"
)

const bulkMost = 60

// runName is the name of the run of a request, by which it is found again.
func runName(request int64) string { return fmt.Sprint("storm-", request) }

// deployment draws what to run.
func (c *caller) deployment() string {
	sum := 0
	for _, d := range deployments() {
		sum += d.part
	}
	draw := c.dice.IntN(sum)
	for _, d := range deployments() {
		if draw -= d.part; draw < 0 {
			return d.name
		}
	}
	return ""
}

// create creates one run or several. With idempotency keys it asks until it is answered, and sometimes once more; without
// them it asks once.
func (c *caller) create(ctx context.Context) {
	deployment, keyed := c.deployment(), c.dice.Float64() < 0.7
	n := 1
	if c.dice.Float64() < 0.4 {
		n = 2 + c.dice.IntN(bulkMost-1)
	}
	if c.spread > 0 {
		n = min(n, 1+c.site.config.runs/int(4*c.spread))
	}
	n = int(min(int64(n), max(1, int64(c.site.config.runs)-c.asked.Load())))
	first := c.asked.Add(int64(n)) - int64(n) + 1
	items := make([]api.RunsCreateItem, n)
	for i := range items {
		items[i] = c.item(first+int64(i), keyed)
	}
	sent := c.site.journal.Now()
	for i := range items {
		c.counts.requests.Add(1)
		c.site.journal.Add(journal.Entry{Sent: sent, Kind: journal.Asked, Who: c.name, Request: first + int64(i)})
	}
	call := c.bulk
	if n == 1 {
		call = c.single
	}
	call(ctx, deployment, first, items, keyed, true)
	if keyed && c.dice.Float64() < 0.05 {
		call(ctx, deployment, first, items, keyed, false)
	}
}

func (c *caller) item(request int64, keyed bool) api.RunsCreateItem {
	item := api.RunsCreateItem{Name: of(runName(request))}
	if keyed {
		item.IdempotencyKey = of(fmt.Sprint("key-", request))
	}
	if c.dice.Float64() < 0.03 {
		item.ScheduledTime = of(time.Now().Add(time.Duration(c.dice.IntN(4000)) * time.Millisecond).UTC())
	}
	return item
}

func (c *caller) single(ctx context.Context, deployment string, request int64, items []api.RunsCreateItem, keyed, first bool) {
	item := items[0]
	body := api.RunCreate{Name: item.Name, ScheduledTime: item.ScheduledTime}
	params := &api.CreateRunParams{IdempotencyKey: item.IdempotencyKey}
	sent := c.site.journal.Now()
	var run *api.Run
	status := c.try(ctx, keyed, func(ctx context.Context) (int, []byte, error) {
		r, err := c.api.CreateRunWithResponse(ctx, deployment, params, body)
		if err == nil {
			run = r.JSON201
			if run == nil {
				run = r.JSON200
			}
		}
		return answer(r, err)
	})
	var runs []api.Run
	if run != nil {
		runs = []api.Run{*run}
	}
	c.created(sent, status, request, runs, first)
}

func (c *caller) bulk(ctx context.Context, deployment string, request int64, items []api.RunsCreateItem, keyed, first bool) {
	sent := c.site.journal.Now()
	var made *api.RunsCreated
	status := c.try(ctx, keyed, func(ctx context.Context) (int, []byte, error) {
		r, err := c.api.CreateRunsWithResponse(ctx, deployment, api.RunsCreate{Runs: items})
		if err == nil {
			made = r.JSON200
		}
		return answer(r, err)
	})
	var runs []api.Run
	if made != nil {
		runs = made.Items
	}
	c.created(sent, status, request, runs, first)
}

// created notes the runs that an answer names, in the order of their requests.
func (c *caller) created(sent time.Duration, status int, request int64, runs []api.Run, first bool) {
	if status != 0 && status != http.StatusOK && status != http.StatusCreated {
		c.counts.unexpected(fmt.Sprintf("create runs: status %d", status))
		return
	}
	if status == 0 {
		return
	}
	for i, run := range runs {
		c.site.journal.Add(journal.Entry{
			Sent: sent, Kind: journal.Created, Who: c.name, Request: request + int64(i), Run: run.ID, Status: journal.Accepted,
		})
		if first {
			c.counts.created.Add(1)
			c.remember(run.ID)
		}
	}
}
