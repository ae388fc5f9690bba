package function

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Function is one function of the template language.
type Function struct {
	Name string
	// Group, Usage and Doc are the documentation: `upper STRING` under "text".
	Group string
	Usage string
	Doc   string
	// Min and Max bound the number of arguments; Max may be anyNumber.
	Min, Max int
	// Sprig is set for functions that sprig has too, with the same result.
	Sprig bool
	// Alias is set for a second name of another function.
	Alias bool

	takesAbsent bool // gets Absent as it is, where others get null
	mutates     bool // changes its first argument in place
	run         func(c *Call) (any, error)
}

// anyNumber is the Max of functions that take any number of arguments.
const anyNumber = -1

// Mutates is true for functions that change their first argument in place. A template that calls one must run
// on a copy of its values.
func (f *Function) Mutates() bool { return f.mutates }

// Accepts reports whether the function can be called with n arguments.
func (f *Function) Accepts(n int) bool { return n >= f.Min && (f.Max == anyNumber || n <= f.Max) }

// Arity says how many arguments the function takes, for messages.
func (f *Function) Arity() string {
	arguments := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	switch {
	case f.Max == anyNumber:
		return "at least " + arguments(f.Min)
	case f.Max == 0:
		return "no arguments"
	case f.Min == f.Max:
		return arguments(f.Min)
	default:
		return fmt.Sprintf("%d to %d arguments", f.Min, f.Max)
	}
}

// table is the one table of functions, built on first use and never changed afterwards.
var table = sync.OnceValue(func() map[string]*Function {
	functions := map[string]*Function{}
	for _, rows := range [][]Function{
		valueFunctions(), logicFunctions(),
		textFunctions(), textLayoutFunctions(), textFormatFunctions(),
		integerFunctions(), decimalFunctions(),
		listFunctions(), listFilterFunctions(), listTextFunctions(),
		objectFunctions(), objectChangeFunctions(),
		encodingFunctions(), urlFunctions(), hashFunctions(), regexFunctions(), timeFunctions(), kubernetesFunctions(),
	} {
		for _, f := range rows {
			functions[f.Name] = &f
		}
	}
	for alias, name := range Aliases() {
		f := *functions[name]
		f.Name, f.Alias = alias, true
		functions[alias] = &f
	}
	return functions
})

// group completes the rows of a table: the name is the first word of the usage.
func group(name string, functions []Function) []Function {
	for i := range functions {
		functions[i].Group = name
		functions[i].Name, _, _ = strings.Cut(functions[i].Usage, " ")
	}
	return functions
}

// sprigGroup is group for rows that are all in sprig.
func sprigGroup(name string, functions []Function) []Function {
	for i := range functions {
		functions[i].Sprig = true
	}
	return group(name, functions)
}

// Lookup returns the function with a name, or nil.
func Lookup(name string) *Function { return table()[name] }

// All returns all functions, aliases included, sorted by name.
func All() []Function {
	var list []Function
	for _, f := range table() {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Aliases maps the second names of functions, most of them sprig's, to the first.
func Aliases() map[string]string {
	return map[string]string{
		"biggest":                    "max",
		"date_in_zone":               "dateInZone",
		"date_modify":                "dateModify",
		"must_date_modify":           "dateModify",
		"mustAppend":                 "append",
		"mustChunk":                  "chunk",
		"mustCompact":                "compact",
		"mustDateModify":             "dateModify",
		"mustDeepCopy":               "deepCopy",
		"mustFirst":                  "first",
		"mustFromJson":               "fromJson",
		"mustHas":                    "has",
		"mustInitial":                "initial",
		"mustLast":                   "last",
		"mustMerge":                  "merge",
		"mustMergeOverwrite":         "mergeOverwrite",
		"mustPrepend":                "prepend",
		"mustPush":                   "append",
		"mustRegexFind":              "regexFind",
		"mustRegexFindAll":           "regexFindAll",
		"mustRegexMatch":             "regexMatch",
		"mustRegexReplaceAll":        "regexReplaceAll",
		"mustRegexReplaceAllLiteral": "regexReplaceAllLiteral",
		"mustRegexSplit":             "regexSplit",
		"mustRest":                   "rest",
		"mustReverse":                "reverse",
		"mustSlice":                  "slice",
		"mustToDate":                 "toDate",
		"mustToJson":                 "toJson",
		"mustToPrettyJson":           "toPrettyJson",
		"mustToRawJson":              "toJson",
		"mustUniq":                   "uniq",
		"mustWithout":                "without",
		"osBase":                     "base",
		"osClean":                    "clean",
		"osDir":                      "dir",
		"osExt":                      "ext",
		"osIsAbs":                    "isAbs",
		"push":                       "append",
		"toRawJson":                  "toJson",
		"trimall":                    "trimAll",
		"tuple":                      "list",
		"typeIs":                     "kindIs",
		"typeIsLike":                 "kindIs",
		"typeOf":                     "kindOf",
	}
}

// Excluded maps the functions of sprig, text/template and Helm that the language does not have to the reason.
func Excluded() map[string]string {
	const (
		outside = "it reads the process that renders"
		random  = "it gives a different result each time; uuidv4 is derived from the run"
		secrets = "keys and password hashes differ between two renders; store them in a Secret"
	)
	return map[string]string{
		"ago":                      "it depends on when it is called",
		"bcrypt":                   secrets,
		"buildCustomCert":          secrets,
		"call":                     "values are data, never functions",
		"decryptAES":               secrets,
		"derivePassword":           secrets,
		"encryptAES":               secrets,
		"env":                      outside,
		"expandenv":                outside,
		"genCA":                    secrets,
		"genCAWithKey":             secrets,
		"genPrivateKey":            secrets,
		"genSelfSignedCert":        secrets,
		"genSelfSignedCertWithKey": secrets,
		"genSignedCert":            secrets,
		"genSignedCertWithKey":     secrets,
		"getHostByName":            "it uses the network",
		"hello":                    "it has no use in a manifest",
		"html":                     "a manifest is not HTML",
		"htpasswd":                 secrets,
		"js":                       "a manifest is not JavaScript",
		"lookup":                   "templates do not read the cluster",
		"randAlpha":                random,
		"randAlphaNum":             random,
		"randAscii":                random,
		"randBytes":                random,
		"randInt":                  random,
		"randNumeric":              random,
		"shuffle":                  random,
	}
}
