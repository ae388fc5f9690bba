package function

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Render is what a function may ask of the render that calls it.
type Render interface {
	// Now is the run's scheduled time.
	Now() time.Time
	// NewUUID returns the next ID that is derived from run, attempt and place.
	NewUUID() string
	// Include returns what a defined template writes with data as its dot.
	Include(name string, data any) (any, error)
	// Template returns what a text writes as a template with data as its root.
	Template(source string, data any) (any, error)
}

// Call is one call of a function: its arguments, and the budget that it pays from.
type Call struct {
	Budget *value.Budget
	Render Render
	name   string
	args   []any
}

// Call calls the function with arguments, the piped value last. It may keep and change the slice.
func (f *Function) Call(budget *value.Budget, render Render, args []any) (any, error) {
	if !f.takesAbsent {
		for i, v := range args {
			if v == (value.Absent{}) {
				args[i] = nil
			}
		}
	}
	return f.run(&Call{Budget: budget, Render: render, name: f.Name, args: args})
}

var (
	errOverflow       = errors.New("the result is out of range")
	errDivisionByZero = errors.New("division by zero")
)

// errorf returns an error that starts with the name of the function.
func (c *Call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.name}, args...)...)
}

// wrongType says that the i-th argument has another type than the function needs.
func (c *Call) wrongType(i int, want string) error {
	return c.errorf("argument %d must be %s, not %s", i+1, want, value.Describe(c.args[i]))
}

// str returns the i-th argument, a string, and pays for reading it.
func (c *Call) str(i int) (string, error) {
	s, ok := c.args[i].(string)
	if !ok {
		return "", c.wrongType(i, "a string")
	}
	return s, c.Budget.Spend(int64(len(s)) >> 4)
}

// strs returns the first n arguments, all strings.
func (c *Call) strs(n int) ([]string, error) {
	texts := make([]string, n)
	for i := range texts {
		var err error
		if texts[i], err = c.str(i); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// text returns the i-th argument, any scalar, in its text form.
func (c *Call) text(i int) (string, error) {
	s, ok := value.Text(c.args[i])
	if !ok {
		return "", c.wrongType(i, "a string, number or boolean")
	}
	return s, c.Budget.Spend(int64(len(s)) >> 4)
}

// integer returns the i-th argument: an integer, or a number or string with an integral value.
func (c *Call) integer(i int) (int64, error) {
	switch v := c.args[i].(type) {
	case int64:
		return v, nil
	case float64:
		// The conversion of a float out of range differs between processors.
		if v >= math.MinInt64 && v < math.MaxInt64 && v == math.Trunc(v) {
			return int64(v), nil
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, c.wrongType(i, "an integer")
}

// count returns the i-th argument: an integer that is a length or a number of times.
func (c *Call) count(i int) (int, error) {
	n, err := c.integer(i)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, c.errorf("argument %d must not be negative", i+1)
	}
	if n > 1<<30 {
		return 0, &value.LimitError{Limit: "alloc", Max: c.Budget.Limits().Alloc, What: c.name}
	}
	return int(n), nil
}

// float returns the i-th argument: a number, or a string with a number.
func (c *Call) float(i int) (float64, error) {
	switch v := c.args[i].(type) {
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f, nil
		}
	}
	return 0, c.wrongType(i, "a number")
}

// list returns the i-th argument, a list, and pays for one pass over it.
func (c *Call) list(i int) ([]any, error) {
	list, ok := c.args[i].([]any)
	if !ok {
		return nil, c.wrongType(i, "a list")
	}
	return list, c.Budget.Spend(int64(len(list)))
}

// object returns the i-th argument, an object, and pays for one pass over it.
func (c *Call) object(i int) (map[string]any, error) {
	object, ok := c.args[i].(map[string]any)
	if !ok {
		return nil, c.wrongType(i, "an object")
	}
	return object, c.Budget.Spend(int64(len(object)))
}

// measure returns the size of the i-th argument with all its parts, and pays for a pass over all of them.
func (c *Call) measure(i int) (value.Size, error) {
	size, err := c.Budget.Measure(c.args[i])
	if err != nil {
		return size, err
	}
	return size, c.Budget.Spend(size.Nodes + size.Bytes>>4)
}

// result pays for a string and returns it.
func (c *Call) result(s string) (any, error) {
	return s, c.Budget.Alloc(int64(len(s)))
}

// alloc pays for n bytes that are about to be built.
func (c *Call) alloc(n int) error { return c.Budget.Alloc(int64(n)) }

// newList pays for a list of n items and makes it, empty.
func (c *Call) newList(n int) ([]any, error) {
	if err := c.Budget.Alloc(int64(n)*24 + 24); err != nil {
		return nil, err
	}
	return make([]any, 0, n), c.Budget.Spend(int64(n))
}

// newObject pays for an object of n entries and makes it, empty.
func (c *Call) newObject(n int) (map[string]any, error) {
	if err := c.Budget.Alloc(int64(n)*64 + 48); err != nil {
		return nil, err
	}
	return make(map[string]any, n), c.Budget.Spend(int64(n))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
