package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadKeepsEveryMetricOfEveryBenchmark(t *testing.T) {
	into := samples{}
	output := "goos: linux\npkg: x\nBenchmarkA/b=c/d-e-8   100   2000 ns/op   12 B/op   3 allocs/op\n    x_test.go:1: words\n" +
		"BenchmarkWorst  3  5 ns/op  0.5 worst-sec/op\nPASS\n"
	for range 2 {
		if err := read(strings.NewReader(output), "p", into); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[sampleKey]float64{
		{"p", "A/b=c/d-e", "sec/op"}: 2e-6, {"p", "A/b=c/d-e", "allocs/op"}: 3, {"p", "Worst", "worst-sec/op"}: 0.5,
	} {
		if got := into[key]; len(got) != 2 || math.Abs(got[0]-want) > want*1e-9 {
			t.Errorf("%v: got %v, want twice %v", key, got, want)
		}
	}
}

func TestARowIsJudgedByMediansAndRatios(t *testing.T) {
	measured := samples{
		{"p", "Ours", "sec/op"}: {
			3, 100, 1,
		}, {"p", "Limit", "sec/op"}: {2, 2, 2}, {"p", "Peer", "sec/op"}: {9, 9, 9},
		{"p", "Rate", "runs/s"}: {80}, {"p", "RateLimit", "runs/s"}: {100}, {"p", "RatePeer", "runs/s"}: {40},
	}
	times := row{dir: "p", ours: "Ours", limit: "Limit", peer: "Peer", unit: "sec/op"}
	rate := row{dir: "p", ours: "Rate", limit: "RateLimit", peer: "RatePeer", unit: "runs/s", more: true}
	with := func(r row, change func(*row)) row { change(&r); return r }
	for _, test := range []struct {
		name            string
		row             row
		toLimit, toPeer float64
		met             bool
	}{
		{"no target is met", times, 1.5, 3, true},
		{"within the limit", with(times, func(r *row) { r.timesLimit = 1.5 }), 1.5, 3, true},
		{"beyond the limit", with(times, func(r *row) { r.timesLimit = 1.4 }), 1.5, 3, false},
		{"faster than the peer", with(times, func(r *row) { r.timesPeer = 3 }), 1.5, 3, true},
		{"not fast enough", with(times, func(r *row) { r.timesPeer = 3.1 }), 1.5, 3, false},
		{"within the bound", with(times, func(r *row) { r.bound = 3 }), 1.5, 3, true},
		{"beyond the bound", with(times, func(r *row) { r.bound = 2.9 }), 1.5, 3, false},
		{"a rate near enough to the limit", with(rate, func(r *row) { r.timesLimit = 0.8 }), 0.8, 2, true},
		{"a rate too far from the limit", with(rate, func(r *row) { r.timesLimit = 0.81 }), 0.8, 2, false},
		{"a rate above the peer's", with(rate, func(r *row) { r.timesPeer = 2 }), 0.8, 2, true},
		{"a rate below the bound", with(rate, func(r *row) { r.bound = 81 }), 0.8, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.row.judge(measured)
			if err != nil || got.ToLimit != test.toLimit || got.ToPeer != test.toPeer || got.Met != test.met {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if _, err := with(times, func(r *row) { r.peer = "Nobody" }).judge(measured); err == nil {
		t.Error("a benchmark that did not run was no error")
	}
}

// TestEveryRowNamesBenchmarksThatExist looks for the functions; sub-benchmarks are found when they run.
func TestEveryRowNamesBenchmarksThatExist(t *testing.T) {
	for _, b := range benchmarksOf(rows()) {
		files, err := filepath.Glob(filepath.Join("..", "..", b.dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var source bytes.Buffer
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(data)
		}
		if !strings.Contains(source.String(), "func Benchmark"+b.name+"(b *testing.B)") {
			t.Errorf("there is no Benchmark%s in %s", b.name, b.dir)
		}
	}
}

func TestBothFormsSayTheSame(t *testing.T) {
	results := []result{
		{
			What: "render", Unit: "sec/op", Ours: 3.5e-5, Limit: 2.9e-5, LimitName: "json",
			ToLimit: 1.2, Target: "≤ 3 × limit", Met: true,
		},
		{What: "claim", Unit: "runs/s", Ours: 52_000, Target: "≥ 60.0k runs/s"},
	}
	var table, document bytes.Buffer
	printTable(&table, results)
	for _, want := range []string{"35.00µs", "29.00µs", "1.20 ×", "≤ 3 × limit", "52.00k runs/s", "NO"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	if err := printJSON(&document, results); err != nil {
		t.Fatal(err)
	}
	var back struct{ Rows []result }
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || len(back.Rows) != 2 ||
		back.Rows[1].Met ||
		!back.Rows[0].Met {
		t.Errorf("%v: %s", err, document.String())
	}
}

func TestMeasureRunsWhatTheRowsName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module bench.test/x\n\ngo 1.26\n",
		"x_test.go": "package x\n\nimport \"testing\"\n\nfunc BenchmarkOurs(b *testing.B) {\n\tfor b.Loop() {\n\t}\n\tb.ReportMetric(7, \"runs/s\")\n}\n\nfunc BenchmarkParts(b *testing.B) {\n\tb.Run(\"wanted\", BenchmarkOurs)\n\tb.Run(\"other\", BenchmarkOther)\n}\n\nfunc BenchmarkOther(b *testing.B) { b.Fatal(\"not wanted\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	measured, err := measure(context.Background(), []row{{dir: dir, ours: "Ours", limit: "Parts/wanted"}},
		options{rounds: 2, benchtime: "1x", progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if got := measured[sampleKey{dir, "Ours", "runs/s"}]; !slices.Equal(got, []float64{7, 7}) {
		t.Errorf("got %v of %v", got, measured)
	}
	if got := measured[sampleKey{dir, "Parts/wanted", "runs/s"}]; len(got) != 2 {
		t.Errorf("got %v of a part", got)
	}
	counted, err := measure(context.Background(), []row{{dir: dir, ours: "Ours", counts: true}},
		options{rounds: 2, benchtime: "1x", progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if got := counted[sampleKey{dir, "Ours", "runs/s"}]; len(got) != 1 {
		t.Errorf("got %v of what only counts", got)
	}
	if _, err := measure(context.Background(), []row{{dir: dir, ours: "Other"}}, options{rounds: 1, benchtime: "1x", progress: io.Discard}); err == nil {
		t.Error("a benchmark that failed was no error")
	}
}

func TestRunRefusesWhatItCanNotDo(t *testing.T) {
	for _, args := range [][]string{{"-run", "no such row"}, {"-run", "("}, {"-o", "yaml"}, {"-rounds", "0"}} {
		if err := run(context.Background(), args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
