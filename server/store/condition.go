package store

import "strings"

// conditions gathers what a query asks for.
type conditions struct {
	where []string
	args  []any
}

func (c *conditions) add(condition string, args ...any) {
	c.where, c.args = append(c.where, condition), append(c.args, args...)
}

// with is c and others.
func (c conditions) with(others ...conditions) conditions {
	all := conditions{append([]string{}, c.where...), append([]any{}, c.args...)}
	for _, o := range others {
		all.where, all.args = append(all.where, o.where...), append(all.args, o.args...)
	}
	return all
}

// sql is the WHERE clause, empty without conditions.
func (c conditions) sql() string {
	if len(c.where) == 0 {
		return ""
	}
	return "\nWHERE " + strings.Join(c.where, "\n\tAND ")
}
