package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// pointer is a JSON pointer that is being written.
type pointer string

func (p pointer) key(name string) pointer {
	if strings.ContainsAny(name, "~/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	return p + "/" + pointer(name)
}

func (p pointer) index(i int) pointer { return p + "/" + pointer(strconv.Itoa(i)) }

// manifestPointer is the place of the Job in a template.
const manifestPointer = pointer(templating.ConfigurationPointer + "/job_manifest")

func problem(code, at, format string, args ...any) templating.Problem {
	return templating.Problem{Severity: templating.SeverityError, Code: code, Pointer: at, Message: fmt.Sprintf(format, args...)}
}

func warning(code, at, format string, args ...any) templating.Problem {
	p := problem(code, at, format, args...)
	p.Severity = templating.SeverityWarning
	return p
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any, nil:
		return false
	default:
		return true
	}
}

// describe says what a value is, in a few words and without repeating what could be a secret.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "the boolean " + strconv.FormatBool(v)
	case int64:
		return "the integer " + strconv.FormatInt(v, 10)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprintf("a %T", v)
	}
}
