// Package server holds `berth server`.
package server

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server"
)

// serverFlags are what `berth server` was told.
type serverFlags struct {
	database                    flagset.Database
	log                         flagset.Log
	protect                     flagset.Protect
	listen, metricsListen       string
	tlsCertFile, tlsKeyFile     string
	auth, migrate               string
	openNetwork                 bool
	allowedHosts, ensurePools   []string
	workerPools                 []string
	adminKeyFile, workerKeyFile string
	lease                       time.Duration
	rateLimit                   float64
	limits                      limitFlags
	archive                     archiveFlags
	keepRuns, keepLogs          cli.Period
	keepAudit, keepDeleted      cli.Period
	keepStatistics              cli.Period
	publicURL, identityKeyFile  string
	applyDir                    string
	applyPrune                  bool
	signIn                      flagset.SignIn
	webhookAllow                []string
}

func Command(app *cli.App) *cobra.Command {
	var in serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Serve the API and the UI",
		Long: `Serve the API and the UI. Any number of servers can share one PostgreSQL database; SQLite supports
one server.

If BERTH_BOOTSTRAP_ADMIN_KEY or BERTH_BOOTSTRAP_WORKER_KEY is set, the server creates an API key with
that value if it does not exist. The one before it stays valid for 24 hours. A key that was revoked
stays revoked. BERTH_IDENTITY_KEY is the content of --identity-key-file.

The server sends the traces of runs where OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_TRACES_EXPORTER is set, and
honors the other OTEL_… variables (docs/tracing.md).

When the server accepts requests, it prints "ready URL" to standard output. It logs to standard error.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&in.listen, "listen", server.DefaultListen, "listen address of the API and the UI")
	flags.StringVar(&in.metricsListen, "metrics-listen", "",
		"listen address of /metrics, where it needs no API key (default: the address of the API, where it does)")
	flags.StringVar(&in.tlsCertFile, "tls-cert-file", "",
		"PEM file with the TLS certificate chain; reloaded when it changes")
	flags.StringVar(&in.tlsKeyFile, "tls-key-file", "",
		"PEM file with the private key of the TLS certificate")
	flags.StringVar(&in.auth, "auth", string(server.AuthKeys),
		"authentication: keys, or none (loopback addresses only)")
	flags.BoolVar(&in.openNetwork, "allow-unauthenticated-network", false,
		"with --auth none: accept connections from other machines")
	flags.StringSliceVar(&in.allowedHosts, "allowed-host", nil,
		"with --auth none: additional host name of the server (repeatable)")
	flags.StringSliceVar(&in.ensurePools, "ensure-pool", nil,
		"pool to create if it does not exist, as NAME=TYPE (repeatable)")
	flags.StringVar(&in.adminKeyFile, "bootstrap-admin-key-file", "",
		"file with an admin API key to create if it does not exist")
	flags.StringVar(&in.workerKeyFile, "bootstrap-worker-key-file", "",
		"file with a worker API key to create if it does not exist")
	flags.StringSliceVar(&in.workerPools, "bootstrap-worker-pool", nil,
		"pool that the bootstrap worker key is for (repeatable; default: all pools)")
	flags.StringVar(&in.applyDir, "apply-dir", "",
		"directory of directories with a berth.yaml each, which the server applies by itself when they change")
	flags.BoolVar(&in.applyPrune, "apply-prune", false,
		"with --apply-dir: delete what a file declared before and no longer declares")
	flags.StringVar(&in.publicURL, "public-url", "",
		"URL under which others reach the server, https://HOST[/PATH]; the issuer of run tokens, which are off "+
			"without it")
	flags.StringVar(&in.identityKeyFile, "identity-key-file", "",
		"file with the key that encrypts the keys that sign run tokens and the secrets of webhooks: 32 random bytes in base64 "+
			"(default: a file in the data directory if the database is SQLite)")
	flagset.WebhookAllow(flags, &in.webhookAllow)
	flags.StringVar(
		&in.migrate,
		"migrate",
		"",
		"auto: migrate the schema at start; check: fail if it is too old (default: auto on SQLite, check on PostgreSQL)",
	)
	cli.PeriodVar(flags, &in.lease, "lease", server.DefaultLease,
		"time after which an attempt whose worker does not renew its lease is taken over")
	flags.Float64Var(&in.rateLimit, "rate-limit", server.DefaultRateLimit,
		"requests per second for each API key; ten times as many for worker keys; 0 for no limit")
	in.keepRuns, in.keepLogs, in.keepAudit = cli.Period(server.DefaultKeepRuns), cli.Period(
		server.DefaultKeepLogs), cli.Period(server.DefaultKeepAudit)
	in.keepDeleted, in.keepStatistics = cli.Period(server.DefaultKeepDeleted), cli.Period(server.DefaultKeepStatistics)
	flags.Var(&in.keepRuns, "keep-runs",
		"retention of runs after their end, such as 90d or 36h; 0 to keep them forever")
	flags.Var(&in.keepLogs, "keep-logs", "retention of the output of runs; 0 to keep it forever")
	flags.Var(&in.keepAudit, "keep-audit", "retention of the audit log; 0 to keep it forever")
	flags.Var(&in.keepDeleted, "keep-deleted",
		"for how long deleted pools, deployments, variables, queues and rules can be restored; 0 for no end")
	flags.Var(&in.keepStatistics, "keep-statistics",
		"retention of hourly counts of runs that were removed, and of how long runs waited; 0 to keep them forever")
	in.limits.add(cmd)
	in.archive.add(cmd)
	in.protect.Add(cmd)
	in.signIn.Add(cmd)
	in.database.Add(cmd)
	in.log.Add(cmd, "info")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := in.options(app)
		if err != nil {
			return err
		}
		flagset.SetGCPercent(flagset.ServerGCPercent)
		flagset.SetMemoryLimit(flagset.ServerMemoryShare, options.Logger)
		return app.WithSettings(cmd.Context(), options.Logger, func(ctx context.Context) error {
			return server.Run(ctx, options)
		})
	}
	return cmd
}

func (in *serverFlags) options(app *cli.App) (server.Options, error) {
	if err := in.database.Complete(); err != nil {
		return server.Options{}, err
	}
	o := server.Options{
		Listen: in.listen, MetricsListen: in.metricsListen, TLSCertFile: in.tlsCertFile, TLSKeyFile: in.tlsKeyFile,
		DataDir: in.database.DataDir, DatabaseURL: in.database.URL, DatabaseDirectURL: in.database.DirectURL,
		Migrate: server.Migrate(
			in.migrate), Auth: server.Auth(in.auth), AllowUnauthenticatedNetwork: in.openNetwork,
		AllowedHosts: in.allowedHosts, BootstrapWorkerPools: in.workerPools, PublicURL: in.publicURL,
		WebhookAllow: in.webhookAllow,
		Lease:        in.lease, Version: build.Version(),
		Ready: func(address server.Address) {
			if err := app.Printf("ready %s\n", address.URL); err != nil {
				app.Notef("%v", err)
			}
		},
	}
	if err := in.check(); err != nil {
		return o, err
	}
	if in.applyDir != "" {
		o.Declared = berthfile.WatchDeclared(in.applyDir, in.applyPrune)
	}
	var err error
	if o.SignIn, o.AccessFile, err = in.signIn.Config(app, in.publicURL); err != nil {
		return o, err
	}
	in.limits.set(&o)
	if o.DatabaseReadURL, err = in.database.WithCA(o.DatabaseReadURL); err != nil {
		return o, err
	}
	if o.OutputArchive, err = in.archive.config(app.Env); err != nil {
		return o, err
	}
	if o.RateLimit = in.rateLimit; in.rateLimit == 0 {
		o.RateLimit = -1
	}
	o.KeepRuns, o.KeepLogs, o.KeepAudit = keepFor(in.keepRuns), keepFor(in.keepLogs), keepFor(in.keepAudit)
	o.KeepDeleted, o.KeepStatistics = keepFor(in.keepDeleted), keepFor(in.keepStatistics)
	if o.Logger, err = in.log.Logger(app); err != nil {
		return o, err
	}
	if o.Protected, err = in.protect.Protected(); err != nil {
		return o, err
	}
	for _, text := range in.ensurePools {
		pool, err := server.ParsePoolSpec(text)
		if err != nil {
			return o, cli.Usagef("--ensure-pool: %v", err)
		}
		o.EnsurePools = append(o.EnsurePools, pool)
	}
	if o.BootstrapAdminKey, err = keyFrom(app, in.adminKeyFile, "BERTH_BOOTSTRAP_ADMIN_KEY"); err != nil {
		return o, err
	}
	if o.BootstrapWorkerKey, err = keyFrom(app, in.workerKeyFile, "BERTH_BOOTSTRAP_WORKER_KEY"); err != nil {
		return o, err
	}
	o.IdentityKey, err = keyFrom(app, in.identityKeyFile, "BERTH_IDENTITY_KEY")
	return o, err
}

func (in *serverFlags) check() error {
	switch {
	case in.auth != string(server.AuthKeys) && in.auth != string(server.AuthNone):
		return cli.Usagef("--auth %q: must be keys or none", in.auth)
	case in.migrate != "" && in.migrate != string(server.MigrateAuto) && in.migrate != string(server.MigrateCheck):
		return cli.Usagef("--migrate %q: must be auto or check", in.migrate)
	case (in.tlsCertFile == "") != (in.tlsKeyFile == ""):
		return cli.Usagef("set both --tls-cert-file and --tls-key-file, or neither")
	case in.rateLimit < 0:
		return cli.Usagef("--rate-limit %g: must not be negative", in.rateLimit)
	case in.lease < time.Second:
		return cli.Usagef("--lease %s: must be at least 1s", in.lease)
	}
	if err := in.limits.check(); err != nil {
		return err
	}
	return nil
}

// keepFor is for how long a flag keeps something: 0 for ever.
func keepFor(p cli.Period) time.Duration {
	if p == 0 {
		return server.KeepForever
	}
	return p.Duration()
}

// keyFrom reads a key from a file, or the environment: never from the command line, which
// every user of the machine can see.
func keyFrom(app *cli.App, file, variable string) (string, error) {
	if file == "" {
		return cli.CleanKey(variable, app.Env[variable])
	}
	return cli.ReadKeyFile(file, file)
}
