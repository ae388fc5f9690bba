package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError says in plain words what the flag parser refuses.
func flagError(err error) *UsageError {
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &value):
		return Usagef("--%s %q: %s", value.GetFlag().Name, value.GetValue(), wantedValue(value))
	case errors.As(err, &missing):
		return Usagef("--%s needs a value", missing.GetFlag().Name)
	}
	return &UsageError{Message: err.Error()}
}

// wantedValue says which values a flag takes. A flag with a type of ours says so itself.
func wantedValue(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "int", "int32", "int64":
		return "must be an integer"
	case "float64":
		return "must be a number"
	case "bool":
		return "must be true or false"
	case "duration":
		return "must be a duration, such as 30s or 5m"
	}
	return e.Unwrap().Error()
}

// nameArguments makes a command say which arguments it needs instead of how many it was given.
func nameArguments(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		var usage *UsageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		if names := argumentNames(c.Use); names != "" {
			return Usagef("%s needs %s, got %s", c.CommandPath(), names, countArguments(len(args)))
		}
		if len(args) == 1 && c.Flags().Lookup("file") != nil {
			return Usagef("%s takes no arguments, got %q; name a file with -f %s", c.CommandPath(), args[0], quotedWord(args[0]))
		}
		return Usagef("%s takes no arguments, got %q", c.CommandPath(), args[0])
	}
}

// argumentNames returns the arguments of a use line: "NAME" for "get NAME --pool POOL".
func argumentNames(use string) string {
	_, rest, _ := strings.Cut(use, " ")
	names, _, _ := strings.Cut(" "+rest, " -")
	return strings.TrimSpace(names)
}

func countArguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

var requiredFlags = regexp.MustCompile(`^required flag\(s\) (.+) not set$`)

// requiredFlagError translates the complaint about required flags, which has no type.
func requiredFlagError(err error) error {
	match := requiredFlags.FindStringSubmatch(err.Error())
	if match == nil {
		return err
	}
	names := strings.Split(strings.ReplaceAll(match[1], `"`, ""), ", ")
	return Usagef("missing flag --%s", strings.Join(names, ", --"))
}
