package function

import (
	"slices"

	"github.com/berth-dev/berth/templating/internal/value"
)

// listFilterFunctions search, filter and sort lists.
func listFilterFunctions() []Function {
	return group("lists", []Function{
		{Usage: "uniq LIST", Doc: "each item once", Min: 1, Max: 1, Sprig: true, run: runUniq},
		{Usage: "without LIST VALUE…", Min: 1, Max: anyNumber, Sprig: true, run: runWithout,
			Doc: "without these items"},
		{Usage: "has VALUE LIST", Min: 2, Max: 2, Sprig: true, run: runHas,
			Doc: "whether VALUE is in LIST"},
		{Usage: "compact LIST", Min: 1, Max: 1, Sprig: true, run: runCompact,
			Doc: "without what is empty"},
		{Usage: "sortAlpha LIST", Min: 1, Max: 1, Sprig: true, run: runSortAlpha,
			Doc: "as text, in order"},
		{Usage: "toStrings LIST", Min: 1, Max: 1, Sprig: true, run: runToStrings,
			Doc: "every item as text"},
		{Usage: "len VALUE", Min: 1, Max: 1, run: runLen,
			Doc: "how many items, entries or bytes"},
		{Usage: "index VALUE KEY…", Min: 1, Max: anyNumber, takesAbsent: true, run: runIndex,
			Doc: "the item or entry at KEY, step by step"},
	})
}

// keyOf writes a value as JSON, so that values can be looked up; measuring it is paid for by the caller.
func keyOf(v any) (string, error) {
	data, err := value.AppendJSON(nil, v)
	return string(data), err
}

// keys measures a list and writes each of its items as JSON.
func (c *Call) keys(i int, list []any) ([]string, error) {
	size, err := c.measure(i)
	if err != nil {
		return nil, err
	}
	if err := c.Budget.Alloc(2*size.Bytes + 32*int64(len(list))); err != nil {
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

func runUniq(c *Call) (any, error) {
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

func runWithout(c *Call) (any, error) {
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
		if _, err := c.measure(i + 1); err != nil {
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

func runHas(c *Call) (any, error) {
	if c.args[1] == nil {
		return false, nil
	}
	list, err := c.list(1)
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if _, err := c.measure(i); err != nil {
			return nil, err
		}
	}
	return slices.ContainsFunc(list, func(v any) bool { return value.Equal(v, c.args[0]) }), nil
}

func runCompact(c *Call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	result, err := c.newList(len(list))
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if value.Truth(v) {
			result = append(result, v)
		}
	}
	return result, nil
}

func runSortAlpha(c *Call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	texts, err := c.textsOf(list)
	if err != nil {
		return nil, err
	}
	// Sorting compares each text about log n times.
	cost := int64(0)
	for _, text := range texts {
		cost += 16 + int64(len(text))>>3
	}
	if err := c.Budget.Spend(cost); err != nil {
		return nil, err
	}
	slices.Sort(texts)
	return c.strings(texts)
}

// strings pays for a list of strings and makes it.
func (c *Call) strings(texts []string) (any, error) {
	result, err := c.newList(len(texts))
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		result = append(result, text)
	}
	return result, nil
}

func runToStrings(c *Call) (any, error) {
	list, err := c.list(0)
	if err != nil {
		return nil, err
	}
	texts, err := c.textsOf(list)
	if err != nil {
		return nil, err
	}
	return c.strings(texts)
}

func (c *Call) length(i int) (int, error) {
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
		return 0, c.wrongType(i, "a list, an object or a string")
	}
}

func runLen(c *Call) (any, error) {
	n, err := c.length(0)
	return int64(n), err
}

// runIndex goes into a value key by key. A key that is not there is no value, an index that is not there an
// error.
func runIndex(c *Call) (any, error) {
	v := c.args[0]
	for i := range c.args[1:] {
		switch container := v.(type) {
		case map[string]any:
			key, err := c.str(i + 1)
			if err != nil {
				return nil, err
			}
			item, ok := container[key]
			if !ok {
				item = value.Absent{}
			}
			v = item
		case []any:
			at, err := c.count(i + 1)
			if err != nil {
				return nil, err
			}
			if at >= len(container) {
				return nil, c.errorf("index %d is out of range: the list has %d items", at, len(container))
			}
			v = container[at]
		case value.Absent:
			return value.Absent{}, nil
		default:
			return nil, c.errorf("%s cannot be indexed", value.Describe(v))
		}
	}
	return v, nil
}
