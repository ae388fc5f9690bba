package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// User is an object that uses another one, which therefore cannot be deleted.
type User = database.User

// Kinds of users.
const (
	UserDeployment = "deployment"
	UserRun        = "run"
	UserSchedule   = "schedule" // named as its deployment, a slash, and its own name
	UserTemplate   = "template" // named as its pool
)

// usersMax bounds the users that a refusal names.
const usersMax = 20

type userRow struct {
	ID   uuid.UUID `db:"id"`
	Name string    `db:"name"`
}

func sortUsers(rows []userRow) {
	slices.SortFunc(rows, func(a, b userRow) int { return cmp.Compare(a.Name, b.Name) })
}

// addUsers adds users to a refusal, the first of them by name.
func addUsers(refusal *Error, kind, pool string, rows []userRow) {
	refusal.UsersTotal += len(rows)
	for _, row := range rows[:min(len(rows), usersMax)] {
		refusal.Users = append(refusal.Users, User{Kind: kind, ID: row.ID.String(), Name: row.Name, Pool: pool})
	}
}

const someRunsSQL = `
SELECT r.id, r.name
FROM runs r
WHERE r.id IN `

// someNames joins the names of the first of so many users.
func someNames(users []User, total int) string {
	const most = 10
	names := make([]string, 0, most)
	for _, u := range users[:min(len(users), most)] {
		names = append(names, u.Name)
	}
	if more := total - len(names); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), more)
	}
	return strings.Join(names, ", ")
}
