package openapi_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
)

// fuzzTimeout bounds one run of the fuzzer.
const fuzzTimeout = 10 * time.Minute

// fuzzChecks are what an answer is held to: no server error, and nothing that openapi.yaml does not declare.
const fuzzChecks = "not_a_server_error,status_code_conformance,content_type_conformance," +
	"response_headers_conformance,response_schema_conformance,allow_header_conformance"

// destructive are the operations that take away what others need. The fuzzer calls them last.
const destructive = "^(delete.*|purge.*|revoke.*|abandonRun|cancelRuns)$"

// callers is how many kinds of callers there are.
const callers = 8

// TestTheServerAnswersEveryRequestAsSpecified has a public fuzzer call the server binary as callers of every
// kind. A run is repeated with its seed: E2E_FUZZ_SEED=… ; E2E_FUZZ_EXAMPLES=… makes it more thorough.
func TestTheServerAnswersEveryRequestAsSpecified(t *testing.T) {
	testenv.Slow(t, "a fuzzer calls the server with thousands of requests")
	fuzzer := installFuzzer(t)
	binary := buildBerth(t)

	for name, database := range map[string]func(t *testing.T) []string{
		"SQLite": func(t *testing.T) []string { return []string{"--data-dir", t.TempDir()} },
		"PostgreSQL": func(t *testing.T) []string {
			return []string{"--database-url", pgtest.Database(t), "--migrate", "auto", "--data-dir", t.TempDir()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := oidctest.Start(t,
				oidctest.User{Subject: "ada", Email: "ada@example.com", EmailVerified: true},
				oidctest.User{Subject: "bob", Email: "bob@example.com", EmailVerified: true})
			s := startServer(t, binary, provider, database(t)...)
			w := newFuzzWorld(t, s, provider)
			forJob, destroyer := fuzzer.aimAt(t, s.url, w.ofJob), fuzzer.aimAt(t, s.url, w.spare)
			fuzzer := fuzzer.aimAt(t, s.url, w.names)
			keep := []string{"--exclude-operation-id-regex", destructive}

			ran := 0
			as := func(caller string, call func(t *testing.T)) {
				t.Run(caller, func(t *testing.T) {
					ran++
					call(t)
				})
			}
			as("job of a run", func(t *testing.T) {
				forJob.run(t, w.job, "--include-tag", "runs", "--include-tag", "identity")
			})
			fuzzer.run(t, s.admin, append(keep, "--phases", "examples")...) // connections, caches
			before := s.waitUntilIdle(t, nil)

			as("without a key", func(t *testing.T) { fuzzer.run(t, "") })
			as("viewer", func(t *testing.T) { fuzzer.run(t, w.viewer) })
			as("worker", func(t *testing.T) { fuzzer.run(t, s.worker) })
			as("operator of one pool", func(t *testing.T) { fuzzer.run(t, w.operator) })
			as("admin", func(t *testing.T) { fuzzer.run(t, s.admin, keep...) })
			as("person with a session", func(t *testing.T) {
				destroyer.run(t, w.person, "--include-tag", "sessions", "--exclude-operation-id", "revokeSessions")
				destroyer.run(t, w.leaver, "--include-operation-id", "revokeSessions")
			})
			as("admin who destroys", func(t *testing.T) {
				destroyer.run(t, s.admin, "--include-operation-id-regex", destructive,
					"--exclude-operation-id", "deleteWorkPool")
				fuzzer.run(t, s.admin, "--include-operation-id", "deleteWorkPool")
			})

			if ran == callers { // otherwise -run has chosen some
				s.servedMost(t)
			}
			after := s.waitUntilIdle(t, &before)
			t.Logf("before: %v; after: %v", before, after)
		})
	}
}

// fuzzer is Schemathesis in a virtual environment, with the specification and its configuration.
type fuzzer struct{ program, dir, url string }

func installFuzzer(t *testing.T) fuzzer {
	t.Helper()
	environment := testenv.PythonPackages(t, "fuzz-requirements.txt")
	return fuzzer{program: filepath.Join(environment, "bin", "schemathesis")}
}

// aimAt returns a fuzzer of one server. The values of the parameters are tried often, beside ones that the
// fuzzer makes up.
func (f fuzzer) aimAt(t *testing.T, url string, parameters map[string][]string) fuzzer {
	t.Helper()
	f.dir, f.url = t.TempDir(), url
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(f.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	write("fuzz_hooks.py", read("fuzz_hooks.py"))
	write("schemathesis.toml", append(read("schemathesis.toml"), valuesOf(t, parameters)...))
	write("openapi.json", strictSpecification(t))
	return f
}

// run calls the server with a key; empty means none. It reports every answer that is a server error or not
// declared.
func (f fuzzer) run(t *testing.T, key string, arguments ...string) {
	t.Helper()
	if output, err := f.try(t, key, arguments...); err != nil {
		t.Errorf("%v\n%s\nRepeat it with %s=%s and the same -run.", err, output, seedVariable, seed())
	}
}

func (f fuzzer) try(t *testing.T, key string, arguments ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), fuzzTimeout)
	defer cancel()
	all := []string{"--config-file", "schemathesis.toml", "run", "openapi.json", "--url", f.url, "--no-color",
		"--checks", fuzzChecks, "--seed", seed(), "--max-examples", examples()}
	if key != "" {
		all = append(all, "--header", "Authorization: Bearer "+key)
	}
	t.Logf("schemathesis, %s=%s", seedVariable, seed())
	output, err := command{name: f.program, dir: f.dir}.run(ctx, append(all, arguments...)...)
	t.Log(summaryOf(output))
	return output, err
}

const seedVariable = "E2E_FUZZ_SEED"

func seed() string { return fromEnvironment(seedVariable, "1") }

// examples is how many requests the fuzzer makes up for an operation, beside the ones that it derives from
// the bounds of the specification.
func examples() string { return fromEnvironment("E2E_FUZZ_EXAMPLES", "4") }

func fromEnvironment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// summaryOf is the last part of a report.
func summaryOf(report []byte) string {
	_, summary, _ := strings.Cut(string(report), "Test cases:")
	return "test cases:" + summary
}
