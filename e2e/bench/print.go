package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/perf/benchunit"
)

// figure writes a value with a unit that suits its size: 35.2 µs, 50.0 k runs/s, 12.1 MiB. Ratios and shares stay as they
// are.
func figure(v float64, unit string) string {
	if strings.Contains(unit, "x-") || strings.HasSuffix(unit, "-share") {
		return fmt.Sprintf("%.2f %s", v, unit)
	}
	class := benchunit.Decimal
	base, per, _ := strings.Cut(unit, "/")
	if base == "B" {
		class = benchunit.Binary
	}
	scaled := benchunit.Scale(v, class)
	switch {
	case base == "sec":
		return scaled + "s"
	case base == "B" && per == "op":
		return scaled + "B"
	default:
		return scaled + " " + unit
	}
}

func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f ×", v)
}

func named(v float64, unit, name string) string {
	if name == "" {
		return ""
	}
	return figure(v, unit) + "\n" + name
}

func printTable(to io.Writer, results []result) {
	t := table.NewWriter()
	t.SetOutputMirror(to)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"what", "ours", "limit", "of limit", "peer", "better", "target", "met"})
	for _, r := range results {
		met := "yes"
		if !r.Met {
			met = "NO"
		}
		if r.Target == "" {
			met = ""
		}
		ours := figure(r.Ours, r.Unit)
		for _, unit := range slices.Sorted(maps.Keys(r.Beside)) {
			ours += "\n" + figure(r.Beside[unit], unit)
		}
		t.AppendRow(table.Row{r.What, ours, named(r.Limit, r.Unit, r.LimitName), ratio(r.ToLimit),
			named(r.Peer, r.Unit, r.PeerName), ratio(r.ToPeer), r.Target, met})
		t.AppendSeparator()
	}
	t.Render()
}

func printJSON(to io.Writer, results []result) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"rows": results})
}
