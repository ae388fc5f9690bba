package function

import (
	"path"
	"strings"

	"github.com/Masterminds/sprig/v3"
)

// textFunctions work on single strings and on paths.
func textFunctions() []Function {
	sprigTable := sprig.GenericFuncMap()
	one := func(name, doc string, run func(*Call) (any, error)) Function {
		return Function{Usage: name + " STRING", Doc: doc, Min: 1, Max: 1, run: run}
	}
	two := func(usage, doc string, fn func(a, b string) any) Function {
		return Function{Usage: usage, Doc: doc, Min: 2, Max: 2, run: onTexts(fn)}
	}
	return sprigGroup("text", []Function{
		one("upper", "upper case", onText(strings.ToUpper)),
		one("lower", "lower case", onText(strings.ToLower)),
		one("title", "each word with a capital", sprigText(sprigTable, "title")),
		one("untitle", "each word without a capital", sprigText(sprigTable, "untitle")),
		one("trim", "without white space around", onText(strings.TrimSpace)),
		one("nospace", "without any white space", sprigText(sprigTable, "nospace")),
		one("initials", "the first letter of each word", sprigText(sprigTable, "initials")),
		one("swapcase", "upper and lower case swapped", sprigText(sprigTable, "swapcase")),
		one("snakecase", "snake_case", sprigText(sprigTable, "snakecase")),
		one("camelcase", "CamelCase", sprigText(sprigTable, "camelcase")),
		one("kebabcase", "kebab-case", sprigText(sprigTable, "kebabcase")),
		one("base", "the last element of a path", onText(path.Base)),
		one("dir", "a path without its last element", onText(path.Dir)),
		one("clean", "a path cleaned up", onText(path.Clean)),
		one("ext", "the extension of a path", onText(path.Ext)),
		one("isAbs", "whether a path is absolute",
			func(c *Call) (any, error) { s, err := c.str(0); return path.IsAbs(s), err }),
		two("contains PART STRING", "whether PART is in STRING",
			func(a, b string) any { return strings.Contains(b, a) }),
		two("hasPrefix PREFIX STRING", "whether STRING begins with PREFIX",
			func(a, b string) any { return strings.HasPrefix(b, a) }),
		two("hasSuffix SUFFIX STRING", "whether STRING ends with SUFFIX",
			func(a, b string) any { return strings.HasSuffix(b, a) }),
		two("trimAll CHARACTERS STRING", "without CHARACTERS around",
			func(a, b string) any { return strings.Trim(b, a) }),
		two("trimPrefix PREFIX STRING", "without PREFIX",
			func(a, b string) any { return strings.TrimPrefix(b, a) }),
		two("trimSuffix SUFFIX STRING", "without SUFFIX",
			func(a, b string) any { return strings.TrimSuffix(b, a) }),
	})
}

// onText lifts a function of one string. Text first is paid for by the argument, then by the result.
func onText(fn func(string) string) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.alloc(len(s)); err != nil {
			return nil, err
		}
		return c.result(fn(s))
	}
}

// onTexts lifts a function of two strings whose result is not longer than both.
func onTexts(fn func(a, b string) any) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		s, err := c.strs(2)
		if err != nil {
			return nil, err
		}
		return fn(s[0], s[1]), nil
	}
}

// sprigText finds one of sprig's functions of one string.
func sprigText(table map[string]any, name string) func(*Call) (any, error) {
	fn, ok := table[name].(func(string) string)
	if !ok {
		return func(c *Call) (any, error) { return nil, c.errorf("is not available") }
	}
	lifted := onText(fn)
	return func(c *Call) (any, error) {
		// These go over the text rune by rune, several times.
		if s, ok := c.args[0].(string); ok {
			if err := firstError(c.Budget.Spend(int64(len(s))>>2), c.alloc(4*len(s))); err != nil {
				return nil, err
			}
		}
		return lifted(c)
	}
}
