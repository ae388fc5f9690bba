package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// SessionKind is the kind of client that holds the token of a session.
type SessionKind string

// The kinds.
const (
	SessionBrowser SessionKind = "browser"
	SessionCLI     SessionKind = "cli"
)

// Session of a person who signed in.
type Session struct {
	ID         string // the public part of the token; IDs are in the order of creation
	SecretHash string // hex SHA-256
	Kind       SessionKind
	Person     Person
	Client     string // program and machine, as the client calls itself
	Address    string // of the client at sign-in
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
	// CheckedAt is when the provider last confirmed the person and the groups.
	CheckedAt time.Time
	// CheckFrom is when the next server may ask the provider again.
	CheckFrom time.Time
	// RefreshToken of the provider, encrypted; empty if it gave none.
	RefreshToken string
	// IDToken of the provider, encrypted; empty for clients that are no browsers.
	IDToken   string
	RevokedAt *time.Time
	RevokedBy string
}

// Person as the provider described them.
type Person struct {
	Issuer, Subject string // together they identify the person
	Actor           string // the name in the audit log
	Email           string
	EmailVerified   bool
	Name            string
	Groups          []string
	ProviderSession string // ID of the session at the provider, if it names one
}

type sessionRow struct {
	ID              string           `db:"id"`
	SecretHash      string           `db:"secret_hash"`
	Kind            SessionKind      `db:"kind"`
	Issuer          string           `db:"issuer"`
	Subject         string           `db:"subject"`
	Actor           string           `db:"actor"`
	Email           string           `db:"email"`
	EmailVerified   bool             `db:"email_verified"`
	Name            string           `db:"name"`
	Groups          database.Strings `db:"user_groups"`
	Client          string           `db:"client"`
	Address         string           `db:"address"`
	CreatedAt       database.Time    `db:"created_at"`
	LastUsedAt      database.Time    `db:"last_used_at"`
	ExpiresAt       database.Time    `db:"expires_at"`
	CheckedAt       database.Time    `db:"checked_at"`
	CheckFrom       database.Time    `db:"check_from"`
	RefreshToken    string           `db:"refresh_token"`
	IDToken         string           `db:"id_token"`
	ProviderSession string           `db:"provider_session"`
	RevokedAt       *database.Time   `db:"revoked_at"`
	RevokedBy       string           `db:"revoked_by"`
}

func (r sessionRow) session() Session {
	return Session{
		ID: r.ID, SecretHash: r.SecretHash, Kind: r.Kind,
		Person: Person{
			Issuer: r.Issuer, Subject: r.Subject, Actor: r.Actor, Email: r.Email, EmailVerified: r.EmailVerified,
			Name: r.Name, Groups: r.Groups.V, ProviderSession: r.ProviderSession,
		},
		Client: r.Client, Address: r.Address,
		CreatedAt: r.CreatedAt.Time(), LastUsedAt: r.LastUsedAt.Time(), ExpiresAt: r.ExpiresAt.Time(),
		CheckedAt: r.CheckedAt.Time(), CheckFrom: r.CheckFrom.Time(), RefreshToken: r.RefreshToken, IDToken: r.IDToken,
		RevokedAt: r.RevokedAt.Ptr(), RevokedBy: r.RevokedBy,
	}
}

const sessionSQL = `
SELECT id, secret_hash, kind, issuer, subject, actor, email, email_verified, name, user_groups, client, address,
	created_at, last_used_at, expires_at, checked_at, check_from, refresh_token, id_token, provider_session, revoked_at,
	revoked_by
FROM sessions`

// GetSession returns a session, also one that is revoked or expired.
func (q Reader) GetSession(ctx context.Context, id string) (*Session, error) {
	var row sessionRow
	if err := q.db.Get(ctx, &row, sessionSQL+" WHERE id = ?", id); err != nil {
		return nil, database.NotFoundError(err, "session %q", id)
	}
	s := row.session()
	return &s, nil
}

// SessionFilter narrows a list of sessions; empty fields do not.
type SessionFilter struct {
	Issuer, Subject string
	ProviderSession string    // at Issuer
	User            string    // an email address, a subject, or a name in the audit log
	ActiveAt        time.Time // not revoked, and neither expired nor idle at this time; zero: all
	Idle            time.Duration
}

func (f SessionFilter) conditions() conditions {
	var c conditions
	if f.Subject != "" {
		c.add("(issuer = ? AND subject = ?)", f.Issuer, f.Subject)
	}
	if f.ProviderSession != "" {
		c.add("(issuer = ? AND provider_session = ?)", f.Issuer, f.ProviderSession)
	}
	if f.User != "" {
		c.add("(email = ? OR subject = ? OR actor = ?)", f.User, f.User, f.User)
	}
	if !f.ActiveAt.IsZero() {
		at := truncated(f.ActiveAt)
		c.add("revoked_at IS NULL")
		c.add("expires_at > ?", at)
		c.add("last_used_at > ?", at.Add(-f.Idle))
	}
	return c
}

// ListSessions lists sessions, the newest first. Served by sessions_person for one person, else by the primary
// key.
func (q Reader) ListSessions(ctx context.Context, f SessionFilter, page Page) ([]Session, string, error) {
	after, err := page.After("sessions")
	if err != nil {
		return nil, "", err
	}
	c := f.conditions()
	if after != "" {
		c.add("id < ?", after)
	}
	var rows []sessionRow
	query := sessionSQL + c.sql() + " ORDER BY id DESC LIMIT ?"
	if err := q.db.All(ctx, &rows, query, append(c.args, page.Size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list sessions: %w", err)
	}
	rows, next := database.CutPage(rows, page, "sessions", func(r sessionRow) string { return r.ID })
	sessions := make([]Session, len(rows))
	for i, r := range rows {
		sessions[i] = r.session()
	}
	return sessions, next, nil
}
