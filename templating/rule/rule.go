package rule

import (
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/berth-dev/berth/templating"
)

// Action is what a rule does to a Job that does not comply.
type Action string

// The actions.
const (
	// Deny refuses the run.
	Deny Action = "deny"
	// Warn lets the run pass and says so.
	Warn Action = "warn"
)

// Bounds of rules.
const (
	// MaxRules is how many rules a pool, and how many the installation may have.
	MaxRules = 32
	// MaxExpression and MaxMessage are in bytes.
	MaxExpression = 4 << 10
	MaxMessage    = 1 << 10
	// MaxParams bounds the parameters of a rule, in bytes of JSON.
	MaxParams = 16 << 10
	// MaxName is the length of a rule's name.
	MaxName = 63
)

// Rule is a rule as it is stored.
type Rule struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Expression is CEL and true for a Job that complies.
	Expression string `json:"expression"`
	// Message is what a person reads when the Job does not comply. MessageExpression is CEL that makes the
	// message; when it fails, Message is used.
	Message           string `json:"message,omitempty"`
	MessageExpression string `json:"message_expression,omitempty"`
	Action            Action `json:"action"`
	// Params are the values that the expressions read as params.
	Params map[string]any `json:"params,omitempty"`
	// From is the rule of the library that this one was copied from.
	From string `json:"from,omitempty"`
}

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// check reports what is wrong with a rule before its expressions are looked at.
func (r Rule) check() templating.Problems {
	var problems templating.Problems
	fail := func(code, pointer, format string, args ...any) {
		problems = append(problems, problemf(code, pointer, format, args...))
	}
	if len(r.Name) > MaxName || !namePattern.MatchString(r.Name) {
		fail(templating.CodeInvalid, "/name",
			"the name of a rule has 1 to %d lower-case letters, digits and dashes, such as %q", MaxName, "memory-limit")
	}
	if r.Action != Deny && r.Action != Warn {
		fail(templating.CodeInvalid, "/action", "action must be %q or %q, not %q", Deny, Warn, r.Action)
	}
	if r.Expression == "" {
		fail(templating.CodeRequired, "/expression", "a rule needs an expression")
	}
	if r.Message == "" && r.MessageExpression == "" {
		fail(templating.CodeRequired, "/message", "a rule needs a message: what a person reads who is refused by it")
	}
	for _, text := range []struct {
		pointer, value string
		most           int
	}{
		{"/expression", r.Expression, MaxExpression},
		{"/message_expression", r.MessageExpression, MaxExpression},
		{"/message", r.Message, MaxMessage},
		{"/description", r.Description, MaxMessage},
	} {
		if len(text.value) > text.most {
			fail(templating.CodeLimit, text.pointer, "has %d bytes; at most %d are allowed", len(text.value), text.most)
		}
		if !utf8.ValidString(text.value) {
			fail(templating.CodeInvalid, text.pointer, "is not UTF-8 text")
		}
	}
	if size, err := templating.EncodeJSON(r.paramsOrEmpty()); err != nil {
		fail(templating.CodeInvalid, "/params", "cannot be encoded: %v", err)
	} else if len(size) > MaxParams {
		fail(templating.CodeLimit, "/params", "have %d bytes; at most %d are allowed", len(size), MaxParams)
	}
	return problems
}

func (r Rule) paramsOrEmpty() map[string]any {
	if r.Params == nil {
		return map[string]any{}
	}
	return r.Params
}

// Set is the rules of one pool, or of the installation where Pool is empty.
type Set struct {
	Pool  string `json:"pool,omitempty"`
	Rules []Rule `json:"rules"`
}

// With returns the set with a rule added, or replaced where one has its name.
func (s Set) With(r Rule) Set {
	rules := slices.Clone(s.Rules)
	if i := s.index(r.Name); i >= 0 {
		rules[i] = r
	} else {
		rules = append(rules, r)
	}
	return Set{Pool: s.Pool, Rules: rules}
}

// Without returns the set without the named rule, and whether there was one.
func (s Set) Without(name string) (Set, bool) {
	i := s.index(name)
	if i < 0 {
		return s, false
	}
	return Set{Pool: s.Pool, Rules: slices.Delete(slices.Clone(s.Rules), i, i+1)}, true
}

// Get returns the named rule.
func (s Set) Get(name string) (Rule, bool) {
	if i := s.index(name); i >= 0 {
		return s.Rules[i], true
	}
	return Rule{}, false
}

// Names are the names of the rules, in order.
func (s Set) Names() []string {
	names := make([]string, len(s.Rules))
	for i, r := range s.Rules {
		names[i] = r.Name
	}
	return names
}

func (s Set) index(name string) int {
	return slices.IndexFunc(s.Rules, func(r Rule) bool { return r.Name == name })
}

func problemf(code, pointer, format string, args ...any) templating.Problem {
	return templating.Problem{
		Severity: templating.SeverityError, Code: code, Pointer: pointer, Message: fmt.Sprintf(format, args...),
	}
}
