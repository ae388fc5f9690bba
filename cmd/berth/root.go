package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/apikey"
	"github.com/berth-dev/berth/cmd/berth/internal/command/approval"
	"github.com/berth-dev/berth/cmd/berth/internal/command/audit"
	"github.com/berth-dev/berth/cmd/berth/internal/command/deleted"
	"github.com/berth-dev/berth/cmd/berth/internal/command/deploy"
	"github.com/berth-dev/berth/cmd/berth/internal/command/deployment"
	"github.com/berth-dev/berth/cmd/berth/internal/command/dev"
	"github.com/berth-dev/berth/cmd/berth/internal/command/importing"
	"github.com/berth-dev/berth/cmd/berth/internal/command/install"
	"github.com/berth-dev/berth/cmd/berth/internal/command/keys"
	"github.com/berth-dev/berth/cmd/berth/internal/command/migrate"
	"github.com/berth-dev/berth/cmd/berth/internal/command/pool"
	"github.com/berth-dev/berth/cmd/berth/internal/command/queue"
	"github.com/berth-dev/berth/cmd/berth/internal/command/rule"
	"github.com/berth-dev/berth/cmd/berth/internal/command/run"
	"github.com/berth-dev/berth/cmd/berth/internal/command/schedule"
	"github.com/berth-dev/berth/cmd/berth/internal/command/server"
	"github.com/berth-dev/berth/cmd/berth/internal/command/session"
	"github.com/berth-dev/berth/cmd/berth/internal/command/signingkey"
	"github.com/berth-dev/berth/cmd/berth/internal/command/template"
	"github.com/berth-dev/berth/cmd/berth/internal/command/trust"
	"github.com/berth-dev/berth/cmd/berth/internal/command/variable"
	"github.com/berth-dev/berth/cmd/berth/internal/command/version"
	"github.com/berth-dev/berth/cmd/berth/internal/command/webhook"
	"github.com/berth-dev/berth/cmd/berth/internal/command/whoami"
	"github.com/berth-dev/berth/cmd/berth/internal/command/worker"
)

func rootCommand(app *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Run parameterised container jobs on Kubernetes from governed templates",
		Long: `Run parameterised container jobs on Kubernetes from governed templates.

Every flag has an environment variable: --api-url is BERTH_API_URL. A flag overrides its environment
variable, which overrides the configuration file (~/.config/berth/config.yaml with api_url, api_key
and ca_file).

Exit codes: 0 success, 1 the operation failed, 2 the command line or an input file is invalid, 3 the
change waits for the approval of another person, 4 the question could not be answered.`,
		Args:    cobra.ArbitraryArgs,
		Version: build.Version(),
	}
	children := []*cobra.Command{
		dev.Command(app),
		server.Command(app),
		migrate.Command(app),
		worker.Command(app),
		pool.Command(app),
		rule.Command(app),
		queue.Command(app),
		deploy.Command(app),
		importing.Command(app),
		deployment.Command(app),
		schedule.Command(app),
		run.Command(app),
		variable.Command(app),
		deleted.Command(app),
		apikey.Command(app),
		trust.Command(app),
		webhook.Command(app),
		signingkey.Command(app),
		whoami.Command(app),
		audit.Command(app),
		template.Command(app),
		keys.Command(app),
		version.Command(app),
	}
	children = append(children, approval.Commands(app)...)
	children = append(children, session.Commands(app)...)
	children = append(children, install.Commands(app)...)
	cli.Group(root, children...)
	completeFlags(app, root)
	return root
}
