package testenv

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Memory is a figure of a process that the kernel knows, such as VmRSS or VmHWM, in bytes.
func Memory(t testing.TB, process int, name string) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(line, name+": %f kB", &kib); err == nil {
			return kib * 1024
		}
	}
	t.Fatalf("the kernel tells no %s", name)
	return 0
}
