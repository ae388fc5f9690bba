package release

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAPodWhoseMetricsDoNotAnswerHoldsNothingUp: a node may be unreachable.
func TestAPodWhoseMetricsDoNotAnswerHoldsNothingUp(t *testing.T) {
	cluster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/proxy") {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[
			{"metadata":{"name":"berth-server-0"},"status":{"phase":"Running"}}]}`)); err != nil {
			t.Error(err)
		}
	}))
	defer cluster.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`,
		cluster.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Target: Target{Name: "berth", Namespace: "berth", Kubeconfig: kubeconfig}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.refusedFiles(t.Context(), 50*time.Millisecond); got != nil {
		t.Errorf("%q", got)
	}
}

func TestRefusedFilesAreFoundInTheMetrics(t *testing.T) {
	got := refusedIn("# HELP berth_apply_failing x\nberth_apply_failing{file=\"a\"} 0\nberth_apply_failing{file=\"team\"} 1\n", "berth", "berth-server-0")
	if len(got) != 1 || !strings.Contains(got[0], "file team: kubectl -n berth logs berth-server-0") {
		t.Errorf("%q", got)
	}
}
