package reference

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// everyTaint is the entry of a pool's list for a toleration without a key, which tolerates every taint.
const everyTaint = "*"

// nodeSelector adds each label of a node selector.
func (f *finder) nodeSelector(labels map[string]any, path []string) {
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		text, _ := scalarText(labels[label])
		f.add(NodeLabel, label, text, under(path, label), labels[label])
	}
}

// tolerations adds each toleration, and what stands in the list without being one.
func (f *finder) tolerations(v any, path []string) {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, item := range list {
		toleration, _ := item.(map[string]any)
		f.add(Toleration, taint(toleration), nil, under(path, anyItem), item)
	}
}

// taint is what a toleration tolerates, as KEY=VALUE:EFFECT; a toleration of any value or effect leaves that
// part out, one of every taint is empty or only an effect.
func taint(toleration map[string]any) string {
	text := func(field string) string {
		s, _ := scalarText(toleration[field])
		return s
	}
	name := text("key")
	if value := text("value"); name != "" && text("operator") != "Exists" {
		name += "=" + value
	}
	if effect := text("effect"); effect != "" {
		name += ":" + effect
	}
	return name
}

// allowsLabel takes entries KEY, for every value, and KEY=VALUE.
func allowsLabel(list []string, r Reference) bool {
	return slices.Contains(list, r.Name) || slices.Contains(list, r.Name+"="+r.Key)
}

// allowsTaint takes entries as kubectl writes taints: what an entry leaves out may be anything.
func allowsTaint(list []string, name string) bool {
	key, value, effect := splitTaint(name)
	return slices.ContainsFunc(list, func(entry string) bool {
		if entry == everyTaint {
			return true
		}
		k, v, e := splitTaint(entry)
		return key != "" && k == key && (v == "" || v == value) && (e == "" || e == effect)
	})
}

// splitTaint cuts KEY=VALUE:EFFECT. The value keeps its =, so that an empty one differs from none.
func splitTaint(taint string) (key, value, effect string) {
	taint, effect, _ = strings.Cut(taint, ":")
	if i := strings.Index(taint, "="); i >= 0 {
		return taint[:i], taint[i:], effect
	}
	return taint, "", effect
}

// invalidTaint says why an entry of the list can be no taint; empty if it can.
func invalidTaint(entry string) string {
	if entry == everyTaint {
		return ""
	}
	key, value, effect := splitTaint(entry)
	if !isLabel(key) || !isLabelValue(strings.TrimPrefix(value, "=")) || strings.HasSuffix(entry, ":") ||
		effect != "" && !slices.Contains(effects[:], effect) {
		return strconv.Quote(entry) + " is not a taint: want KEY[=VALUE][:EFFECT] with the effect " +
			strings.Join(effects[:], ", ") + ", or * for every taint"
	}
	return ""
}

var effects = [...]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

var (
	labelPattern      = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValuePattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
)

func isLabel(key string) bool { return labelPattern.MatchString(key) }

func isLabelValue(value string) bool { return labelValuePattern.MatchString(value) }
