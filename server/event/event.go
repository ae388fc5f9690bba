// Package event is what Berth tells others: what happened, and the bodies in which receivers take it. An event is stored
// as JSON with its delivery, so that each attempt sends the same.
package event

import (
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// Type says what happened.
type Type string

// The types. What begins has an end, which is told to whoever was told the begin.
const (
	RunEnded            Type = "run.ended"
	DeploymentFailing   Type = "deployment.failing"
	DeploymentRecovered Type = "deployment.recovered"
	ScheduleFailing     Type = "schedule.failing"
	ScheduleRecovered   Type = "schedule.recovered"
	PoolNoWorker        Type = "pool.no_worker"
	PoolRecovered       Type = "pool.recovered"
	Test                Type = "test" // on request only
)

// Chosen are the types that a webhook can ask for.
func Chosen() []Type { return []Type{RunEnded, DeploymentFailing, ScheduleFailing, PoolNoWorker} }

// End is the type that ends a condition.
func (t Type) End() Type {
	switch t {
	case DeploymentFailing:
		return DeploymentRecovered
	case ScheduleFailing:
		return ScheduleRecovered
	case PoolNoWorker:
		return PoolRecovered
	}
	return t
}

// Event is something that happened.
type Event struct {
	Type Type      `json:"type"`
	At   time.Time `json:"timestamp"`
	Data Data      `json:"data"`
}

// Data is what an event is about.
type Data struct {
	// Installation has the same ID on all servers.
	Installation uuid.UUID `json:"installation"`
	Summary      string    `json:"summary"` // one line
	Pool         string    `json:"pool,omitempty"`
	Deployment   string    `json:"deployment,omitempty"`
	Schedule     string    `json:"schedule,omitempty"`
	Tags         []string  `json:"tags,omitempty"`
	Run          *Run      `json:"run,omitempty"`
	// Reason is why something is not well, or why it is over.
	Reason string `json:"reason,omitempty"`
	// Failures is how many runs in a row have failed.
	Failures int32 `json:"failures,omitempty"`
	// Since is when what is told of began; Until, when it was over.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	URL   string     `json:"url,omitempty"` // of the page
}

// Run is a run that has ended.
type Run struct {
	ID        uuid.UUID  `json:"id"`
	Name      string     `json:"name"`
	State     string     `json:"state"`
	StateName string     `json:"state_name"`
	Message   string     `json:"message,omitempty"`
	Cause     string     `json:"cause,omitempty"`
	ExitCode  *int32     `json:"exit_code,omitempty"`
	Attempt   int32      `json:"attempt"`
	CreatedBy string     `json:"created_by"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   time.Time  `json:"ended_at"`
}

// Severity is how bad it is.
type Severity string

// Severities.
const (
	Bad  Severity = "bad"
	Good Severity = "good" // also: something bad is over
	Info Severity = "info"
)

// Severity of an event.
func (e Event) Severity() Severity {
	switch e.Type {
	case DeploymentFailing, ScheduleFailing, PoolNoWorker:
		return Bad
	case DeploymentRecovered, ScheduleRecovered, PoolRecovered:
		return Good
	case RunEnded:
		switch e.Data.Run.State {
		case "FAILED", "CRASHED":
			return Bad
		case "COMPLETED":
			return Good
		}
	}
	return Info
}

// Subject names what an event is about: the begin and the end of something have the same.
func (e Event) Subject() string {
	d := e.Data
	switch e.Type {
	case RunEnded:
		return "run/" + d.Run.ID.String()
	case DeploymentFailing, DeploymentRecovered:
		return "deployment/" + d.Deployment
	case ScheduleFailing, ScheduleRecovered:
		return "schedule/" + d.Deployment + "/" + d.Schedule
	case PoolNoWorker, PoolRecovered:
		return "pool/" + d.Pool
	}
	return "test"
}

// Pages makes the addresses of pages; the zero value makes none.
type Pages struct{ PublicURL string }

// Of is the page about what an event is about.
func (p Pages) Of(d Data) string {
	if p.PublicURL == "" {
		return ""
	}
	switch {
	case d.Run != nil:
		return p.PublicURL + "/runs/" + d.Run.ID.String()
	case d.Deployment != "":
		return p.PublicURL + "/deployments/" + url.PathEscape(d.Deployment)
	case d.Pool != "":
		return p.PublicURL + "/pools/" + url.PathEscape(d.Pool)
	}
	return p.PublicURL
}

// fact is a line about an event.
type fact struct{ name, value string }

// facts are what people want to read first.
func (e Event) facts() []fact {
	d := e.Data
	var list []fact
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{name, value})
		}
	}
	add("Pool", d.Pool)
	add("Deployment", d.Deployment)
	add("Schedule", d.Schedule)
	if r := d.Run; r != nil {
		add("Run", r.Name)
		add("State", r.State)
		add("Cause", r.Cause)
		if r.ExitCode != nil {
			add("Exit code", fmt.Sprint(*r.ExitCode))
		}
		add("Attempts", fmt.Sprint(r.Attempt))
		if r.StartedAt != nil {
			add("Took", r.EndedAt.Sub(*r.StartedAt).Round(time.Second).String())
		}
		add("Created by", r.CreatedBy)
	}
	if d.Failures > 0 {
		add("Failures in a row", fmt.Sprint(d.Failures))
	}
	if d.Since != nil {
		add("Since", d.Since.UTC().Format(time.RFC3339))
	}
	return list
}

// reason is the longer text about an event.
func (e Event) reason() string {
	if e.Data.Run != nil && e.Data.Run.Message != "" {
		return e.Data.Run.Message
	}
	return e.Data.Reason
}
