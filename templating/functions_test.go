package templating_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

var update = flag.Bool("update", false, "write the golden files anew")

const functionList = "../docs/template-functions.md"

func TestTheFunctionListIsMadeFromTheCode(t *testing.T) {
	var b strings.Builder
	b.WriteString(
		"# Functions of the template language\n\nMade from the code by `go test ./templating -update`; do not edit.\n")
	group := ""
	for _, f := range templating.Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n## %s\n\n| use | what it gives |\n|---|---|\n", group)
		}
		from := ""
		if f.Sprig {
			from = " (sprig)"
		}
		fmt.Fprintf(&b, "| `%s` | %s%s |\n", f.Usage, strings.ReplaceAll(f.Doc, "|", "\\|"), from)
	}
	b.WriteString("\n## Other names\n\n| name | the same as |\n|---|---|\n")
	for _, f := range templating.FunctionAliases() {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", f.Alias, f.Name)
	}
	b.WriteString("\n## Left out\n\n| function | why |\n|---|---|\n")
	for _, f := range templating.ExcludedFunctions() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.Reason)
	}
	if *update {
		if err := os.WriteFile(functionList, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(functionList)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", functionList, diff)
	}
}
