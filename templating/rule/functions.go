package rule

import (
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// The functions of the extensions of CEL for texts, lists and sets that rules may use. Those of the library have
// no bounds, and cost is counted after a call: one call may take all memory. These refuse before they start.
const (
	// maxText bounds the texts that functions take and make, in bytes.
	maxText = 256 << 10
	// maxItems bounds the lists that functions take and make.
	maxItems = 10_000
	// maxPairs bounds the comparisons of one call.
	maxPairs = 1_000_000
)

func functions() []cel.EnvOption {
	return slices.Concat(textFunctions(), listFunctions())
}

func textFunctions() []cel.EnvOption {
	text, number, texts := cel.StringType, cel.IntType, cel.ListType(cel.StringType)
	member := func(name, id string, args []*cel.Type, result *cel.Type, f func(...ref.Val) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.MemberOverload(id, args, result, cel.FunctionBinding(f)))
	}
	return []cel.EnvOption{
		member("lowerAscii", "string_lower_ascii", []*cel.Type{text}, text, onText(strings.ToLower)),
		member("upperAscii", "string_upper_ascii", []*cel.Type{text}, text, onText(strings.ToUpper)),
		member("trim", "string_trim", []*cel.Type{text}, text, onText(strings.TrimSpace)),
		member("indexOf", "string_index_of_string", []*cel.Type{text, text}, number, index(strings.Index)),
		member("lastIndexOf", "string_last_index_of_string", []*cel.Type{text, text}, number, index(strings.LastIndex)),
		member("substring", "string_substring_int", []*cel.Type{text, number}, text, substring),
		member("substring", "string_substring_int_int", []*cel.Type{text, number, number}, text, substring),
		member("replace", "string_replace_string_string", []*cel.Type{text, text, text}, text, replace),
		member("split", "string_split_string", []*cel.Type{text, text}, texts, split),
		member("join", "list_join", []*cel.Type{texts}, text, join),
		member("join", "list_join_string", []*cel.Type{texts, text}, text, join),
	}
}

func listFunctions() []cel.EnvOption {
	item := cel.TypeParamType("T")
	list := cel.ListType(item)
	set := func(name, id string, f func(a, b []ref.Val) bool) cel.EnvOption {
		return cel.Function(name, cel.Overload(id, []*cel.Type{list, list}, cel.BoolType, cel.FunctionBinding(sets(f))))
	}
	return []cel.EnvOption{
		cel.Function("distinct",
			cel.MemberOverload("list_distinct", []*cel.Type{list}, list, cel.FunctionBinding(distinct))),
		set("sets.contains", "list_sets_contains_list", containsAll),
		set("sets.intersects", "list_sets_intersects_list", func(a, b []ref.Val) bool {
			return slices.ContainsFunc(b, func(v ref.Val) bool { return has(a, v) })
		}),
		set("sets.equivalent", "list_sets_equivalent_list", func(a, b []ref.Val) bool {
			return containsAll(a, b) && containsAll(b, a)
		}),
	}
}

func tooLarge(name string) ref.Val {
	return types.NewErr("%s: the texts or lists are too large: at most %d bytes, %d items and %d comparisons are allowed",
		name, maxText, maxItems, maxPairs)
}

// textsOf are arguments that are texts, unless they are too large.
func textsOf(args []ref.Val) ([]string, bool) {
	texts := make([]string, len(args))
	size := 0
	for i, arg := range args {
		text, _ := arg.Value().(string)
		texts[i] = text
		size += len(text)
	}
	return texts, size <= maxText
}

func onText(f func(string) string) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val {
		texts, ok := textsOf(args)
		if !ok {
			return tooLarge("a text function")
		}
		return types.String(f(texts[0]))
	}
}

// index counts in characters, as CEL does.
func index(find func(string, string) int) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val {
		texts, ok := textsOf(args)
		if !ok {
			return tooLarge("indexOf")
		}
		at := find(texts[0], texts[1])
		if at > 0 {
			at = utf8.RuneCountInString(texts[0][:at])
		}
		return types.Int(at)
	}
}

