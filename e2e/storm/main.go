// Command storm runs an installation under faults and checks that nothing was lost, doubled or left behind.
//
// Several servers share one PostgreSQL. Clients create, cancel and retry runs, pause what is claimed from, and let
// schedules make more; workers claim, report, renew and send output, as real ones do, and some are real ones. Meanwhile
// servers, workers and PostgreSQL are killed, connections are cut or stall, answers get lost, leases are abandoned, the
// database's clock jumps and its disk fills. All of it is drawn from one seed: the same seed makes the same plan, though
// not the same order of what happens at the same time.
//
//	site     PostgreSQL with its disk and clock, servers, proxies     client   creates and changes runs
//	worker   executes attempts, and journals them                     fault    what is done to the site
//	inspect  reads what is stored                                     verdict  compares it with the journal
//
// It exits with 0 if nothing was violated, with 1 if something was, and with 2 if it cannot run as asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// Exit codes.
const (
	exitCalm      = 0
	exitViolation = 1
	exitRefused   = 2
)

func run(ctx context.Context, args []string) int {
	c, err := parse(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitCalm
	case err != nil:
		fmt.Fprintln(os.Stderr, "storm:", err)
		return exitRefused
	}
	result, err := storm(ctx, c, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		return exitRefused
	}
	if err := result.print(os.Stdout, c); err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		return exitRefused
	}
	if len(result.violations) > 0 {
		return exitViolation
	}
	return exitCalm
}
