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
	return rootCommand(&cli.App{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: map[string]string{}, Now: time.Now})
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walk(child, visit)
	}
}

func TestTheCommandsThatScriptsRelyOnAreThere(t *testing.T) {
	root := tree()
	for _, path := range []string{
		"dev", "server", "migrate up", "migrate status", "keys ensure", "worker start", "worker ls", "worker drain",
		"pool create", "pool ls", "pool get", "pool update", "pool delete", "pool pause", "pool resume",
		"pool template get", "pool template set", "pool template lint", "pool template versions", "queue create", "queue ls", "queue update", "queue delete",
		"queue pause", "queue resume", "worker pause", "worker resume", "deploy",
		"deployment ls", "deployment get", "deployment run", "deployment pause", "deployment resume", "deployment delete", "deployment schema",
		"schedule ls", "schedule pause", "schedule resume", "schedule preview", "run release", "migrate copy",
		"pool template preview", "pool template diff", "pool template edit", "pool template rollback",
		"run ls", "run get", "run watch", "run logs", "run cancel", "run retry", "run explain", "run manifest", "run result", "run report",
		"variable set", "variable get", "variable ls", "variable delete", "api-key create", "api-key ls", "api-key revoke", "audit ls",
		"template render", "template lint", "install", "upgrade", "uninstall", "status", "version",
	} {
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil || cmd.CommandPath() != "berth "+path {
			t.Errorf("berth %s is not there: %v", path, err)
		}
	}
}

func TestEveryCommandSaysWhatItIsAndListsTakeAFormat(t *testing.T) {
	walk(tree(), func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s does not say what it is", cmd.CommandPath())
		}
		if slices.Contains([]string{"ls", "get", "versions", "events"}, cmd.Name()) && cmd.Flags().Lookup("output") == nil {
			t.Errorf("%s has no -o", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && cmd.RunE == nil && cmd.Run == nil {
			t.Errorf("%s does nothing", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && cmd.Args == nil && cmd.HasParent() && cmd.Parent().Name() != "completion" {
			t.Errorf("%s takes any arguments", cmd.CommandPath())
		}
	})
}

func TestHelpNamesTheFlags(t *testing.T) {
	r := user{home: t.TempDir()}.run(t, "deployment", "run", "--help")
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "help", r.stdout, "--param", "--params", "--job-variable", "--at", "--idempotency-key", "--watch", "--api-url")
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
	demand(t, "version -o json", u.ok(t, "version", "-o", "json"), `"version": "`, `"platform": "`)
}
