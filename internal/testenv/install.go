package testenv

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const installTimeout = 4 * time.Minute

// PythonPackages returns a virtual environment with the packages of a file, which has their hashes.
func PythonPackages(t testing.TB, requirements string) string {
	t.Helper()
	python := Program(t, "python3", "install python3, or run e2e/setup.sh")
	if output, err := exec.CommandContext(t.Context(), python, "-c", "import ensurepip, venv").CombinedOutput(); err != nil {
		Missing(t, "Python cannot create virtual environments: install python3-venv\n"+string(output))
	}
	dir := t.TempDir()
	if output, err := exec.CommandContext(t.Context(), python, "-m", "venv", dir).CombinedOutput(); err != nil {
		t.Fatalf("make a virtual environment: %v\n%s", err, output)
	}
	Install(t, "Python package index", "", filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--retries=1",
		"--disable-pip-version-check", "--only-binary=:all:", "--require-hashes", "-r", requirements)
	return dir
}

// unreachable matches what npm and pip print if there is no network, no name service or no server.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|` +
	`NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError`)

// Install runs an installer in a directory, and tells a registry that cannot be reached from pins that are wrong.
func Install(t testing.TB, registry, dir, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &output, &output, time.Second
	switch err := cmd.Run(); {
	case err == nil:
	case unreachable.Match(output.Bytes()):
		Missing(t, fmt.Sprintf("the %s cannot be reached: %v\n%s", registry, err, &output))
	default:
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &output)
	}
}
