// Command cluster keeps the Kubernetes cluster that the end-to-end tests run on, and packs the images that
// run there. README.md is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run returns the exit code: 0 done, 1 the thing failed, 2 wrong use.
func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "Manage the Kubernetes cluster of the end-to-end tests",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.AddCommand(upCommand(), downCommand(), statusCommand(), loadCommand(), kubeconfigCommand(),
		kueueCommand(),
		imageCommand(), buildCommand(), initCommand(), superviseCommand())
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
	if !started ||
		errors.As(err, new(usageError)) { // not started: cobra refused the command line before anything ran
		return 2
	}
	return 1
}
