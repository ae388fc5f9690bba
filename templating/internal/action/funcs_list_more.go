package action

import (
	"slices"
	"strings"
)

// listMoreFunctions count, split and join.
func listMoreFunctions() []Function {
	group := []Function{
		{Name: "until", Usage: "until COUNT", Doc: "0, 1, … COUNT-1", Min: 1, Max: 1, run: runUntil},
		{
			Name:  "untilStep",
			Usage: "untilStep START STOP STEP",
			Doc:   "from START to before STOP",
			Min:   3,
			Max:   3,
			run:   runUntilStep,
		},
		{
			Name:  "seq",
			Usage: "seq [FIRST [STEP]] LAST",
			Doc:   "integers as text, LAST included",
			Max:   3,
			run:   runSeq,
		},
		{
			Name:  "join",
			Usage: "join SEPARATOR LIST",
			Doc:   "the items as text, with SEPARATOR between",
			Min:   2,
			Max:   2,
			run:   runJoin,
		},
		{
			Name:  "splitList",
			Usage: "splitList SEPARATOR STRING",
			Doc:   "the parts of STRING",
			Min:   2,
			Max:   2,
			run:   runSplitList,
		},
		{
			Name:  "split",
			Usage: "split SEPARATOR STRING",
			Doc:   "the parts of STRING as _0, _1, …",
			Min:   2,
			Max:   2,
			run:   func(c *call) (any, error) { return splitObject(c, 0, 1, -1) },
		},
		{
			Name:  "splitn",
			Usage: "splitn SEPARATOR COUNT STRING",
			Doc:   "at most COUNT parts as _0, _1, …",
			Min:   3,
			Max:   3,
			run:   runSplitn,
		},
	}
	for i := range group {
		group[i].Group, group[i].Sprig = "lists", true
	}
	return group
}

func runUntil(c *call) (any, error) {
	n, err := c.integer(0)
	if err != nil {
		return nil, err
	}
	step := int64(1)
	if n < 0 {
		step = -1
	}
	return c.integers(0, n, step)
}

func runUntilStep(c *call) (any, error) {
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = c.integer(i); err != nil {
			return nil, err
		}
	}
	return c.integers(n[0], n[1], n[2])
}

// integers lists from start to before stop. How many there are is known, and paid for, before the list is
// made.
func (c *call) integers(start, stop, step int64) ([]any, error) {
	if step == 0 || (stop > start) != (step > 0) {
		return []any{}, nil
	}
	distance, size := uint64(stop-start), uint64(step)
	if step < 0 {
		distance, size = uint64(start-stop), uint64(-step)
	}
	n := (distance + size - 1) / size
	if err := c.m.budget.Alloc(int64(min(n, 1<<40)) * 8); err != nil {
		return nil, err
	}
	list, err := c.newList(int(n))
	if err != nil {
		return nil, err
	}
	for i := range n {
		list = append(list, start+int64(i)*step)
	}
	return list, nil
}

func runSeq(c *call) (any, error) {
	bounds := [3]int64{1, 1, 0} // first, step, last
	for i := range c.args {
		n, err := c.integer(i)
		if err != nil {
			return nil, err
		}
		switch {
		case i == len(c.args)-1:
			bounds[2] = n
		case i == 0:
			bounds[0] = n
		default:
			bounds[1] = n
		}
	}
	if len(c.args) == 0 {
		return "", nil
	}
	if len(c.args) < 3 && bounds[2] < bounds[0] {
		bounds[1] = -1
	}
	stop, err := addInt(bounds[2], int64(order(bounds[1], 0)))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	list, err := c.integers(bounds[0], stop, bounds[1])
	if err != nil {
		return nil, err
	}
	return joinList(c, " ", list)
}

func runJoin(c *call) (any, error) {
	separator, err := c.text(0)
	if err != nil {
		return nil, err
	}
	list, ok := c.args[1].([]any)
	if !ok {
		return c.text(1) // one value is a list of one, as in sprig
	}
	return joinList(c, separator, list)
}

// joinList pays for the whole before it is built. Null is left out, as in sprig.
func joinList(c *call, separator string, list []any) (any, error) {
	texts, err := c.textsOf(list)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, text := range texts {
		size += int64(len(text)) + int64(len(separator))
	}
	if err := c.m.budget.Alloc(size); err != nil {
		return nil, err
	}
	return strings.Join(texts, separator), nil
}

// textsOf writes every item of a list as text, without what is null.
func (c *call) textsOf(list []any) ([]string, error) {
	if err := c.m.budget.Alloc(int64(len(list)) * 40); err != nil {
		return nil, err
	}
	inner := call{m: c.m, name: c.name, args: make([]any, 1)}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		if v == nil {
			continue
		}
		inner.args[0] = v
		text, err := inner.text(0)
		if err != nil {
			return nil, err
		}
		if err := c.m.budget.Spend(1); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func runSplitList(c *call) (any, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, err
	}
	return c.splitPaid(s[0], s[1], -1)
}

// splitPaid splits after counting the parts.
func (c *call) splitPaid(separator, s string, n int) ([]any, error) {
	parts := strings.Count(s, separator) + 1
	if n >= 0 {
		parts = min(parts, n)
	}
	list, err := c.newList(parts * 2) // the strings and the list of them
	if err != nil {
		return nil, err
	}
	for _, part := range strings.SplitN(s, separator, n) {
		list = append(list, part)
	}
	return list, nil
}

func runSplitn(c *call) (any, error) {
	n, err := c.count(1)
	if err != nil {
		return nil, err
	}
	return splitObject(c, 0, 2, n)
}

func splitObject(c *call, separator, text, n int) (any, error) {
	sep, err := c.str(separator)
	if err != nil {
		return nil, err
	}
	s, err := c.str(text)
	if err != nil {
		return nil, err
	}
	parts, err := c.splitPaid(sep, s, n)
	if err != nil {
		return nil, err
	}
	object, err := c.newObject(len(parts))
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		object["_"+itoa(i)] = part
	}
	return object, nil
}

func runChunk(c *call) (any, error) {
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
	result, err := c.newList(2 * (len(list) + 1)) // every chunk is a list of its own
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(list, size) {
		result = append(result, append([]any{}, part...))
	}
	return result, nil
}

func runSortAlpha(c *call) (any, error) {
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
	if err := c.m.budget.Spend(cost); err != nil {
		return nil, err
	}
	slices.Sort(texts)
	return c.strings(texts)
}

// strings pays for a list of strings and makes it.
func (c *call) strings(texts []string) (any, error) {
	result, err := c.newList(len(texts))
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		result = append(result, text)
	}
	return result, nil
}

func runToStrings(c *call) (any, error) {
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

// runIndex goes into a value key by key. A key that is not there is no value, an index that is not there an
// error.
func runIndex(c *call) (any, error) {
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
				item = Absent{}
			}
			v = item
		case []any:
			at, err := c.count(i + 1)
			if err != nil {
				return nil, err
			}
			if at >= len(container) {
				return nil, c.errorf("there is no item %d in a list of %d", at, len(container))
			}
			v = container[at]
		case Absent:
			return Absent{}, nil
		default:
			return nil, c.errorf("%s has no items", describe(v))
		}
	}
	return v, nil
}
