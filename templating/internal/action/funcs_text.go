package action

import (
	"path"
	"strings"

	"github.com/Masterminds/sprig/v3"
)

// onText lifts a function of one string. Text first is paid for by the argument, then by the result.
func onText(fn func(string) string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.making(len(s)); err != nil {
			return nil, err
		}
		return c.made(fn(s))
	}
}

// onTexts lifts a function of two strings whose result is not longer than both.
func onTexts(fn func(a, b string) any) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.strs(2)
		if err != nil {
			return nil, err
		}
		return fn(s[0], s[1]), nil
	}
}

// sprigText finds one of sprig's functions of one string.
func sprigText(table map[string]any, name string) func(*call) (any, error) {
	fn, ok := table[name].(func(string) string)
	if !ok {
		return func(c *call) (any, error) { return nil, c.errorf("is not available") }
	}
	lifted := onText(fn)
	return func(c *call) (any, error) {
		// These go over the text rune by rune, several times.
		if s, ok := c.args[0].(string); ok {
			if err := firstError(c.m.budget.Spend(int64(len(s))>>2), c.making(4*len(s))); err != nil {
				return nil, err
			}
		}
		return lifted(c)
	}
}

// textFunctions are what sprig has for single strings.
func textFunctions() []Function {
	table := sprig.GenericFuncMap()
	one := func(name, doc string, run func(*call) (any, error)) Function {
		return Function{
			Name:  name,
			Group: "text",
			Usage: name + " STRING",
			Doc:   doc,
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   run,
		}
	}
	two := func(name, usage, doc string, fn func(a, b string) any) Function {
		return Function{
			Name:  name,
			Group: "text",
			Usage: name + " " + usage,
			Doc:   doc,
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   onTexts(fn),
		}
	}
	return []Function{
		one("upper", "upper case", onText(strings.ToUpper)),
		one("lower", "lower case", onText(strings.ToLower)),
		one("title", "each word with a capital", sprigText(table, "title")),
		one("untitle", "each word without a capital", sprigText(table, "untitle")),
		one("trim", "without white space around", onText(strings.TrimSpace)),
		one("nospace", "without any white space", sprigText(table, "nospace")),
		one("initials", "the first letter of each word", sprigText(table, "initials")),
		one("swapcase", "upper and lower case swapped", sprigText(table, "swapcase")),
		one("snakecase", "snake_case", sprigText(table, "snakecase")),
		one("camelcase", "CamelCase", sprigText(table, "camelcase")),
		one("kebabcase", "kebab-case", sprigText(table, "kebabcase")),
		one("base", "the last element of a path", onText(path.Base)),
		one("dir", "a path without its last element", onText(path.Dir)),
		one("clean", "a path cleaned up", onText(path.Clean)),
		one("ext", "the extension of a path", onText(path.Ext)),
		one("isAbs", "whether a path is absolute",
			func(c *call) (any, error) { s, err := c.str(0); return path.IsAbs(s), err }),
		two("contains", "PART STRING", "whether PART is in STRING",
			func(a, b string) any { return strings.Contains(b, a) }),
		two("hasPrefix", "PREFIX STRING", "whether STRING begins with PREFIX",
			func(a, b string) any { return strings.HasPrefix(b, a) }),
		two("hasSuffix", "SUFFIX STRING", "whether STRING ends with SUFFIX",
			func(a, b string) any { return strings.HasSuffix(b, a) }),
		two("trimAll", "CHARACTERS STRING", "without CHARACTERS around",
			func(a, b string) any { return strings.Trim(b, a) }),
		two("trimPrefix", "PREFIX STRING", "without PREFIX",
			func(a, b string) any { return strings.TrimPrefix(b, a) }),
		two("trimSuffix", "SUFFIX STRING", "without SUFFIX",
			func(a, b string) any { return strings.TrimSuffix(b, a) }),
	}
}
