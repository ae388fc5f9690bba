package store

import (
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// Pause says who paused a pool, a queue, a deployment, a schedule or a worker, when, and why.
type Pause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"` // empty if none was given
}

// PauseChange pauses or resumes. A pause of what is paused already replaces the reason, if it has one.
type PauseChange struct {
	Paused bool
	Reason string // not with a resumption
}

// over returns the pause after the change; nil for what is not paused.
func (c PauseChange) over(before *Pause, actor string, now time.Time) *Pause {
	switch {
	case !c.Paused:
		return nil
	case before != nil && (c.Reason == "" || c.Reason == before.Reason):
		return before
	}
	return &Pause{By: actor, At: now, Reason: c.Reason}
}

// pauseText is the pause as a column has it; nil for none.
func pauseText(p *Pause) (*string, error) {
	if p == nil {
		return nil, nil
	}
	text, err := database.Structured[*Pause]{V: p}.Text()
	return &text, err
}

// reason is for the audit; nil for none.
func (p *Pause) reason() any {
	if p == nil || p.Reason == "" {
		return nil
	}
	return p.Reason
}
