package server

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server"
)

// limitFlags bound what people can take from the workers.
type limitFlags struct {
	connections, peopleConnections int
	peopleTimeout                  time.Duration
	streamsPerKey, streams         int
	readURL                        string
	readLagMax                     time.Duration
	metricsDeployments             int
}

func (l *limitFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&l.connections, "database-connections", server.DefaultConnections,
		"connections to PostgreSQL for workers, sweeps and schedules")
	flags.IntVar(&l.peopleConnections, "database-people-connections", server.DefaultPeopleConnections,
		"connections to PostgreSQL for the UI, the command line and streams, which use no others")
	cli.PeriodVar(flags, &l.peopleTimeout, "database-people-timeout", server.DefaultPeopleTimeout,
		"longest time of a query for the UI, the command line and streams")
	flags.StringVar(&l.readURL, "database-read-url", "",
		"PostgreSQL URL of a standby that answers lists and metrics (default: --database-url)")
	cli.PeriodVar(flags, &l.readLagMax, "database-read-lag", server.DefaultReadLagMax,
		"how far the standby may be behind; beyond it, lists are read from --database-url")
	flags.IntVar(&l.streamsPerKey, "streams-per-key", server.DefaultStreamsPerKey,
		"streams and downloads of output that each API key can have open on this server")
	flags.IntVar(&l.streams, "streams", server.DefaultStreams,
		"streams and downloads of output that can be open on this server")
	flags.IntVar(&l.metricsDeployments, "metrics-deployments", server.DefaultMetricsDeployments,
		"deployments with separate metrics, the first by name; 0 for none")
}

func (l *limitFlags) check() error {
	for flag, n := range map[string]int{
		"--database-connections": l.connections, "--database-people-connections": l.peopleConnections,
		"--streams-per-key": l.streamsPerKey, "--streams": l.streams,
	} {
		if n < 1 {
			return cli.Usagef("%s %d: must be at least 1", flag, n)
		}
	}
	if l.metricsDeployments < 0 {
		return cli.Usagef("--metrics-deployments %d: must be at least 0", l.metricsDeployments)
	}
	if l.readLagMax < time.Second {
		return cli.Usagef("--database-read-lag %s: must be at least 1s", l.readLagMax)
	}
	if l.peopleTimeout < time.Second {
		return cli.Usagef("--database-people-timeout %s: must be at least 1s", l.peopleTimeout)
	}
	return nil
}

func (l *limitFlags) set(o *server.Options) {
	o.Connections, o.PeopleConnections, o.PeopleTimeout = l.connections, l.peopleConnections, l.peopleTimeout
	o.DatabaseReadURL, o.ReadLagMax = l.readURL, l.readLagMax
	o.StreamsPerKey, o.Streams = l.streamsPerKey, l.streams
	o.MetricsDeployments = cmp.Or(l.metricsDeployments, -1)
}
