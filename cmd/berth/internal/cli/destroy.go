package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Destruction is what a command is about to take away.
type Destruction struct {
	// What says it as the rest of a question, such as `delete pool "etl", with 3 deployments`.
	What string
	// Name is to be typed by a person who agrees, where more than the thing itself goes; empty: a yes will do.
	Name string
	Yes  bool // agreed on the command line
}

// YesFlag adds --yes to a command that asks before it takes something away.
func YesFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask; required where no person can answer, and with -o json or yaml")
}

// Destroy asks a person on a terminal, and requires --yes elsewhere. It returns nil when the command may go on.
func (a *App) Destroy(ctx context.Context, cmd *cobra.Command, args []string, format Format, d Destruction) error {
	if d.Yes {
		return nil
	}
	if format != Table || !a.Interactive() {
		return Usagef("this would %s; to confirm, repeat it with --yes: %s", d.What, Repeated(cmd, args, "yes"))
	}
	agreed, err := a.agrees(ctx, d)
	if err != nil || agreed {
		return err
	}
	a.Notef("nothing changed")
	return &SilentError{Code: ExitFailed}
}

func (a *App) agrees(ctx context.Context, d Destruction) (bool, error) {
	if d.Name == "" {
		return a.Confirm(ctx, d.What+"?", false)
	}
	if _, err := fmt.Fprintf(a.Err, "%s?\nType %s to confirm: ", d.What, d.Name); err != nil {
		return false, err
	}
	answer, err := a.readLine(ctx)
	if err != nil {
		a.Notef("")
		return false, ctx.Err()
	}
	return strings.TrimSpace(answer) == d.Name, nil
}

// Repeated is the command line with another flag. Flags that say how to reach the server are left out: they may
// hold a key, and are usually in the environment.
func Repeated(cmd *cobra.Command, args []string, flag string) string {
	words := []string{cmd.CommandPath()}
	for _, arg := range args {
		words = append(words, quotedWord(arg))
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, "api-") || f.Name == flag {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if f.Value.Type() == "bool" && value == "true" {
				words = append(words, "--"+f.Name)
				continue
			}
			words = append(words, "--"+f.Name+"="+quotedWord(value))
		}
	})
	return strings.Join(append(words, "--"+flag), " ")
}

// CommandLine is a command with arguments, as a person types it into a shell.
func CommandLine(command string, args ...string) string {
	words := []string{command}
	for _, arg := range args {
		words = append(words, quotedWord(arg))
	}
	return strings.Join(words, " ")
}

// quotedWord quotes what a shell would take apart.
func quotedWord(word string) string {
	if word == "" || strings.ContainsAny(word, " \t\n'\"$`\\|&;<>()*?[]{}~#!") {
		if strings.Contains(word, "'") {
			return strconv.Quote(word)
		}
		return "'" + word + "'"
	}
	return word
}
