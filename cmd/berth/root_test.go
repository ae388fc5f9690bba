package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func tree() *cobra.Command {
	return rootCommand(
		&cli.App{
			In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: map[string]string{},
			Now: time.Now,
		},
	)
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walk(child, visit)
	}
}

func TestEveryCommandSaysWhatItIsAndListsTakeAFormat(t *testing.T) {
	walk(tree(), func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s does not say what it is", cmd.CommandPath())
		}
		if slices.Contains([]string{"ls", "get", "versions", "events"}, cmd.Name()) &&
			cmd.Flags().Lookup("output") == nil {
			t.Errorf("%s has no -o", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && cmd.RunE == nil && cmd.Run == nil {
			t.Errorf("%s does nothing", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && cmd.Args == nil && cmd.HasParent() &&
			cmd.Parent().Name() != "completion" {
			t.Errorf("%s takes any arguments", cmd.CommandPath())
		}
	})
}

func TestHelpNamesTheFlags(t *testing.T) {
	r := user{home: t.TempDir()}.run(t, "deployment", "run", "--help")
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "help", r.stdout, "--param", "--params", "--job-variable", "--at", "--idempotency-key",
		"--watch", "--api-url")
}

func TestCompletionKnowsCommandsAndFormats(t *testing.T) {
	u := user{url: "http://127.0.0.1:1", home: t.TempDir()}
	demand(t, "completion", u.ok(t, "completion", "bash"), "__start_berth")
	demand(t, "commands", u.ok(t, "__complete", "pool", ""), "create", "template")
	demand(t, "formats", u.ok(t, "__complete", "pool", "ls", "-o", ""), "table", "json", "yaml")
	// Without a server there is nothing to suggest, and no error in the user's line.
	if r := u.run(t, "__complete", "pool", "get", ""); r.code != 0 || strings.Contains(r.stdout, "error") {
		t.Errorf("exit code %d: %s", r.code, r.stdout)
	}
}

func TestVersionSaysWhatThisIs(t *testing.T) {
	u := user{home: t.TempDir()}
	demand(t, "version", u.ok(t, "version"), "berth ")
	demand(t, "version -o json", u.ok(t, "version", "-o", "json"), `"version": "`, `"platform": "`, `"page": "`)
}

// TestTheURLOfAServerMayEndInThePathOfItsAPI, as that of other servers does.
func TestTheURLOfAServerMayEndInThePathOfItsAPI(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	for _, path := range []string{"/", "/api", "/api/", "/api/v1", "/api/v1/"} {
		if r := u.run(t, "pool", "ls", "--api-url", u.url+path); r.code != 0 {
			t.Errorf("%s: exit code %d\n%s", path, r.code, r.stderr)
		}
	}
}
