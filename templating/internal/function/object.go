package function

import "github.com/berth-dev/berth/templating/internal/value"

// objectFunctions make objects and read their entries.
func objectFunctions() []Function {
	return sprigGroup("objects", []Function{
		{Usage: "dict KEY VALUE…", Max: anyNumber, takesAbsent: true, run: runDict,
			Doc: "an object; an entry without a value is left out"},
		{Usage: "get OBJECT KEY", Min: 2, Max: 2, run: runGet,
			Doc: `the entry, or "" where there is none`},
		{Usage: "hasKey OBJECT KEY", Min: 2, Max: 2, run: runHasKey,
			Doc: "whether there is such an entry"},
		{Usage: "keys OBJECT…", Doc: "the keys, in order", Max: anyNumber, run: runKeys},
		{Usage: "values OBJECT", Min: 1, Max: 1, run: runValues,
			Doc: "the values, in the order of their keys"},
		{Usage: "pick OBJECT KEY…", Min: 1, Max: anyNumber,
			Doc: "with only these entries",
			run: func(c *Call) (any, error) { return pickOmit(c, true) }},
		{Usage: "omit OBJECT KEY…", Min: 1, Max: anyNumber,
			Doc: "without these entries",
			run: func(c *Call) (any, error) { return pickOmit(c, false) }},
		{Usage: "pluck KEY OBJECT…", Min: 1, Max: anyNumber, run: runPluck,
			Doc: "what each object has at KEY"},
		{Usage: "dig KEY… DEFAULT OBJECT", Min: 3, Max: anyNumber, takesAbsent: true, run: runDig,
			Doc: "the entry at the end of the keys, or DEFAULT"},
		{Usage: "deepCopy VALUE", Min: 1, Max: 1,
			Doc: "a copy that shares nothing",
			run: func(c *Call) (any, error) { return c.Budget.Copy(c.args[0]) }},
	})
}

func runDict(c *Call) (any, error) {
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
		if _, none := v.(value.Absent); !none {
			object[key] = v
		}
	}
	return object, nil
}

// entry reads an object and a key from the first two arguments.
func (c *Call) entry() (map[string]any, string, error) {
	object, ok := c.args[0].(map[string]any)
	if !ok {
		return nil, "", c.wrongType(0, "an object")
	}
	key, err := c.str(1)
	return object, key, err
}

func runGet(c *Call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	if v, ok := object[key]; ok {
		return v, nil
	}
	return "", nil
}

func runHasKey(c *Call) (any, error) {
	object, key, err := c.entry()
	if err != nil {
		return nil, err
	}
	_, ok := object[key]
	return ok, nil
}

func runKeys(c *Call) (any, error) {
	var all []string
	for i := range c.args {
		object, err := c.object(i)
		if err != nil {
			return nil, err
		}
		if err := c.Budget.Alloc(int64(len(object)) * 16); err != nil {
			return nil, err
		}
		all = append(all, value.SortedKeys(object)...)
	}
	return c.strings(all)
}

func runValues(c *Call) (any, error) {
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

func pickOmit(c *Call, pick bool) (any, error) {
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

func runPluck(c *Call) (any, error) {
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
			return nil, c.wrongType(i+1, "an object")
		}
		if v, ok := object[key]; ok {
			list = append(list, v)
		}
	}
	return list, nil
}

func runDig(c *Call) (any, error) {
	last := len(c.args) - 1
	v := c.args[last]
	for i := range c.args[:last-1] {
		key, err := c.str(i)
		if err != nil {
			return nil, err
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, c.errorf("%s has no entry %q", value.Describe(v), key)
		}
		if v, ok = object[key]; !ok {
			return c.args[last-1], nil
		}
	}
	return v, nil
}
