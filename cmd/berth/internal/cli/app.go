// Package cli is what every command of the binary shares: where it reads and writes, how flags, environment
// and file come together, how it talks to the server, how it prints, and with which code it exits.
//
// A command is a function that builds a *cobra.Command around an App. It returns errors and never exits;
// App.Execute prints them and turns them into the exit code: 0 done, 1 the thing failed, 2 wrong use or bad
// input.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// App is the world as a command sees it, so that a test can give it another one.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	// Env is the environment.
	Env map[string]string
	// Now is the clock for what is shown relative to now.
	Now func() time.Time
	// Program is how this program was started, for commands that a person is told to type.
	Program string
	// Transport carries requests to the server; nil means the usual one.
	Transport http.RoundTripper

	raw              io.Writer       // of RawWriter
	defaultTransport *http.Transport // made at the first request, so that all of a command share its connections
}

// Environ turns the form of os.Environ into a map; the last of two with the same name wins.
func Environ(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// Command is a command of this program as a person types it here: "berth run ls", or "build/berth run ls" where
// the program was started by its path.
func (a *App) Command(line string) string {
	program, _ := strings.CutSuffix(a.Program, ".exe")
	if filepath.Base(program) != "berth" || !strings.ContainsRune(program, filepath.Separator) {
		return "berth " + line
	}
	return quotedWord(a.Program) + " " + line
}

// Execute runs the command line and returns the exit code. What comes back from cobra before a command has
// begun is wrong use; what a command returns says itself what it is.
func (a *App) Execute(ctx context.Context, root *cobra.Command, args []string) int {
	begun := false
	defer a.closeConnections()
	wrapRun(root, func() { begun = true })
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := a.addSettings(); err != nil {
			return err
		}
		return BindEnv(cmd.Flags(), a.Env)
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	// A nil slice would make cobra read os.Args.
	root.SetArgs(append([]string{}, args...))

	cmd, err := root, checkFlagFirst(args)
	if err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return ExitDone
	}
	if !begun {
		err = syntaxError(requiredFlagError(err))
	}
	a.PrintError(cmd, err)
	if printed := a.printNeeds(cmd, err); printed != nil {
		a.PrintError(cmd, printed)
	}
	return ExitCode(err)
}

// printNeeds prints the problem document for programs where a change needs an approval: it has the ID of the request.
func (a *App) printNeeds(cmd *cobra.Command, err error) error {
	var refusal *ProblemError
	flag := cmd.Flags().Lookup("output")
	if flag == nil || !errors.As(err, &refusal) || !refusal.NeedsApproval() {
		return nil
	}
	format, ok := flag.Value.(*Format)
	if !ok || *format == Table {
		return nil
	}
	return a.PrintDocument(*format, refusal.Problem)
}

// checkFlagFirst refuses a flag without a command: groups let unknown flags pass, to complain about the
// command's name first.
func checkFlagFirst(args []string) error {
	for _, arg := range args {
		switch {
		case !strings.HasPrefix(arg, "-"), arg == "-h", arg == "--help", arg == "-v", arg == "--version":
			return nil
		}
	}
	if len(args) == 0 {
		return nil
	}
	return Usagef("unknown flag: %s", args[0])
}

func wrapRun(cmd *cobra.Command, begun func()) {
	nameArguments(cmd)
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			begun()
			return run(c, args)
		}
	}
	for _, child := range cmd.Commands() {
		wrapRun(child, begun)
	}
}

// syntaxError is for a command line that is no good, whatever the error.
func syntaxError(err error) error {
	var usage *UsageError
	if !errors.As(err, &usage) {
		usage = &UsageError{Message: err.Error()}
	}
	usage.syntax = true
	return usage
}

// Group makes a command that only holds others. Without one of them, or with one that is not there, it is
// wrong use.
func Group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(c *cobra.Command, args []string) error {
		names := make([]string, 0, len(children))
		for _, child := range c.Commands() {
			if !child.Hidden && child.Name() != "help" && child.Name() != "completion" {
				names = append(names, child.Name())
			}
		}
		if len(args) == 0 && !c.HasParent() {
			return c.Help()
		}
		if len(args) == 0 {
			return syntaxError(Usagef("%s needs a command: %s", c.CommandPath(), strings.Join(names, ", ")))
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return syntaxError(
				Usagef("%s has no command %q, did you mean %q?", c.CommandPath(), args[0], near[0]))
		}
		return syntaxError(
			Usagef("%s has no command %q, it has: %s", c.CommandPath(), args[0], strings.Join(names, ", ")))
	}
	// Without this, flags of a child that does not exist would be complained about before its name.
	cmd.FParseErrWhitelist.UnknownFlags = true
	return cmd
}

// Printf writes to standard output. Control characters are shown escaped; WriteRaw leaves them.
func (a *App) Printf(format string, args ...any) error {
	text := Escape(fmt.Sprintf(format, args...), a.Style(a.Out).on)
	if _, err := fmt.Fprint(a.Out, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// Notef writes a line for people, beside the output, to standard error.
func (a *App) Notef(format string, args ...any) {
	// Nowhere is left to complain to when standard error is gone.
	_, _ = fmt.Fprint(a.Err, Escape(fmt.Sprintf(format+"\n", args...), a.Style(a.Err).on))
}
