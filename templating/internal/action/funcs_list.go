package action

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// listFunctions make lists and take their parts. No list that is given is ever changed.
func listFunctions() []Function {
	group := []Function{
		{
			Name:        "list",
			Usage:       "list VALUE…",
			Doc:         "a list; what has no value is left out",
			Max:         -1,
			Sprig:       true,
			takesAbsent: true,
			run:         runList,
		},
		{
			Name:  "first",
			Usage: "first LIST",
			Doc:   "its first item",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   item(func(int) int { return 0 }),
		},
		{
			Name:  "last",
			Usage: "last LIST",
			Doc:   "its last item",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   item(func(n int) int { return n - 1 }),
		},
		{
			Name:  "rest",
			Usage: "rest LIST",
			Doc:   "all but the first",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   part(func(n int) (int, int) { return min(1, n), n }),
		},
		{
			Name:  "initial",
			Usage: "initial LIST",
			Doc:   "all but the last",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   part(func(n int) (int, int) { return 0, max(0, n-1) }),
		},
		{
			Name:        "append",
			Usage:       "append LIST VALUE",
			Doc:         "LIST with VALUE after it, if it has one",
			Min:         2,
			Max:         2,
			Sprig:       true,
			takesAbsent: true,
			run:         runAppend,
		},
		{
			Name:        "prepend",
			Usage:       "prepend LIST VALUE",
			Doc:         "LIST with VALUE before it, if it has one",
			Min:         2,
			Max:         2,
			Sprig:       true,
			takesAbsent: true,
			run:         runPrepend,
		},
		{
			Name:  "concat",
			Usage: "concat LIST…",
			Doc:   "the lists one after the other",
			Max:   -1,
			Sprig: true,
			run:   runConcat,
		},
		{
			Name:  "reverse",
			Usage: "reverse LIST",
			Doc:   "in reverse order",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runReverse,
		},
		{Name: "uniq", Usage: "uniq LIST", Doc: "each item once", Min: 1, Max: 1, Sprig: true, run: runUniq},
		{
			Name:  "without",
			Usage: "without LIST VALUE…",
			Doc:   "without these items",
			Min:   1,
			Max:   -1,
			Sprig: true,
			run:   runWithout,
		},
		{
			Name:  "has",
			Usage: "has VALUE LIST",
			Doc:   "whether VALUE is in LIST",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runHas,
		},
		{
			Name:  "compact",
			Usage: "compact LIST",
			Doc:   "without what is empty",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runCompact,
		},
		{
			Name:  "slice",
			Usage: "slice LIST START [END]",
			Doc:   "from START to before END, of a list or a string",
			Min:   1,
			Max:   3,
			Sprig: true,
			run:   runSlice,
		},
		{
			Name:  "chunk",
			Usage: "chunk SIZE LIST",
			Doc:   "lists of at most SIZE items",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runChunk,
		},
		{
			Name:  "sortAlpha",
			Usage: "sortAlpha LIST",
			Doc:   "as text, in order",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runSortAlpha,
		},
		{
			Name:  "toStrings",
			Usage: "toStrings LIST",
			Doc:   "every item as text",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runToStrings,
		},
		{
			Name:  "len",
			Usage: "len VALUE",
			Doc:   "how many items, entries or bytes",
			Min:   1,
			Max:   1,
			run:   runLen,
		},
		{
			Name:        "index",
			Usage:       "index VALUE KEY…",
			Doc:         "the item or entry at KEY, step by step",
			Min:         1,
			Max:         -1,
			takesAbsent: true,
			run:         runIndex,
		},
	}
	for i := range group {
		group[i].Group = "lists"
	}
	return group
}

func runList(c *call) (any, error) {
	list, err := c.newList(len(c.args))
	if err != nil {
		return nil, err
	}
	for _, v := range c.args {
		if _, none := v.(Absent); !none {
			list = append(list, v)
		}
	}
	return list, nil
}

