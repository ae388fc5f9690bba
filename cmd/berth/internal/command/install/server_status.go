package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// clusterFlags ask for an installation in a cluster.
var clusterFlags = []string{"kubeconfig", "kube-context", "namespace", "name"}

func asksForCluster(cmd *cobra.Command) bool {
	return slices.ContainsFunc(clusterFlags, func(name string) bool {
		flag := cmd.Flags().Lookup(name)
		return flag != nil && flag.Changed
	})
}

// PoolStatus is whether the runs of a pool have a worker.
type PoolStatus struct {
	Name        string `json:"name"`
	LiveWorkers int    `json:"live_workers"`
	DueRuns     int64  `json:"due_runs"`
}

// ServerStatus is what `berth status` shows where there is no installation in a cluster.
type ServerStatus struct {
	URL     string       `json:"url"`
	Version string       `json:"version"`
	Pools   []PoolStatus `json:"pools"`
}

// serverStatus asks the server that the commands talk to.
func serverStatus(ctx context.Context, app *cli.App, cmd *cobra.Command) (ServerStatus, error) {
	connection, err := app.Connection(cmd)
	if err != nil {
		return ServerStatus{}, err
	}
	client, err := app.NewClient(connection)
	if err != nil {
		return ServerStatus{}, err
	}
	info, err := cli.Value(client.GetInfoWithResponse(ctx))
	if err != nil {
		return ServerStatus{}, err
	}
	status := ServerStatus{URL: connection.URL, Version: info.Version, Pools: []PoolStatus{}}
	pools, err := lookup.ListPools(ctx, client)
	if err != nil {
		return status, err
	}
	workers, err := lookup.ListWorkers(ctx, client, nil)
	if err != nil {
		return status, err
	}
	now := app.Now()
	for _, pool := range pools {
		one := PoolStatus{Name: pool.Name}
		for _, w := range workers {
			if w.Pool == pool.Name && w.Alive {
				one.LiveWorkers++
			}
		}
		count, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{
			Pool: &pool.Name, State: &[]api.StateType{api.SCHEDULED}, ScheduledBefore: &now,
		}))
		if err != nil {
			return status, err
		}
		one.DueRuns = count.Total
		status.Pools = append(status.Pools, one)
	}
	return status, nil
}

// showServer prints the status of the server, and tests it where that is wanted.
func (f *releaseFlags) showServer(
	app *cli.App, cmd *cobra.Command, format cli.Format, status ServerStatus, links linkOptions, test bool,
) error {
	if !test {
		return printServer(app, format, status)
	}
	if format != cli.Table {
		return cli.Usagef("--test prints a line for each link; leave out -o %s", format)
	}
	client, err := statusClient(app, cmd)
	if err != nil {
		return err
	}
	links.patience = f.timeout
	return testLinks(cmd.Context(), app, client, links)
}

// statusClient makes the client of the server that the commands talk to.
func statusClient(app *cli.App, cmd *cobra.Command) (*cli.Client, error) {
	connection, err := app.Connection(cmd)
	if err != nil {
		return nil, err
	}
	return app.NewClient(connection)
}

// printServer prints the status of the server, and fails where runs are due in a pool that no worker serves.
func printServer(app *cli.App, format cli.Format, status ServerStatus) error {
	var lines, stuck []string
	for _, pool := range status.Pools {
		lines = append(lines, fmt.Sprintf("%s: %s, %s", pool.Name,
			cli.Plural(pool.LiveWorkers, "live worker"), cli.Plural(int(pool.DueRuns), "due run")))
		if pool.LiveWorkers == 0 && pool.DueRuns > 0 {
			stuck = append(stuck, pool.Name)
		}
	}
	err := cli.PrintObject(app, format, status, []cli.Field{
		{Name: "Server", Value: status.URL},
		{Name: "Version", Value: status.Version},
		{Name: "Pools", Value: strings.Join(lines, "\n")},
	})
	if err != nil || len(stuck) == 0 {
		return err
	}
	app.Notef("%s", app.Style(app.Err).Failure("runs wait in pools without a live worker: "+cli.CommaList(stuck)+
		"; start one: berth worker start --pool "+stuck[0]))
	return &cli.SilentError{Code: cli.ExitFailed}
}

// clusterPatience is how long a cluster that was not asked for is waited for.
const clusterPatience = 5 * time.Second
