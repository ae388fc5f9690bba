package schema

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/message"

	"github.com/berth-dev/berth/templating/internal/problem"
)

// concealed says what was expected of a value that came out of a stored variable, but not what the value is:
// messages travel to places where stored variables do not, such as logs and the history of a run.
type concealed struct {
	jsonschema.ErrorKind
	text string
}

// LocalizedString implements jsonschema.ErrorKind.
func (c concealed) LocalizedString(*message.Printer) string { return c.text }

// conceal takes the values out of an error that are of variables that hidden names.
func conceal(err *jsonschema.ValidationError, hidden map[string]bool) {
	if len(err.InstanceLocation) > 0 && hidden[err.InstanceLocation[0]] {
		if text, tells := withoutValue(err.ErrorKind); tells {
			err.ErrorKind = concealed{
				err.ErrorKind,
				text + "; the value of the stored variable does not comply",
			}
		}
	}
	for _, cause := range err.Causes {
		conceal(cause, hidden)
	}
}

// withoutValue is explain for errors that tell a part of the value.
func withoutValue(k jsonschema.ErrorKind) (string, bool) {
	switch k := k.(type) {
	case *kind.Enum:
		return "must be one of " + problem.QuoteJSON(k.Want...), true
	case *kind.Const:
		return "must be " + problem.QuoteJSON(k.Want), true
	case *kind.Minimum:
		return "must be at least " + problem.Shorten(k.Want.RatString()), true
	case *kind.Maximum:
		return "must be at most " + problem.Shorten(k.Want.RatString()), true
	case *kind.ExclusiveMinimum:
		return "must be more than " + problem.Shorten(k.Want.RatString()), true
	case *kind.ExclusiveMaximum:
		return "must be less than " + problem.Shorten(k.Want.RatString()), true
	case *kind.MultipleOf:
		return "must be a multiple of " + problem.Shorten(k.Want.RatString()), true
	case *kind.Pattern:
		return `must match the regular expression "` + k.Want + `"`, true
	case *kind.Format:
		return "must be a valid " + k.Want, true
	case *kind.PropertyNames, *kind.AdditionalProperties:
		return "must only have entries that the schema allows", true
	default:
		return "", false
	}
}

// Concealing returns the schema with messages that tell nothing of the values of the members that hidden
// names.
func (s *Schema) Concealing(hidden map[string]bool) *Schema {
	return &Schema{compiled: s.compiled, bound: s.bound, hidden: hidden}
}
