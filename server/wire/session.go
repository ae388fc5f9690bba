package wire

import (
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// SessionView is what the state of a session depends on.
type SessionView struct {
	Now     time.Time
	Idle    time.Duration // after which a session expires without a request
	Current string        // ID of the request's session
}

// Session converts a session without its secrets.
func Session(s store.Session, view SessionView) api.Session {
	state := api.SessionActive
	switch {
	case s.RevokedAt != nil:
		state = api.SessionRevoked
	case !view.Now.Before(s.ExpiresAt), view.Now.Sub(s.LastUsedAt) >= view.Idle:
		state = api.SessionExpired
	}
	groups := s.Person.Groups
	if groups == nil {
		groups = []string{}
	}
	return api.Session{
		ID: s.ID, Kind: api.SessionKind(s.Kind), State: state, User: s.Person.Actor, Subject: s.Person.Subject,
		Name: OrNil(s.Person.Name), Groups: groups, Client: OrNil(s.Client), Address: OrNil(s.Address),
		CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, ExpiresAt: s.ExpiresAt, GroupsCheckedAt: s.CheckedAt,
		Current: s.ID == view.Current, RevokedAt: s.RevokedAt, RevokedBy: OrNil(s.RevokedBy),
	}
}
