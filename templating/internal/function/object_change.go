package function

import (
	"reflect"

	"github.com/berth-dev/berth/templating/internal/value"
)

// objectChangeFunctions change an object in place. They only ever see objects of the leaf: its own, or
// the copy of the values that a leaf with such a function gets.
func objectChangeFunctions() []Function {
	return sprigGroup("objects", []Function{
		{Usage: "set OBJECT KEY VALUE", Min: 3, Max: 3, takesAbsent: true, mutates: true, run: runSet,
			Doc: "OBJECT, with the entry set in it; a VALUE that is none removes it"},
		{Usage: "unset OBJECT KEY", Min: 2, Max: 2, mutates: true, run: runUnset,
			Doc: "OBJECT, with the entry removed from it"},
		{Usage: "merge OBJECT OBJECT…", Min: 1, Max: anyNumber, mutates: true,
			Doc: "the first object, with what it lacks from the others",
			run: func(c *Call) (any, error) { return runMerge(c, false) }},
		{Usage: "mergeOverwrite OBJECT OBJECT…", Min: 1, Max: anyNumber, mutates: true,
			Doc: "the first object, with what the others have",
			run: func(c *Call) (any, error) { return runMerge(c, true) }},
	})
}

func runSet(c *Call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	if _, none := c.args[2].(value.Absent); none {
		delete(object, key)
		return object, nil
	}
	if err := c.refuseCycle(object, c.args[2]); err != nil {
		return nil, err
	}
	object[key] = c.args[2]
	return object, c.Budget.Alloc(int64(len(key)) + 64)
}

// refuseCycle refuses to put a value into an object that it holds itself: printing that would never end. It
// looks at all of the value, which also refuses what is nested too deep.
func (c *Call) refuseCycle(object map[string]any, v any) error {
	return c.lookForObject(object, v, 1)
}

func (c *Call) lookForObject(object map[string]any, v any, depth int) error {
	if depth > value.MaxDepth {
		return &value.LimitError{Limit: "nesting", Max: value.MaxDepth, What: c.name}
	}
	if err := c.Budget.Spend(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		if sameObject(object, v) {
			return c.errorf("an object cannot contain itself")
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

// sameObject says whether two objects are one.
func sameObject(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

func runUnset(c *Call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	delete(object, key)
	return object, nil
}

// runMerge merges copies of the sources into the first object.
func runMerge(c *Call, overwrite bool) (any, error) {
	into, err := c.object(0)
	if err != nil {
		return nil, err
	}
	for i := range c.args[1:] {
		source, ok := c.args[i+1].(map[string]any)
		if !ok {
			return nil, c.wrongType(i+1, "an object")
		}
		copied, err := c.Budget.Copy(source)
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

func (c *Call) mergeInto(into, from map[string]any, overwrite bool, depth int) error {
	if depth > value.MaxDepth {
		return &value.LimitError{Limit: "nesting", Max: value.MaxDepth, What: c.name}
	}
	if err := c.Budget.Spend(int64(len(from)) + 1); err != nil {
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
		case !there || overwrite || !value.Truth(existing):
			into[key] = v
		}
	}
	return nil
}
