package action

import (
	"strconv"

	"github.com/berth-dev/berth/templating/internal/value"
)

func itoa(i int) string { return strconv.Itoa(i) }

// objectFunctions make objects, take their parts and change them. What changes an object in place only ever
// sees objects of the leaf: its own, or the copy of the values that a leaf with such a function is given.
func objectFunctions() []Function {
	group := []Function{
		{
			Name:        "dict",
			Usage:       "dict KEY VALUE…",
			Doc:         "an object; an entry without a value is left out",
			Max:         -1,
			takesAbsent: true,
			run:         runDict,
		},
		{
			Name:  "get",
			Usage: "get OBJECT KEY",
			Doc:   `the entry, or "" where there is none`,
			Min:   2,
			Max:   2,
			run:   runGet,
		},
		{
			Name:  "hasKey",
			Usage: "hasKey OBJECT KEY",
			Doc:   "whether there is such an entry",
			Min:   2,
			Max:   2,
			run:   runHasKey,
		},
		{Name: "keys", Usage: "keys OBJECT…", Doc: "the keys, in order", Max: -1, run: runKeys},
		{
			Name:  "values",
			Usage: "values OBJECT",
			Doc:   "the values, in the order of their keys",
			Min:   1,
			Max:   1,
			run:   runValues,
		},
		{
			Name:  "pick",
			Usage: "pick OBJECT KEY…",
			Doc:   "with only these entries",
			Min:   1,
			Max:   -1,
			run:   func(c *call) (any, error) { return pickOmit(c, true) },
		},
		{
			Name:  "omit",
			Usage: "omit OBJECT KEY…",
			Doc:   "without these entries",
			Min:   1,
			Max:   -1,
			run:   func(c *call) (any, error) { return pickOmit(c, false) },
		},
		{
			Name:  "pluck",
			Usage: "pluck KEY OBJECT…",
			Doc:   "what each object has at KEY",
			Min:   1,
			Max:   -1,
			run:   runPluck,
		},
		{
			Name:        "dig",
			Usage:       "dig KEY… DEFAULT OBJECT",
			Doc:         "the entry at the end of the keys, or DEFAULT",
			Min:         3,
			Max:         -1,
			takesAbsent: true,
			run:         runDig,
		},
		{
			Name:  "deepCopy",
			Usage: "deepCopy VALUE",
			Doc:   "a copy that shares nothing",
			Min:   1,
			Max:   1,
			run:   func(c *call) (any, error) { return c.m.budget.Copy(c.args[0]) },
		},
		{
			Name:        "set",
			Usage:       "set OBJECT KEY VALUE",
			Doc:         "OBJECT, with the entry set in it; a VALUE that is none removes it",
			Min:         3,
			Max:         3,
			mutates:     true,
			takesAbsent: true,
			run:         runSet,
		},
		{
			Name:    "unset",
			Usage:   "unset OBJECT KEY",
			Doc:     "OBJECT, with the entry removed from it",
			Min:     2,
			Max:     2,
			mutates: true,
			run:     runUnset,
		},
		{
			Name:    "merge",
			Usage:   "merge OBJECT OBJECT…",
			Doc:     "the first object, with what it lacks from the others",
			Min:     1,
			Max:     -1,
			mutates: true,
			run:     func(c *call) (any, error) { return runMerge(c, false) },
		},
		{
			Name:    "mergeOverwrite",
			Usage:   "mergeOverwrite OBJECT OBJECT…",
			Doc:     "the first object, with what the others have",
			Min:     1,
			Max:     -1,
			mutates: true,
			run:     func(c *call) (any, error) { return runMerge(c, true) },
		},
	}
	for i := range group {
		group[i].Group, group[i].Sprig = "objects", true
	}
	return group
}

func runDict(c *call) (any, error) {
	object, err := c.newObject((len(c.args) + 1) / 2)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(c.args); i += 2 {
		key, err := c.text(i)
		if err != nil {
			return nil, err
		}
		var v any = ""
		if i+1 < len(c.args) {
			v = c.args[i+1]
		}
		if _, none := v.(Absent); !none {
			object[key] = v
		}
	}
	return object, nil
}

// entry reads an object and a key from the first two arguments.
func (c *call) entry() (map[string]any, string, error) {
	object, ok := c.args[0].(map[string]any)
	if !ok {
		return nil, "", c.wrong(0, "an object")
	}
	key, err := c.str(1)
	return object, key, err
}

func runGet(c *call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	if v, ok := object[key]; ok {
		return v, nil
	}
	return "", nil
}

