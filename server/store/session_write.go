package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

const insertSessionSQL = `
INSERT INTO sessions (id, secret_hash, kind, issuer, subject, actor, email, email_verified, name, user_groups, client,
	address, created_at, last_used_at, expires_at, checked_at, check_from, refresh_token, id_token, provider_session,
	revoked_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`

// CreateSession stores the session of a person who has just signed in. replaced is the session that this
// client had before, which ends; empty if it had none.
func (tx *Tx) CreateSession(ctx context.Context, s Session, replaced string) error {
	if replaced != "" {
		filter := conditions{where: []string{"id = ?"}, args: []any{replaced}}
		if _, err := tx.endSessions(ctx, filter, s.Person.Actor, "replaced by a new sign-in"); err != nil {
			return err
		}
	}
	p := s.Person
	created := truncated(s.CreatedAt)
	_, err := tx.db.Exec(ctx, insertSessionSQL, s.ID, s.SecretHash, s.Kind, p.Issuer, p.Subject, p.Actor, p.Email,
		p.EmailVerified, database.CleanText(p.Name), database.StringsOf(p.Groups), database.CleanText(s.Client),
		s.Address, created, created, truncated(s.ExpiresAt), created, truncated(s.CheckFrom), s.RefreshToken,
		s.IDToken, database.CleanText(p.ProviderSession))
	if err != nil {
		return fmt.Errorf("create a session of %s: %w", p.Actor, err)
	}
	return tx.sessionCreated(ctx, s)
}

// CreateSession runs Tx.CreateSession in a transaction.
func (s *Store) CreateSession(ctx context.Context, session Session, replaced string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateSession(ctx, session, replaced) })
}

const (
	endSessionsSQL = `
UPDATE sessions
SET revoked_at = ?,
	revoked_by = ?,
	refresh_token = '',
	id_token = ''`
	endedSessionSQL = `
RETURNING id, actor`
)

// endSessions revokes sessions and returns how many. Their refresh tokens are deleted.
func (tx *Tx) endSessions(ctx context.Context, c conditions, by, why string) (int, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	c.add("revoked_at IS NULL")
	var ended []struct{ ID, Actor string }
	query := endSessionsSQL + c.sql() + endedSessionSQL
	if err := tx.db.All(ctx, &ended, query, append([]any{now, by}, c.args...)...); err != nil {
		return 0, fmt.Errorf("revoke sessions: %w", err)
	}
	for _, s := range ended {
		err := tx.audit(ctx, AuditEntry{
			Actor: by, Action: AuditDelete, Kind: AuditSession, Name: s.Actor,
			Detail: joined("revoked session "+s.ID, why),
		})
		if err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}

// RevokeSession ends a session. The error is NotFound if there is no such session or it was revoked before.
func (tx *Tx) RevokeSession(ctx context.Context, id, by, why string) error {
	n, err := tx.endSessions(ctx, conditions{where: []string{"id = ?"}, args: []any{id}}, by, why)
	if err == nil && n == 0 {
		err = &Error{Code: NotFound, Message: fmt.Sprintf("session %q does not exist or was revoked", id)}
	}
	return err
}

// RevokeSession runs Tx.RevokeSession in a transaction.
func (s *Store) RevokeSession(ctx context.Context, id, by, why string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.RevokeSession(ctx, id, by, why) })
}

// RevokeSessions ends the sessions that match the filter and returns how many.
func (tx *Tx) RevokeSessions(ctx context.Context, f SessionFilter, by string) (int, error) {
	return tx.endSessions(ctx, f.conditions(), by, "")
}

// RevokeSessions runs Tx.RevokeSessions in a transaction.
func (s *Store) RevokeSessions(ctx context.Context, f SessionFilter, by string) (int, error) {
	return inTx(ctx, s, func(tx *Tx) (int, error) { return tx.RevokeSessions(ctx, f, by) })
}

const useSessionSQL = `
UPDATE sessions
SET last_used_at = ?
WHERE id = ?
	AND last_used_at < ?`

// UpdateSessionLastUsed records when a session was last used. Callers do so now and then, not with every
// request.
func (tx *Tx) UpdateSessionLastUsed(ctx context.Context, id string, at time.Time) error {
	at = truncated(at)
	if _, err := tx.db.Exec(ctx, useSessionSQL, at, id, at); err != nil {
		return fmt.Errorf("record the use of session %s: %w", id, err)
	}
	return nil
}

