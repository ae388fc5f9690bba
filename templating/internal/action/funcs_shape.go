package action

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/Masterminds/goutils"
)

// textShapeFunctions cut, join, repeat and format text: those whose result can be larger than what they are
// given.
func textShapeFunctions() []Function {
	group := []Function{
		{
			Name:  "repeat",
			Usage: "repeat COUNT STRING",
			Doc:   "STRING COUNT times",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runRepeat,
		},
		{
			Name:  "indent",
			Usage: "indent SPACES STRING",
			Doc:   "every line indented",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   func(c *call) (any, error) { return runIndent(c, "") },
		},
		{
			Name:  "nindent",
			Usage: "nindent SPACES STRING",
			Doc:   "a new line, then every line indented",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   func(c *call) (any, error) { return runIndent(c, "\n") },
		},
		{
			Name:  "replace",
			Usage: "replace OLD NEW STRING",
			Doc:   "every OLD replaced by NEW",
			Min:   3,
			Max:   3,
			Sprig: true,
			run:   runReplace,
		},
		{
			Name:  "trunc",
			Usage: "trunc LENGTH STRING",
			Doc:   "the first LENGTH characters, or the last where it is negative",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runTrunc,
		},
		{
			Name:  "substr",
			Usage: "substr START END STRING",
			Doc:   "the characters from START to before END",
			Min:   3,
			Max:   3,
			Sprig: true,
			run:   runSubstr,
		},
		{
			Name:  "abbrev",
			Usage: "abbrev WIDTH STRING",
			Doc:   "cut to WIDTH characters with three dots",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runAbbrev,
		},
		{
			Name:  "abbrevboth",
			Usage: "abbrevboth START WIDTH STRING",
			Doc:   "cut on both sides to WIDTH characters with dots",
			Min:   3,
			Max:   3,
			Sprig: true,
			run:   runAbbrevBoth,
		},
		{
			Name:  "wrap",
			Usage: "wrap WIDTH STRING",
			Doc:   "lines of at most WIDTH characters",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runWrap,
		},
		{
			Name:  "wrapWith",
			Usage: "wrapWith WIDTH SEPARATOR STRING",
			Doc:   "wrapped with a separator of your own",
			Min:   3,
			Max:   3,
			Sprig: true,
			run:   runWrapWith,
		},
		{
			Name:  "quote",
			Usage: "quote VALUE…",
			Doc:   "each value in double quotes",
			Max:   -1,
			Sprig: true,
			run:   func(c *call) (any, error) { return runQuote(c, strconv.Quote) },
		},
		{
			Name:  "squote",
			Usage: "squote VALUE…",
			Doc:   "each value in single quotes",
			Max:   -1,
			Sprig: true,
			run:   func(c *call) (any, error) { return runQuote(c, func(s string) string { return "'" + s + "'" }) },
		},
		{
			Name:  "cat",
			Usage: "cat VALUE…",
			Doc:   "the values with spaces between",
			Max:   -1,
			Sprig: true,
			run:   func(c *call) (any, error) { return joinTexts(c, " ", true) },
		},
		{
			Name:  "plural",
			Usage: "plural ONE MANY COUNT",
			Doc:   "ONE where COUNT is 1, else MANY",
			Min:   3,
			Max:   3,
			Sprig: true,
			run:   runPlural,
		},
		{
			Name:  "toString",
			Usage: "toString VALUE",
			Doc:   "a scalar as text",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   func(c *call) (any, error) { return c.text(0) },
		},
		{
			Name:  "print",
			Usage: "print VALUE…",
			Doc:   "the values as text, one after the other",
			Max:   -1,
			run:   runPrint,
		},
		{
			Name:  "println",
			Usage: "println VALUE…",
			Doc:   "the values with spaces between and a new line",
			Max:   -1,
			run:   runPrintln,
		},
		{
			Name:  "printf",
			Usage: "printf FORMAT VALUE…",
			Doc:   "Go's Printf for scalars; widths are bounded",
			Min:   1,
			Max:   -1,
			run:   runPrintf,
		},
	}
	for i := range group {
		group[i].Group = "text"
	}
	return group
}

