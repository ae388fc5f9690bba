package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// AuditAction is the kind of a change.
type AuditAction string

// The actions.
const (
	AuditCreate AuditAction = "create"
	AuditUpdate AuditAction = "update"
	AuditDelete AuditAction = "delete"
	// AuditRestore and AuditPurge: a deleted object came back, or was removed for good.
	AuditRestore AuditAction = "restore"
	AuditPurge   AuditAction = "purge"
	AuditRefuse  AuditAction = "refuse" // an authenticated user requested a forbidden operation

	// The actions of approvals.
	AuditRequest    AuditAction = "request"
	AuditApprove    AuditAction = "approve"
	AuditReject     AuditAction = "reject"
	AuditWithdraw   AuditAction = "withdraw"
	AuditUse        AuditAction = "use"
	AuditLapse      AuditAction = "lapse"
	AuditBreakGlass AuditAction = "break-glass" // carried out without an approval
)

// AuditKind is what it was done to.
type AuditKind string

// The kinds.
const (
	AuditPool       AuditKind = "pool"
	AuditTemplate   AuditKind = "template" // named as its pool
	AuditQueue      AuditKind = "queue"
	AuditDeployment AuditKind = "deployment"
	AuditSchedule   AuditKind = "schedule" // named as its deployment, a slash, and its own name
	AuditVariable   AuditKind = "variable"
	AuditRule       AuditKind = "rule" // of a pool, or of the installation without one
	AuditAPIKey     AuditKind = "api-key"
	AuditWorker     AuditKind = "worker"
	AuditSession    AuditKind = "session"   // named as its person
	AuditOperation  AuditKind = "operation" // of the API, that was refused
	AuditRunToken   AuditKind = "run-token" // named as its run
	AuditSigningKey AuditKind = "signing-key"
	AuditApproval   AuditKind = "approval" // named by the id of its request
	AuditTrustRule  AuditKind = "trust-rule"
	AuditWebhook    AuditKind = "webhook"
)

// AuditEntry is a change, or the refusal of one.
type AuditEntry struct {
	ID      uuid.UUID
	At      time.Time
	Actor   string // a name, as in the history of runs
	Origin  Origin
	Action  AuditAction
	Kind    AuditKind
	Name    string
	Pool    string // that it belongs to; empty where it belongs to none
	Detail  string
	Changes []AuditChange
}

// AuditChange is a field that differs. What was not there before, or is not there after, is nil.
type AuditChange struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Digest: Before and After are not values but digests of them, equal for equal values.
	Digest bool `json:"digest,omitempty"`
}

// ActorKind is what an actor is. Names are chosen by people: a key can have the name of a person, but not the kind.
type ActorKind string

// The kinds of actors.
const (
	ActorPerson    ActorKind = "person"    // with a session
	ActorKey       ActorKind = "key"       // an API key
	ActorCI        ActorKind = "ci"        // an API key that was exchanged for a token of another issuer
	ActorWorker    ActorKind = "worker"    // an API key with the role worker only
	ActorJob       ActorKind = "job"       // the key of a run's job
	ActorSystem    ActorKind = "system"    // the server itself
	ActorAnonymous ActorKind = "anonymous" // whoever calls a server without keys
)

// Origin is the source of a change, beside its actor.
type Origin struct {
	Kind    ActorKind // of the actor; empty means ActorSystem
	KeyID   string    // the public part of an API key
	Address string    // of the peer
}

type originKey struct{}

// WithOrigin returns a context whose changes are audited with the origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin of the changes of a context.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

const insertAuditSQL = `
INSERT INTO audit (id, at, actor, actor_kind, key_id, address, action, kind, name, pool, detail, changes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// audit writes down a change in the transaction that makes it, so that there is neither without the other.
func (tx *Tx) audit(ctx context.Context, e AuditEntry) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("generate an ID: %w", err)
	}
	if e.Changes == nil {
		e.Changes = []AuditChange{}
	}
	from := OriginOf(ctx)
	if from.Kind == "" {
		from.Kind = ActorSystem
	}
	_, err = tx.db.Exec(ctx, insertAuditSQL, id, now, database.CleanText(e.Actor), from.Kind, from.KeyID, from.Address, e.Action, e.Kind,
		database.CleanText(e.Name), e.Pool, database.CleanText(e.Detail),
		database.Structured[[]AuditChange]{V: e.Changes})
	if err != nil {
		return fmt.Errorf("record the change of %s %q: %w", e.Kind, e.Name, err)
	}
	tx.db.Hint(auditedTopic(e))
	tx.noteChange(ctx, e, from)
	return nil
}

// CreateAuditRefusal records that the actor requested a forbidden operation.
func (tx *Tx) CreateAuditRefusal(ctx context.Context, operation, reason, actor string) error {
	return tx.audit(ctx,
		AuditEntry{Actor: actor, Action: AuditRefuse, Kind: AuditOperation, Name: operation, Detail: reason})
}

// CreateAuditRefusal runs Tx.CreateAuditRefusal in a transaction.
func (s *Store) CreateAuditRefusal(ctx context.Context, operation, reason, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateAuditRefusal(ctx, operation, reason, actor) })
}

// AuditFilter narrows the list of changes; empty fields do not.
type AuditFilter struct {
	Actor     string // a name, or the id of a key
	ActorKind ActorKind
	Action    AuditAction
	Kind      AuditKind
	Name      string
	Pool      string
	Pools     []string // only entries of these pools, beside Pool; nil: all
	At        TimeRange
}

type auditRow struct {
	ID        uuid.UUID                          `db:"id"`
	At        database.Time                      `db:"at"`
	Actor     string                             `db:"actor"`
	ActorKind ActorKind                          `db:"actor_kind"`
	KeyID     string                             `db:"key_id"`
	Address   string                             `db:"address"`
	Action    AuditAction                        `db:"action"`
	Kind      AuditKind                          `db:"kind"`
	Name      string                             `db:"name"`
	Pool      string                             `db:"pool"`
	Detail    string                             `db:"detail"`
	Changes   database.Structured[[]AuditChange] `db:"changes"`
}

const (
	auditColumns = `
