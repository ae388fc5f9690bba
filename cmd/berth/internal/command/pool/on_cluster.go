package pool

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// onCluster says whether, and for how long, the clusters of a pool are asked about a Job.
type onCluster struct {
	ask     bool
	timeout time.Duration
}

// Bounds of the time that answers are waited for; those of the API.
const (
	clusterTimeout    = 10 * time.Second
	maxClusterTimeout = 30 * time.Second
)

func onClusterFlags(cmd *cobra.Command, what string) *onCluster {
	in := &onCluster{}
	cmd.Flags().BoolVar(&in.ask, "on-cluster", false,
		"also ask a live worker of each cluster of the pool for a server-side dry run of "+what)
	cli.PeriodVar(cmd.Flags(), &in.timeout, "timeout", clusterTimeout, "with --on-cluster: how long to wait for the answers")
	return in
}

// aboutOnCluster is the part of the help that all commands with these flags share.
const aboutOnCluster = `

With --on-cluster, a live worker of each cluster of the pool sends the Job, and the pod that it would
make, to its API server as a dry run: quotas, limit ranges, admission webhooks and policies have their
say, and nothing is created. The command exits with 1 if the Job is refused. It exits with 4 if that is
not known: no worker is alive, none has answered in time, the worker may not create Jobs, or the pool
is of type process.`

// seconds is the wait as the API takes it.
func (in onCluster) seconds(cmd *cobra.Command) (*int32, error) {
	switch {
	case !in.ask && cmd.Flags().Changed("timeout"):
		return nil, cli.Usagef("--timeout needs --on-cluster")
	case in.ask && (in.timeout < time.Second || in.timeout > maxClusterTimeout):
		return nil, cli.Usagef("--timeout must be from 1s to %s", maxClusterTimeout)
	}
	seconds := int32((in.timeout + time.Second - 1) / time.Second)
	return &seconds, nil
}
