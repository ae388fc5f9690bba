package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Decision is what to tell, and what to remember.
type Decision struct {
	Deliveries []store.NewDelivery
	Conditions []store.WebhookCondition
}

// decider decides what each webhook is told.
type decider struct {
	hooks        []store.Webhook
	installation uuid.UUID
	pages        event.Pages

	known   map[conditionKey]store.WebhookCondition
	changed map[conditionKey]bool
	order   []conditionKey
	told    []store.NewDelivery
	err     error
}

type conditionKey struct {
	webhook       uuid.UUID
	kind, subject string
}

func newDecider(
	hooks []store.Webhook, known []store.WebhookCondition, installation uuid.UUID, pages event.Pages,
) *decider {
	d := &decider{
		hooks: hooks, installation: installation, pages: pages,
		known: map[conditionKey]store.WebhookCondition{}, changed: map[conditionKey]bool{},
	}
	for _, c := range known {
		key := conditionKey{c.WebhookID, c.Kind, c.Subject}
		d.known[key] = c
		d.order = append(d.order, key)
	}
	return d
}

// decision is what was decided.
func (d *decider) decision() (Decision, error) {
	out := Decision{Deliveries: d.told}
	for _, key := range d.order {
		if d.changed[key] {
			out.Conditions = append(out.Conditions, d.known[key])
		}
	}
	return out, d.err
}

// tell tells a webhook of an event.
func (d *decider) tell(h store.Webhook, e event.Event, ends bool) string {
	e.Data.Installation = d.installation
	if e.Data.URL == "" {
		e.Data.URL = d.pages.Of(e.Data)
	}
	text, err := json.Marshal(e)
	if err != nil {
		d.err = fmt.Errorf("encode an event: %w", err)
		return ""
	}
	d.told = append(d.told, store.NewDelivery{
		WebhookID: h.ID, Type: string(e.Type), Subject: e.Subject(), Pool: e.Data.Pool,
		Event: string(text), Ends: ends,
	})
	return string(text)
}

// remember changes what is known of a condition.
func (d *decider) remember(key conditionKey, c store.WebhookCondition) {
	if _, known := d.known[key]; !known {
		d.order = append(d.order, key)
	}
	c.WebhookID, c.Kind, c.Subject = key.webhook, key.kind, key.subject
	d.known[key], d.changed[key] = c, true
}

// runEnded decides about the end of a run.
func (d *decider) runEnded(r store.EndedRun) {
	for _, h := range d.hooks {
		if !wantsDeployment(h.Filter, r.Pool, r.Deployment, r.Tags) {
			continue
		}
		if wantsEnd(h, string(r.State.Type), string(r.Category)) {
			d.tell(h, endOf(r), false)
		}
		if countsFailures(h) {
			d.count(h, r)
		}
	}
}

// endOf is the event of the end of a run.
func endOf(r store.EndedRun) event.Event {
	how := map[lifecycle.StateType]string{
		lifecycle.Completed: "completed", lifecycle.Failed: "failed", lifecycle.Crashed: "crashed",
		lifecycle.Cancelled: "was cancelled",
	}[r.State.Type]
	summary := fmt.Sprintf("Run %s of deployment %s %s", r.Run, r.Deployment, how)
	if r.Category != "" {
		summary += " (" + string(r.Category) + ")"
	}
	return event.Event{Type: event.RunEnded, At: r.EndedAt, Data: event.Data{
		Summary: summary, Pool: r.Pool, Deployment: r.Deployment, Tags: r.Tags, Run: runOf(r),
	}}
}

func runOf(r store.EndedRun) *event.Run {
	return &event.Run{
		ID: r.RunID, Name: r.Run, State: string(r.State.Type), StateName: r.State.Name, Message: r.State.Message,
		Cause: string(r.Category), ExitCode: r.ExitCode, Attempt: r.Attempt, CreatedBy: r.CreatedBy,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt,
	}
}

// count counts the failures of a deployment in a row. A run that was cancelled says nothing about it.
func (d *decider) count(h store.Webhook, r store.EndedRun) {
	key := conditionKey{h.ID, string(event.DeploymentFailing), r.Deployment}
	c := d.known[key]
	switch r.State.Type {
	case lifecycle.Completed:
		if c.Count == 0 {
			return
		}
		if c.Firing {
			d.end(h, c, r.EndedAt, fmt.Sprintf("run %s completed", r.Run),
				fmt.Sprintf("Deployment %s works again: run %s completed", r.Deployment, r.Run))
		}
		d.remember(key, store.WebhookCondition{})
	case lifecycle.Failed, lifecycle.Crashed:
		if c.Count == 0 {
			c.Since = r.EndedAt
		}
		c.Count++
		if !c.Firing && c.Count >= h.Failures {
			c.Firing = true
			since := c.Since
			c.Event = d.tell(h, event.Event{Type: event.DeploymentFailing, At: r.EndedAt, Data: event.Data{
				Summary: fmt.Sprintf("Deployment %s fails: %s", r.Deployment, inARow(c.Count)), Pool: r.Pool,
				Deployment: r.Deployment, Tags: r.Tags, Run: runOf(r), Failures: c.Count, Since: &since,
			}}, false)
		}
		d.remember(key, c)
	}
}