func substring(args ...ref.Val) ref.Val {
	texts, ok := textsOf(args[:1])
	if !ok {
		return tooLarge("substring")
	}
	runes := []rune(texts[0])
	from, to := int64(0), int64(len(runes))
	from, _ = args[1].Value().(int64)
	if len(args) == 3 {
		to, _ = args[2].Value().(int64)
	}
	if from < 0 || to < from || to > int64(len(runes)) {
		return types.NewErr("substring: the text has %d characters, and none from %d to %d", len(runes), from, to)
	}
	return types.String(runes[from:to])
}

func replace(args ...ref.Val) ref.Val {
	texts, ok := textsOf(args)
	if !ok || len(texts[0])+(strings.Count(texts[0], texts[1]))*len(texts[2]) > maxText {
		return tooLarge("replace")
	}
	return types.String(strings.ReplaceAll(texts[0], texts[1], texts[2]))
}

func split(args ...ref.Val) ref.Val {
	texts, ok := textsOf(args)
	if !ok || strings.Count(texts[0], texts[1]) >= maxItems {
		return tooLarge("split")
	}
	return types.NewStringList(types.DefaultTypeAdapter, strings.Split(texts[0], texts[1]))
}

func join(args ...ref.Val) ref.Val {
	items, ok := itemsOf(args[0])
	if !ok {
		return tooLarge("join")
	}
	separator := ""
	if len(args) == 2 {
		separator, _ = args[1].Value().(string)
	}
	texts := make([]string, len(items))
	size := len(items) * len(separator)
	for i, item := range items {
		text, isText := item.Value().(string)
		if !isText {
			return types.NewErr("join: an item of the list is not a text")
		}
		texts[i] = text
		size += len(text)
	}
	if size > maxText {
		return tooLarge("join")
	}
	return types.String(strings.Join(texts, separator))
}

// itemsOf are the items of a list, unless there are too many or one has items itself: a list may hold the same
// list many times.
func itemsOf(v ref.Val) ([]ref.Val, bool) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, false
	}
	n, _ := list.Size().Value().(int64)
	if n > maxItems {
		return nil, false
	}
	items := make([]ref.Val, n)
	for i := range n {
		items[i] = list.Get(types.Int(i))
		if _, nested := items[i].(traits.Sizer); nested && items[i].Type() != types.StringType {
			return nil, false
		}
	}
	return items, true
}

func distinct(args ...ref.Val) ref.Val {
	items, ok := itemsOf(args[0])
	if !ok || len(items)*len(items) > maxPairs {
		return tooLarge("distinct")
	}
	var kept []ref.Val
	for _, item := range items {
		if u := unknownIn(item); u != nil {
			return u
		}
		if !has(kept, item) {
			kept = append(kept, item)
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, kept)
}

func sets(f func(a, b []ref.Val) bool) func(...ref.Val) ref.Val {
	return func(args ...ref.Val) ref.Val {
		a, ok := itemsOf(args[0])
		b, ok2 := itemsOf(args[1])
		if !ok || !ok2 || len(a)*len(b) > maxPairs {
			return tooLarge("sets")
		}
		for _, item := range slices.Concat(a, b) {
			if u := unknownIn(item); u != nil {
				return u
			}
		}
		return types.Bool(f(a, b))
	}
}

func unknownIn(v ref.Val) ref.Val {
	if u, ok := v.(*types.Unknown); ok {
		return u
	}
	return nil
}

func has(list []ref.Val, v ref.Val) bool {
	return slices.ContainsFunc(list, func(item ref.Val) bool { return types.Equal(item, v) == types.True })
}

func containsAll(a, b []ref.Val) bool {
	return !slices.ContainsFunc(b, func(v ref.Val) bool { return !has(a, v) })
}
