package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// given is a webhook that flags or a file describe.
type given struct {
	file, description, url, urlFile, secretFile, keyFile, format string
	events, pools, deployments, tags, states, causes             []string
	failures                                                     int32
	rotate, paused                                               bool
}

func (g *given) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&g.file, "file", "f", "", "YAML or JSON file with the webhook; - for standard input")
	flags.StringVar(&g.description, "description", "", "what the webhook is for")
	flags.StringVar(&g.url, "url", "", "address of the receiver; others on this machine can see it, unlike with --url-file")
	flags.StringVar(&g.urlFile, "url-file", "", "file with the address of the receiver; - for standard input")
	flags.StringVar(&g.secretFile, "secret-file", "",
		"file with the secret that signs, whsec_ and base64 (default: the server makes one and shows it once)")
	flags.BoolVar(&g.rotate, "rotate-secret", false, "make a new secret; the last one signs, too, for 24 hours")
	flags.StringVar(&g.keyFile, "routing-key-file", "", "file with the integration key of the PagerDuty service")
	flags.StringVar(&g.format, "format", "", "body: json, cloudevents, slack, teams or pagerduty (default json)")
	flags.StringSliceVar(&g.events, "event", nil,
		"run.ended, deployment.failing, schedule.failing or pool.no_worker (repeatable; default run.ended)")
	flags.Int32Var(&g.failures, "failures", 0, "failed runs in a row for deployment.failing (default 3)")
	flags.StringSliceVar(&g.pools, "pool", nil, "pool, in which * is any text (repeatable; default: all)")
	flags.StringSliceVar(&g.deployments, "deployment", nil, "deployment, in which * is any text (repeatable; default: all)")
	flags.StringArrayVar(&g.tags, "tag", nil, "tag, in which * is any text (repeatable: one must match)")
	flags.StringSliceVar(&g.states, "state", nil,
		"for run.ended: COMPLETED, FAILED, CRASHED or CANCELLED (repeatable; default: all, with pagerduty FAILED and CRASHED)")
	flags.StringSliceVar(&g.causes, "cause", nil, "for run.ended: category of the failure, such as oom (repeatable)")
	flags.BoolVar(&g.paused, "paused", false, "do not send yet")
	cmd.MarkFlagsMutuallyExclusive("url", "url-file")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "rotate-secret")
	cli.EnvPerLine(cmd, "tag")
}

func setCommand(app *cli.App) *cobra.Command {
	g := &given{}
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or replace a webhook",
		Long: `Create or replace a webhook. Of one that exists, the address, the secret and the integration key stay
unless they are given; everything else is as the flags and the file say.

The server encrypts address and secrets, and never shows them. It calls only hosts that its operator
allows with --webhook-allow.`,
		Example: `  berth webhook set on-call --url-file slack-url --format slack --state FAILED,CRASHED --pool 'team-*'
  berth webhook set incidents --format pagerduty --routing-key-file key --event deployment.failing
  berth webhook set bus --url https://events.example.com/berth --format cloudevents`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: names(app),
	}
	g.flags(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		spec, err := g.read(app)
		if err != nil {
			return err
		}
		saved, err := cli.Value(client.SetWebhookWithResponse(ctx, args[0], spec))
		if err != nil {
			return err
		}
		if saved.Secret != nil && *format == cli.Table {
			app.Notef("the secret is shown this once; give it to the receiver, which checks the signature with it")
			return app.Printf("webhook %q set\nsecret %s\n", saved.Webhook.Name, *saved.Secret)
		}
		return cli.PrintConfirmation(app, *format, saved, "webhook %q set", saved.Webhook.Name)
	})
	return cmd
}

// read is the webhook that file and flags describe; flags override the file.
func (g *given) read(app *cli.App) (api.WebhookSpec, error) {
	var spec api.WebhookSpec
	if g.file != "" {
		document, err := app.ReadDocument(g.file)
		if err != nil {
			return spec, err
		}
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&spec); err != nil {
			return spec, cli.Usagef("%s: not a webhook: %v; a webhook has description, url, secret, routing_key, format, "+
				"events, filter, failures and paused", g.file, err)
		}
	}
	if err := g.readSecrets(app, &spec); err != nil {
		return spec, err
	}
	if g.description != "" {
		spec.Description = &g.description
	}
	if g.format != "" {
		format := api.WebhookFormat(g.format)
		if !format.Valid() {
			return spec, cli.Usagef("--format %q: must be json, cloudevents, slack, teams or pagerduty", g.format)
		}
		spec.Format = &format
	}
	if g.failures != 0 {
		spec.Failures = &g.failures
	}
	if g.rotate {
		spec.RotateSecret = &g.rotate
	}
	if g.paused {
		spec.Paused = &g.paused
	}
	return spec, g.readFilter(&spec)
}

func (g *given) readSecrets(app *cli.App, spec *api.WebhookSpec) error {
	if g.url != "" {
		spec.URL = &g.url
	}
	for _, from := range []struct {
		file string
		to   **string
	}{{g.urlFile, &spec.URL}, {g.secretFile, &spec.Secret}, {g.keyFile, &spec.RoutingKey}} {
		if from.file == "" {
			continue
		}
		text, err := app.ReadFile(from.file)
		if err != nil {
			return err
		}
		value := strings.TrimSpace(string(text))
		if value == "" {
			return cli.Usagef("%s: the file is empty", from.file)
		}
		*from.to = &value
	}
	return nil
}

func (g *given) readFilter(spec *api.WebhookSpec) error {
	filter := api.WebhookFilter{}
	if spec.Filter != nil {
		filter = *spec.Filter
	}
	for _, from := range []struct {
		values []string
		to     **[]api.WebhookPattern
	}{{g.pools, &filter.Pools}, {g.deployments, &filter.Deployments}, {g.tags, &filter.Tags}} {
		if len(from.values) > 0 {
			patterns := cli.Map(from.values, func(v string) api.WebhookPattern { return v })
			*from.to = &patterns
		}
	}
	if len(g.states) > 0 {
		states := cli.Map(g.states, func(s string) api.WebhookRunState { return api.WebhookRunState(strings.ToUpper(s)) })
		for i, state := range states {
			if !state.Valid() {
				return cli.Usagef("--state %q: must be COMPLETED, FAILED, CRASHED or CANCELLED", g.states[i])
			}
		}
		filter.States = &states
	}
	if len(g.causes) > 0 {
		causes := cli.Map(g.causes, func(c string) api.Category { return api.Category(c) })
		for _, cause := range causes {
			if !cause.Valid() {
				return cli.Usagef("--cause %q: is no category of a failure, such as app or oom", cause)
			}
		}
		filter.Causes = &causes
	}
	if len(g.events) > 0 {
		events := cli.Map(g.events, func(e string) api.WebhookEvent { return api.WebhookEvent(e) })
		for _, event := range events {
			if !event.Valid() {
				return cli.Usagef("--event %q: must be run.ended, deployment.failing, schedule.failing or pool.no_worker", event)
			}
		}
		spec.Events = &events
	}
	if filter != (api.WebhookFilter{}) {
		spec.Filter = &filter
	}
	return nil
}