func runHasKey(c *call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	_, ok := object[key]
	return ok, nil
}

func runKeys(c *call) (any, error) {
	var all []string
	for i := range c.args {
		object, err := c.object(i)
		if err != nil {
			return nil, err
		}
		if err := c.m.budget.Alloc(int64(len(object)) * 16); err != nil {
			return nil, err
		}
		all = append(all, value.SortedKeys(object)...)
	}
	return c.strings(all)
}

func runValues(c *call) (any, error) {
	object, err := c.object(0)
	if err != nil {
		return nil, err
	}
	list, err := c.newList(len(object))
	if err != nil {
		return nil, err
	}
	for _, key := range value.SortedKeys(object) {
		list = append(list, object[key])
	}
	return list, nil
}

func pickOmit(c *call, pick bool) (any, error) {
	object, err := c.object(0)
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool, len(c.args))
	for i := range c.args[1:] {
		key, err := c.str(i + 1)
		if err != nil {
			return nil, err
		}
		named[key] = true
	}
	result, err := c.newObject(len(object))
	if err != nil {
		return nil, err
	}
	for key, v := range object {
		if named[key] == pick {
			result[key] = v
		}
	}
	return result, nil
}

func runPluck(c *call) (any, error) {
	key, err := c.str(0)
	if err != nil {
		return nil, err
	}
	list, err := c.newList(len(c.args))
	if err != nil {
		return nil, err
	}
	for i := range c.args[1:] {
		object, ok := c.args[i+1].(map[string]any)
		if !ok {
			return nil, c.wrong(i+1, "an object")
		}
		if v, ok := object[key]; ok {
			list = append(list, v)
		}
	}
	return list, nil
}

func runDig(c *call) (any, error) {
	last := len(c.args) - 1
	v := c.args[last]
	for i := range c.args[:last-1] {
		key, err := c.str(i)
		if err != nil {
			return nil, err
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, c.errorf("%s has no entry %q", describe(v), key)
		}
		if v, ok = object[key]; !ok {
			return c.args[last-1], nil
		}
	}
	return v, nil
}

func runSet(c *call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	if _, none := c.args[2].(Absent); none {
		delete(object, key)
		return object, nil
	}
	if err := c.refuseCycle(object, c.args[2]); err != nil {
		return nil, err
	}
	object[key] = c.args[2]
	return object, c.m.budget.Alloc(int64(len(key)) + 64)
}

// refuseCycle refuses to put a value into an object that it holds itself: printing that would never end. It
// looks at all of the value, which also refuses what is nested too deep.
func (c *call) refuseCycle(object map[string]any, v any) error {
	return c.lookForObject(object, v, 1)
}

func (c *call) lookForObject(object map[string]any, v any, depth int) error {
	if depth > value.MaxDepth {
		return &value.LimitError{Limit: "nesting", Max: value.MaxDepth, What: c.name}
	}
	if err := c.m.budget.Spend(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		if sameObject(object, v) {
			return c.errorf("an object can not hold itself")
		}
		for _, item := range v {
			if err := c.lookForObject(object, item, depth+1); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := c.lookForObject(object, item, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func runUnset(c *call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	delete(object, key)
	return object, nil
}

// runMerge merges copies of the sources into the first object.
func runMerge(c *call, overwrite bool) (any, error) {
	into, err := c.object(0)
	if err != nil {
		return nil, err
	}
	for i := range c.args[1:] {
		source, ok := c.args[i+1].(map[string]any)
		if !ok {
			return nil, c.wrong(i+1, "an object")
		}
		copied, err := c.m.budget.Copy(source)
		if err != nil {
			return nil, err
		}
		from, _ := copied.(map[string]any) // a copy of an object is one
		if err := c.mergeInto(into, from, overwrite, 0); err != nil {
			return nil, err
		}
	}
	return into, nil
}

func (c *call) mergeInto(into, from map[string]any, overwrite bool, depth int) error {
	if depth > value.MaxDepth {
		return &value.LimitError{Limit: "nesting", Max: value.MaxDepth, What: c.name}
	}
	if err := c.m.budget.Spend(int64(len(from)) + 1); err != nil {
		return err
	}
	for key, v := range from {
		existing, there := into[key]
		inner, isObject := existing.(map[string]any)
		source, fromObject := v.(map[string]any)
		switch {
		case isObject && fromObject:
			if err := c.mergeInto(inner, source, overwrite, depth+1); err != nil {
				return err
			}
		case !there || overwrite || !truth(existing):
			into[key] = v
		}
	}
	return nil
}
