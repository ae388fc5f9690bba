package cycletest

import (
	"math"
	"testing"
)

// TestTheScriptsWriteWhatTheStoreWrites compares the rows, and how much of a log they are. It needs PostgreSQL 15.
func TestTheScriptsWriteWhatTheStoreWrites(t *testing.T) {
	const runs = 4 * Batch * Workers
	for name, path := range map[string]Path{"process": Process(), "Kubernetes": Kubernetes()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := path.Measure(t, runs)
			l := NewLedger(t)
			Fill(t, l.Store, 0)
			script := path.Script(t, l.Store)
			Create(t, l.Store, runs)
			theirs := l.Cost(t, runs, func() error {
				Pgbench(t, l.Store.URL, script, runs)
				return nil
			})
			if math.Abs(ours.Rows-theirs.Rows) > 0.1 || math.Abs(ours.Deletes-theirs.Deletes) > 0.1 ||
				math.Abs(ours.WAL/theirs.WAL-1) > 0.2 {
				t.Errorf("the store writes %+v,\npgbench %+v", ours, theirs)
			}
		})
	}
}

func TestTheFirstLayoutWritesEighteenRows(t *testing.T) {
	t.Parallel()
	const runs = Batch * Workers
	l := NewLedger(t)
	first := FirstLayoutIn(t, l.Store.URL)
	first.Create(t, runs)
	c := l.Cost(t, runs, func() error {
		first.Run(t, runs)
		return nil
	})
	if math.Round(c.Rows) != 18 {
		t.Errorf("wrote %+v", c)
	}
	t.Logf("%+v", c)
}
