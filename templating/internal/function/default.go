package function

import (
	"errors"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// valueFunctions choose between values and end a render.
func valueFunctions() []Function {
	return group("values", []Function{
		{Usage: "absent", run: func(*Call) (any, error) { return value.Absent{}, nil },
			Doc: "no value: the key is removed, the list item dropped"},
		{Usage: "required MESSAGE VALUE", Min: 2, Max: 2, run: runRequired,
			Doc: "VALUE, or an error with MESSAGE where it is missing or empty"},
		{Usage: "default DEFAULT VALUE", Min: 1, Max: 2, Sprig: true, takesAbsent: true, run: runDefault,
			Doc: "VALUE, or DEFAULT where it is empty"},
		{Usage: "coalesce VALUE…", Max: anyNumber, Sprig: true, run: runCoalesce,
			Doc: "the first value that is not empty"},
		{Usage: "ternary YES NO CONDITION", Min: 3, Max: 3, Sprig: true, takesAbsent: true, run: runTernary,
			Doc: "YES where CONDITION is true, else NO"},
		{Usage: "empty VALUE", Min: 1, Max: 1, Sprig: true,
			Doc: "whether VALUE is missing, zero or empty",
			run: func(c *Call) (any, error) { return !value.Truth(c.args[0]), nil }},
		{Usage: "all VALUE…", Max: anyNumber, Sprig: true, run: runAll,
			Doc: "whether no value is empty"},
		{Usage: "any VALUE…", Max: anyNumber, Sprig: true, run: runAny,
			Doc: "whether some value is not empty"},
		{Usage: "fail MESSAGE", Min: 1, Max: 1, Sprig: true, run: runFail,
			Doc: "ends the render with MESSAGE"},
	})
}

var errFailed = errors.New("the template called fail")

func runFail(c *Call) (any, error) {
	message, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if message = strings.TrimSpace(message); message == "" {
		return nil, errFailed
	}
	return nil, errors.New(message)
}

func runRequired(c *Call) (any, error) {
	message, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if v := c.args[1]; v != nil && v != "" {
		return v, nil
	}
	return nil, errors.New(message)
}

func runDefault(c *Call) (any, error) {
	if len(c.args) == 2 && value.Truth(c.args[1]) {
		return c.args[1], nil
	}
	return c.args[0], nil
}

func runCoalesce(c *Call) (any, error) {
	for _, v := range c.args {
		if value.Truth(v) {
			return v, nil
		}
	}
	return nil, nil
}

func runTernary(c *Call) (any, error) {
	if value.Truth(c.args[2]) {
		return c.args[0], nil
	}
	return c.args[1], nil
}

func runAll(c *Call) (any, error) {
	for _, v := range c.args {
		if !value.Truth(v) {
			return false, nil
		}
	}
	return true, nil
}

func runAny(c *Call) (any, error) {
	for _, v := range c.args {
		if value.Truth(v) {
			return true, nil
		}
	}
	return false, nil
}
