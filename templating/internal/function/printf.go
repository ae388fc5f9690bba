package function

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// maxWidth bounds the widths and precisions of printf.
const maxWidth = 1000

// verb is one directive of a format: its flags, width and precision as written, and its letter.
type verb struct {
	spec   string
	letter byte
}

// runPrintf is Go's Printf for scalars. The format is taken apart first, so that a width is bounded before
// anything is built and a verb that does not fit its value is an error instead of noise in a manifest.
func runPrintf(c *Call) (any, error) {
	format, err := c.str(0)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	next := 1
	for len(format) > 0 {
		text, rest, found := strings.Cut(format, "%")
		if err := c.alloc(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
		if !found {
			break
		}
		v, rest, err := c.readVerb(rest)
		if err != nil {
			return nil, err
		}
		format = rest
		if v.letter == '%' {
			b.WriteByte('%')
			continue
		}
		if next >= len(c.args) {
			return nil, c.errorf("%%%s%c has no argument", v.spec, v.letter)
		}
		piece, err := c.formatOne(v, next)
		if err != nil {
			return nil, err
		}
		b.WriteString(piece)
		next++
	}
	if next < len(c.args) {
		return nil, c.errorf("%d arguments more than the format uses", len(c.args)-next)
	}
	return b.String(), nil
}

func (c *Call) readVerb(s string) (v verb, rest string, err error) {
	i := 0
	for i < len(s) && strings.IndexByte("+-# 0", s[i]) >= 0 {
		i++
	}
	for range 2 { // width, then .precision
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if n, convErr := strconv.Atoi(s[start:i]); i > start && (convErr != nil || n > maxWidth) {
			return verb{}, "", &value.LimitError{
				Limit: "alloc",
				Max:   c.Budget.Limits().Alloc,
				What:  "printf width " + s[start:min(i, start+12)],
			}
		}
		if i < len(s) && s[i] == '.' {
			i++
			continue
		}
		break
	}
	if i == len(s) || i > 64 {
		return verb{}, "", c.errorf("the format ends in the middle of a %% verb")
	}
	return verb{spec: s[:i], letter: s[i]}, s[i+1:], nil
}

// formatOne formats the i-th argument.
func (c *Call) formatOne(v verb, i int) (string, error) {
	var arg any
	var err error
	switch v.letter {
	case 's', 'v', 'q':
		var text string
		text, err = c.text(i)
		arg = text
		if _, isInt := c.args[i].(int64); isInt && v.letter == 'v' {
			arg = c.args[i]
		}
		err = firstError(err, c.alloc(4*len(text)))
	case 'd', 'x', 'X', 'o', 'b', 'c', 'U':
		if s, isText := c.args[i].(string); isText && (v.letter == 'x' || v.letter == 'X') {
			arg, err = s, c.alloc(4*len(s))
			break
		}
		arg, err = c.integer(i)
	case 'f', 'F', 'e', 'E', 'g', 'G':
		arg, err = c.float(i)
	case 't':
		b, isBool := c.args[i].(bool)
		if arg = b; !isBool {
			err = c.wrongType(i, "a boolean")
		}
	default:
		return "", c.errorf("unknown verb %%%c", v.letter)
	}
	if err != nil {
		return "", err
	}
	if err := c.alloc(2 * maxWidth); err != nil {
		return "", err
	}
	return fmt.Sprintf("%"+v.spec+string(v.letter), arg), nil
}
