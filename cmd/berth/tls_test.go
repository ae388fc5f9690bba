package main

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/certificate/certtest"
)

func TestClientsAndWorkersTrustTheAuthorityThatTheyAreTold(t *testing.T) {
	t.Parallel()
	dir, admin, key := t.TempDir(), newKey(t), newKey(t)
	pair, stranger := certtest.New(t, 1), certtest.New(t, 2)
	cert, private := write(t, dir, "tls.crt", string(pair.Cert)), write(t, dir, "tls.key", string(pair.Key))
	u := user{home: t.TempDir()}
	serving := start(
		t,
		u.environ("BERTH_BOOTSTRAP_ADMIN_KEY="+admin, "BERTH_BOOTSTRAP_WORKER_KEY="+key,
			"BERTH_ENSURE_POOL=default=process"),
		"server",
		"--listen",
		"127.0.0.1:0",
		"--data-dir",
		t.TempDir(),
		"--tls-cert-file",
		cert,
		"--tls-key-file",
		private,
	)
	if u.url = serving.ready(t); !strings.HasPrefix(u.url, "https://") {
		t.Fatalf("it serves %s", u.url)
	}
	boss := []string{"BERTH_API_KEY=" + admin}
	trusting := append(boss, "BERTH_CA_FILE="+cert)
	for name, environ := range map[string][]string{"nobody": boss, "another": append(boss, "BERTH_CA_FILE="+write(t, dir, "other.crt", string(stranger.Cert)))} {
		if r := u.runEnv(t, "", environ, "pool", "ls"); r.code != 1 ||
			!strings.Contains(r.stderr, "--ca-file") {
			t.Errorf("trusting %s: exit code %d\n%s", name, r.code, r.stderr)
		}
	}
	if r := u.runEnv(t, "", boss, "pool", "ls", "--ca-file", private); r.code != 2 ||
		!strings.Contains(r.stderr, "no certificate") {
		t.Errorf("a file without certificates: exit code %d\n%s", r.code, r.stderr)
	}
	file := write(t, dir, "berth.yaml",
		"deployments:\n- name: say\n  pool: default\n  job_variables: {command: [echo, said]}\n")
	if r := u.runEnv(t, "", trusting, "deploy", "-f", file, "--yes"); r.code != 0 {
		t.Fatalf("deploy: exit code %d\n%s", r.code, r.stderr)
	}
	start(t, u.environ("BERTH_API_KEY="+key), "worker", "start", "--pool", "default", "--type", "process",
		"--name", "w", "--metrics-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--ca-file",
		cert).ready(t)
	if r := u.runEnv(t, "", trusting, "deployment", "run", "say", "--watch"); r.code != 0 ||
		!strings.Contains(r.stdout, "said") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for _, args := range [][]string{{"--tls-cert-file", cert}, {"--tls-key-file", private}} {
		if r := u.run(t, append([]string{"server", "--data-dir", t.TempDir()}, args...)...); r.code != 2 {
			t.Errorf("%v alone: exit code %d", args, r.code)
		}
	}
}
