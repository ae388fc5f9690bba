package rule

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/berth-dev/berth/templating"
)

// Compiled is a set of rules that is ready to be evaluated. It is safe for concurrent use.
type Compiled struct {
	set   Set
	rules []compiledRule
}

type compiledRule struct {
	Rule
	expression cel.Program
	message    cel.Program // nil: Rule.Message
}

// Rules returns the rules of the set.
func (c *Compiled) Rules() []Rule { return c.set.Rules }

// Pool is the pool of the set, empty for the installation's.
func (c *Compiled) Pool() string { return c.set.Pool }

// Compile checks the rules of a set and compiles them. What is wrong comes back as templating.Problems, with
// pointers below /rules/N.
func Compile(s Set) (*Compiled, error) {
	var problems templating.Problems
	if len(s.Rules) > MaxRules {
		problems = append(problems, problemf(templating.CodeLimit, "/rules",
			"there are %d rules; at most %d are allowed", len(s.Rules), MaxRules))
		return nil, problems
	}
	compiled := &Compiled{set: s}
	seen := map[string]bool{}
	for i, r := range s.Rules {
		at := fmt.Sprintf("/rules/%d", i)
		one, found := compileRule(r)
		if seen[r.Name] {
			found = append(found, problemf(templating.CodeInvalid, "/name", "two rules have the name %q", r.Name))
		}
		seen[r.Name] = true
		for _, p := range found {
			p.Pointer = at + p.Pointer
			problems = append(problems, p)
		}
		compiled.rules = append(compiled.rules, one)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return compiled, nil
}

// Check reports what is wrong with a rule, as templating.Problems with pointers into the rule.
func Check(r Rule) error {
	_, problems := compileRule(r)
	return problems.ErrorOrNil()
}

func compileRule(r Rule) (compiledRule, templating.Problems) {
	compiled := compiledRule{Rule: r}
	problems := r.check()
	if len(problems) > 0 {
		return compiled, problems
	}
	params, err := normalized(r.Params)
	if err != nil {
		return compiled, templating.Problems{problemf(templating.CodeInvalid, "/params", "%v", err)}
	}
	compiled.Params = params
	env, err := newEnvironment(params)
	if err != nil {
		return compiled, templating.Problems{problemf(templating.CodeInvalid, "", "%v", err)}
	}

	c := compiler{env: env, params: params}
	compiled.expression = c.program("/expression", r.Expression, cel.BoolType)
	if r.MessageExpression != "" {
		compiled.message = c.program("/message_expression", r.MessageExpression, cel.StringType)
	}
	return compiled, c.problems
}

func normalized(params map[string]any) (map[string]any, error) {
	v, err := templating.Normalize(Rule{Params: params}.paramsOrEmpty())
	if err != nil {
		return nil, err
	}
	object, _ := v.(map[string]any) // an object stays an object
	return object, nil
}

// compiler compiles the expressions of one rule.
type compiler struct {
	env      *cel.Env
	params   map[string]any
	problems templating.Problems
}

func (c *compiler) program(pointer, source string, want *cel.Type) cel.Program {
	checked, issues := c.env.Compile(source)
	if issues.Err() != nil {
		for _, issue := range issues.Errors() {
			c.problems = append(c.problems, c.explain(pointer, source, issue))
		}
		return nil
	}
	if !checked.OutputType().IsExactType(want) {
		c.problems = append(c.problems, problemf(templating.CodeType, pointer,
			"the expression gives %s; it must give %s", typeName(checked.OutputType().String()),
			typeName(want.String())))
		return nil
	}
	if problem, at := checkShape(checked.NativeRep()); problem != "" {
		p := problemf(templating.CodeLimit, pointer, "%s", problem)
		location := checked.NativeRep().SourceInfo().GetStartLocation(at)
		p.Line, p.Column = location.Line(), location.Column()+1
		p.Excerpt = lineOf(source, p.Line)
		c.problems = append(c.problems, p)
		return nil
	}
	estimate, err := c.env.EstimateCost(checked, sizes{})
	if err != nil {
		c.problems = append(c.problems, problemf(templating.CodeInvalid, pointer, "the cost is not known: %v", err))
		return nil
	}
	if estimate.Max > MaxEstimate {
		c.problems = append(c.problems, problemf(templating.CodeLimit, pointer,
			"the expression may cost up to %d units on a large Job; at most %d are allowed: "+
				"use fewer nested loops, and compare whole values instead of texts", estimate.Max, uint64(MaxEstimate)))
		return nil
	}
	program, err := c.env.Program(checked,
		cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost), cel.CostLimit(MaxCost), cel.CostTracking(actual{}),
		cel.InterruptCheckFrequency(10))
	if err != nil {
		c.problems = append(c.problems, problemf(templating.CodeInvalid, pointer, "cannot be prepared: %v", err))
		return nil
	}
	return program
}

