package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/provider"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// maxNodes bounds the nodes of a cluster on one machine, and with them its addresses.
const maxNodes = 9

func upCommand() *cobra.Command {
	var nodes int
	var settings []string
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster unless it runs, and print the path of its kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			args, err := state.ParseArgs(settings)
			if err != nil {
				return usageError{err}
			}
			if nodes < 0 || nodes > maxNodes {
				return usageError{fmt.Errorf("--nodes takes 1 to %d, not %d", maxNodes, nodes)}
			}
			cluster, err := choose(cmd.Context(), nodes, args)
			if err != nil {
				return err
			}
			if err := cluster.Up(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), cluster.Kubeconfig())
			return nil
		},
	}
	command.Flags().IntVar(&nodes, "nodes", environmentInt("NODES"), "number of nodes, default 1 (environment NODES)")
	command.Flags().StringArrayVar(&settings, "arg", strings.Fields(os.Getenv("BERTH_CLUSTER_ARGS")),
		"extra argument of a component, COMPONENT=--FLAG=VALUE; repeatable (environment BERTH_CLUSTER_ARGS,"+
			" separated by spaces)")
	return command
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the cluster completely",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := present(cmd.Context())
			if err != nil {
				return err
			}
			return cluster.Down(cmd.Context())
		},
	}
}

func statusCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the status of the cluster and its components; exit with 1 if it is not up",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return usageError{fmt.Errorf("-o takes table or json, not %q", format)}
			}
			cluster, err := present(cmd.Context())
			if err != nil {
				return err
			}
			status, err := cluster.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), format, status); err != nil {
				return err
			}
			if !status.Up {
				return fmt.Errorf("the cluster is not up: %s", status.Detail)
			}
			return nil
		},
	}
	command.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	return command
}

func loadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "load ARCHIVE…",
		Short: "Load the images of archives into the cluster",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			cluster, err := present(cmd.Context())
			if err != nil {
				return err
			}
			for _, archive := range archives {
				if err := cluster.Load(cmd.Context(), archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func kubeconfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the cluster's kubeconfig; exit with 1 if there is none",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := present(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := os.Stat(cluster.Kubeconfig()); err != nil {
				return fmt.Errorf("the cluster is not up: %w", err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), cluster.Kubeconfig())
			return nil
		},
	}
}

// buildCommand is for programs that not every cluster needs.
func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build PROGRAM",
		Short: "Build kube, etcd, coredns, kwok, kueue, kind or pause unless it is cached, and print its path",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			builder, err := newBuilder()
			if err != nil {
				return err
			}
			path, err := builder.Build(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), path)
			return nil
		},
	}
}

// initCommand and superviseCommand are started by up, inside the cluster's namespaces.
func initCommand() *cobra.Command {
	return insideCommand("init", func(cmd *cobra.Command, dir state.Dir) error {
		return node.Init(dir, cmd.ErrOrStderr())
	})
}

func superviseCommand() *cobra.Command {
	return insideCommand("supervise", func(cmd *cobra.Command, dir state.Dir) error {
		return node.Supervise(cmd.Context(), dir, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	})
}

func insideCommand(name string, run func(*cobra.Command, state.Dir) error) *cobra.Command {
	var path string
	command := &cobra.Command{
		Use: name, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := state.New(path)
			if err != nil {
				return err
			}
			return run(cmd, dir)
		},
	}
	command.Flags().StringVar(&path, "dir", "", "the cluster's directory")
	return command
}

func printStatus(w io.Writer, format string, status provider.Status) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "provider\t%s\nup\t%t\n", status.Provider, status.Up)
	if status.Kubeconfig != "" {
		fmt.Fprintf(table, "kubeconfig\t%s\n", status.Kubeconfig)
	}
	if status.Dir != "" {
		fmt.Fprintf(table, "directory\t%s\n", status.Dir)
	}
	if len(status.Components) > 0 {
		fmt.Fprint(table, "\nCOMPONENT\tPID\tHEALTHY\tRESTARTS\tDETAIL\n")
	}
	for _, component := range status.Components {
		fmt.Fprintf(table, "%s\t%d\t%t\t%d\t%s\n", component.Name, component.PID, component.Healthy,
			component.Restarts, component.Detail)
	}
	return table.Flush()
}

// environmentInt returns 0 where the variable holds no number.
func environmentInt(name string) int {
	value, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return 0
	}
	return value
}
