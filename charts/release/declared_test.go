package release

import (
	"strings"
	"testing"
)

func TestRefusedFilesAreFoundInTheMetrics(t *testing.T) {
	got := refusedIn("# HELP berth_apply_failing x\nberth_apply_failing{file=\"a\"} 0\nberth_apply_failing{file=\"team\"} 1\n", "berth", "berth-server-0")
	if len(got) != 1 || !strings.Contains(got[0], "file team: kubectl -n berth logs berth-server-0") {
		t.Errorf("%q", got)
	}
}
