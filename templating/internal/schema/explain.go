package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// explain says what was expected, in the words of the rest of the messages.
func explain(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case concealed:
		return k.text
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", strings.Join(withArticles(k.Want), " or "), value.Article(k.Got))
	case *kind.DependentRequired:
		return fmt.Sprintf("is missing %s, which is required together with %q", problem.QuoteAll(k.Missing), problem.Shorten(k.Prop))
	case *kind.FalseSchema:
		return "is not allowed"
	case *kind.Not:
		return "is excluded by its schema"
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return fmt.Sprintf("matches alternatives %d and %d; exactly one must match", k.Subschemas[0]+1, k.Subschemas[1]+1)
		}
		return "matches none of the alternatives"
	case *kind.PropertyNames:
		return fmt.Sprintf("has an entry named %q, which is not allowed", problem.Shorten(k.Property))
	case *kind.Enum:
		return fmt.Sprintf("must be one of %s, not %s", problem.QuoteJSON(k.Want...), problem.QuoteJSON(k.Got))
	case *kind.Const:
		return fmt.Sprintf("must be %s, not %s", problem.QuoteJSON(k.Want), problem.QuoteJSON(k.Got))
	case *kind.Required:
		return "is missing " + problem.QuoteAll(k.Missing)
	case *kind.AdditionalProperties:
		return "has unknown " + problem.QuoteAll(slices.Sorted(slices.Values(k.Properties)))
	case *kind.Minimum:
		return "must be at least " + problem.Shorten(k.Want.RatString()) + ", not " + problem.Shorten(k.Got.RatString())
	case *kind.Maximum:
		return "must be at most " + problem.Shorten(k.Want.RatString()) + ", not " + problem.Shorten(k.Got.RatString())
	case *kind.Pattern:
		return fmt.Sprintf(`must match the regular expression "%s" of its schema, not %q`, k.Want, problem.Shorten(k.Got))
	case *kind.ExclusiveMinimum:
		return "must be more than " + problem.Shorten(k.Want.RatString()) + ", not " + problem.Shorten(k.Got.RatString())
	case *kind.ExclusiveMaximum:
		return "must be less than " + problem.Shorten(k.Want.RatString()) + ", not " + problem.Shorten(k.Got.RatString())
	case *kind.MultipleOf:
		return "must be a multiple of " + problem.Shorten(k.Want.RatString()) + ", not " + problem.Shorten(k.Got.RatString())
	case *kind.UniqueItems:
		return fmt.Sprintf("items %d and %d are equal; every item must be different", k.Duplicates[0], k.Duplicates[1])
	case *kind.Format:
		return fmt.Sprintf("must be a valid %s%s, not %s", k.Want, formatExample(k.Want), problem.QuoteJSON(k.Got))
	default:
		return explainSize(k)
	}
}

// formatExample shows what a format looks like; empty where its name says so.
func formatExample(format string) string {
	example := map[string]string{
		"date": "2026-01-31", "time": "09:30:00Z", "date-time": "2026-01-31T09:30:00Z", "duration": "PT1H30M",
		"uri": "https://example.com/a", "json-pointer": "/a/b",
	}[format]
	if example == "" {
		return ""
	}
	return " such as " + example
}

// explainSize is explain for how much of something there may be.
func explainSize(k jsonschema.ErrorKind) string {
	size := func(bound string, want, got int, what string) string {
		return fmt.Sprintf("must have at %s %d %s, not %d", bound, want, what, got)
	}
	switch k := k.(type) {
	case *kind.MinLength:
		return size("least", k.Want, k.Got, "characters")
	case *kind.MaxLength:
		return size("most", k.Want, k.Got, "characters")
	case *kind.MinItems:
		return size("least", k.Want, k.Got, "items")
	case *kind.MaxItems:
		return size("most", k.Want, k.Got, "items")
	case *kind.MinProperties:
		return size("least", k.Want, k.Got, "entries")
	case *kind.MaxProperties:
		return size("most", k.Want, k.Got, "entries")
	default:
		return explainRare(k)
	}
}

// explainRare is explain for keywords that few schemas use.
func explainRare(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Contains:
		return "has no item that the keyword contains of its schema requires"
	case *kind.MinContains:
		return fmt.Sprintf("must have at least %d items that match contains, not %d", k.Want, len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %d items that match contains, not %d", k.Want, len(k.Got))
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %d items more than its schema allows", k.Count)
	case *kind.ContentEncoding:
		return "must be encoded as " + k.Want
	case *kind.ContentMediaType:
		return "must be of the media type " + k.Want
	default:
		return "does not match its schema"
	}
}

func withArticles(kinds []string) []string {
	var result []string
	for i, kind := range kinds {
		if i > 0 && strings.Contains(strings.Join(kinds[:i], " "), kind) {
			continue
		}
		result = append(result, value.Article(kind))
	}
	return result
}
