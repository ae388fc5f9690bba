package function

import (
	"strings"
	"unicode/utf8"

	"github.com/Masterminds/goutils"
)

// textLayoutFunctions repeat, cut, indent and wrap text.
func textLayoutFunctions() []Function {
	return group("text", []Function{
		{Usage: "repeat COUNT STRING", Min: 2, Max: 2, Sprig: true, run: runRepeat,
			Doc: "STRING COUNT times"},
		{Usage: "indent SPACES STRING", Min: 2, Max: 2, Sprig: true,
			Doc: "every line indented",
			run: func(c *Call) (any, error) { return runIndent(c, "") }},
		{Usage: "nindent SPACES STRING", Min: 2, Max: 2, Sprig: true,
			Doc: "a new line, then every line indented",
			run: func(c *Call) (any, error) { return runIndent(c, "\n") }},
		{Usage: "replace OLD NEW STRING", Min: 3, Max: 3, Sprig: true, run: runReplace,
			Doc: "every OLD replaced by NEW"},
		{Usage: "trunc LENGTH STRING", Min: 2, Max: 2, Sprig: true, run: runTrunc,
			Doc: "the first LENGTH characters, or the last where it is negative"},
		{Usage: "substr START END STRING", Min: 3, Max: 3, Sprig: true, run: runSubstr,
			Doc: "the characters from START to before END"},
		{Usage: "abbrev WIDTH STRING", Min: 2, Max: 2, Sprig: true, run: runAbbrev,
			Doc: "cut to WIDTH characters with three dots"},
		{Usage: "abbrevboth START WIDTH STRING", Min: 3, Max: 3, Sprig: true, run: runAbbrevBoth,
			Doc: "cut on both sides to WIDTH characters with dots"},
		{Usage: "wrap WIDTH STRING", Min: 2, Max: 2, Sprig: true, run: runWrap,
			Doc: "lines of at most WIDTH characters"},
		{Usage: "wrapWith WIDTH SEPARATOR STRING", Min: 3, Max: 3, Sprig: true, run: runWrapWith,
			Doc: "wrapped with a separator of your own"},
	})
}

func runRepeat(c *Call) (any, error) {
	n, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	if err := c.Budget.Alloc(int64(n) * int64(len(s))); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

func runIndent(c *Call, before string) (any, error) {
	n, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	lines := int64(strings.Count(s, "\n")) + 1
	if err := c.Budget.Alloc(int64(n)*(lines+1) + int64(len(s))); err != nil {
		return nil, err
	}
	pad := strings.Repeat(" ", n)
	return before + pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

func runReplace(c *Call) (any, error) {
	s, err := c.strs(3)
	if err != nil {
		return nil, err
	}
	size := int64(len(s[2])) + int64(strings.Count(s[2], s[0]))*int64(max(0, len(s[1])-len(s[0])))
	if err := c.Budget.Alloc(size); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s[2], s[0], s[1]), nil
}

func runTrunc(c *Call) (any, error) {
	n, err := c.integer(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	length := int64(utf8.RuneCountInString(s))
	switch {
	case n < 0 && length+n > 0:
		return cutRunes(s, length+n, length), nil
	case n >= 0 && length > n:
		return cutRunes(s, 0, n), nil
	default:
		return s, nil
	}
}

// cutRunes returns the characters from start to before end, within what is there.
func cutRunes(s string, start, end int64) string {
	from, to, n := len(s), len(s), int64(0)
	for i := range s {
		if n == start {
			from = i
		}
		if n == end {
			to = i
			break
		}
		n++
	}
	if from > to {
		return ""
	}
	return s[from:to]
}

func runSubstr(c *Call) (any, error) {
	start, err := c.integer(0)
	if err != nil {
		return nil, err
	}
	end, err := c.integer(1)
	if err != nil {
		return nil, err
	}
	s, err := c.str(2)
	if err != nil {
		return nil, err
	}
	length := int64(utf8.RuneCountInString(s))
	if start < 0 {
		start = 0
	}
	if end < 0 || end > length {
		end = length
	}
	return cutRunes(s, start, end), nil
}

func runAbbrev(c *Call) (any, error) {
	width, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil || width < 4 || utf8.RuneCountInString(s) <= width {
		return s, err
	}
	return c.result(cutRunes(s, 0, int64(width-3)) + "...")
}

func runAbbrevBoth(c *Call) (any, error) {
	start, err := c.count(0)
	if err != nil {
		return nil, err
	}
	width, err := c.count(1)
	if err != nil {
		return nil, err
	}
	s, err := c.str(2)
	if err != nil || width < 4 || start > 0 && width < 7 {
		return s, err
	}
	if err := c.alloc(4 * len(s)); err != nil {
		return nil, err
	}
	short, err := goutils.AbbreviateFull(s, start, width)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.result(short)
}

func runWrap(c *Call) (any, error) {
	width, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	if err := c.alloc(2 * len(s)); err != nil {
		return nil, err
	}
	return c.result(goutils.Wrap(s, width))
}

func runWrapWith(c *Call) (any, error) {
	width, err := c.count(0)
	if err != nil {
		return nil, err
	}
	separator, err := c.str(1)
	if err != nil {
		return nil, err
	}
	s, err := c.str(2)
	if err != nil {
		return nil, err
	}
	breaks := int64(len(s))/int64(max(1, width)) + int64(strings.Count(s, " ")) + 1
	if err := c.Budget.Alloc(2*int64(len(s)) + breaks*int64(len(separator))); err != nil {
		return nil, err
	}
	return goutils.WrapCustom(s, width, separator, true), nil
}
