package access_test

import (
	"testing"

	"github.com/berth-dev/berth/server/access"
)

func TestOpenRequestsAreBoundedPerCallerAndInAll(t *testing.T) {
	t.Parallel()
	l := access.NewOpenLimit(2, 3)
	enter := func(caller string, want access.Entry) func() {
		t.Helper()
		leave, entry := l.Enter(caller)
		if entry != want {
			t.Errorf("%s: got %d, want %d", caller, entry, want)
		}
		return leave
	}
	leaveA := enter("a", access.Entered)
	enter("a", access.Entered)
	enter("a", access.CallerIsFull)
	leaveB := enter("b", access.Entered)
	enter("b", access.ServerIsFull)
	leaveA()
	leaveB()
	enter("b", access.Entered)
	enter("a", access.Entered)
	enter("c", access.ServerIsFull)
}
