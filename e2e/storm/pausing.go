package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// pausable is a pool, queue or deployment.
type pausable struct {
	scope string
	set   func(api *apiclient.ClientWithResponses, paused bool) call
}

// call is one request of a client.
type call = func(context.Context) (status int, body []byte, err error)

func pausables() []pausable {
	pool := func(name string) pausable {
		return pausable{"pool " + name, func(c *apiclient.ClientWithResponses, paused bool) call {
			return func(ctx context.Context) (int, []byte, error) {
				r, err := c.UpdateWorkPoolWithResponse(ctx, name, nil, api.WorkPoolUpdate{Paused: &paused})
				return answer(r, err)
			}
		}}
	}
	deployment := func(name string) pausable {
		return pausable{"deployment " + name, func(c *apiclient.ClientWithResponses, paused bool) call {
			return func(ctx context.Context) (int, []byte, error) {
				r, err := c.UpdateDeploymentWithResponse(ctx, name, nil, api.DeploymentUpdate{Paused: &paused})
				return answer(r, err)
			}
		}}
	}
	narrow := pausable{"queue " + limitedPool + "/narrow", func(c *apiclient.ClientWithResponses, paused bool) call {
		return func(ctx context.Context) (int, []byte, error) {
			r, err := c.UpdateWorkQueueWithResponse(ctx, limitedPool, "narrow", api.WorkQueueUpdate{Paused: &paused})
			return answer(r, err)
		}
	}}
	return []pausable{narrow, pool(limitedPool), pool(openPool), deployment("free"), deployment("open-b")}
}

// pauseForAWhile pauses something, unless another client has paused something.
func (c *caller) pauseForAWhile(ctx context.Context) {
	if !c.pausing.TryLock() {
		return
	}
	defer c.pausing.Unlock()
	target := pausables()[c.dice.IntN(len(pausables()))]
	sent := c.site.journal.Now()
	if c.try(ctx, true, target.set(c.api, true)) == http.StatusOK {
		c.site.journal.Add(journal.Entry{Sent: sent, Kind: journal.Paused, Who: c.name, Scope: target.scope})
		pause(ctx, time.Duration(200+c.dice.IntN(2000))*time.Millisecond)
	}
	for ctx.Err() == nil {
		sent = c.site.journal.Now()
		resumed := journal.Entry{Sent: sent, Kind: journal.Resumed, Who: c.name, Scope: target.scope}
		status := c.try(ctx, false, target.set(c.api, false))
		resumed.Status = statusText(status)
		c.site.journal.Add(resumed)
		if status == http.StatusOK {
			return
		}
	}
}

// calm ends all pauses and stops the schedules.
func (c *callers) calm(ctx context.Context) error {
	me := &caller{callers: c, name: "end", dice: c.site.config.dice("end", 0)}
	for _, target := range pausables() {
		if status := me.try(ctx, true, target.set(c.api, false)); status != http.StatusOK {
			return fmt.Errorf("end the pause of %s: status %d", target.scope, status)
		}
	}
	for i := range schedules {
		status := me.try(ctx, true, func(ctx context.Context) (int, []byte, error) {
			r, err := c.api.UpdateScheduleWithResponse(ctx, fmt.Sprint("clock-", i), "default", nil,
				api.ScheduleUpdate{Active: false})
			return answer(r, err)
		})
		if status != http.StatusOK {
			return fmt.Errorf("stop schedule %d: status %d", i, status)
		}
	}
	return nil
}

// deploy sets the installation up.
func (c *callers) deploy(ctx context.Context) error {
	me := &caller{callers: c, name: "begin", dice: c.site.config.dice("begin", 0)}
	var body string
	status := me.try(ctx, true, func(ctx context.Context) (int, []byte, error) {
		r, err := c.api.ApplyWithResponse(ctx, nil, installation(c.site.notes()))
		if err == nil {
			body = string(r.Body)
		}
		return answer(r, err)
	})
	if status != http.StatusOK {
		return fmt.Errorf("deploy: status %d: %s", status, body)
	}
	return nil
}