func item(at func(n int) int) func(*call) (any, error) {
	return func(c *call) (any, error) {
		list, ok := c.args[0].([]any)
		if !ok {
			return nil, c.wrong(0, "a list")
		}
		if len(list) == 0 {
			return nil, nil
		}
		return list[at(len(list))], nil
	}
}

func part(bounds func(n int) (from, to int)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		list, err := c.list(0)
		if err != nil {
			return nil, err
		}
		from, to := bounds(len(list))
		return c.cloneList(list[from:to])
	}
}

// cloneList pays for a copy of a list and makes it.
func (c *call) cloneList(list []any) (any, error) {
	cloned, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	return append(cloned, list...), nil
}

func runAppend(c *call) (any, error) {
	return c.joined(c.args[0], c.args[1:2])
}

func runPrepend(c *call) (any, error) {
	return c.joined(c.args[1:2], c.args[0])
}

// joined is two lists, one after the other, of which one is a single value that need not be there.
func (c *call) joined(parts ...any) (any, error) {
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
			if _, none := v.(Absent); !none {
				result = append(result, v)
			}
		}
	}
	return result, nil
}

func runConcat(c *call) (any, error) {
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

func runReverse(c *call) (any, error) {
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

// keyOf writes a value as JSON, so that values can be looked up; measuring it is paid for by the caller.
func keyOf(v any) (string, error) {
	data, err := value.AppendJSON(nil, v)
	return string(data), err
}

// keys measures a list and writes each of its items as JSON.
func (c *call) keys(i int, list []any) ([]string, error) {
	size, err := c.deep(i)
	if err != nil {
		return nil, err
	}
	if err := c.m.budget.Alloc(2*size.Bytes + 32*int64(len(list))); err != nil {
		return nil, err
	}
	keys := make([]string, len(list))
	for j, v := range list {
		if keys[j], err = keyOf(v); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func runUniq(c *call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	keys, err := c.keys(0, list)
	if err != nil {
		return nil, err
	}
	result, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(list))
	for i, v := range list {
		if !seen[keys[i]] {
			seen[keys[i]] = true
			result = append(result, v)
		}
	}
	return result, nil
}

func runWithout(c *call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	keys, err := c.keys(0, list)
	if err != nil {
		return nil, err
	}
	drop := map[string]bool{}
	for i := range c.args[1:] {
		if _, err := c.deep(i + 1); err != nil {
			return nil, err
		}
		key, err := keyOf(c.args[i+1])
		if err != nil {
			return nil, err
		}
		drop[key] = true
	}
	result, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	for i, v := range list {
		if !drop[keys[i]] {
			result = append(result, v)
		}
	}
	return result, nil
}

func runHas(c *call) (any, error) {
	if c.args[1] == nil {
		return false, nil
	}
	list, err := c.list(1)
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if _, err := c.deep(i); err != nil {
			return nil, err
		}
	}
	return slices.ContainsFunc(list, func(v any) bool { return value.Equal(v, c.args[0]) }), nil
}

func runCompact(c *call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	result, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if truth(v) {
			result = append(result, v)
		}
	}
	return result, nil
}

func runSlice(c *call) (any, error) {
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
		return nil, c.errorf("%d to %d is not within the %d that are there", from, to, length)
	}
	switch v := c.args[0].(type) {
	case string:
		return strings.ToValidUTF8(v[from:to], "\ufffd"), c.making(to - from)
	case []any:
		return c.cloneList(v[from:to])
	default:
		return nil, c.wrong(0, "a list or a string")
	}
}

func (c *call) length(i int) (int, error) {
	switch v := c.args[i].(type) {
	case string:
		return len(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	case nil:
		return 0, nil
	default:
		return 0, c.wrong(i, "a list, an object or a string")
	}
}

func runLen(c *call) (any, error) {
	n, err := c.length(0)
	return int64(n), err
}
