package function

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// logicFunctions compare values and combine conditions.
func logicFunctions() []Function {
	return group("logic", []Function{
		{Usage: "and VALUE…", Min: 1, Max: anyNumber,
			Doc: "the first empty value, else the last",
			run: func(c *Call) (any, error) { return c.args[len(c.args)-1], nil }},
		{Usage: "or VALUE…", Min: 1, Max: anyNumber, run: runCoalesce,
			Doc: "the first value that is not empty, else the last"},
		{Usage: "not VALUE", Doc: "whether VALUE is empty", Min: 1, Max: 1,
			run: func(c *Call) (any, error) { return !value.Truth(c.args[0]), nil }},
		{Usage: "eq A B…", Min: 2, Max: anyNumber, run: runEq,
			Doc: "whether A equals any B"},
		{Usage: "ne A B", Min: 2, Max: 2, run: runNe,
			Doc: "whether A and B differ"},
		{Usage: "lt A B", Min: 2, Max: 2, run: comparing(func(n int) bool { return n < 0 }),
			Doc: "A < B"},
		{Usage: "le A B", Min: 2, Max: 2, run: comparing(func(n int) bool { return n <= 0 }),
			Doc: "A ≤ B"},
		{Usage: "gt A B", Min: 2, Max: 2, run: comparing(func(n int) bool { return n > 0 }),
			Doc: "A > B"},
		{Usage: "ge A B", Min: 2, Max: 2, run: comparing(func(n int) bool { return n >= 0 }),
			Doc: "A ≥ B"},
		{Usage: "deepEqual A B", Min: 2, Max: 2, Sprig: true, run: runDeepEqual,
			Doc: "whether two values are equal in all their parts"},
		{Usage: "kindOf VALUE", Min: 1, Max: 1, Sprig: true,
			Doc: "string, bool, int64, float64, slice, map or invalid",
			run: func(c *Call) (any, error) { return kindOf(c.args[0]), nil }},
		{Usage: "kindIs KIND VALUE", Min: 2, Max: 2, Sprig: true,
			Doc: "whether VALUE is of KIND",
			run: func(c *Call) (any, error) { return c.args[0] == kindOf(c.args[1]), nil }},
	})
}

func runEq(c *Call) (any, error) {
	for i := range c.args[1:] {
		equal, err := c.equal(0, i+1)
		if err != nil || equal {
			return equal, err
		}
	}
	return false, nil
}

func runNe(c *Call) (any, error) {
	equal, err := c.equal(0, 1)
	return !equal, err
}

// equal compares two scalars. Strings and numbers are never equal, and asking is likely a mistake.
func (c *Call) equal(i, j int) (bool, error) {
	a, b := c.args[i], c.args[j]
	for _, k := range []int{i, j} {
		switch c.args[k].(type) {
		case map[string]any, []any:
			return false, c.errorf("argument %d is %s; compare it with deepEqual", k+1, value.Describe(c.args[k]))
		}
	}
	if a == nil || b == nil {
		return a == b, nil
	}
	if basicKind(a) != basicKind(b) {
		return false, c.errorf("cannot compare %s with %s", value.Describe(a), value.Describe(b))
	}
	if s, ok := a.(string); ok {
		if err := c.Budget.Spend(int64(len(s)) >> 4); err != nil {
			return false, err
		}
	}
	return value.Equal(a, b), nil
}

func basicKind(v any) string {
	switch v.(type) {
	case int64, float64:
		return "number"
	default:
		return kindOf(v)
	}
}

func comparing(holds func(int) bool) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		n, err := c.compare()
		return holds(n), err
	}
}

// compare orders two numbers or two strings.
func (c *Call) compare() (int, error) {
	switch a := c.args[0].(type) {
	case string:
		if b, ok := c.args[1].(string); ok {
			return strings.Compare(a, b), c.Budget.Spend(int64(min(len(a), len(b))) >> 4)
		}
	case int64:
		switch b := c.args[1].(type) {
		case int64:
			return order(a, b), nil
		case float64:
			return order(float64(a), b), nil
		}
	case float64:
		switch b := c.args[1].(type) {
		case int64:
			return order(a, float64(b)), nil
		case float64:
			return order(a, b), nil
		}
	}
	return 0, c.errorf("cannot compare %s with %s", value.Describe(c.args[0]), value.Describe(c.args[1]))
}

func order[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func runDeepEqual(c *Call) (any, error) {
	for i := range 2 {
		if _, err := c.measure(i); err != nil {
			return nil, err
		}
	}
	return value.Equal(c.args[0], c.args[1]), nil
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case int64:
		return "int64"
	case float64:
		return "float64"
	case []any:
		return "slice"
	case map[string]any:
		return "map"
	default:
		return "invalid"
	}
}
