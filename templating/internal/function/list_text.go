package function

import (
	"strconv"
	"strings"
)

// listTextFunctions count, join and split.
func listTextFunctions() []Function {
	return sprigGroup("lists", []Function{
		{Usage: "until COUNT", Doc: "0, 1, … COUNT-1", Min: 1, Max: 1, run: runUntil},
		{Usage: "untilStep START STOP STEP", Min: 3, Max: 3, run: runUntilStep,
			Doc: "from START to before STOP"},
		{Usage: "seq [FIRST [STEP]] LAST", Max: 3, run: runSeq,
			Doc: "integers as text, LAST included"},
		{Usage: "join SEPARATOR LIST", Min: 2, Max: 2, run: runJoin,
			Doc: "the items as text, with SEPARATOR between"},
		{Usage: "splitList SEPARATOR STRING", Min: 2, Max: 2, run: runSplitList,
			Doc: "the parts of STRING"},
		{Usage: "split SEPARATOR STRING", Min: 2, Max: 2,
			Doc: "the parts of STRING as _0, _1, …",
			run: func(c *Call) (any, error) { return splitObject(c, 0, 1, -1) }},
		{Usage: "splitn SEPARATOR COUNT STRING", Min: 3, Max: 3, run: runSplitn,
			Doc: "at most COUNT parts as _0, _1, …"},
	})
}

func runUntil(c *Call) (any, error) {
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

func runUntilStep(c *Call) (any, error) {
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
func (c *Call) integers(start, stop, step int64) ([]any, error) {
	if step == 0 || (stop > start) != (step > 0) {
		return []any{}, nil
	}
	distance, size := uint64(stop-start), uint64(step)
	if step < 0 {
		distance, size = uint64(start-stop), uint64(-step)
	}
	n := (distance + size - 1) / size
	if err := c.Budget.Alloc(int64(min(n, 1<<40)) * 8); err != nil {
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

func runSeq(c *Call) (any, error) {
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

func runJoin(c *Call) (any, error) {
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
func joinList(c *Call, separator string, list []any) (any, error) {
	texts, err := c.textsOf(list)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, text := range texts {
		size += int64(len(text)) + int64(len(separator))
	}
	if err := c.Budget.Alloc(size); err != nil {
		return nil, err
	}
	return strings.Join(texts, separator), nil
}

// textsOf writes every item of a list as text, without what is null.
func (c *Call) textsOf(list []any) ([]string, error) {
	if err := c.Budget.Alloc(int64(len(list)) * 40); err != nil {
		return nil, err
	}
	item := Call{Budget: c.Budget, Render: c.Render, name: c.name, args: make([]any, 1)}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		if v == nil {
			continue
		}
		item.args[0] = v
		text, err := item.text(0)
		if err != nil {
			return nil, err
		}
		if err := c.Budget.Spend(1); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func runSplitList(c *Call) (any, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, err
	}
	return c.splitPaid(s[0], s[1], -1)
}

// splitPaid splits after counting the parts.
func (c *Call) splitPaid(separator, s string, n int) ([]any, error) {
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

func runSplitn(c *Call) (any, error) {
	n, err := c.count(1)
	if err != nil {
		return nil, err
	}
	return splitObject(c, 0, 2, n)
}

func splitObject(c *Call, separator, text, n int) (any, error) {
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
		object["_"+strconv.Itoa(i)] = part
	}
	return object, nil
}
