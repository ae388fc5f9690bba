package function

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// listFunctions make lists and take their parts. No argument is ever changed.
func listFunctions() []Function {
	return group("lists", []Function{
		{Usage: "list VALUE…", Max: anyNumber, Sprig: true, takesAbsent: true, run: runList,
			Doc: "a list; what has no value is left out"},
		{Usage: "first LIST", Min: 1, Max: 1, Sprig: true, run: item(func(int) int { return 0 }),
			Doc: "its first item"},
		{Usage: "last LIST", Min: 1, Max: 1, Sprig: true, run: item(func(n int) int { return n - 1 }),
			Doc: "its last item"},
		{Usage: "rest LIST", Min: 1, Max: 1, Sprig: true,
			Doc: "all but the first",
			run: part(func(n int) (int, int) { return min(1, n), n })},
		{Usage: "initial LIST", Min: 1, Max: 1, Sprig: true,
			Doc: "all but the last",
			run: part(func(n int) (int, int) { return 0, max(0, n-1) })},
		{Usage: "append LIST VALUE", Min: 2, Max: 2, Sprig: true, takesAbsent: true, run: runAppend,
			Doc: "LIST with VALUE after it, if it has one"},
		{Usage: "prepend LIST VALUE", Min: 2, Max: 2, Sprig: true, takesAbsent: true, run: runPrepend,
			Doc: "LIST with VALUE before it, if it has one"},
		{Usage: "concat LIST…", Max: anyNumber, Sprig: true, run: runConcat,
			Doc: "the lists one after the other"},
		{Usage: "reverse LIST", Min: 1, Max: 1, Sprig: true, run: runReverse,
			Doc: "in reverse order"},
		{Usage: "slice LIST START [END]", Min: 1, Max: 3, Sprig: true, run: runSlice,
			Doc: "from START to before END, of a list or a string"},
		{Usage: "chunk SIZE LIST", Min: 2, Max: 2, Sprig: true, run: runChunk,
			Doc: "lists of at most SIZE items"},
	})
}

func runList(c *Call) (any, error) {
	list, err := c.newList(len(c.args))
	if err != nil {
		return nil, err
	}
	for _, v := range c.args {
		if _, none := v.(value.Absent); !none {
			list = append(list, v)
		}
	}
	return list, nil
}

func item(at func(n int) int) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		list, ok := c.args[0].([]any)
		if !ok {
			return nil, c.wrongType(0, "a list")
		}
		if len(list) == 0 {
			return nil, nil
		}
		return list[at(len(list))], nil
	}
}

func part(bounds func(n int) (from, to int)) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		list, err := c.list(0)
		if err != nil {
			return nil, err
		}
		from, to := bounds(len(list))
		return c.cloneList(list[from:to])
	}
}

// cloneList pays for a copy of a list and makes it.
func (c *Call) cloneList(list []any) (any, error) {
	cloned, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	return append(cloned, list...), nil
}

func runAppend(c *Call) (any, error) {
	return c.joined(c.args[0], c.args[1:2])
}

func runPrepend(c *Call) (any, error) {
	return c.joined(c.args[1:2], c.args[0])
}

// joined is two lists, one after the other, of which one is a single value that need not be there.
func (c *Call) joined(parts ...any) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	result, err := c.newList(len(list) + 1)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		items, _ := part.([]any) // one has been looked at, the other is a slice of the arguments
		for _, v := range items {
			if _, none := v.(value.Absent); !none {
				result = append(result, v)
			}
		}
	}
	return result, nil
}

func runConcat(c *Call) (any, error) {
	size := 0
	for i := range c.args {
		list, err := c.list(i)
		if err != nil {
			return nil, err
		}
		size += len(list)
	}
	result, err := c.newList(size)
	if err != nil {
		return nil, err
	}
	for i := range c.args {
		list, _ := c.args[i].([]any) // checked above
		result = append(result, list...)
	}
	return result, nil
}

func runReverse(c *Call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	v, err := c.cloneList(list)
	if err != nil {
		return nil, err
	}
	reversed, _ := v.([]any) // a cloned list is one
	slices.Reverse(reversed)
	return reversed, nil
}

func runSlice(c *Call) (any, error) {
	length, err := c.length(0)
	if err != nil {
		return nil, err
	}
	from, to := 0, length
	for i, bound := range []*int{&from, &to} {
		if len(c.args) > i+1 {
			if *bound, err = c.count(i + 1); err != nil {
				return nil, err
			}
		}
	}
	if from > to || to > length {
		return nil, c.errorf("range %d to %d is out of bounds: the length is %d", from, to, length)
	}
	switch v := c.args[0].(type) {
	case string:
		return strings.ToValidUTF8(v[from:to], "\ufffd"), c.alloc(to - from)
	case []any:
		return c.cloneList(v[from:to])
	default:
		return nil, c.wrongType(0, "a list or a string")
	}
}

func runChunk(c *Call) (any, error) {
	size, err := c.count(0)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, c.errorf("the size must be at least 1")
	}
	list, err := c.list(1)
	if err != nil {
		return nil, err
	}
	result, err := c.newList(2 * (len(list) + 1)) // each chunk is a new list
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(list, size) {
		result = append(result, append([]any{}, part...))
	}
	return result, nil
}
