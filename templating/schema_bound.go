package templating

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berth-dev/berth/templating/internal/value"
)

// checkSchemaDocument looks for what the library must not be asked to do: follow a $ref out of the document.
func checkSchemaDocument(doc any) Problems {
	var problems Problems
	walkSchema(doc, "", func(schema map[string]any, pointer string) {
		for _, keyword := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
			ref, ok := schema[keyword].(string)
			if ok && !strings.HasPrefix(ref, "#") {
				problems = append(problems, problemf(CodeRef, value.Pointer(pointer, keyword),
					"%s %q leaves the document; nothing outside of it is read", keyword, short(ref)).
					suggest(`put the schema under "$defs" and refer to it as "#/$defs/…"`))
			}
		}
	})
	return problems
}

// walkSchema visits every subschema. Data (default, const, enum, examples) is not looked into: a key named $ref there is data.
func walkSchema(v any, pointer string, visit func(schema map[string]any, pointer string)) {
	schema, ok := v.(map[string]any)
	if !ok {
		return
	}
	visit(schema, pointer)
	for _, keyword := range value.SortedKeys(schema) {
		at := value.Pointer(pointer, keyword)
		switch keyword {
		case "default", "const", "enum", "examples":
		case "properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies":
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

// compileBoundedRegexp compiles a pattern (RE2: linear in the text) that is not too large to be matched.
func compileBoundedRegexp(pattern string) (jsonschema.Regexp, error) {
	if _, err := value.RegexpSize(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(pattern)
}
