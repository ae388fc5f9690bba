package store

import (
	"context"
	"fmt"
	"strings"
)

// statement is a change with its parameters, to be carried out with others.
type statement struct {
	query string
	args  []any
}

// together carries out changes of rows that have nothing to do with each other. On PostgreSQL they are one
// statement, so that they cost one round trip.
func (tx *Tx) together(ctx context.Context, statements ...statement) error {
	if len(statements) == 0 {
		return nil
	}
	last := statements[len(statements)-1]
	joined, err := tx.join(ctx, statements[:len(statements)-1], last)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, joined.query, joined.args...)
	return err
}

// togetherAll is together, and reads the rows that the last of the statements returns into a slice.
func (tx *Tx) togetherAll(ctx context.Context, dest any, last statement, others ...statement) error {
	joined, err := tx.join(ctx, others, last)
	if err != nil {
		return err
	}
	return tx.all(ctx, dest, joined.query, joined.args...)
}

// join makes one statement of all, or carries out all but the last where that can not be.
func (tx *Tx) join(ctx context.Context, others []statement, last statement) (statement, error) {
	if len(others) == 0 {
		return last, nil
	}
	if tx.s.dialect != postgres {
		for _, s := range others {
			if _, err := tx.exec(ctx, s.query, s.args...); err != nil {
				return statement{}, err
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
	return statement{query.String(), append(args, last.args...)}, nil
}
