package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/server/store/database"
)

type variableRow struct {
	Name      string        `db:"name"`
	Project   string        `db:"project"`
	Value     database.JSON `db:"value"`
	UpdatedAt database.Time `db:"updated_at"`
}

func (r variableRow) variable() Variable {
	return Variable{Name: r.Name, Value: r.Value.Raw(), Project: r.Project, UpdatedAt: r.UpdatedAt.Time()}
}

const variableSQL = `
SELECT name, value, COALESCE(project, '') AS project, updated_at
FROM variables`

// GetVariable returns a stored variable.
func (q Reader) GetVariable(ctx context.Context, name string) (*Variable, error) {
	var row variableRow
	if err := q.db.Get(ctx, &row, variableSQL+" WHERE name = ?", name); err != nil {
		return nil, database.NotFoundError(err, "variable %q", name)
	}
	v := row.variable()
	return &v, nil
}

// ListVariables lists stored variables by name. A page of large values has fewer of them.
func (q Reader) ListVariables(ctx context.Context, page Page) ([]Variable, string, error) {
	read := func(after string, limit int) (rows []variableRow, err error) {
		err = q.db.All(ctx, &rows, variableSQL+" WHERE name > ? ORDER BY name LIMIT ?", after, limit)
		return rows, err
	}
	rows, next, err := boundedPage(page, "variable", read,
		func(r variableRow) string { return r.Name }, func(r variableRow) int { return len(r.Value) })
	if err != nil {
		return nil, "", fmt.Errorf("list variables: %w", err)
	}
	variables := make([]Variable, len(rows))
	for i, r := range rows {
		variables[i] = r.variable()
	}
	return variables, next, nil
}

const putVariableSQL = `
INSERT INTO variables (name, value, updated_at, updated_by)
VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET value = excluded.value,
	updated_at = excluded.updated_at,
	updated_by = excluded.updated_by`

// UpsertVariable stores a variable.
func (tx *Tx) UpsertVariable(
	ctx context.Context, name string, value json.RawMessage, actor string,
) (*Variable, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	before, err := tx.GetVariable(ctx, name)
	if err != nil && !IsCode(err, NotFound) {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, putVariableSQL, name, database.JSON(value), now, actor); err != nil {
		return nil, fmt.Errorf("store variable %q: %w", name, err)
	}
	after := &Variable{Name: name, Value: value, UpdatedAt: now}
	return after, tx.variableChanged(ctx, before, after, actor)
}

// UpsertVariable runs Tx.UpsertVariable in a transaction.
func (s *Store) UpsertVariable(
	ctx context.Context, name string, value json.RawMessage, actor string,
) (*Variable, error) {
	return inTx(ctx, s, func(tx *Tx) (*Variable, error) { return tx.UpsertVariable(ctx, name, value, actor) })
}

const deleteVariableSQL = `
DELETE FROM variables
WHERE name = ?`

// DeleteVariable deletes a stored variable. It fails with VariableInUse while a deployment, a schedule or the
// newest template of a pool refers to it, unless forced. Its value is kept where no reader finds it, so that it can be
// restored.
func (tx *Tx) DeleteVariable(ctx context.Context, name string, o DeleteOptions, actor string) error {
	before, err := tx.GetVariable(ctx, name)
	if err != nil {
		return err
	}
	if !o.Force {
		if err := tx.checkVariableUnused(ctx, name); err != nil {
			return err
		}
	}
	if _, err := tx.db.Exec(ctx, deleteVariableSQL, name); err != nil {
		return fmt.Errorf("delete variable %q: %w", name, err)
	}
	if !o.Permanently {
		if err := tx.keepVariable(ctx, *before, actor); err != nil {
			return err
		}
	}
	return tx.variableChanged(ctx, before, nil, actor)
}

func (tx *Tx) keepVariable(ctx context.Context, v Variable, actor string) error {
	document, err := json.Marshal(keptVariable{Value: v.Value, Project: v.Project})
	if err != nil {
		return fmt.Errorf("keep variable %q: %w", v.Name, err)
	}
	item := DeletedItem{Kind: DeletedVariable, Name: v.Name, document: database.JSON(document)}
	return tx.keepDeleted(ctx, item, actor)
}

// DeleteVariable runs Tx.DeleteVariable in a transaction.
func (s *Store) DeleteVariable(ctx context.Context, name string, o DeleteOptions, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteVariable(ctx, name, o, actor) })
}

const valuesOfSQL = `
SELECT name, value, updated_at
FROM variables
WHERE name IN `

// values returns the stored variables by name. Variables that do not exist are omitted.
func (tx *Tx) values(ctx context.Context, names []string) (map[string]json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if len(names) == 0 {
		return values, nil
	}
	list := database.ListOf(names)
	var rows []variableRow
	if err := tx.db.All(ctx, &rows, valuesOfSQL+tx.db.Dialect().List("text"), list); err != nil {
		return nil, fmt.Errorf("read variables: %w", err)
	}
	for _, r := range rows {
		values[r.Name] = r.Value.Raw()
	}
	return values, nil
}
