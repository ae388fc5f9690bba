package schema

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// The schema library cannot be interrupted, so what it is given is bounded before: how many subschemas there
// are, where a $ref may lead, how large a pattern is, and how much work it is to apply all of it to one
// value.
const (
	MaxSubschemas   = 2_000
	maxApplications = 100_000
	maxRef          = 1_000
	// maxTogether is how many applications the values of one request may take.
	maxTogether = 5_000_000
)

// Budget is what the validations of the values of one request may take together: each is bounded, but a request may
// hold a thousand. The zero Budget is a full one.
type Budget struct{ spent int }

// Exhausted reports whether nothing is left.
func (b *Budget) Exhausted() bool { return b.spent >= maxTogether }

// Some parts of an application go fast: so many of them count as one more application.
const (
	namesPerApplication   = 16  // alternatives of an enum, required and declared names, each compared with what is there
	matchesPerApplication = 256 // steps of a pattern, each compared with a byte
)

// schemaBound knows a schema well enough to count what validating a value with it takes.
type schemaBound struct {
	root    any
	anchors map[string]any
	// patterns is how many steps each pattern has.
	patterns map[string]int
}

// checkSchemaDocument refuses a schema that is too large or that leads out of its document.
func checkSchemaDocument(doc any) (*schemaBound, problem.Problems) {
	bound := &schemaBound{root: doc, anchors: map[string]any{}, patterns: map[string]int{}}
	var problems problem.Problems
	count := 0
	walkSchema(doc, "", func(schema map[string]any, pointer string) {
		if count++; count > MaxSubschemas || len(problems) >= problem.MaxProblems {
			return
		}
		problems = append(problems, checkRefs(schema, pointer)...)
		problems = append(problems, bound.readPatterns(schema, pointer)...)
		for _, keyword := range []string{"$anchor", "$dynamicAnchor"} {
			if name, ok := schema[keyword].(string); ok {
				bound.anchors[name] = schema
			}
		}
	})
	if count > MaxSubschemas {
		problems = append(
			problems,
			problem.Errorf(problem.CodeLimit, "", "the schema has %d subschemas; the limit is %d", count,
				MaxSubschemas),
		)
	}
	return bound, problems
}

// checkRefs refuses references of a subschema that lead out of the document.
func checkRefs(schema map[string]any, pointer string) problem.Problems {
	var problems problem.Problems
	for _, keyword := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
		ref, ok := schema[keyword].(string)
		switch at := value.Pointer(pointer, keyword); {
		case !ok:
		case !strings.HasPrefix(ref, "#"):
			problems = append(
				problems,
				problem.Errorf(problem.CodeRef, at, "%s %q refers to another document; only references within this schema work", keyword,
					problem.Shorten(ref)).
					Suggest(`define the schema under "$defs" and write "#/$defs/NAME"`),
			)
		case len(ref) > maxRef:
			problems = append(
				problems,
				problem.Errorf(problem.CodeLimit, at, "%s has %d bytes; the limit is %d", keyword,
					len(ref), maxRef),
			)
		}
	}
	return problems
}

// readPatterns measures the patterns of a subschema, and refuses patterns that are too large or invalid.
func (b *schemaBound) readPatterns(schema map[string]any, pointer string) problem.Problems {
	var problems problem.Problems
	read := func(pattern, at string) {
		cost, err := value.MeasureRegexp(pattern)
		if err != nil {
			problems = append(problems,
				problem.Errorf(problem.CodeSchema, at, "invalid JSON Schema: %v", err))
			return
		}
		b.patterns[pattern] = cost.Size
	}
	if pattern, ok := schema["pattern"].(string); ok {
		read(pattern, value.Pointer(pointer, "pattern"))
	}
	named, _ := schema["patternProperties"].(map[string]any) // anything else is refused by the meta-schema
	for _, pattern := range value.SortedKeys(named) {
		read(pattern, value.Pointer(value.Pointer(pointer, "patternProperties"), pattern))
	}
	return problems
}

// isNamed is true for keywords that hold schemas by name; the names are no keywords.
func isNamed(keyword string) bool {
	switch keyword {
	case "properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies":
		return true
	default:
		return false
	}
}

// isData is true for keywords that hold data: a key named $ref there means nothing.
func isData(keyword string) bool {
	switch keyword {
	case "default", "const", "enum", "examples", "required", "type":
		return true
	default:
		return false
	}
}

// walkSchema visits every subschema.
func walkSchema(v any, pointer string, visit func(schema map[string]any, pointer string)) {
	schema, ok := v.(map[string]any)
	if !ok {
		return
	}
	visit(schema, pointer)
	for _, keyword := range value.SortedKeys(schema) {
		at := value.Pointer(pointer, keyword)
		switch {
		case isData(keyword):
		case isNamed(keyword):
			named, _ := schema[keyword].(map[string]any) // anything else is refused by the meta-schema
			for _, name := range value.SortedKeys(named) {
				walkSchema(named[name], value.Pointer(at, name), visit)
			}
		default:
			if list, ok := schema[keyword].([]any); ok {
				for i, item := range list {
					walkSchema(item, value.Pointer(at, strconv.Itoa(i)), visit)
				}
				continue
			}
			walkSchema(schema[keyword], at, visit)
		}
	}
}