SELECT id, at, actor, actor_kind, key_id, address, action, kind, name, pool, detail, changes`
	auditWindowSQL = `
FROM (
	SELECT *
	FROM audit a%s
	ORDER BY %s
	LIMIT ?
) AS a%s
ORDER BY id DESC
LIMIT ?`
	auditPlaceSQL = `
SELECT id
FROM audit a%s
ORDER BY %s
LIMIT 1
OFFSET ?`
)

// ListAudit lists changes, newest first. As ListRuns, it looks at a limited number of entries: of one object by
// audit_subject, else by the primary key.
func (q Reader) ListAudit(ctx context.Context, f AuditFilter, page Page) ([]AuditEntry, NextPage, error) {
	after, more, err := page.AfterID("audit")
	if err != nil {
		return nil, NextPage{}, err
	}
	served, order := q.auditIndex(f)
	if more {
		served.add("id < ?", after)
	}
	rest := q.auditFilter(f)
	most, size := q.s.searched, page.Size()+1
	if len(rest.where) == 0 {
		most = size
	}
	var rows []auditRow
	query := auditColumns + fmt.Sprintf(auditWindowSQL, served.sql(), order, rest.sql())
	args := append(append(slices.Clone(served.args), most), append(rest.args, size)...)
	if err := q.db.All(ctx, &rows, query, args...); err != nil {
		return nil, NextPage{}, fmt.Errorf("list changes: %w", err)
	}
	rows, cursor := database.CutPage(rows, page, "audit", func(r auditRow) string { return r.ID.String() })
	next := NextPage{Cursor: cursor}
	if cursor == "" && most > size {
		if next, err = q.auditSearched(ctx, fmt.Sprintf(auditPlaceSQL, served.sql(), order), append(served.args, most-1)); err != nil {
			return nil, NextPage{}, err
		}
	}
	return auditEntries(rows), next, nil
}

// auditSearched returns how far the list was searched, if there is more.
func (q Reader) auditSearched(ctx context.Context, query string, args []any) (NextPage, error) {
	var last uuid.UUID
	err := q.db.Get(ctx, &last, query, args...)
	if errors.Is(err, database.ErrNoRows) {
		return NextPage{}, nil
	}
	if err != nil {
		return NextPage{}, fmt.Errorf("find how far the audit log was searched: %w", err)
	}
	to := idTime(last)
	return NextPage{Cursor: database.NewCursor("audit", last.String()), SearchedTo: &to}, nil
}

func auditEntries(rows []auditRow) []AuditEntry {
	entries := make([]AuditEntry, len(rows))
	for i, r := range rows {
		entries[i] = AuditEntry{
			ID: r.ID, At: r.At.Time(), Actor: r.Actor, Action: r.Action, Kind: r.Kind,
			Origin: Origin{Kind: r.ActorKind, KeyID: r.KeyID, Address: r.Address}, Name: r.Name, Pool: r.Pool, Detail: r.Detail, Changes: r.Changes.V,
		}
	}
	return entries
}

// auditIndex returns the conditions that an index serves, and its order.
func (q Reader) auditIndex(f AuditFilter) (c conditions, order string) {
	order = "id DESC"
	if f.Kind != "" && f.Name != "" {
		c.add("name = ?", f.Name)
		c.add(q.db.Dialect().Leading("kind", "text"), string(f.Kind))
		order = "kind DESC, name DESC, id DESC"
	}
	if f.At.After != nil {
		c.add("id >= ?", firstID(f.At.After.Add(-idSlack-q.db.ClockOffset())))
	}
	if f.At.Before != nil {
		c.add("id < ?", firstID(f.At.Before.Add(idSlack)))
	}
	return c, order
}

// auditFilter returns the conditions that no index serves.
func (q Reader) auditFilter(f AuditFilter) conditions {
	var c conditions
	if f.Kind != "" && f.Name != "" {
		f.Kind, f.Name = "", ""
	}
	for _, wanted := range [...]struct{ column, value string }{
		{"kind", string(f.Kind)}, {"name", f.Name}, {"action", string(f.Action)}, {"pool", f.Pool},
		{"actor_kind", string(f.ActorKind)},
	} {
		if wanted.value != "" {
			c.add(wanted.column+" = ?", wanted.value)
		}
	}
	if f.Actor != "" {
		c.add("(actor = ? OR key_id = ?)", f.Actor, f.Actor)
	}
	if f.At.After != nil {
		c.add("at >= ?", *database.TimeOf(f.At.After))
	}
	if f.At.Before != nil {
		c.add("at < ?", *database.TimeOf(f.At.Before))
	}
	if f.Pools == nil {
		return c
	}
	list := database.ListOf(f.Pools)
	c.add("pool IN "+q.db.Dialect().List("text"), list)
	return c
}
