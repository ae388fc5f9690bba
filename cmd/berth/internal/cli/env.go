package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// jobVariables describe a job to itself and are not settings: in a job, BERTH_ATTEMPT must not become the
// --attempt of `berth run logs`.
var jobVariables = map[string]bool{
	"BERTH_RUN_ID": true, "BERTH_RUN_NAME": true, "BERTH_ATTEMPT": true, "BERTH_DEPLOYMENT": true,
	"BERTH_WORK_POOL": true, "BERTH_PARAMETERS": true, "BERTH_SCHEDULED_TIME": true,
	"BERTH_SCHEDULED_DATE": true, "BERTH_SCHEDULED_TIMEZONE": true,
}

// perLineAnnotation marks flags whose values may hold commas: in the environment they come one per line.
const perLineAnnotation = "berth_env_per_line"

// EnvName is the environment variable of a flag.
func EnvName(flag string) string {
	return "BERTH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// EnvPerLine says that a repeatable flag's values come one per line in the environment, not separated by
// commas.
func EnvPerLine(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		flag := cmd.Flags().Lookup(name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[perLineAnnotation] = []string{"true"}
	}
}

// BindEnv gives every flag that is not on the command line the value of its environment variable, if that is
// set and not empty. Repeatable flags take several values, separated by commas. White space around values is taken
// off: a value that comes from a file or a Secret often ends with a line break.
func BindEnv(flags *pflag.FlagSet, env map[string]string) error {
	var failed error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := EnvName(flag.Name)
		value := trimmed(env[name])
		if flag.Changed || flag.Name == "help" || value == "" || jobVariables[name] ||
			isServiceLink(name, value) {
			return
		}
		for _, item := range envValues(flag, value) {
			if err := flags.Set(flag.Name, item); err != nil && failed == nil {
				failed = Usagef("environment variable %s: %v", name, err)
			}
		}
	})
	return failed
}

// trimmed takes white space off a text, and the byte order mark that editors put before it.
func trimmed(text string) string { return strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF")) }

// isServiceLink recognises what Kubernetes puts into pods that live beside a Service called berth:
// BERTH_PORT is then an address of that Service, and not meant for us.
func isServiceLink(name, value string) bool {
	return name == "BERTH_PORT" && strings.Contains(value, "://")
}

func envValues(flag *pflag.Flag, value string) []string {
	if _, repeatable := flag.Value.(pflag.SliceValue); !repeatable {
		return []string{value}
	}
	separator := ","
	if flag.Annotations[perLineAnnotation] != nil {
		separator = "\n"
	}
	var values []string
	for _, item := range strings.Split(value, separator) {
		if item = strings.TrimSpace(item); item != "" {
			values = append(values, item)
		}
	}
	return values
}
