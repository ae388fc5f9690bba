package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheFlagsOfTheOutputArchiveAreChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"another kind of URL":    {[]string{"--output-archive", "https://outputs"}, "want s3://BUCKET[/PREFIX] or file:///DIRECTORY"},
		"an endpoint alone":      {[]string{"--output-archive-endpoint", "https://storage.example.com"}, "need --output-archive"},
		"an endpoint for a file": {[]string{"--output-archive", "file:///x", "--output-archive-region", "r"}, "only for an output archive in a bucket"},
		"an invalid endpoint":    {[]string{"--output-archive", "s3://b", "--output-archive-endpoint", "storage"}, "want https://HOST[:PORT]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := user{home: t.TempDir()}.run(t, append([]string{"server", "--data-dir", t.TempDir()}, test.args...)...)
			if r.code != 2 {
				t.Errorf("exit code %d", r.code)
			}
			demand(t, "standard error", r.stderr, test.want)
		})
	}
}

func TestTheOutputArchiveIsSetUpFromTheEnvironment(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	server := start(t, user{home: home}.environ("BERTH_OUTPUT_ARCHIVE=file://"+dir, "BERTH_BOOTSTRAP_ADMIN_KEY="+newKey(t)),
		"server", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	server.ready(t)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(time.Minute); !strings.Contains(server.stderr.String(), "archiving output"); {
		select {
		case <-deadline:
			t.Fatal("the server does not say that it archives output")
		case <-again.C:
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the check has left %v, %v", left, err)
	}
}
