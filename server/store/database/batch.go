package database

import (
	"context"
	"fmt"
	"strings"
)

// Statement is a change with its arguments, for a batch.
type Statement struct {
	query string
	args  []any
}

// ExecBatch runs independent changes. On PostgreSQL they are one statement and cost one round trip.
func (tx *Tx) ExecBatch(ctx context.Context, statements ...Statement) error {
	if len(statements) == 0 {
		return nil
	}
	last := statements[len(statements)-1]
	joined, err := tx.join(ctx, statements[:len(statements)-1], last)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, joined.query, joined.args...)
	return err
}

// AllBatch is ExecBatch, and reads the rows that the last of the statements returns into a slice.
func (tx *Tx) AllBatch(ctx context.Context, dest any, last Statement, others ...Statement) error {
	joined, err := tx.join(ctx, others, last)
	if err != nil {
		return err
	}
	return tx.All(ctx, dest, joined.query, joined.args...)
}

// join makes one statement of all, or runs all but the last where the database cannot.
func (tx *Tx) join(ctx context.Context, others []Statement, last Statement) (Statement, error) {
	if len(others) == 0 {
		return last, nil
	}
	if tx.db.dialect != Postgres {
		for _, s := range others {
			if _, err := tx.Exec(ctx, s.query, s.args...); err != nil {
				return Statement{}, err
			}
		}
		return last, nil
	}
	var query strings.Builder
	var args []any
	for i, s := range others {
		word := "WITH"
		if i > 0 {
			word = ","
		}
		fmt.Fprintf(&query, "%s change_%d AS (%s)", word, i, s.query)
		args = append(args, s.args...)
	}
	query.WriteString(last.query)
	return Statement{query.String(), append(args, last.args...)}, nil
}

// NewStatement returns a statement with its arguments.
func NewStatement(query string, args ...any) Statement { return Statement{query, args} }
