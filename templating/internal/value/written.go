package value

import "strings"

// AsWritten returns the value of a scalar at a place of a document. In an environment all values are text, so
// a number or boolean that would print differently stays the text that was written: 3.10 does not become 3.1,
// nor 007 become 7. err is what is wrong with the scalar as a number; text has no such bounds.
func AsWritten(pointer, written string, v any, err error) (any, error) {
	if !inEnvironment(pointer) {
		return v, err
	}
	if text, ok := Text(v); err != nil || !ok || text != written {
		return written, nil
	}
	return v, nil
}

// inEnvironment is true for the values of an env, in any of its forms: env: {NAME: v}, env: [{value: v}],
// env.NAME: v, or the default of the variable.
func inEnvironment(pointer string) bool {
	return strings.Contains(pointer, "/env/") || strings.Contains(pointer, "/env.")
}
