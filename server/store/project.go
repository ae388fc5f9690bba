package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-dev/berth/server/store/database"
)

// OwnedKind is a kind of object that belongs to a project.
type OwnedKind string

// The kinds there are, by their tables.
const (
	OwnedPool       OwnedKind = "pools"
	OwnedVariable   OwnedKind = "variables"
	OwnedDeployment OwnedKind = "deployments"
)

// Owned are the names of what belongs to a project, in order.
type Owned map[OwnedKind][]string

const (
	poolsOfProjectSQL = `
SELECT name
FROM pools
WHERE project = ?
	AND deleted_at IS NULL
ORDER BY name`
	variablesOfProjectSQL = `
SELECT name
FROM variables
WHERE project = ?
ORDER BY name`
	// deployments_project serves it.
	deploymentsOfProjectSQL = `
SELECT name
FROM deployments
WHERE project = ?
	AND deleted_at IS NULL
ORDER BY name`
)

// ListOwned lists what belongs to a project.
func (tx *Tx) ListOwned(ctx context.Context, project string) (Owned, error) {
	owned := Owned{}
	for kind, query := range map[OwnedKind]string{
		OwnedPool: poolsOfProjectSQL, OwnedVariable: variablesOfProjectSQL, OwnedDeployment: deploymentsOfProjectSQL,
	} {
		var names []string
		if err := tx.db.All(ctx, &names, query, project); err != nil {
			return nil, fmt.Errorf("list the %s of project %q: %w", kind, project, err)
		}
		owned[kind] = names
	}
	return owned, nil
}

const (
	poolProjectSQL = `
SELECT project, name AS pool
FROM pools
WHERE name = ?
	AND deleted_at IS NULL`
	ownPoolSQL = `
UPDATE pools
SET project = ?
WHERE name = ?
	AND deleted_at IS NULL`
	variableProjectSQL = `
SELECT project, '' AS pool
FROM variables
WHERE name = ?`
	ownVariableSQL = `
UPDATE variables
SET project = ?
WHERE name = ?`
	deploymentProjectSQL = `
SELECT d.project, p.name AS pool
FROM deployments d
JOIN pools p ON p.id = d.pool_id
WHERE d.name = ?
	AND d.deleted_at IS NULL`
	ownDeploymentSQL = `
UPDATE deployments
SET project = ?
WHERE name = ?
	AND deleted_at IS NULL`
)

// Ownership assigns an object to a project.
type Ownership struct {
	Kind    OwnedKind
	Name    string
	Project string
	// New: this transaction created the object, so that its audit entry already names the project.
	New bool
}

// UpdateProject assigns an object to a project and returns its previous project, "" for none.
func (tx *Tx) UpdateProject(ctx context.Context, o Ownership, actor string) (before string, err error) {
	read, write, kind := poolProjectSQL, ownPoolSQL, AuditPool
	switch o.Kind {
	case OwnedVariable:
		read, write, kind = variableProjectSQL, ownVariableSQL, AuditVariable
	case OwnedDeployment:
		read, write, kind = deploymentProjectSQL, ownDeploymentSQL, AuditDeployment
	}
	var was struct {
		Project *string `db:"project"`
		Pool    string  `db:"pool"`
	}
	if err := tx.db.Get(ctx, &was, read, o.Name); err != nil {
		return "", database.NotFoundError(err, "%q of the %s", o.Name, o.Kind)
	}
	if _, err := tx.db.Exec(ctx, write, o.Project, o.Name); err != nil {
		return "", fmt.Errorf("give %q of the %s to project %q: %w", o.Name, o.Kind, o.Project, err)
	}
	if was.Project != nil {
		before = *was.Project
	}
	if o.New {
		return before, nil
	}

	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return "", err
	}
	d.field("project", valueOrNil(before), o.Project)
	return before, tx.auditChanges(
		ctx, d, AuditEntry{Actor: actor, Action: AuditUpdate, Kind: kind, Name: o.Name, Pool: was.Pool},
	)
}

// applyLock is the key of the advisory lock: "apply" in ASCII.
const applyLock = 0x6170706c79

const holdApplySQL = `
SELECT 1 FROM pg_advisory_xact_lock(?)`

// LockApply lets one description be applied at a time, on however many servers: the next one begins when the
// transaction has ended, and sees all that it did.
func (tx *Tx) LockApply(ctx context.Context) error {
	if tx.db.Dialect() == database.SQLite {
		return nil // its transactions follow each other
	}
	var one int
	if err := tx.db.Get(ctx, &one, holdApplySQL, applyLock); err != nil {
		return fmt.Errorf("wait for another apply: %w", err)
	}
	return nil
}

// LockPool is GetPool with a lock against other changes and claims until the transaction ends.
func (tx *Tx) LockPool(ctx context.Context, name string) (*Pool, error) {
	if _, err := tx.lockPoolRow(ctx, name, poolForChange); err != nil {
		return nil, err
	}
	return tx.GetPool(ctx, name)
}

const holdVariableSQL = `
SELECT name
FROM variables
WHERE name = ?`

// LockVariable is GetVariable with a lock against other changes until the transaction ends.
func (tx *Tx) LockVariable(ctx context.Context, name string) (*Variable, error) {
	var held string
	err := tx.db.Get(ctx, &held, holdVariableSQL+tx.db.Dialect().Lock("FOR UPDATE"), name)
	if err != nil && !errors.Is(err, database.ErrNoRows) {
		return nil, fmt.Errorf("hold variable %q: %w", name, err)
	}
	return tx.GetVariable(ctx, name)
}
