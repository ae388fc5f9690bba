package manifest

import (
	"fmt"
	"strconv"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/internal/value"
)

// pointer is the place of something in a template. It is only written out, as a JSON pointer, when something
// is wrong there.
type pointer struct {
	parent *pointer
	// text is a key, or the whole pointer where there is no parent; index counts where isIndex is set.
	text    string
	index   int
	isIndex bool
}

func (p pointer) key(name string) pointer { return pointer{parent: &p, text: name} }

func (p pointer) item(i int) pointer { return pointer{parent: &p, index: i, isIndex: true} }

func (p pointer) String() string {
	switch {
	case p.parent == nil:
		return p.text
	case p.isIndex:
		return p.parent.String() + "/" + strconv.Itoa(p.index)
	default:
		return value.Pointer(p.parent.String(), p.text)
	}
}

// manifestPointer is the place of the Job in a template.
var manifestPointer = pointer{text: templating.ConfigurationPointer + "/job_manifest"}

func at(key string) pointer { return pointer{text: templating.ConfigurationPointer}.key(key) }

func problem(code, at, format string, args ...any) templating.Problem {
	return templating.Problem{
		Severity: templating.SeverityError,
		Code:     code,
		Pointer:  at,
		Message:  fmt.Sprintf(format, args...),
	}
}

func warning(code, at, format string, args ...any) templating.Problem {
	p := problem(code, at, format, args...)
	p.Severity = templating.SeverityWarning
	return p
}

// maxProblems bounds how many problems of one step are reported. More help no reader, and each is compared
// with those of other steps.
const maxProblems = 100

// keep adds a problem and returns it, to be added to; one too many is dropped.
func keep(problems *templating.Problems, p templating.Problem) *templating.Problem {
	if len(*problems) >= maxProblems {
		return &p
	}
	*problems = append(*problems, p)
	return &(*problems)[len(*problems)-1]
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
		return "the number " + string(value.AppendFloat(nil, v))
	default:
		return "a value that JSON does not have"
	}
}