// UpdateSessionLastUsed runs Tx.UpdateSessionLastUsed in a transaction.
func (s *Store) UpdateSessionLastUsed(ctx context.Context, id string, at time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateSessionLastUsed(ctx, id, at) })
}

const claimCheckSQL = `
UPDATE sessions
SET check_from = ?
WHERE id = ?
	AND check_from = ?
	AND revoked_at IS NULL`

// ClaimSessionCheck gives one caller the right to ask the provider about a session, until a time. Refresh
// tokens may work only once, so that two servers must not use the same one. It reports false if another caller
// was first.
func (tx *Tx) ClaimSessionCheck(ctx context.Context, s Session, until time.Time) (bool, error) {
	n, err := tx.db.Exec(ctx, claimCheckSQL, truncated(until), s.ID, truncated(s.CheckFrom))
	if err != nil {
		return false, fmt.Errorf("claim the check of session %s: %w", s.ID, err)
	}
	return n == 1, nil
}

// ClaimSessionCheck runs Tx.ClaimSessionCheck in a transaction.
func (s *Store) ClaimSessionCheck(ctx context.Context, session Session, until time.Time) (bool, error) {
	return inTx(ctx, s, func(tx *Tx) (bool, error) { return tx.ClaimSessionCheck(ctx, session, until) })
}

const checkedSessionSQL = `
UPDATE sessions
SET actor = ?,
	email = ?,
	email_verified = ?,
	name = ?,
	user_groups = ?,
	checked_at = ?,
	check_from = ?,
	refresh_token = ?
WHERE id = ?
	AND revoked_at IS NULL`

// UpdateSessionChecked stores what the provider said about the person of a session. s has the new person,
// times and refresh token.
func (tx *Tx) UpdateSessionChecked(ctx context.Context, s Session) error {
	before, err := tx.GetSession(ctx, s.ID)
	if err != nil {
		return err
	}
	p := s.Person
	n, err := tx.db.Exec(ctx, checkedSessionSQL, p.Actor, p.Email, p.EmailVerified, database.CleanText(p.Name),
		database.StringsOf(p.Groups), truncated(s.CheckedAt), truncated(s.CheckFrom), s.RefreshToken, s.ID)
	if err != nil {
		return fmt.Errorf("store the check of session %s: %w", s.ID, err)
	}
	if n == 0 {
		return &Error{Code: NotFound, Message: fmt.Sprintf("session %q was revoked", s.ID)}
	}
	return tx.sessionChecked(ctx, before.Person, s)
}

// UpdateSessionChecked runs Tx.UpdateSessionChecked in a transaction.
func (s *Store) UpdateSessionChecked(ctx context.Context, session Session) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateSessionChecked(ctx, session) })
}

func (tx *Tx) sessionCreated(ctx context.Context, s Session) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("id", nil, s.ID).
		field("kind", nil, s.Kind).
		field("issuer", nil, s.Person.Issuer).
		field("subject", nil, s.Person.Subject).
		field("groups", nil, stringsOrNil(database.StringsOf(s.Person.Groups))).
		field("client", nil, valueOrNil(s.Client)).
		field("expires_at", nil, s.ExpiresAt)
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: s.Person.Actor, Action: AuditCreate, Kind: AuditSession, Name: s.Person.Actor})
}

// sessionChecked audits what the provider says differently of a person.
func (tx *Tx) sessionChecked(ctx context.Context, before Person, after Session) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("actor", before.Actor, after.Person.Actor).
		field("email", before.Email, after.Person.Email).
		field("groups", stringsOrNil(database.StringsOf(before.Groups)),
			stringsOrNil(database.StringsOf(after.Person.Groups)))
	return tx.auditChanges(ctx, d, AuditEntry{
		Actor: after.Person.Actor, Action: AuditUpdate, Kind: AuditSession, Name: after.Person.Actor,
		Detail: "the sign-in provider changed session " + after.ID,
	})
}

// keepSessions is how long dead sessions are listed before they are removed.
const keepSessions = 7 * 24 * time.Hour

// oldSessionsSQL is served by sessions_expiry. A revoked session goes when it would have expired.
const oldSessionsSQL = `
DELETE FROM sessions
WHERE id IN (SELECT id FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`

func (s *Store) retainSessions(ctx context.Context, _ Retention, removed *Expired) error {
	return s.batches(ctx, retainRows, &removed.Sessions, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		return tx.db.Exec(ctx, oldSessionsSQL, now.Add(-keepSessions), retainRows)
	})
}
