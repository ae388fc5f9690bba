package request

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// schemaMessage says what is wrong with a value, in words that a user of the API knows. The schema library's
// own text shows regular expressions and the library's terms.
func schemaMessage(err *openapi3.SchemaError) string {
	schema := err.Schema
	switch err.SchemaField {
	case "required":
		path := err.JSONPointer()
		return fmt.Sprintf("required field %q is missing", path[len(path)-1])
	case "type":
		return fmt.Sprintf("want %s, got %s", typeNames(schema), jsonKind(err.Value))
	case "nullable":
		return "must not be null"
	case "enum":
		return fmt.Sprintf("want one of %s; got %s", list(schema.Enum), shown(err.Value))
	case "format":
		if errors.Is(err, errYear) {
			return "want a time in the years 1 to 9999, in UTC"
		}
		if limit := brokenLimit(schema, err.Value); limit != "" {
			return limit // in the words of the finding for the limit itself, which it then repeats
		}
		return formatMessage(schema.Format)
	case "pattern":
		return patternMessage(schema.Pattern)
	}
	return boundMessage(err)
}

// boundMessage describes limits on size.
func boundMessage(err *openapi3.SchemaError) string {
	schema := err.Schema
	switch err.SchemaField {
	case "minimum":
		return limitMessage("least", *schema.Min, err.Value)
	case "maximum":
		return limitMessage("most", *schema.Max, err.Value)
	case "minLength":
		if schema.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", schema.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *schema.MaxLength)
	case "minItems":
		return fmt.Sprintf("must have at least %s", count(schema.MinItems, "item"))
	case "maxItems":
		return fmt.Sprintf("must have at most %s", count(*schema.MaxItems, "item"))
	case "minProperties":
		return fmt.Sprintf("must set at least %s", count(schema.MinProps, "field"))
	case "maxProperties":
		return fmt.Sprintf("must set at most %s", count(*schema.MaxProps, "field"))
	case "uniqueItems":
		return "must not contain duplicate items"
	}
	if err.Reason != "" {
		return clip(err.Reason)
	}
	return "does not match " + err.SchemaField
}

// brokenLimit says which limit of a number a value breaks; empty if none.
func brokenLimit(schema *openapi3.Schema, value any) string {
	number, err := strconv.ParseFloat(fmt.Sprint(value), 64)
	switch {
	case err != nil:
		return ""
	case schema.Min != nil && number < *schema.Min:
		return limitMessage("least", *schema.Min, value)
	case schema.Max != nil && number > *schema.Max:
		return limitMessage("most", *schema.Max, value)
	}
	return ""
}

func limitMessage(which string, limit float64, value any) string {
	return fmt.Sprintf("must be at %s %s, got %s", which, plainNumber(limit), clip(plainNumber(value)))
}

// plainNumber prints a number without an exponent, unless it is very large.
func plainNumber(value any) string {
	const large = 1e18
	if number, ok := value.(float64); ok && math.Abs(number) < large {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

func formatMessage(format string) string {
	switch format {
	case "date-time":
		return "want a date and time with time zone, such as 2026-01-31T06:00:00Z"
	case "uuid":
		return "want a UUID, such as 0197a1de-6c00-7c11-9d54-3f0a5be1c042"
	case "int32":
		return "want an integer between -2147483648 and 2147483647"
	case "int64":
		return "want an integer of at most 64 bits"
	}
	return "want a value of format " + format
}

// patternMessage describes the patterns of openapi.yaml. A test checks that each of them is described here.
func patternMessage(pattern string) string {
	switch pattern {
	case namePattern:
		return "want letters, digits, spaces and ._:@+- with a letter or digit first and no space at the end"
	case `^(\*|[\p{L}\p{N}][\p{L}\p{M}\p{N} ._:@+-]*)$`:
		return "want * or the name of a work pool"
	case `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`:
		return "want lower-case letters (a-z), digits and -, with no - at either end"
	case `^[!-~]+$`:
		return "want printable ASCII characters without spaces"
	case `^\S(.*\S)?$`:
		return "want one line that does not begin or end with a space"
	case `^[A-Za-z0-9][A-Za-z0-9._-]*$`:
		return "want letters (a-z), digits and ._- with a letter or digit first"
	case `^[A-Za-z0-9_][A-Za-z0-9_-]*$`:
		return "want letters (a-z), digits, _ and - with no - first"
	case `^[1-9][0-9]{0,4}[smhd]$`:
		return "want a number and a unit: 30s, 5m, 2h or 1d"
	case `^[0-9a-fA-F][0-9a-fA-F-]{3,35}$`:
		return "want the first 4 to 36 characters of a run ID: hexadecimal digits and -"
	}
	return "has an invalid form"
}

// typeNames lists the JSON types that a schema allows.
func typeNames(schema *openapi3.Schema) string {
	var names []string
	for _, name := range schema.Type.Slice() {
		names = append(names, article(name))
	}
	return strings.Join(names, " or ")
}

// article returns the name of a JSON type with its article; arrays are called lists.
func article(jsonType string) string {
	switch jsonType {
	case "array":
		return "a list"
	case "integer", "object":
		return "an " + jsonType
	case "null":
		return "null"
	}
	return "a " + jsonType
}

// jsonKind returns the JSON type of a decoded value, with its article.
func jsonKind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return article("object")
	case []any:
		return article("array")
	case string:
		return article("string")
	case bool:
		return article("boolean")
	}
	return "the number " + clip(fmt.Sprint(value))
}

// goKind returns the JSON type that a Go type is decoded from, with its article.
func goKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return article("string")
	case reflect.Bool:
		return article("boolean")
	case reflect.Slice, reflect.Array:
		return article("array")
	case reflect.Struct, reflect.Map:
		return article("object")
	case reflect.Float32, reflect.Float64:
		return article("number")
	}
	return article("integer")
}

func list(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}

// shown prints a value of a request.
func shown(value any) string {
	text, ok := value.(string)
	if !ok {
		return jsonKind(value)
	}
	return fmt.Sprintf("%q", clip(text))
}

// clip cuts a text of a request: the client knows what it sent.
func clip(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	short := []rune(text[:min(len(text), limit*utf8.UTFMax)])
	if len(short) <= limit {
		return text
	}
	return string(short[:limit]) + "…"
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