func inARow(n int32) string {
	if n == 1 {
		return "its last run failed"
	}
	return fmt.Sprintf("its last %d runs failed", n)
}

// end tells that something is over, with what was told of its begin.
func (d *decider) end(h store.Webhook, c store.WebhookCondition, at time.Time, reason, summary string) {
	var began event.Event
	if err := json.Unmarshal([]byte(c.Event), &began); err != nil {
		d.err = fmt.Errorf("read the event of the begin: %w", err)
		return
	}
	data := began.Data
	data.Summary, data.Reason, data.Until, data.Run, data.Failures, data.URL = summary, reason, &at, nil, 0, ""
	d.tell(h, event.Event{Type: began.Type.End(), At: at, Data: data}, true)
}

// trouble decides about schedules and pools that are not well now, and about what is over.
func (d *decider) trouble(t store.Trouble) {
	seen := map[conditionKey]bool{}
	for _, h := range d.hooks {
		if slices.Contains(h.Events, string(event.ScheduleFailing)) {
			for _, s := range t.Schedules {
				if wantsDeployment(h.Filter, s.Pool, s.Deployment, s.Tags) {
					seen[d.begin(h, scheduleFails(s, t.Now), t.Now)] = true
				}
			}
		}
		if slices.Contains(h.Events, string(event.PoolNoWorker)) {
			for _, p := range t.Pools {
				if anyMatches(h.Filter.Pools, p.Pool) {
					seen[d.begin(h, noWorker(p, t.Now), t.Now)] = true
				}
			}
		}
	}
	for _, h := range d.hooks {
		for _, key := range slices.Clone(d.order) {
			if key.webhook == h.ID && d.known[key].Count > 0 && !seen[key] {
				d.over(h, key, t)
			}
		}
	}
}

// begin tells of something that is not well, unless that was told before.
func (d *decider) begin(h store.Webhook, e event.Event, now time.Time) conditionKey {
	key := conditionKey{h.ID, string(e.Type), e.Subject()}
	if d.known[key].Firing {
		return key
	}
	d.remember(key, store.WebhookCondition{Count: 1, Firing: true, Event: d.tell(h, e, false), Since: now})
	return key
}

// over ends what is known and no longer true.
func (d *decider) over(h store.Webhook, key conditionKey, t store.Trouble) {
	c := d.known[key]
	var reason string
	switch event.Type(key.kind) {
	case event.DeploymentFailing:
		switch {
		case !t.Deployments[key.subject]:
			reason = "the deployment was deleted"
		case !countsFailures(h) || !d.stillWants(h, c):
			reason = "the webhook no longer asks for it"
		default:
			return // only a run that completes ends it
		}
	case event.ScheduleFailing:
		reason = "the schedule creates its runs, is paused or was deleted"
	case event.PoolNoWorker:
		reason = "a worker is alive, or no run waits any longer"
	}
	if c.Firing {
		d.end(h, c, t.Now, reason, overSummary(c, reason))
	}
	d.remember(key, store.WebhookCondition{})
}

// stillWants reports whether a webhook that was told of a deployment would be told of it now.
func (d *decider) stillWants(h store.Webhook, c store.WebhookCondition) bool {
	var began event.Event
	if !c.Firing || json.Unmarshal([]byte(c.Event), &began) != nil {
		return true
	}
	return wantsDeployment(h.Filter, began.Data.Pool, began.Data.Deployment, began.Data.Tags)
}

func overSummary(c store.WebhookCondition, reason string) string {
	var began event.Event
	if err := json.Unmarshal([]byte(c.Event), &began); err != nil {
		return reason // end says so
	}
	switch d := began.Data; began.Type {
	case event.ScheduleFailing:
		return fmt.Sprintf("Schedule %s of deployment %s no longer fails", d.Schedule, d.Deployment)
	case event.PoolNoWorker:
		return fmt.Sprintf("No run of pool %s waits without a worker any longer", d.Pool)
	default:
		return fmt.Sprintf("Deployment %s no longer fails: %s", d.Deployment, reason)
	}
}

func scheduleFails(s store.FailingSchedule, now time.Time) event.Event {
	since := s.Since
	if since == nil {
		since = &now
	}
	return event.Event{Type: event.ScheduleFailing, At: now, Data: event.Data{
		Summary: fmt.Sprintf("Schedule %s of deployment %s could not create its run", s.Name, s.Deployment), Pool: s.Pool,
		Deployment: s.Deployment, Schedule: s.Name, Tags: s.Tags, Reason: s.Reason, Since: since,
	}}
}

func noWorker(p store.PoolWithoutWorker, now time.Time) event.Event {
	reason := "no worker of the pool was ever seen"
	if p.LastSeen != nil {
		reason = fmt.Sprintf("a worker was last seen at %s", p.LastSeen.UTC().Format(time.RFC3339))
	}
	since := p.WaitingAt
	return event.Event{Type: event.PoolNoWorker, At: now, Data: event.Data{
		Summary: fmt.Sprintf("Pool %s has no live worker while runs wait", p.Pool), Pool: p.Pool, Reason: reason, Since: &since,
	}}
}
