package openapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/testenv"
)

const (
	specification  = "../../server/api/openapi.yaml"
	installTimeout = 4 * time.Minute
	runTimeout     = time.Minute
)

func TestSpecificationPassesTheLinterAndGeneratesTypeScript(t *testing.T) {
	testenv.Slow(t, "it installs packages from the npm registry")
	t.Parallel()
	node := installNodeModules(t)

	t.Run("redocly lint finds no error and no warning", func(t *testing.T) {
		var report struct {
			Totals struct{ Errors, Warnings int }
		}
		c := command{name: node.program("redocly"), env: []string{"REDOCLY_TELEMETRY=off"}}
		output, err := c.run(t.Context(), "lint", "--config", "redocly.yaml", "--format", "json",
			specification)
		if jsonErr := json.Unmarshal(output, &report); jsonErr != nil {
			t.Fatalf("redocly: %v, and no report: %v\n%s", err, jsonErr, output)
		}
		if err != nil || report.Totals.Errors > 0 || report.Totals.Warnings > 0 {
			t.Errorf("redocly: %v\n%s", err, output)
		}
	})

	t.Run("the generated TypeScript types compile", func(t *testing.T) {
		node.copy(t, "client.ts")
		command{name: node.program("openapi-typescript")}.must(t, specification, "-o", node.dir+"/api.d.ts")
		command{name: node.program("tsc"), dir: node.dir}.must(t, "--noEmit", "--strict", "--target",
			"es2022", "--module", "es2022", "--moduleResolution", "bundler", "client.ts")
	})
}

func TestTheGeneratedPythonClientCompilesAndImports(t *testing.T) {
	testenv.Slow(t, "it installs packages from the Python package index")
	t.Parallel()
	dir := testenv.PythonPackages(t, "requirements.txt")
	python := filepath.Join(dir, "bin", "python")
	client := filepath.Join(dir, "berth_client")

	command{name: filepath.Join(dir, "bin", "openapi-python-client")}.must(t, "generate",
		"--path", specification, "--config", "python-client.yaml", "--meta", "none", "--output-path", client,
		"--fail-on-warning")
	command{name: python}.must(t, "-m", "compileall", "-q", client)
	command{name: python, env: []string{"PYTHONPATH=" + dir}}.must(t, "client.py")
}

// nodeModules is a directory with the tools of package-lock.json.
type nodeModules struct{ dir string }

func (n nodeModules) program(name string) string {
	return filepath.Join(n.dir, "node_modules", ".bin", name)
}

func (n nodeModules) copy(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(n.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func installNodeModules(t *testing.T) nodeModules {
	t.Helper()
	npm := testenv.Program(t, "npm", "install npm, or run e2e/setup.sh")
	requireNode(t)

	n := nodeModules{dir: t.TempDir()}
	n.copy(t, "package.json", "package-lock.json", ".npmrc")
	testenv.Install(t, "npm registry", n.dir, npm, "ci", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
	return n
}

// requireNode ends the test on a Node.js that is older than package.json demands.
func requireNode(t *testing.T) {
	t.Helper()
	version, err := command{
		name: testenv.Program(t, "node", "install nodejs, or run e2e/setup.sh"),
	}.run(t.Context(), "--version")
	if err != nil {
		t.Fatalf("node --version: %v\n%s", err, version)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(version), "v%d.%d", &major, &minor); err != nil {
		t.Fatalf("node --version printed %q: %v", version, err)
	}
	if major < 20 || major == 20 && minor < 19 {
		testenv.Missing(t, "Node.js is "+strings.TrimSpace(string(version))+": install 20.19 or newer")
	}
}

// command is a program with its working directory (default this folder) and variables beside the environment.
type command struct {
	name, dir string
	env       []string
}

// run returns the standard output, followed by the standard error if the program failed.
func (c command) run(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.name, args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return append(stdout.Bytes(), stderr.Bytes()...), err
	}
	return stdout.Bytes(), nil
}

// must runs a program that has to succeed.
func (c command) must(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	if output, err := c.run(ctx, args...); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(c.name), strings.Join(args, " "), err, output)
	}
}
