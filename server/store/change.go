package store

import (
	"strings"

	"github.com/berth-dev/berth/server/store/database"
)

// Change is a hint that something has changed: look, never conclude.
type Change struct {
	// Kind is what has changed: "run" with its ID as the name, "runs" for any of them, "pool" for what a pool has to do,
	// or what the audit calls it; Everything after a time in which hints may have been missed.
	Kind string
	Name string
	// Pool is where a limited reader must have a role to be told; empty if that is unknown or it is in no pool.
	Pool string
}

// Everything is the kind of a Change that may be any.
const Everything = database.Everything

// auditedPrefix begins the topics of changes that the audit has.
const auditedPrefix = "audited:"

// auditedTopic is where hints of changes of the configuration arrive.
func auditedTopic(e AuditEntry) string {
	return auditedPrefix + strings.Join([]string{string(e.Kind), e.Pool, e.Name}, "\x1f")
}

// Changes receives hints of all changes.
type Changes struct{ watch *database.Watch }

// WatchChanges returns the changes from now on. Close them.
func (s *Store) WatchChanges() Changes { return Changes{s.db.Watch()} }

// C receives when there is something to take.
func (c Changes) C() <-chan struct{} { return c.watch.C() }

// Close ends the watch.
func (c Changes) Close() { c.watch.Close() }

// Take returns the changes since the last Take.
func (c Changes) Take() []Change {
	var all []Change
	for _, topic := range c.watch.Take() {
		if change, ok := changeOf(topic); ok {
			all = append(all, change)
		}
	}
	return all
}

// changeOf reads a topic; ok is false for topics that only servers need.
func changeOf(topic string) (change Change, ok bool) {
	if topic == Everything || topic == RunsTopic() {
		return Change{Kind: topic}, true
	}
	if audited, found := strings.CutPrefix(topic, auditedPrefix); found {
		parts := strings.SplitN(audited, "\x1f", 3)
		if len(parts) != 3 {
			return change, false
		}
		return Change{Kind: parts[0], Pool: parts[1], Name: parts[2]}, true
	}
	if id, found := strings.CutPrefix(topic, "run:"); found {
		return Change{Kind: "run", Name: id}, true
	}
	if pool, found := strings.CutPrefix(topic, "pool:"); found {
		return Change{Kind: "pool", Name: pool, Pool: pool}, true
	}
	return change, false
}
