package value

import (
	"fmt"
	"regexp/syntax"
)

// maxRegexpSize bounds a pattern after its counted repetitions are written out; matching costs that much a byte.
const maxRegexpSize = 2000

// maxPattern bounds the text of a pattern.
const maxPattern = 1000

// RegexpSize returns how many steps a pattern (RE2) has when its counted repetitions are written out. It is an error when that is too many
// to be matched safely, or when the pattern is not well formed.
func RegexpSize(pattern string) (int, error) {
	if len(pattern) > maxPattern {
		return 0, fmt.Errorf("a pattern of %d characters is too long, at most %d are allowed", len(pattern), maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	size := regexpSize(parsed)
	if size > maxRegexpSize {
		return 0, fmt.Errorf("the pattern %.80q is too large: more than %d steps", pattern, maxRegexpSize)
	}
	return size, nil
}

func regexpSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Max, re.Min, 1)
	}
	return min(size, 1<<30)
}
