package database

import (
	"fmt"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

// openEmpty opens a store with one connection on an empty database.
func openEmpty(t *testing.T, o Options) *DB {
	t.Helper()
	o.URL, o.MaxConns = pgtest.Database(t), 1
	if o.DirectURL != "" {
		o.DirectURL = o.URL
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

const preparedSQL = `
SELECT COUNT(*)
FROM pg_prepared_statements
WHERE statement LIKE ?`

func (db *DB) preparedLike(t *testing.T, pattern string) (n int) {
	t.Helper()
	if err := db.Reader().Get(t.Context(), &n, preparedSQL, pattern); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAStatementIsPreparedOnceInAConnection(t *testing.T) {
	t.Parallel()
	s := openEmpty(t, Options{})
	for range 3 {
		var got int
		if err := s.Reader().Get(t.Context(), &got, "SELECT CAST(? AS INTEGER) + 1", 41); err != nil ||
			got != 42 {
			t.Fatalf("got %d, %v", got, err)
		}
	}
	if n := s.preparedLike(t, "%INTEGER) + 1"); n != 1 {
		t.Errorf("it is prepared %d times", n)
	}
}

func TestNothingIsPreparedBehindAPooler(t *testing.T) {
	t.Parallel()
	s := openEmpty(t, Options{DirectURL: "the same"})
	var got int
	if err := s.Reader().Get(t.Context(), &got, "SELECT CAST(? AS INTEGER) + 1", 41); err != nil ||
		got != 42 {
		t.Fatalf("got %d, %v", got, err)
	}
	if n := s.preparedLike(t, "%INTEGER) + 1"); n != 0 {
		t.Errorf("it is prepared %d times", n)
	}
}

func TestAConnectionKeepsSoManyStatementsAndNoMore(t *testing.T) {
	t.Parallel()
	s := openEmpty(t, Options{})
	for i := range statementsMax + 20 {
		var got int
		if err := s.Reader().Get(t.Context(), &got, fmt.Sprintf("SELECT CAST(? AS INTEGER) + %d", i), 1); err != nil ||
			got != i+1 {
			t.Fatalf("got %d, %v", got, err)
		}
	}
	if n := s.preparedLike(t, "%INTEGER) + %"); n != statementsMax {
		t.Errorf("%d are prepared, want %d", n, statementsMax)
	}
}

// A migration may change the columns of a statement that is prepared, and a pooler may drop all of them.
func TestATransactionIsRunAgainWhenItsStatementIsNoLongerTaken(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"ALTER TABLE word ALTER COLUMN word TYPE VARCHAR(20)", "DEALLOCATE ALL"} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			s := openEmpty(t, Options{})
			read := func() (word string, err error) {
				err = s.InTx(t.Context(), func(tx *Tx) error {
					return tx.Get(t.Context(), &word, "SELECT word FROM word WHERE word <> ?", "")
				})
				return word, err
			}
			for _, statement := range []string{"CREATE TABLE word AS SELECT 'quay'::text AS word", "", change, ""} {
				if statement == "" {
					if got, err := read(); err != nil || got != "quay" {
						t.Fatalf("read %q, %v", got, err)
					}
				} else if _, err := s.writer.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
