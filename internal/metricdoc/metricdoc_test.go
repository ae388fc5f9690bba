package metricdoc_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/metricdoc"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md anew")

const (
	page       = "../../docs/metrics.md"
	start, end = "<!-- metrics: made by go test ./internal/metricdoc -update -->\n", "<!-- end of metrics -->"
)

func TestThePageOfMetricsHasThoseOfTheCode(t *testing.T) {
	metrics, err := metricdoc.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(metrics) < 30 {
		t.Fatalf("%d metrics found, which can not be all", len(metrics))
	}
	var table strings.Builder
	table.WriteString("| Metric | Kind | Of | Labels | |\n|---|---|---|---|---|\n")
	for _, m := range metrics {
		if m.Help == "" {
			t.Errorf("%s has no help", m.Name)
		}
		labels := "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.By, labels,
			strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", `\|`).Replace(m.Help))
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), start)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	if old == table.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is not that of the code: run go test ./internal/metricdoc -update", page)
	}
	if err := os.WriteFile(page, []byte(before+start+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
