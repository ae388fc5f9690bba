package server_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// TestSecretsAreNeverReturned goes through every operation, as it is meant and in wrong ways, and then looks
// for keys and for the value of a stored variable in all that was answered, logged and stored.
func TestSecretsAreNeverReturned(t *testing.T) {
	t.Parallel()
	var log logged
	folder := t.TempDir()
	w := newContractWorld(t, func(o *server.Options) {
		o.DataDir, o.Logger = folder, slog.New(slog.NewTextHandler(&log,
			&slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	const token = "correct-horse-battery-staple"
	w.call(http.MethodPut, "/api/v1/variables/token", `{"value":"`+token+`"}`).is(http.StatusOK)
	made, stranger := w.makeKey("made", api.RoleViewer), newKey(t)
	w.deploy("own", "")
	w.startRun("own", `{}`)
	job := *w.newWorker("w1").claimKeyed().JobKey
	keys := map[string]string{"admin": w.admin, "worker": w.worker, "made": made, "stranger": stranger,
		"job": job}

	var answers, variables bytes.Buffer // the second where the variable's value has its place
	keep := func(o operation, a answer) {
		if o.protocol() || strings.HasSuffix(o.OperationID, "Variable") ||
			strings.HasSuffix(o.OperationID, "Variables") || strings.HasSuffix(o.OperationID, "Template") {
			variables.Write(a.body)
			return
		}
		answers.Write(a.body)
	}
	for _, o := range operations(t) {
		if o.streams() || o.public() {
			continue
		}
		c := w.validCall(o)
		for _, key := range []string{made, stranger, job, made[:len(made)-1] + "A", c.key} {
			c.key = key
			keep(o, w.send(c))
		}
		keep(o, w.sendText(c, `{"value":"`+token+`"`)) // cut off
		c.query = "key=" + made
		keep(o, w.send(c))
	}
	// What does not fit is named, its value is not.
	w.call(
		http.MethodPost,
		"/api/v1/work-pools",
		`{"name":"numbers","type":"process","base_job_template":{"variables":{"properties":{"n":{"type":"integer"},"e":{"enum":["a","b"]},"p":{"type":"string","pattern":"^[0-9]+$"},"m":{"type":"string","maxLength":3},"o":{"type":"object"}}},"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","metadata":{"annotations":"{{ o }}"},"spec":{"template":{"spec":{"containers":[{"name":"job","image":"x","command":["echo","{{ n }}{{ e }}{{ p }}{{ m }}"]}]}}}}}}}`,
	).is(http.StatusCreated)
	w.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"count","pool":"numbers"}]}`).is(http.StatusOK)
	for _, name := range []string{"n", "e", "p", "m", "o"} {
		misfit := w.call(http.MethodPost, "/api/v1/deployments/count/runs",
			`{"job_variables":{"`+name+`":"{{ berth.variables.token }}"}}`)
		misfit.refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables/"+name)
		answers.Write(misfit.body)
	}
	answers.Write(w.call(http.MethodGet, "/api/v1/audit?limit=500", "").is(http.StatusOK).body)
	answers.Write(w.call(http.MethodGet, "/metrics", "").body)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	stored := readAll(t, folder)
	for name, key := range keys {
		secret := key[len(key)-43:]
		for where, text := range map[string]string{"answers": answers.String() + variables.String(),
			"the log": log.String(), "what is stored": stored} {
			if strings.Contains(text, secret) {
				t.Errorf("the secret of key %s is in %s: %s", name, where, around(text, secret))
			}
		}
	}
	for where, text := range map[string]string{"answers": answers.String(), "the log": log.String()} {
		if strings.Contains(text, token) {
			t.Errorf("the value of a stored variable is in %s: %s", where, around(text, token))
		}
	}
	if !strings.Contains(log.String(), "request refused") || !strings.Contains(stored, token) ||
		answers.Len() < 10_000 {
		t.Error("this test has looked into nothing")
	}
}

// readAll is what is in the files of a folder.
func readAll(t *testing.T, folder string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		text.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func around(text, found string) string {
	at := strings.Index(text, found)
	return text[max(0, at-200):min(len(text), at+len(found)+50)]
}
