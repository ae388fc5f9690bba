package ui_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/berth-dev/berth/internal/testenv"
)

// node runs a program in web/, where its packages are installed.
func node(t *testing.T, arguments ...string) {
	t.Helper()
	program := testenv.Program(t, "node", "install Node.js, or run e2e/setup.sh")
	if _, err := os.Stat("web/node_modules"); err != nil {
		testenv.Missing(t, "the packages of the page are not installed: run make page")
	}
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir = "web"
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("node %v: %v\n%s", arguments, err, out)
	}
}

func TestTheScriptsOfThePage(t *testing.T) {
	t.Parallel()
	node(t, "build.mjs", "--test")
}

func TestTheTypesOfTheScriptsHold(t *testing.T) {
	t.Parallel()
	node(t, "node_modules/typescript/bin/tsc", "--noEmit")
}
