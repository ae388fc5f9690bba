package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func TestTheHelpOfEveryCommandIsTheGoldenFile(t *testing.T) {
	var help bytes.Buffer
	writeHelp(&help, rootCommand(&cli.App{Env: map[string]string{}}))

	golden := filepath.Join("testdata", "help.golden")
	if *update {
		if err := os.WriteFile(golden, help.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if difference := firstDifference(string(want), help.String()); difference != "" {
		t.Errorf("the help texts differ from %s; run the test with -update and review the change:\n%s",
			golden, difference)
	}
}

func TestEveryHelpTextIsInTheForm(t *testing.T) {
	eachCommand(rootCommand(&cli.App{Env: map[string]string{}}), func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 90 {
			t.Errorf("%s: Short %q: want one line of at most 90 bytes without a period", cmd.CommandPath(),
				cmd.Short)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(line) > 110 {
				t.Errorf("%s: the line %q is longer than 110 bytes", cmd.CommandPath(), line)
			}
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Value.Type() == "duration" {
				t.Errorf("%s --%s: a duration knows no days; use cli.PeriodVar", cmd.CommandPath(), flag.Name)
			}
			if flag.Usage == "" || strings.HasSuffix(flag.Usage, ".") {
				t.Errorf("%s --%s: usage %q: want text without a period", cmd.CommandPath(), flag.Name,
					flag.Usage)
			}
		})
	})
}

// eachCommand visits a command and all below it, without cobra's own.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		if child.Name() != "help" && child.Name() != "completion" {
			eachCommand(child, visit)
		}
	}
}

func writeHelp(out *bytes.Buffer, root *cobra.Command) {
	eachCommand(root, func(cmd *cobra.Command) {
		fmt.Fprintf(out, "# %s\n", cmd.CommandPath())
		fmt.Fprintf(out, "use: %s\n", cmd.UseLine())
		if len(cmd.Aliases) > 0 {
			fmt.Fprintf(out, "aliases: %s\n", strings.Join(cmd.Aliases, ", "))
		}
		fmt.Fprintf(out, "short: %s\n", cmd.Short)
		for _, text := range []string{cmd.Long, cmd.Example} {
			if text != "" {
				fmt.Fprintf(out, "\n%s\n", strings.TrimRight(text, "\n"))
			}
		}
		if flags := cmd.LocalFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(out, "\n%s", flags)
		}
		out.WriteString("\n")
	})
}

// firstDifference shows the first line that differs; "" where the texts are equal.
func firstDifference(want, got string) string {
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wantLines), len(gotLines)) {
		w, g := "(end)", "(end)"
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if w != g {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w, g)
		}
	}
	return ""
}
