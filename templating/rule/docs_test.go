package rule_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating/rule"
)

// libraryTable is the table of the library in docs/rules.md.
func libraryTable() string {
	var b strings.Builder
	for _, t := range rule.Library() {
		var params []string
		for _, name := range slices.Sorted(maps.Keys(t.Params)) {
			params = append(params, fmt.Sprintf("`%s`: `%s`", name, t.Params[name].Default))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t.Name, t.Description, strings.Join(params, "; "))
	}
	return b.String()
}

func TestTheDocumentationListsTheLibrary(t *testing.T) {
	const file = "../../docs/rules.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const header = "|---|---|---|\n"
	at := strings.LastIndex(string(text), header)
	if at < 0 {
		t.Fatal("docs/rules.md has no table of the library")
	}
	at += len(header)
	if got, want := string(text[at:]), libraryTable(); got != want {
		t.Errorf("the table of the library in docs/rules.md must be\n%s", want)
	}
}
