// Command bench measures what Berth promises about speed, and prints one table: ours, the limit and the peer
// of each row, taken in turns in the same run on the same machine, and their ratios. Absolute figures drift
// from machine to machine, ratios are what counts.
//
// A row (rows.go) names Go benchmarks; bench runs them round by round, so that limit and peer feel the same
// machine as ours, and takes the median. A missed target is printed, not an error: nothing here is a test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("run", "", "measure only the rows whose name matches this regular expression")
	output := flags.String("o", "table", "how to print: table or json")
	rounds := flags.Int("rounds", 3, "how often each benchmark is run; the median counts")
	benchtime := flags.String("benchtime", "1s",
		"how long one round of a benchmark takes, as in go test -benchtime")
	if err := flags.Parse(args); err != nil {
		return err
	}
	filter, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	if *rounds < 1 || (*output != "table" && *output != "json") {
		return errors.New("-rounds is at least 1, and -o is table or json")
	}
	var chosen []row
	for _, r := range rows() {
		if filter.MatchString(r.what) {
			chosen = append(chosen, r)
		}
	}
	if os.Getenv("E2E_KUBECONFIG") == "" {
		all := len(chosen)
		chosen = slices.DeleteFunc(chosen, func(r row) bool { return r.cluster })
		if left := all - len(chosen); left > 0 {
			fmt.Fprintf(
				os.Stderr,
				"bench: %d rows need a cluster and are left out: make cluster-up, then set E2E_KUBECONFIG to what it prints\n",
				left,
			)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no row to measure matches %q", *only)
	}
	measured, err := measure(ctx, chosen,
		options{rounds: *rounds, benchtime: *benchtime, progress: os.Stderr})
	if err != nil {
		return err
	}
	results := make([]result, 0, len(chosen))
	for _, r := range chosen {
		judged, err := r.judge(measured)
		if err != nil {
			return err
		}
		results = append(results, judged)
	}
	if *output == "json" {
		return printJSON(os.Stdout, results)
	}
	printTable(os.Stdout, results)
	return nil
}
