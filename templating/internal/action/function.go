package action

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Function is one function of the template language.
type Function struct {
	Name string
	// Group and Usage are for the documentation: `upper STRING` under "text".
	Group string
	Usage string
	Doc   string
	// Min and Max are how many arguments it takes; Max -1 is any number.
	Min, Max int
	// Sprig is true where it is one that sprig has, and does what that does. Alias is another name of one.
	Sprig bool
	Alias bool

	takesAbsent bool
	mutates     bool
	run         func(c *call) (any, error)
}

func (f *Function) arity() string {
	switch {
	case f.Max < 0:
		return fmt.Sprintf("at least %d arguments", f.Min)
	case f.Min == f.Max:
		return fmt.Sprintf("%d arguments", f.Min)
	default:
		return fmt.Sprintf("%d to %d arguments", f.Min, f.Max)
	}
}

// functions is the one table of functions, made once and then only read.
var functions = sync.OnceValue(func() map[string]*Function {
	table := map[string]*Function{}
	for _, group := range [][]Function{
		coreFunctions(), textFunctions(), textShapeFunctions(), numberFunctions(), listFunctions(), listMoreFunctions(), objectFunctions(),
		encodingFunctions(), regexFunctions(), timeFunctions(), kubernetesFunctions(),
	} {
		for _, f := range group {
			table[f.Name] = &f
		}
	}
	for alias, name := range aliases() {
		f := *table[name]
		f.Name, f.Alias = alias, true
		table[alias] = &f
	}
	return table
})

// IsFunction says whether there is a function of that name.
func IsFunction(name string) bool { return functions()[name] != nil }

// Functions lists all functions, sorted by name.
func Functions() []Function {
	var list []Function
	for _, f := range functions() {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// LeftOut names functions that people know and that are not here, with the reason.
func LeftOut() map[string]string { return leftOut() }

// call is one call of a function: its arguments, and what they cost.
type call struct {
	m    *machine
	name string
	args []any
}

// errorf puts the name of the function before a message.
func (c *call) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.name}, args...)...)
}

func (c *call) wrong(i int, want string) error {
	return c.errorf("argument %d must be %s, not %s", i+1, want, describe(c.args[i]))
}

// str is the i-th argument, which must be a string; looking at it is paid for.
func (c *call) str(i int) (string, error) {
	s, ok := c.args[i].(string)
	if !ok {
		return "", c.wrong(i, "a string")
	}
	return s, c.m.budget.Spend(int64(len(s)) >> 4)
}

// strs is str for the first n arguments.
func (c *call) strs(n int) ([]string, error) {
	texts := make([]string, n)
	for i := range texts {
		var err error
		if texts[i], err = c.str(i); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// text is the i-th argument as it reads inside text: any scalar.
func (c *call) text(i int) (string, error) {
	s, ok := value.Text(c.args[i])
	if !ok {
		return "", c.wrong(i, "text")
	}
	return s, c.m.budget.Spend(int64(len(s)) >> 4)
}

// integer is the i-th argument, which must be an integer, or a float or string that is one.
func (c *call) integer(i int) (int64, error) {
	switch v := c.args[i].(type) {
	case int64:
		return v, nil
	case float64:
		// Beyond the range what a conversion gives differs between processors.
		if v >= math.MinInt64 && v < math.MaxInt64 && v == math.Trunc(v) {
			return int64(v), nil
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, c.wrong(i, "an integer")
}

// count is an integer that is a length or a number of times.
func (c *call) count(i int) (int, error) {
	n, err := c.integer(i)
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, c.errorf("argument %d must not be negative", i+1)
	}
	if n > 1<<30 {
		return 0, &value.LimitError{Limit: "alloc", Max: c.m.budget.Limits().Alloc, What: c.name}
	}
	return int(n), nil
}

func (c *call) float(i int) (float64, error) {
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
	return 0, c.wrong(i, "a number")
}

// list is the i-th argument, which must be a list; going over it is paid for.
func (c *call) list(i int) ([]any, error) {
	list, ok := c.args[i].([]any)
	if !ok {
		return nil, c.wrong(i, "a list")
	}
	return list, c.m.budget.Spend(int64(len(list)))
}

// object is the i-th argument, which must be an object; going over it is paid for.
func (c *call) object(i int) (map[string]any, error) {
	object, ok := c.args[i].(map[string]any)
	if !ok {
		return nil, c.wrong(i, "an object")
	}
	return object, c.m.budget.Spend(int64(len(object)))
}

// deep measures the i-th argument for a function that looks at all of it, and pays for the looking.
func (c *call) deep(i int) (value.Size, error) {
	size, err := c.m.budget.Measure(c.args[i])
	if err != nil {
		return size, err
	}
	return size, c.m.budget.Spend(size.Nodes + size.Bytes>>4)
}

// made pays for a string before it is handed on.
func (c *call) made(s string) (any, error) {
	return s, c.m.budget.Alloc(int64(len(s)))
}

// making pays for n bytes before they are built.
func (c *call) making(n int) error { return c.m.budget.Alloc(int64(n)) }

// newList pays for a list of n items before it is made.
func (c *call) newList(n int) ([]any, error) {
	if err := c.m.budget.Alloc(int64(n)*24 + 24); err != nil {
		return nil, err
	}
	return make([]any, 0, n), c.m.budget.Spend(int64(n))
}

// newObject pays for an object of n entries before it is made.
func (c *call) newObject(n int) (map[string]any, error) {
	if err := c.m.budget.Alloc(int64(n)*64 + 48); err != nil {
		return nil, err
	}
	return make(map[string]any, n), c.m.budget.Spend(int64(n))
}

var (
	errOverflow = errors.New("the result is out of range")
	errDivision = errors.New("division by zero")
)
