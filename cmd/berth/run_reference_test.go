package main

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestARunIsFoundByItsIDTheBeginningOfItAndItsName(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	later := []string{"deployment", "run", "hello", "--at", "2099-01-01T00:00:00Z"}
	first := decode[api.Run](t, u, append(later, "--name", "the first")...)
	second := decode[api.Run](t, u, append(later, "--name", "decade")...)
	third := decode[api.Run](t, u, later...)
	again := decode[api.Run](t, u, append(later, "--name", "the first")...)
	for text, want := range map[string]api.Run{
		first.ID.String(): first, strings.ToUpper(first.ID.String()): first,
		first.ID.String()[:35]: first, strings.ReplaceAll(second.ID.String(), "-", "")[:31]: second,
		third.Name: third, "decade": second, "the first": again, third.Name[:len(third.Name)-1]: third,
	} {
		if got := decode[runDetail](t, u, "run", "get", text); got.Run.ID != want.ID.String() {
			t.Errorf("%q is run %s, want %s (%s)", text, got.Run.ID, want.ID, want.Name)
		}
	}
	common := first.ID.String()[:7] // of all that were made within minutes
	r := u.run(t, "run", "cancel", common)
	if r.code != 2 {
		t.Errorf("what begins several ids was taken: exit code %d\n%s", r.code, r.stdout)
	}
	demand(t, "standard error", r.stderr, "more than one run", again.ID.String())
	r = u.run(t, "run", "cancel", "the fir")
	if r.code != 2 {
		t.Errorf("what begins several names was taken: exit code %d\n%s", r.code, r.stdout)
	}
	demand(t, "standard error", r.stderr, "the name of more than one run", again.ID.String())
	demand(t, "completion of what is far behind", u.ok(t, "__complete", "run", "get", "dec"),
		"decade\tSCHEDULED hello")
	completed := u.ok(t, "__complete", "run", "get", "")
	demand(t, "completion", completed, third.Name+"\tSCHEDULED hello", again.ID.String(), "decade\t")
	demand(t, "cancelling by name", u.ok(t, "run", "cancel", third.Name), third.ID.String(), "CANCELLED")
}
