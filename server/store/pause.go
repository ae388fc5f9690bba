package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// Pause says who paused a pool, a queue or a deployment, when, and why.
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
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write a pause: %w", err)
	}
	written := string(text)
	return &written, nil
}

// readPause reads the column. Without it, nothing is known of the pause.
func readPause(text *string) *Pause {
	if text == nil {
		return nil
	}
	var p Pause
	if json.Unmarshal([]byte(*text), &p) != nil { // only this package writes the column
		return nil
	}
	return &p
}

// reason is for the audit; nil for none.
func (p *Pause) reason() any {
	if p == nil || p.Reason == "" {
		return nil
	}
	return p.Reason
}
