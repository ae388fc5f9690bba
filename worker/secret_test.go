package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/berth-dev/berth/worker/job"
)

// secretTemplate keeps its environment in a Secret. What the script sees of it is written in capitals.
const secretTemplate = `{
  "variables": {"type": "object", "properties": {"token": {"type": "string"}}},
  "job_configuration": {
    "policy": {"env_as_secret": true},
    "env": {"TOKEN": "{{ token }}"},
    "job_manifest": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {
      "containers": [{"name": "job", "image": "busybox:1.36", "command": ["sh", "-c", "echo \"$TOKEN\" | tr a-z A-Z"]}]}}}}}}`

func TestSecretEnvironmentIsNeverReported(t *testing.T) {
	p := newFakeServer(t, secretTemplate)
	var log bytes.Buffer
	w := startWorker(t, p, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s := p.offer(`{"token": "xyzzy-plugh"}`)
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if got := string(s.output); got != "XYZZY-PLUGH\n" {
		t.Errorf("output is %q: the process did not get its environment", got)
	}
	reports, err := json.Marshal(s.reports)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"reports": string(reports), "log": log.String()} {
		if strings.Contains(text, "xyzzy") {
			t.Errorf("the value is in the %s: %s", what, text)
		}
	}
	if !strings.Contains(string(s.manifest), `"secretKeyRef"`) {
		t.Errorf("the manifest refers to no Secret: %s", s.manifest)
	}
}

func TestATakeoverRestoresTheSecret(t *testing.T) {
	p := newFakeServer(t, secretTemplate)
	waits := newWaitingRuntime()
	waits.created = true
	first := startWorker(t, p, waits.with)
	s := p.offer(`{"token": "xyzzy-plugh"}`, manifestFirst)
	<-waits.launched
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	p.change(func() { p.waiting = append(p.waiting, s) })
	startWorker(t, p, func(o *Options) { o.Name = "w2" })
	p.wait(t, "the end", func() bool { return s.ended != nil })
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.epoch != 2 || string(s.output) != "XYZZY-PLUGH\n" {
		t.Errorf("epoch %d, output %q, ended as %+v", s.epoch, s.output, s.ended)
	}
}

func TestASecretPrintsAsItsName(t *testing.T) {
	secret := &job.Secret{Name: "mine", Data: map[string]string{"K": "xyzzy"}}
	a := job.Attempt{Secret: secret}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	for _, text := range []string{fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v", secret, secret, secret), fmt.Sprintf("%+v", a), log.String()} {
		if strings.Contains(text, "xyzzy") {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestJobsGetTheAPIAccessOfTheWorker(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	waits := newWaitingRuntime()
	startWorker(t, p, waits.with, func(o *Options) {
		o.JobAPI = &JobAPI{URL: "https://berth.example.com", SecretName: "keys", SecretKey: "jobs"}
	})
	s := p.offer(script("true"), manifestFirst)
	<-waits.launched
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, want := range []string{
		`{"name":"BERTH_API_URL","value":"https://berth.example.com"}`, `{"name":"BERTH_API_KEY","valueFrom":{"secretKeyRef":{"name":"keys","key":"jobs"}}}`,
	} {
		if !strings.Contains(string(s.manifest), want) {
			t.Errorf("%s is not in %s", want, s.manifest)
		}
	}
}

func TestEachAttemptGetsItsOwnKeyWhichIsNeverLogged(t *testing.T) {
	for name, test := range map[string]struct {
		keyless bool
		want    string
	}{
		"a server that gives keys": {false, "KEY-OF-EPOCH-1 http://server\n"},
		"an older server":          {true, " http://server\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			p.keyless = test.keyless
			var log bytes.Buffer
			w := startWorker(t, p, func(o *Options) {
				o.JobAPI = &JobAPI{URL: "http://server", OwnKey: true}
				o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			s := p.offer(script(`echo "$(echo $BERTH_API_KEY | tr a-z A-Z) $BERTH_API_URL"`))
			p.wait(t, "the end", func() bool { return s.ended != nil })
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			reports, err := json.Marshal(s.reports)
			if err != nil {
				t.Fatal(err)
			}
			if string(s.output) != test.want ||
				strings.Contains(string(reports)+log.String(), "key-of-epoch") {
				t.Errorf("output %q, want %q; reports %s; log %s", s.output, test.want, reports, log.String())
			}
		})
	}
}

func TestConflictingJobAPIOptionsAreRefused(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	for want, jobAPI := range map[string]JobAPI{
		"must be set together":         {URL: "https://x", SecretName: "keys"},
		"and --job-api-key-secret-key": {URL: "https://x", SecretKey: "jobs"},
		"--job-api-url":                {SecretName: "keys", SecretKey: "jobs"},
		"exclude each other":           {URL: "https://x", SecretName: "keys", SecretKey: "jobs", OwnKey: true},
	} {
		o := testOptions(t, p, t.TempDir())
		o.JobAPI = &jobAPI
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", jobAPI, err, want)
		}
	}
}
