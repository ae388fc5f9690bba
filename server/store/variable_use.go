package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/store/database"
	"github.com/berth-dev/berth/templating/freeze"
)

// variableUsersSQL reads every document that may refer to a stored variable. It scans the current revisions,
// which is rare enough: a variable is deleted by hand or by a prune.
const variableUsersSQL = `
SELECT 'deployment ' || d.name AS name, v.job_variables AS document
FROM deployments d
JOIN deployment_revisions v ON v.id = d.revision_id
WHERE d.deleted_at IS NULL
	AND v.job_variables LIKE ?
UNION ALL
SELECT 'schedule ' || d.name || '/' || s.name, s.spec
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
WHERE d.deleted_at IS NULL
	AND s.spec LIKE ?
UNION ALL
SELECT 'template of work pool ' || p.name, t.document
FROM pools p
JOIN template_versions t ON t.pool_id = p.id AND t.version = p.template_version
WHERE p.deleted_at IS NULL
	AND t.document LIKE ?
ORDER BY 1`

// checkVariableUnused refuses to delete a stored variable that something refers to.
func (tx *Tx) checkVariableUnused(ctx context.Context, name string) error {
	var rows []struct {
		Name     string        `db:"name"`
		Document database.JSON `db:"document"`
	}
	const mentions = "%.variables.%" // the name itself may be escaped
	if err := tx.db.All(ctx, &rows, variableUsersSQL, mentions, mentions, mentions); err != nil {
		return fmt.Errorf("find what uses variable %q: %w", name, err)
	}

	var users []string
	for _, row := range rows {
		document, err := decodeObject(row.Document)
		if err != nil {
			return fmt.Errorf("read the values of %s: %w", row.Name, err)
		}
		if slices.Contains(freeze.StoredNames([]freeze.Value{{Value: document}}), name) {
			users = append(users, row.Name)
		}
	}
	if len(users) == 0 {
		return nil
	}
	return &Error{Code: VariableInUse, Message: fmt.Sprintf(
		"variable %q is used by %s: change them first, or force the deletion", name,
		someNames(users))}
}
