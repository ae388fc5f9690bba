package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

type options struct {
	rounds    int
	benchtime string
	progress  io.Writer
}

// benchmark is a top-level benchmark of one package, and which parts of it are wanted; none: all.
type benchmark struct {
	dir, name string
	parts     []string
	counts    bool // once is enough
}

// measure runs all benchmarks of the rows, round by round.
func measure(ctx context.Context, rows []row, o options) (samples, error) {
	measured := samples{}
	wanted := benchmarksOf(rows)
	for round := range o.rounds {
		for i, b := range wanted {
			if b.counts && round > 0 {
				continue
			}
			fmt.Fprintf(o.progress, "bench: round %d of %d, benchmark %d of %d: %s in %s\n",
				round+1, o.rounds, i+1, len(wanted), b.name, b.dir)
			if err := b.run(ctx, o.benchtime, measured); err != nil {
				return nil, err
			}
		}
	}
	return measured, nil
}

// benchmarksOf lists what the rows name, each once, sorted.
func benchmarksOf(rows []row) []benchmark {
	type key struct{ dir, name string }
	parts, timed := map[key][]string{}, map[key]bool{}
	for _, r := range rows {
		for _, b := range []key{{r.dir, r.ours}, {r.dir, r.limit}, {r.ofPeer(), r.peer}} {
			if b.name == "" {
				continue
			}
			name, part, _ := strings.Cut(b.name, "/")
			top := key{b.dir, name}
			if !slices.Contains(parts[top], part) {
				parts[top] = append(parts[top], part)
			}
			timed[top] = timed[top] || !r.counts
		}
	}

	wanted := make([]benchmark, 0, len(parts))
	for top, names := range parts {
		b := benchmark{dir: top.dir, name: top.name, counts: !timed[top]}
		if !slices.Contains(names, "") {
			b.parts = names
		}
		wanted = append(wanted, b)
	}
	slices.SortFunc(wanted, func(a, b benchmark) int {
		return cmp.Or(cmp.Compare(a.dir, b.dir), cmp.Compare(a.name, b.name))
	})
	return wanted
}

// pattern is the value of go test -bench that runs the benchmark, and no other part of it than is wanted.
func (b benchmark) pattern() string {
	pattern := "^Benchmark" + b.name + "$"
	if len(b.parts) == 0 {
		return pattern
	}
	quoted := make([]string, len(b.parts))
	for i, part := range b.parts {
		quoted[i] = regexp.QuoteMeta(part)
	}
	return pattern + "/^(" + strings.Join(quoted, "|") + ")$"
}

// run runs the benchmark once. Its package may be in a nested module.
func (b benchmark) run(ctx context.Context, benchtime string, into samples) error {
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", b.pattern(), "-benchmem",
		"-benchtime", benchtime, "-timeout", "60m", ".")
	command.Dir = filepath.FromSlash(b.dir)
	command.Stderr = os.Stderr
	command.Env = append(command.Environ(),
		"GOGC=400") // as `berth server` sets it; limits and peers get the same
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("benchmark %s of %s: %w\n%s", b.name, b.dir, err, out)
	}
	return read(bytes.NewReader(out), b.dir, into)
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
