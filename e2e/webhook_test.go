package e2e

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
)

// TestAnotherServerSendsWhatAKilledOneHadNotRecorded kills a server while the receiver has its request and has not
// answered: the next server sends the same event, with the same ID.
func TestAnotherServerSendsWhatAKilledOneHadNotRecorded(t *testing.T) {
	if binary == "" {
		testenv.Missing(t, "no E2E_KUBECONFIG: the binary under test is built for end-to-end tests only")
	}
	testenv.Slow(t, "waits until the reservation of a dead server ends")
	t.Parallel()
	requests, killed := make(chan string, 10), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- r.Header.Get("webhook-id")
		<-killed
	}))
	t.Cleanup(receiver.Close)
	env := []string{"BERTH_IDENTITY_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
	args := []string{"server", "--auth", "none", "--listen", "127.0.0.1:0", "--database-url", pgtest.Database(t), "--migrate", "auto",
		"--ensure-pool", "local=process", "--webhook-allow", "http://127.0.0.0/8"}
	first, url := startProcess(t, env, args...)
	berth := func(url string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = []string{"BERTH_API_URL=" + url, "HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("berth %v: %v\n%s", args, err, out)
		}
	}
	berth(url, "webhook", "set", "h", "--url", receiver.URL)
	file := filepath.Join(t.TempDir(), "berth.yaml")
	writeFile(t, file, "deployments: [{name: hello, pool: local, job_variables: {command: ['true']}}]\n")
	berth(url, "deploy", "--yes", "-f", file)
	berth(url, "deployment", "run", "hello")
	berth(url, "run", "cancel", "--deployment", "hello", "--yes")
	next := func() string {
		t.Helper()
		select {
		case id := <-requests:
			return id
		case <-time.After(patience):
			t.Fatal("nothing was sent")
			return ""
		}
	}
	id := next()
	first.kill(t)
	close(killed)
	startProcess(t, env, args...)
	if again := next(); again != id {
		t.Errorf("sent as %s, and then as %s", id, again)
	}
}
