package access

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/roles.md")

const rolesPage = "../../docs/roles.md"

// TestRolesPageHasTheTable holds docs/roles.md to the table of this package.
func TestRolesPageHasTheTable(t *testing.T) {
	content, err := os.ReadFile(rolesPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- operations -->\n", "<!-- end of operations -->\n"
	before, rest, found := strings.Cut(string(content), begin)
	current, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no %s … %s", rolesPage, begin, end)
	}
	want := operationsTable()
	if *update {
		if err := os.WriteFile(rolesPage, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if current != want {
		t.Errorf("%s differs from the table: run this test with -update and review the change", rolesPage)
	}
}

func operationsTable() string {
	var b strings.Builder
	b.WriteString("| lowest role | may | in pools | operation |\n|---|---|---|---|\n")
	for _, o := range Operations() {
		role := string(o.Role)
		if o.Job && o.Role != RoleJob {
			role += ", job"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", role, o.Does, o.Where(), o.ID)
	}
	return b.String()
}

func TestEveryRowIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range Operations() {
		if seen[o.ID] {
			t.Errorf("%s has two rows", o.ID)
		}
		seen[o.ID] = true
		if o.Does == "" || o.Role == "" || len(o.Pools) == 0 && o.Role != Everyone {
			t.Errorf("row %+v is not complete", o)
		}
	}
}
