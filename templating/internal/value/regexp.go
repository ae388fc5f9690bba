package value

import (
	"errors"
	"fmt"
	"regexp/syntax"
)

// maxRegexpSize bounds a pattern after its counted repetitions are written out; matching costs that much a
// byte.
const maxRegexpSize = 2000

// maxPattern bounds the text of a pattern.
const maxPattern = 1000

// RegexpCost is what looking for a pattern (RE2) takes.
type RegexpCost struct {
	// Size is how many steps the pattern has when its counted repetitions are written out: looking for one
	// match costs that much a byte.
	Size int
	// Beyond is how many characters beyond the end of a match may be looked at before the match is settled
	// for, or -1 for all that are left. Whoever looks for the next match looks at them again.
	Beyond int
}

// MeasureRegexp is an error when a pattern is too large to be matched safely, or not well formed.
func MeasureRegexp(pattern string) (RegexpCost, error) {
	if len(pattern) > maxPattern {
		return RegexpCost{}, fmt.Errorf("the regular expression has %d characters; the limit is %d",
			len(pattern), maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return RegexpCost{}, invalidRegexp(err)
	}
	size := regexpSize(parsed)
	if size > maxRegexpSize {
		return RegexpCost{}, fmt.Errorf(
			"the regular expression %.80q is too complex: it has more than %d steps", pattern, maxRegexpSize)
	}
	return RegexpCost{Size: size, Beyond: regexpBeyond(parsed)}, nil
}

// invalidRegexp words an error of the parser for template authors.
func invalidRegexp(err error) error {
	var invalid *syntax.Error
	if !errors.As(err, &invalid) {
		return fmt.Errorf("invalid regular expression: %w", err)
	}
	return fmt.Errorf("invalid regular expression: %s in %q", invalid.Code, invalid.Expr)
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

// unbounded is a length that has no bound.
const unbounded = -1

// regexpBeyond is how far a search may run on although it has a match already. An alternative that is
// preferred is followed to its end first, `.*b|a` to the end of the text for every a. Only what cannot fail
// any more stops where its match does: a repeated character at the very end.
func regexpBeyond(re *syntax.Regexp) int {
	if n := regexpLength(re); n != unbounded {
		return n
	}
	switch re.Op {
	case syntax.OpCapture:
		return regexpBeyond(re.Sub[0])
	case syntax.OpAlternate:
		return atMost(re.Sub, regexpBeyond, func(a, b int) int { return max(a, b) })
	case syntax.OpConcat:
		last := len(re.Sub) - 1
		before := atMost(re.Sub[:last], regexpLength, func(a, b int) int { return a + b })
		after := regexpBeyond(re.Sub[last])
		if before == unbounded || after == unbounded {
			return unbounded
		}
		return before + after
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		if isCharacter(re.Sub[0]) {
			return max(re.Min, 1)
		}
	}
	return unbounded
}

func isCharacter(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpLiteral:
		return len(re.Rune) == 1
	default:
		return false
	}
}

// regexpLength is how many characters a match may have.
func regexpLength(re *syntax.Regexp) int {
	sum := func(a, b int) int { return min(a+b, 1<<30) }
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpAlternate:
		return atMost(re.Sub, regexpLength, func(a, b int) int { return max(a, b) })
	case syntax.OpStar, syntax.OpPlus:
		return unbounded
	case syntax.OpRepeat:
		n := regexpLength(re.Sub[0])
		if re.Max < 0 || n == unbounded {
			return unbounded
		}
		return min(n*re.Max, 1<<30)
	default: // captures, what is optional, one after the other, and what has no length
		return atMost(re.Sub, regexpLength, sum)
	}
}

// atMost puts the bounds of several parts together; without a bound is the whole when a part is.
func atMost(parts []*syntax.Regexp, bound func(*syntax.Regexp) int, together func(a, b int) int) int {
	result := 0
	for _, part := range parts {
		n := bound(part)
		if n == unbounded {
			return unbounded
		}
		result = together(result, n)
	}
	return result
}
