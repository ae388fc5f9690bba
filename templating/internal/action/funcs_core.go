package action

import (
	"errors"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// coreFunctions are conditions, comparisons and defaults.
func coreFunctions() []Function {
	return []Function{
		{
			Name:  "absent",
			Group: "values",
			Usage: "absent",
			Doc:   "no value: the key is removed, the list item dropped",
			Max:   0,
			run:   func(*call) (any, error) { return Absent{}, nil },
		},
		{
			Name:  "required",
			Group: "values",
			Usage: "required MESSAGE VALUE",
			Doc:   "VALUE, or an error with MESSAGE where it is missing or empty",
			Min:   2,
			Max:   2,
			run:   runRequired,
		},
		{
			Name:        "default",
			Group:       "values",
			Usage:       "default DEFAULT VALUE",
			Doc:         "VALUE, or DEFAULT where it is empty",
			Min:         1,
			Max:         2,
			Sprig:       true,
			takesAbsent: true,
			run:         runDefault,
		},
		{
			Name:  "coalesce",
			Group: "values",
			Usage: "coalesce VALUE…",
			Doc:   "the first value that is not empty",
			Max:   -1,
			Sprig: true,
			run:   runCoalesce,
		},
		{
			Name:        "ternary",
			Group:       "values",
			Usage:       "ternary YES NO CONDITION",
			Doc:         "YES where CONDITION is true, else NO",
			Min:         3,
			Max:         3,
			Sprig:       true,
			takesAbsent: true,
			run:         runTernary,
		},
		{
			Name:  "empty",
			Group: "values",
			Usage: "empty VALUE",
			Doc:   "whether VALUE is missing, zero or empty",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   func(c *call) (any, error) { return !truth(c.args[0]), nil },
		},
		{
			Name:  "all",
			Group: "values",
			Usage: "all VALUE…",
			Doc:   "whether no value is empty",
			Max:   -1,
			Sprig: true,
			run:   runAll,
		},
		{
			Name:  "any",
			Group: "values",
			Usage: "any VALUE…",
			Doc:   "whether some value is not empty",
			Max:   -1,
			Sprig: true,
			run:   runAny,
		},
		{
			Name:  "fail",
			Group: "values",
			Usage: "fail MESSAGE",
			Doc:   "ends the render with MESSAGE",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runFail,
		},
		// and and or are evaluated by junctionExpr, which stops at the argument that decides.
		{
			Name:  "and",
			Group: "logic",
			Usage: "and VALUE…",
			Doc:   "the first empty value, else the last",
			Min:   1,
			Max:   -1,
			run:   func(c *call) (any, error) { return c.args[len(c.args)-1], nil },
		},
		{
			Name:  "or",
			Group: "logic",
			Usage: "or VALUE…",
			Doc:   "the first value that is not empty, else the last",
			Min:   1,
			Max:   -1,
			run:   runCoalesce,
		},
		{Name: "not", Group: "logic", Usage: "not VALUE", Doc: "whether VALUE is empty", Min: 1, Max: 1,
			run: func(c *call) (any, error) { return !truth(c.args[0]), nil }},
		{
			Name:  "eq",
			Group: "logic",
			Usage: "eq A B…",
			Doc:   "whether A equals any B",
			Min:   2,
			Max:   -1,
			run:   runEq,
		},
		{
			Name:  "ne",
			Group: "logic",
			Usage: "ne A B",
			Doc:   "whether A and B differ",
			Min:   2,
			Max:   2,
			run:   runNe,
		},
		{
			Name:  "lt",
			Group: "logic",
			Usage: "lt A B",
			Doc:   "A < B",
			Min:   2,
			Max:   2,
			run:   comparing(func(n int) bool { return n < 0 }),
		},
		{
			Name:  "le",
			Group: "logic",
			Usage: "le A B",
			Doc:   "A ≤ B",
			Min:   2,
			Max:   2,
			run:   comparing(func(n int) bool { return n <= 0 }),
		},
		{
			Name:  "gt",
			Group: "logic",
			Usage: "gt A B",
			Doc:   "A > B",
			Min:   2,
			Max:   2,
			run:   comparing(func(n int) bool { return n > 0 }),
		},
		{
			Name:  "ge",
			Group: "logic",
			Usage: "ge A B",
			Doc:   "A ≥ B",
			Min:   2,
			Max:   2,
			run:   comparing(func(n int) bool { return n >= 0 }),
		},
		{
			Name:  "deepEqual",
			Group: "logic",
			Usage: "deepEqual A B",
			Doc:   "whether two values are equal in all their parts",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runDeepEqual,
		},
		{
			Name:  "kindOf",
			Group: "logic",
			Usage: "kindOf VALUE",
			Doc:   "string, bool, int64, float64, slice, map or invalid",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   func(c *call) (any, error) { return kindOf(c.args[0]), nil },
		},
		{
			Name:  "kindIs",
			Group: "logic",
			Usage: "kindIs KIND VALUE",
			Doc:   "whether VALUE is of KIND",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   func(c *call) (any, error) { return c.args[0] == kindOf(c.args[1]), nil },
		},
	}
}

// aliases are other names of functions, most of them sprig's.
func aliases() map[string]string {
	return map[string]string{
		"trimall": "trimAll", "tuple": "list", "push": "append", "biggest": "max", "date_modify": "dateModify",
		"mustAppend": "append", "mustPush": "append", "mustPrepend": "prepend", "mustFirst": "first", "mustRest": "rest",
		"mustLast": "last", "mustInitial": "initial", "mustReverse": "reverse", "mustUniq": "uniq", "mustWithout": "without",
		"mustHas": "has", "mustCompact": "compact", "mustChunk": "chunk", "mustSlice": "slice", "mustMerge": "merge", "mustMergeOverwrite": "mergeOverwrite",
		"mustFromJson": "fromJson", "mustToJson": "toJson", "mustToPrettyJson": "toPrettyJson", "mustToRawJson": "toJson", "toRawJson": "toJson",
		"mustDeepCopy": "deepCopy", "mustRegexMatch": "regexMatch", "mustRegexFind": "regexFind", "mustRegexFindAll": "regexFindAll",
		"mustRegexReplaceAll": "regexReplaceAll", "mustRegexReplaceAllLiteral": "regexReplaceAllLiteral", "mustRegexSplit": "regexSplit",
		"mustToDate": "toDate", "mustDateModify": "dateModify", "must_date_modify": "dateModify", "typeOf": "kindOf", "typeIs": "kindIs", "typeIsLike": "kindIs",
	}
}

// leftOut are functions that people know and that are not here, with the reason.
func leftOut() map[string]string {
	const (
		outside  = "it would read the process that renders"
		random   = "it would give another result each time; uuidv4 is derived from the run"
		secrets  = "keys and password hashes differ between two calls; put them into a Secret"
		zones    = "time zones differ between machines; date and htmlDate are UTC"
		platform = "it depends on the operating system; use base, dir, ext, clean"
		shaped   = "its result is no plain value"
	)
	return map[string]string{
		"env": outside, "expandenv": outside, "getHostByName": "it would use the network",
		"randAlphaNum": random, "randAlpha": random, "randAscii": random, "randNumeric": random, "randInt": random, "randBytes": random, "shuffle": random,
		"bcrypt": secrets, "htpasswd": secrets, "genPrivateKey": secrets, "derivePassword": secrets, "buildCustomCert": secrets, "genCA": secrets,
		"genCAWithKey": secrets, "genSelfSignedCert": secrets, "genSelfSignedCertWithKey": secrets, "genSignedCert": secrets,
		"genSignedCertWithKey": secrets, "encryptAES": secrets, "decryptAES": secrets,
		"ago": "it depends on when it is called", "date_in_zone": zones, "dateInZone": zones, "htmlDateInZone": zones,
		"osBase": platform, "osClean": platform, "osDir": platform, "osExt": platform, "osIsAbs": platform,
		"semver": shaped + "; use semverCompare", "html": "nothing here is HTML", "js": "nothing here is JavaScript",
		"call": "values are data, never functions", "urlParse": shaped + "; use regexFind", "urlJoin": "use printf",
		"hello": "it is a joke", "tpl": "values are not expanded again", "lookup": "templates do not read the cluster",
	}
}

var errFailed = errors.New("the template gave up")

func runFail(c *call) (any, error) {
	message, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if message = strings.TrimSpace(message); message == "" {
		return nil, errFailed
	}
	return nil, errors.New(message)
}

func runRequired(c *call) (any, error) {
	message, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if v := c.args[1]; v != nil && v != "" {
		return v, nil
	}
	return nil, errors.New(message)
}

func runDefault(c *call) (any, error) {
	if len(c.args) == 2 && truth(c.args[1]) {
		return c.args[1], nil
	}
	return c.args[0], nil
}

func runCoalesce(c *call) (any, error) {
	for _, v := range c.args {
		if truth(v) {
			return v, nil
		}
	}
	return nil, nil
}

func runTernary(c *call) (any, error) {
	if truth(c.args[2]) {
		return c.args[0], nil
	}
	return c.args[1], nil
}

func runAll(c *call) (any, error) {
	for _, v := range c.args {
		if !truth(v) {
			return false, nil
		}
	}
	return true, nil
}

func runAny(c *call) (any, error) {
	for _, v := range c.args {
		if truth(v) {
			return true, nil
		}
	}
	return false, nil
}

func runEq(c *call) (any, error) {
	for i := range c.args[1:] {
		equal, err := c.equal(0, i+1)
		if err != nil || equal {
			return equal, err
		}
	}
	return false, nil
}

func runNe(c *call) (any, error) {
	equal, err := c.equal(0, 1)
	return !equal, err
}

// equal compares two scalars. Strings and numbers are never equal, and asking is likely a mistake.
func (c *call) equal(i, j int) (bool, error) {
	a, b := c.args[i], c.args[j]
	for _, k := range []int{i, j} {
		switch c.args[k].(type) {
		case map[string]any, []any:
			return false, c.errorf("argument %d is %s; deepEqual compares those", k+1, describe(c.args[k]))
		}
	}
	if a == nil || b == nil {
		return a == b, nil
	}
	if basicKind(a) != basicKind(b) {
		return false, c.errorf("%s and %s do not compare", describe(a), describe(b))
	}
	if s, ok := a.(string); ok {
		if err := c.m.budget.Spend(int64(len(s)) >> 4); err != nil {
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

func comparing(holds func(int) bool) func(*call) (any, error) {
	return func(c *call) (any, error) {
		n, err := c.compare()
		return holds(n), err
	}
}

// compare orders two numbers or two strings.
func (c *call) compare() (int, error) {
	switch a := c.args[0].(type) {
	case string:
		if b, ok := c.args[1].(string); ok {
			return strings.Compare(a, b), c.m.budget.Spend(int64(min(len(a), len(b))) >> 4)
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
	return 0, c.errorf("%s and %s do not compare", describe(c.args[0]), describe(c.args[1]))
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

func runDeepEqual(c *call) (any, error) {
	for i := range 2 {
		if _, err := c.deep(i); err != nil {
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
