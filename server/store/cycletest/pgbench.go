package cycletest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

// pgbenchRate finds the scripts a second, without what it took to connect.
var pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+) \(without initial connection time\)`)

// Pgbench runs a script that takes a hundred runs through, until n runs are through, with as many clients as there are
// workers. n is a multiple of what they take at once.
func Pgbench(t testing.TB, url, script string, n int) time.Duration {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if n%(Batch*Workers) != 0 {
		t.Fatalf("pgbench cannot take %d runs through", n)
	}
	clients, each := strconv.Itoa(Workers), n/(Batch*Workers)
	command := exec.CommandContext(t.Context(), pgtest.Binary(t, "pgbench"), "--no-vacuum", "--protocol=prepared",
		"--file="+file, "--client="+clients, "--jobs="+clients, "--transactions="+strconv.Itoa(each), url)
	command.Env = append(command.Environ(), "PGOPTIONS=-c enable_seqscan=off -c enable_bitmapscan=off -c jit=off")
	out, err := command.CombinedOutput()
	found := pgbenchRate.FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("pgbench: %v\n%s", err, out)
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(fmt.Errorf("read the rate of pgbench: %w", err))
	}
	return time.Duration(float64(each*Workers) / rate * float64(time.Second))
}
