package trust

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// given is a trust rule that flags or a file describe.
type given struct {
	file, description, issuer, audience string
	claims, roles, pools                []string
	lifetime                            time.Duration
	singleUse                           bool
	keysFile, authoritiesFile           string
}

// presets are the public issuers.
func presets() map[string]string {
	return map[string]string{"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}
}

func (g *given) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&g.file, "file", "f", "", "YAML or JSON file with the rule; - for standard input")
	flags.StringVar(&g.description, "description", "", "what the rule is for")
	flags.StringVar(&g.issuer, "issuer", "", "issuer of the tokens, exactly as they name it; or github or gitlab")
	flags.StringVar(&g.audience, "audience", "", "what the tokens must be for (default: the public URL of the server)")
	flags.StringArrayVar(&g.claims, "claim", nil,
		"CLAIM=PATTERN that a token must have; * is any text without / and :, ** any text (repeatable: all claims "+
			"must match, of one claim any pattern)")
	flags.StringSliceVar(&g.roles, "role", nil, "ROLE or ROLE:POOL of the keys (repeatable): viewer, operator, deployer or editor")
	flags.StringSliceVar(&g.pools, "pool", nil, "pool in which a single --role counts (repeatable; default: all pools)")
	cli.PeriodVar(flags, &g.lifetime, "lifetime", 0, "lifetime of the keys, 1m to 1h (default 15m)")
	flags.BoolVar(&g.singleUse, "single-use", false, "accept each token once")
	flags.StringVar(&g.keysFile, "keys-file", "",
		"file with the JSON Web Key Set of the issuer, if it cannot be read from there")
	flags.StringVar(&g.authoritiesFile, "issuer-ca-file", "",
		"PEM file with certificate authorities to trust for the issuer")
	cmd.MarkFlagsOneRequired("file", "issuer")
	cli.EnvPerLine(cmd, "claim")
}

func setCommand(app *cli.App) *cobra.Command {
	g := &given{}
	cmd := &cobra.Command{
		Use:   "set NAME (-f FILE | --issuer URL --claim CLAIM=PATTERN --role ROLE[:POOL])",
		Short: "Create or replace a trust rule",
		Long: `Create or replace a trust rule. A token that its issuer has signed, that is for the audience, and whose
claims all match, is exchanged for a key with these roles.

Any change but that of the description revokes the keys that the rule has made. Jobs get new ones by
themselves if they still match.`,
		Example: `  berth trust set etl-main --issuer github --claim sub=repo:acme/etl:ref:refs/heads/main \
    --role deployer:team-a --single-use
  berth trust set etl-gitlab --issuer https://gitlab.example.com --claim project_path=acme/etl \
    --claim ref_protected=true --role deployer:team-a
  berth trust set in-cluster --issuer https://kubernetes.default.svc --keys-file jwks.json \
    --claim sub=system:serviceaccount:jobs:launcher --role operator:team-a`,
		Args: cobra.ExactArgs(1),
	}
	g.flags(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		spec, err := g.read(app)
		if err != nil {
			return err
		}
		saved, err := cli.Value(client.SetTrustRuleWithResponse(ctx, args[0], spec))
		if err != nil {
			return err
		}
		text := "trust rule %q set"
		if saved.Revoked > 0 {
			text += ", " + cli.Plural(int(saved.Revoked), "key") + " revoked"
		}
		return cli.PrintConfirmation(app, *format, saved, text, saved.Rule.Name)
	})
	return cmd
}

// read is the rule that file and flags describe; flags override the file.
func (g *given) read(app *cli.App) (api.TrustRuleSpec, error) {
	var spec api.TrustRuleSpec
	if err := g.readFile(app, &spec); err != nil {
		return spec, err
	}
	for to, value := range map[**string]string{
		&spec.Description: g.description, &spec.Audience: g.audience,
	} {
		if value != "" {
			*to = &value
		}
	}
	if g.issuer != "" {
		spec.Issuer = g.issuer
	}
	if known, ok := presets()[spec.Issuer]; ok {
		spec.Issuer = known
	}
	if g.singleUse {
		spec.SingleUse = &g.singleUse
	}
	if g.lifetime != 0 {
		if g.lifetime < time.Minute || g.lifetime > time.Hour {
			return spec, cli.Usagef("--lifetime %s: must be from 1m to 1h", g.lifetime)
		}
		seconds := int32(g.lifetime / time.Second)
		spec.LifetimeSeconds = &seconds
	}
	if err := g.readLists(&spec); err != nil {
		return spec, err
	}
	return spec, g.readKeys(app, &spec)
}

func (g *given) readFile(app *cli.App, spec *api.TrustRuleSpec) error {
	if g.file == "" {
		return nil
	}
	document, err := app.ReadDocument(g.file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(spec); err != nil {
		return cli.Usagef("%s: not a trust rule: %v; a trust rule has issuer, audience, claims with lists of patterns, "+
			"bindings, lifetime_seconds, single_use, keys, authorities and description", g.file, err)
	}
	return nil
}

func (g *given) readLists(spec *api.TrustRuleSpec) error {
	if len(g.claims) > 0 {
		spec.Claims = map[string][]string{}
	}
	for _, text := range g.claims {
		claim, pattern, ok := strings.Cut(text, "=")
		if !ok || claim == "" || pattern == "" {
			return cli.Usagef("--claim %q: want CLAIM=PATTERN, such as sub=repo:acme/etl:ref:refs/heads/main", text)
		}
		spec.Claims[claim] = append(spec.Claims[claim], pattern)
	}
	if len(g.roles) > 0 {
		bindings, err := cli.ParseBindings(g.roles, g.pools)
		if err != nil {
			return err
		}
		spec.Bindings = bindings
	}
	switch {
	case len(spec.Claims) == 0:
		return cli.Usagef("say whose tokens are trusted, with --claim; an issuer signs tokens for many")
	case len(spec.Bindings) == 0:
		return cli.Usagef("say what the keys may do, with --role")
	}
	return nil
}

func (g *given) readKeys(app *cli.App, spec *api.TrustRuleSpec) error {
	if g.keysFile != "" {
		document, err := app.ReadDocument(g.keysFile)
		if err != nil {
			return err
		}
		spec.Keys = document
	}
	if g.authoritiesFile != "" {
		text, err := app.ReadFile(g.authoritiesFile)
		if err != nil {
			return err
		}
		authorities := string(text)
		spec.Authorities = &authorities
	}
	return nil
}
