package audit

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// auditFlags narrow the list.
type auditFlags struct {
	kind, name, actor, action, pool string
	actorKind                       string
	since                           cli.Period
	limit                           int
}

func (in *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&in.kind, "kind", "",
		"filter by kind: pool, template, queue, deployment, schedule, variable, rule, api-key, trust-rule, worker, session, "+
			"signing-key, run-token or operation")
	flags.StringVar(&in.name, "name", "", "filter by the name of the changed object")
	flags.StringVar(&in.actor, "actor", "", "filter by actor: a name, or the ID of an API key")
	flags.StringVar(&in.actorKind, "actor-kind", "",
		"filter by what the actor is: person, key, ci, worker, job, system or anonymous")
	flags.StringVar(&in.action, "action", "", "filter by action: create, update, delete or refuse")
	flags.StringVarP(&in.pool, "pool", "p", "", "filter by pool")
	flags.Var(&in.since, "since", "show entries of this period only, such as 36h or 7d")
	flags.IntVarP(&in.limit, "limit", "n", 50, "maximum number of items; 0 for all")
}

func (in *auditFlags) params(app *cli.App) (api.ListAuditParams, error) {
	p := api.ListAuditParams{
		Name: cli.StringOrNil(in.name), Actor: cli.StringOrNil(in.actor), Pool: cli.StringOrNil(in.pool),
	}
	if in.kind != "" {
		kind := api.AuditKind(in.kind)
		if p.Kind = &kind; !kind.Valid() {
			return p, cli.Usagef(
				"--kind %q: must be pool, template, queue, deployment, schedule, variable, rule, api-key, trust-rule, worker, "+
					"session, signing-key, run-token or operation", in.kind,
			)
		}
	}
	if in.actorKind != "" {
		kind := api.ActorKind(in.actorKind)
		if p.ActorKind = &kind; !kind.Valid() {
			return p, cli.Usagef("--actor-kind %q: must be person, key, ci, worker, job, system or anonymous", in.actorKind)
		}
	}
	if in.action != "" {
		action := api.AuditAction(in.action)
		if p.Action = &action; !action.Valid() {
			return p, cli.Usagef("--action %q: must be create, update, delete or refuse", in.action)
		}
	}
	if in.limit < 0 {
		return p, cli.Usagef("--limit %d: must not be negative", in.limit)
	}
	if in.since > 0 {
		after := app.Now().Add(-in.since.Duration()).UTC()
		p.After = &after
	}
	return p, nil
}

// shortPages is after how many pages, of some thousand entries each, a search says how far it has come.
const shortPages = 50

func lsCommand(app *cli.App) *cobra.Command {
	var in auditFlags
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List changes, newest first; values of secrets are never shown",
		Args: cobra.NoArgs,
	}
	in.add(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		filter, err := in.params(app)
		if err != nil {
			return err
		}
		short := 0
		entries, err := cli.Pages(
			in.limit,
			func(limit int32, cursor *string) ([]api.AuditEntry, *string, error) {
				params := filter
				params.Limit, params.Cursor = &limit, cursor
				page, err := cli.Value(client.ListAuditWithResponse(ctx, &params))
				if page.SearchedTo != nil {
					if short++; short%shortPages == 0 {
						app.Notef("searched to %s …", page.SearchedTo.UTC().Format(time.RFC3339))
					}
				}
				return page.Items, page.NextCursor, err
			},
		)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, entries, []cli.Column[api.AuditEntry]{
			{Title: "when", Cell: func(e api.AuditEntry) string { return app.Ago(e.At) }},
			{Title: "who", Cell: func(e api.AuditEntry) string { return e.Actor }},
			{Title: "actor", Cell: func(e api.AuditEntry) string { return string(e.ActorKind) }},
			{Title: "did", Cell: func(e api.AuditEntry) string { return string(e.Action) }},
			{Title: "kind", Cell: func(e api.AuditEntry) string { return string(e.Kind) }},
			{Title: "name", Cell: func(e api.AuditEntry) string { return e.Name }},
			{Title: "changes", Cell: func(e api.AuditEntry) string { return auditChanges(e) }},
		})
	})
	return cmd
}

// auditChanges is what changed, in a line.
func auditChanges(e api.AuditEntry) string {
	var parts []string
	for _, c := range e.Changes {
		switch {
		case c.Digest != nil && *c.Digest:
			parts = append(parts, c.Field+" changed")
		case c.Before == nil:
			parts = append(parts, c.Field+" "+string(c.After))
		case c.After == nil:
			parts = append(parts, c.Field+" "+string(c.Before)+" → none")
		default:
			parts = append(parts, c.Field+" "+string(c.Before)+" → "+string(c.After))
		}
	}
	if detail := cli.Text(e.Detail); detail != "" {
		parts = append(parts, detail)
	}
	return strings.Join(parts, ", ")
}
