package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

type options struct {
	rounds    int
	benchtime string
	progress  io.Writer
}

// measure runs all benchmarks of the rows, round by round.
func measure(ctx context.Context, rows []row, o options) (samples, error) {
	measured := samples{}
	wanted := benchmarksOf(rows)
	for round := range o.rounds {
		for _, dir := range sortedKeys(wanted) {
			fmt.Fprintf(o.progress, "bench: round %d of %d, %s\n", round+1, o.rounds, dir)
			if err := runPackage(ctx, dir, wanted[dir], o.benchtime, measured); err != nil {
				return nil, err
			}
		}
	}
	return measured, nil
}

// benchmarksOf lists the top-level benchmarks by folder: sub-benchmarks come with them.
func benchmarksOf(rows []row) map[string][]string {
	wanted := map[string][]string{}
	for _, r := range rows {
		for _, b := range []struct{ dir, name string }{{r.dir, r.ours}, {r.dir, r.limit}, {r.ofPeer(), r.peer}} {
			top, _, _ := strings.Cut(b.name, "/")
			if top != "" && !slices.Contains(wanted[b.dir], top) {
				wanted[b.dir] = append(wanted[b.dir], top)
			}
		}
	}
	return wanted
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// runPackage runs benchmarks of one package once. The package may be in a nested module.
func runPackage(ctx context.Context, dir string, names []string, benchtime string, into samples) error {
	pattern := "^Benchmark(" + strings.Join(names, "|") + ")$"
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchmem",
		"-benchtime", benchtime, "-timeout", "60m", ".")
	command.Dir = filepath.FromSlash(dir)
	command.Stderr = os.Stderr
	command.Env = append(command.Environ(),
		"GOGC=400") // as `berth server` sets it; limits and peers get the same
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("benchmarks of %s: %w\n%s", dir, err, out)
	}
	return read(bytes.NewReader(out), dir, into)
}

// read takes what go test prints.
func read(output io.Reader, dir string, into samples) error {
	reader := benchfmt.NewReader(output, dir)
	for reader.Scan() {
		found, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // lines about the machine, and whatever a benchmark logs
		}
		base, parts := found.Name.Parts()
		name := string(base)
		for _, part := range parts {
			if part[0] != '-' { // the number of processors
				name += string(part)
			}
		}
		for _, v := range found.Values {
			key := sampleKey{dir, name, v.Unit}
			into[key] = append(into[key], v.Value)
		}
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("read the benchmarks of %s: %w", dir, err)
	}
	return nil
}