func runRepeat(c *call) (any, error) {
	n, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	if err := c.m.budget.Alloc(int64(n) * int64(len(s))); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

func runIndent(c *call, before string) (any, error) {
	n, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	lines := int64(strings.Count(s, "\n")) + 1
	if err := c.m.budget.Alloc(int64(n)*(lines+1) + int64(len(s))); err != nil {
		return nil, err
	}
	pad := strings.Repeat(" ", n)
	return before + pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
}

func runReplace(c *call) (any, error) {
	s, err := c.strs(3)
	if err != nil {
		return nil, err
	}
	size := int64(len(s[2])) + int64(strings.Count(s[2], s[0]))*int64(max(0, len(s[1])-len(s[0])))
	if err := c.m.budget.Alloc(size); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s[2], s[0], s[1]), nil
}

func runTrunc(c *call) (any, error) {
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

func runSubstr(c *call) (any, error) {
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

func runAbbrev(c *call) (any, error) {
	width, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil || width < 4 || utf8.RuneCountInString(s) <= width {
		return s, err
	}
	return c.made(cutRunes(s, 0, int64(width-3)) + "...")
}

func runAbbrevBoth(c *call) (any, error) {
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
	if err := c.making(4 * len(s)); err != nil {
		return nil, err
	}
	short, err := goutils.AbbreviateFull(s, start, width)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.made(short)
}

func runWrap(c *call) (any, error) {
	width, err := c.count(0)
	if err != nil {
		return nil, err
	}
	s, err := c.str(1)
	if err != nil {
		return nil, err
	}
	if err := c.making(2 * len(s)); err != nil {
		return nil, err
	}
	return c.made(goutils.Wrap(s, width))
}

func runWrapWith(c *call) (any, error) {
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
	if err := c.m.budget.Alloc(2*int64(len(s)) + breaks*int64(len(separator))); err != nil {
		return nil, err
	}
	return goutils.WrapCustom(s, width, separator, true), nil
}

// runQuote quotes what is there; what is null is left out, as sprig does.
func runQuote(c *call, quote func(string) string) (any, error) {
	var quoted []string
	for i, v := range c.args {
		if v == nil {
			continue
		}
		s, err := c.text(i)
		if err != nil {
			return nil, err
		}
		if err := c.making(4*len(s) + 2); err != nil {
			return nil, err
		}
		quoted = append(quoted, quote(s))
	}
	return strings.Join(quoted, " "), nil
}

// joinTexts joins all arguments; what is null may be left out.
func joinTexts(c *call, separator string, skipNull bool) (any, error) {
	texts := make([]string, 0, len(c.args))
	size := 0
	for i, v := range c.args {
		if v == nil && skipNull {
			continue
		}
		s, err := c.text(i)
		if err != nil {
			return nil, err
		}
		size += len(s) + len(separator)
		texts = append(texts, s)
	}
	if err := c.making(size); err != nil {
		return nil, err
	}
	return strings.Join(texts, separator), nil
}

// runPrint puts a space between two operands when neither is a string, as Go's Sprint does.
func runPrint(c *call) (any, error) {
	var b strings.Builder
	for i := range c.args {
		s, err := c.text(i)
		if err != nil {
			return nil, err
		}
		if err := c.making(len(s) + 1); err != nil {
			return nil, err
		}
		if i > 0 && !isString(c.args[i]) && !isString(c.args[i-1]) {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func isString(v any) bool {
	_, ok := v.(string)
	return ok
}

func runPrintln(c *call) (any, error) {
	v, err := joinTexts(c, " ", false)
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(v, "\n"), nil
}

func runPlural(c *call) (any, error) {
	n, err := c.integer(2)
	if err != nil {
		return nil, err
	}
	if n == 1 {
		return c.args[0], nil
	}
	return c.args[1], nil
}