// steps counts how often subschemas are applied to validate a value; maxApplications stands for all that is more.
// References that double at each step would otherwise take for ever.
func (b *schemaBound) steps(instance any) int {
	left := maxApplications
	b.apply(b.root, instance, 0, &left)
	return maxApplications - max(left, 0)
}

// apply counts the subschemas that are applied to a value and its parts, alternatives all counted.
func (b *schemaBound) apply(v, instance any, depth int, left *int) {
	*left--
	schema, ok := v.(map[string]any)
	if !ok || *left <= 0 {
		return
	}
	if depth > 10*value.MaxDepth {
		*left = 0 // references that go in a circle without going into the value
		return
	}
	*left -= b.quickParts(schema, instance)
	for keyword, sub := range schema {
		switch {
		case isData(keyword) || keyword == "$defs" || keyword == "definitions":
		case keyword == "$ref" || keyword == "$dynamicRef" || keyword == "$recursiveRef":
			if target, ok := b.target(sub); ok {
				b.apply(target, instance, depth+1, left)
			}
		case keyword == "properties":
			b.applyNamed(sub, instance, depth, left)
		case keyword == "propertyNames":
			object, _ := instance.(map[string]any)
			for name := range object {
				b.apply(sub, name, depth+1, left)
			}
		case isNamed(keyword):
			named, _ := sub.(map[string]any)
			for _, item := range named {
				b.applyParts(item, instance, depth, left)
				b.apply(item, instance, depth+1, left)
			}
		case isOfParts(keyword):
			b.applyParts(sub, instance, depth, left)
		default:
			b.applyAll(sub, instance, depth, left)
		}
	}
}

// quickParts counts what goes fast, but not for nothing: comparing with alternatives and names, and matching
// patterns.
func (b *schemaBound) quickParts(schema map[string]any, instance any) int {
	enum, _ := schema["enum"].([]any)
	required, _ := schema["required"].([]any)
	declared, _ := schema["properties"].(map[string]any)
	cost := (len(enum) + len(required) + len(declared)) / namesPerApplication
	if text, ok := instance.(string); ok {
		if pattern, ok := schema["pattern"].(string); ok {
			cost += b.patterns[pattern] * len(text) / matchesPerApplication
		}
	}
	object, _ := instance.(map[string]any)
	if patterned, ok := schema["patternProperties"].(map[string]any); ok {
		for pattern := range patterned {
			for name := range object {
				cost += b.patterns[pattern] * len(name) / matchesPerApplication
			}
		}
	}
	return cost
}

// isOfParts is true for keywords whose schemas are applied to the items or entries of a value.
func isOfParts(keyword string) bool {
	switch keyword {
	case "items",
		"prefixItems",
		"additionalItems",
		"contains",
		"additionalProperties",
		"unevaluatedItems",
		"unevaluatedProperties":
		return true
	default:
		return false
	}
}

func (b *schemaBound) applyAll(sub, instance any, depth int, left *int) {
	if list, ok := sub.([]any); ok {
		for _, item := range list {
			b.apply(item, instance, depth+1, left)
		}
		return
	}
	if _, ok := sub.(map[string]any); ok {
		b.apply(sub, instance, depth+1, left)
	}
}

func (b *schemaBound) applyNamed(sub, instance any, depth int, left *int) {
	named, _ := sub.(map[string]any)
	object, _ := instance.(map[string]any)
	for name, item := range named {
		if part, ok := object[name]; ok {
			b.apply(item, part, depth+1, left)
		}
	}
}

func (b *schemaBound) applyParts(sub, instance any, depth int, left *int) {
	switch instance := instance.(type) {
	case []any:
		for _, part := range instance {
			b.applyAll(sub, part, depth, left)
		}
	case map[string]any:
		for _, part := range instance {
			b.applyAll(sub, part, depth, left)
		}
	}
}

// target follows a reference inside the document.
func (b *schemaBound) target(ref any) (any, bool) {
	text, _ := ref.(string)
	fragment, ok := strings.CutPrefix(text, "#")
	if !ok {
		return nil, false
	}
	if fragment == "" {
		return b.root, true
	}
	if !strings.HasPrefix(fragment, "/") {
		anchor, ok := b.anchors[fragment]
		return anchor, ok
	}
	if unescaped, err := url.PathUnescape(fragment); err == nil {
		fragment = unescaped
	}
	return value.Walk(b.root, problem.PointerSteps(fragment))
}

// compileRegexp compiles a pattern (RE2: linear in the text) of a schema, or a value that older drafts want
// to be one.
func compileRegexp(pattern string) (jsonschema.Regexp, error) {
	if _, err := value.MeasureRegexp(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(pattern)
}