// explain turns an error of the CEL library into a problem, in our words.
func (c *compiler) explain(pointer, source string, issue *cel.Error) templating.Problem {
	p := problemf(templating.CodeSyntax, pointer, "%s", "")
	p.Line, p.Column = issue.Location.Line(), issue.Location.Column()+1
	p.Excerpt = lineOf(source, p.Line)
	message := strings.TrimSuffix(issue.Message, " (in container '')")
	switch {
	case strings.HasPrefix(message, "undefined field "):
		name := strings.Trim(strings.TrimPrefix(message, "undefined field "), "'")
		p.Code, p.Message = templating.CodeUnknownField, fmt.Sprintf("there is no field %q", name)
		p.Suggestion = didYouMean(name, c.fieldNames())
	case strings.HasPrefix(message, "undeclared reference to '"):
		// The library may add a suggestion, which counts only its own names.
		name, _, _ := strings.Cut(strings.TrimPrefix(message, "undeclared reference to '"), "'")
		p.Code, p.Message = templating.CodeUndeclared, fmt.Sprintf("there is no variable or function %q", name)
		p.Suggestion = didYouMean(name, append(c.functionNames(), variableNames()...))
	case strings.HasPrefix(message, "found no matching overload for "):
		p.Code, p.Message = templating.CodeType, overloadMessage(message)
	case strings.HasPrefix(message, "Syntax error: "):
		p.Message = "syntax error: " + plainSyntax(strings.TrimPrefix(message, "Syntax error: "))
	default:
		p.Code, p.Message = templating.CodeInvalid, lowerFirst(message)
	}
	return p
}

func lineOf(source string, line int) string {
	if lines := strings.Split(source, "\n"); line >= 1 && line <= len(lines) {
		return lines[line-1]
	}
	return ""
}

// Caret is the line of an expression that a problem is about, with a caret below the column, or "".
func Caret(p templating.Problem) string {
	if p.Excerpt == "" || p.Column < 1 {
		return ""
	}
	var indent strings.Builder
	for i, r := range []rune(p.Excerpt) {
		if i >= p.Column-1 {
			break
		}
		if r == '\t' {
			indent.WriteRune('\t')
		} else {
			indent.WriteByte(' ')
		}
	}
	return p.Excerpt + "\n" + indent.String() + "^"
}

func didYouMean(name string, candidates []string) string {
	if match := templating.Nearest(name, candidates); match != "" {
		return fmt.Sprintf("did you mean %q?", match)
	}
	return ""
}

func (c *compiler) fieldNames() []string {
	var names []string
	for _, fields := range baseTypes() {
		for name := range fields {
			names = append(names, name)
		}
	}
	for name := range c.params {
		names = append(names, name)
	}
	return names
}

func (c *compiler) functionNames() []string {
	var names []string
	for name := range c.env.Functions() {
		names = append(names, name)
	}
	return append(names, "has", "all", "exists", "exists_one", "map", "filter")
}

// overloadMessage explains that a function does not take the types that it is given.
func overloadMessage(message string) string {
	rest := strings.TrimPrefix(message, "found no matching overload for ")
	name, given, ok := strings.Cut(rest, " applied to ")
	if !ok {
		return "a function does not take these types"
	}
	name = strings.Trim(name, "'")
	given = strings.Trim(strings.Trim(given, "'"), "()")
	if operator := strings.Trim(name, "_@"); operator != "" {
		name = operator
	}
	return fmt.Sprintf("%s does not take the types %s", name, typeName(given))
}

// plainSyntax drops the list of all tokens that the parser would have accepted.
func plainSyntax(message string) string {
	message, _, _ = strings.Cut(message, " expecting ")
	message = strings.ReplaceAll(message, "<EOF>", "the end of the expression")
	for _, prefix := range []string{"mismatched input ", "extraneous input ", "no viable alternative at input "} {
		if rest, ok := strings.CutPrefix(message, prefix); ok {
			return "unexpected " + rest
		}
	}
	return message
}

// typeName is a type in the words of the documentation.
func typeName(text string) string {
	return strings.NewReplacer("optional_type", "optional", "google.protobuf.Timestamp", "timestamp",
		"dyn", "any type").Replace(text)
}

func lowerFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}
