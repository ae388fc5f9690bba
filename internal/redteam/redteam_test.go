// Package redteam holds docs/red-team.md to the tests that it names: each way out is tried by a test that
// exists.
package redteam

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// leastWays is how many ways out the page lists at least.
const leastWays = 40

// way is one row of the page: what is tried, what holds, and the test, as `path TestName` or
// `path TestName/part`, where part is the name of a case in the test.
type way struct{ tried, holds, file, test, part string }

func TestEveryWayOutIsTriedByATest(t *testing.T) {
	ways := readWays(t)
	if len(ways) < leastWays {
		t.Errorf("the page lists %d ways out, want at least %d", len(ways), leastWays)
	}
	seen := map[string]bool{}
	for _, w := range ways {
		if seen[w.tried] {
			t.Errorf("%q is listed twice", w.tried)
		}
		seen[w.tried] = true
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(w.file)))
		if err != nil {
			t.Errorf("%q: %v", w.tried, err)
			continue
		}
		if !strings.Contains(string(source), "func "+w.test+"(t *testing.T)") {
			t.Errorf("%q: %s has no %s", w.tried, w.file, w.test)
		}
		if w.part != "" && !strings.Contains(string(source), `"`+w.part+`"`) {
			t.Errorf("%q: %s has no case %q", w.tried, w.file, w.part)
		}
	}
}

func readWays(t *testing.T) []way {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "red-team.md"))
	if err != nil {
		t.Fatal(err)
	}
	var ways []way
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(cells[0], " way out") {
			continue
		}
		file, test, ok := strings.Cut(strings.Trim(strings.TrimSpace(cells[2]), "`"), " ")
		if !ok {
			t.Errorf("the last cell of %q is not a file and a test", strings.TrimSpace(line))
			continue
		}
		test, part, _ := strings.Cut(test, "/")
		ways = append(ways, way{strings.TrimSpace(cells[0]), cells[1], file, test, part})
	}
	return ways
}
