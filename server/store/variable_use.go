package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
	"github.com/berth-dev/berth/templating/freeze"
)

// variableUsersSQL reads every document that may refer to a stored variable. It scans the current revisions,
// which is rare enough: a variable is deleted by hand or by a prune.
const variableUsersSQL = `
SELECT 'deployment' AS kind, d.id, d.name AS name, v.job_variables AS document, p.name AS pool
FROM deployments d
JOIN deployment_revisions v ON v.id = d.revision_id
JOIN pools p ON p.id = d.pool_id
WHERE d.deleted_at IS NULL
	AND v.job_variables LIKE ?
UNION ALL
SELECT 'schedule', s.id, d.name || '/' || s.name, s.spec, p.name
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN pools p ON p.id = d.pool_id
WHERE d.deleted_at IS NULL
	AND s.spec LIKE ?
UNION ALL
SELECT 'template', t.id, p.name, t.document, p.name
FROM pools p
JOIN template_versions t ON t.pool_id = p.id AND t.version = p.template_version
WHERE p.deleted_at IS NULL
	AND t.document LIKE ?
ORDER BY 1, 3`

// checkVariableUnused refuses to delete a stored variable that something refers to.
func (tx *Tx) checkVariableUnused(ctx context.Context, name string) error {
	var rows []struct {
		Kind     string        `db:"kind"`
		ID       uuid.UUID     `db:"id"`
		Name     string        `db:"name"`
		Document database.JSON `db:"document"`
		Pool     string        `db:"pool"`
	}
	const mentions = "%.variables.%" // the name itself may be escaped
	if err := tx.db.All(ctx, &rows, variableUsersSQL, mentions, mentions, mentions); err != nil {
		return fmt.Errorf("find what uses variable %q: %w", name, err)
	}

	refusal := &Error{Code: VariableInUse}
	for _, row := range rows {
		document, err := decodeObject(row.Document)
		if err != nil {
			return fmt.Errorf("read the values of %s %q: %w", row.Kind, row.Name, err)
		}
		if !slices.Contains(freeze.StoredNames([]freeze.Value{{Value: document}}), name) {
			continue
		}
		refusal.UsersTotal++
		if len(refusal.Users) < usersMax {
			refusal.Users = append(refusal.Users,
				User{Kind: row.Kind, ID: row.ID.String(), Name: row.Name, Pool: row.Pool})
		}
	}
	if refusal.UsersTotal == 0 {
		return nil
	}
	refusal.Message = fmt.Sprintf("variable %q is used by %s: change them first, or force the deletion", name,
		usersText(refusal))
	return refusal
}

// usersText names users of several kinds.
func usersText(refusal *Error) string {
	named := make([]User, len(refusal.Users))
	for i, u := range refusal.Users {
		named[i].Name = u.Kind + " " + u.Name
		if u.Kind == UserTemplate {
			named[i].Name = "template of work pool " + u.Name
		}
	}
	return someNames(named, refusal.UsersTotal)
}
