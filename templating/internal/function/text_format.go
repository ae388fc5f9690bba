package function

import (
	"fmt"
	"strconv"
	"strings"
)

// textFormatFunctions write values as text.
func textFormatFunctions() []Function {
	return group("text", []Function{
		{Usage: "quote VALUE…", Max: anyNumber, Sprig: true,
			Doc: "each value in double quotes",
			run: func(c *Call) (any, error) { return runQuote(c, strconv.Quote) }},
		{Usage: "squote VALUE…", Max: anyNumber, Sprig: true,
			Doc: "each value in single quotes",
			run: func(c *Call) (any, error) { return runQuote(c, func(s string) string { return "'" + s + "'" }) }},
		{Usage: "cat VALUE…", Max: anyNumber, Sprig: true,
			Doc: "the values with spaces between",
			run: func(c *Call) (any, error) { return joinTexts(c, " ", true) }},
		{Usage: "plural ONE MANY COUNT", Min: 3, Max: 3, Sprig: true, run: runPlural,
			Doc: "ONE where COUNT is 1, else MANY"},
		{Usage: "toString VALUE", Min: 1, Max: 1, Sprig: true,
			Doc: "a scalar as text",
			run: func(c *Call) (any, error) { return c.text(0) }},
		{Usage: "print VALUE…", Max: anyNumber, run: runPrint,
			Doc: "the values as text, one after the other"},
		{Usage: "println VALUE…", Max: anyNumber, run: runPrintln,
			Doc: "the values with spaces between and a new line"},
		{Usage: "printf FORMAT VALUE…", Min: 1, Max: anyNumber, run: runPrintf,
			Doc: "Go's Printf for scalars; widths are bounded"},
	})
}

// runQuote quotes what is there; what is null is left out, as sprig does.
func runQuote(c *Call, quote func(string) string) (any, error) {
	var quoted []string
	for i, v := range c.args {
		if v == nil {
			continue
		}
		s, err := c.text(i)
		if err != nil {
			return nil, err
		}
		if err := c.alloc(4*len(s) + 2); err != nil {
			return nil, err
		}
		quoted = append(quoted, quote(s))
	}
	return strings.Join(quoted, " "), nil
}

// joinTexts joins all arguments; what is null may be left out.
func joinTexts(c *Call, separator string, skipNull bool) (any, error) {
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
	if err := c.alloc(size); err != nil {
		return nil, err
	}
	return strings.Join(texts, separator), nil
}

// runPrint puts a space between two operands when neither is a string, as Go's Sprint does.
func runPrint(c *Call) (any, error) {
	var b strings.Builder
	for i := range c.args {
		s, err := c.text(i)
		if err != nil {
			return nil, err
		}
		if err := c.alloc(len(s) + 1); err != nil {
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

func runPrintln(c *Call) (any, error) {
	v, err := joinTexts(c, " ", false)
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(v, "\n"), nil
}

func runPlural(c *Call) (any, error) {
	n, err := c.integer(2)
	if err != nil {
		return nil, err
	}
	if n == 1 {
		return c.args[0], nil
	}
	return c.args[1], nil
}
