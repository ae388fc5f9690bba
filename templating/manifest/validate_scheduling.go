package manifest

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// scheduling checks what decides about the node.
func (v *validator) scheduling(pod *corev1.PodSpec, at pointer) {
	for key, value := range pod.NodeSelector {
		v.name(at.key("nodeSelector").key(key), key, validation.IsQualifiedName)
		v.name(at.key("nodeSelector").key(key), value, validation.IsValidLabelValue)
	}
	for i := range pod.Tolerations {
		v.toleration(&pod.Tolerations[i], at.key("tolerations").item(i))
	}
	type spreadKey struct {
		topology string
		when     corev1.UnsatisfiableConstraintAction
	}
	seen := map[spreadKey]bool{}
	for i := range pod.TopologySpreadConstraints {
		s, place := &pod.TopologySpreadConstraints[i], at.key("topologySpreadConstraints").item(i)
		v.spread(s, place)
		key := spreadKey{s.TopologyKey, s.WhenUnsatisfiable}
		if seen[key] {
			v.fail(templating.CodeInvalid, place, "two constraints have topologyKey %q and whenUnsatisfiable %s",
				s.TopologyKey, s.WhenUnsatisfiable)
		}
		seen[key] = true
	}
	v.affinity(pod.Affinity, at.key("affinity"))
	v.name(at.key("priorityClassName"), pod.PriorityClassName, validation.IsDNS1123Subdomain)
	oneOfGiven(v, at.key("preemptionPolicy"), pod.PreemptionPolicy, corev1.PreemptLowerPriority,
		corev1.PreemptNever)
	for i, gate := range pod.SchedulingGates {
		v.required(at.key("schedulingGates").item(i).key("name"), gate.Name, "a scheduling gate needs a name")
	}
}

func (v *validator) toleration(t *corev1.Toleration, at pointer) {
	oneOf(v, at.key("operator"), &t.Operator, corev1.TolerationOpExists, corev1.TolerationOpEqual, "Lt", "Gt")
	oneOf(v, at.key("effect"), &t.Effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule,
		corev1.TaintEffectNoExecute)
	v.name(at.key("key"), t.Key, validation.IsQualifiedName)
	if t.Key == "" && t.Operator != corev1.TolerationOpExists {
		v.fail(templating.CodeInvalid, at.key("operator"), "must be Exists when there is no key")
	}
	if t.Operator == corev1.TolerationOpExists && t.Value != "" {
		v.fail(templating.CodeInvalid, at.key("value"), "must be empty when the operator is Exists")
	}
	if t.Operator == "" || t.Operator == corev1.TolerationOpEqual {
		v.name(at.key("value"), t.Value, validation.IsValidLabelValue)
	}
	if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
		v.fail(templating.CodeInvalid, at.key("tolerationSeconds"), "needs the effect NoExecute")
	}
}

func (v *validator) spread(s *corev1.TopologySpreadConstraint, at pointer) {
	v.atLeast32(at.key("maxSkew"), &s.MaxSkew, 1)
	v.required(at.key("topologyKey"), s.TopologyKey, "a spread constraint needs a topologyKey")
	v.name(at.key("topologyKey"), s.TopologyKey, validation.IsQualifiedName)
	oneOf(v, at.key("nodeAffinityPolicy"), s.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor,
		corev1.NodeInclusionPolicyIgnore)
	oneOf(v, at.key("nodeTaintsPolicy"), s.NodeTaintsPolicy, corev1.NodeInclusionPolicyHonor,
		corev1.NodeInclusionPolicyIgnore)
	if s.MinDomains != nil && s.WhenUnsatisfiable == corev1.ScheduleAnyway {
		v.fail(templating.CodeInvalid, at.key("minDomains"), "needs whenUnsatisfiable DoNotSchedule")
	}
	v.required(at.key("whenUnsatisfiable"), string(s.WhenUnsatisfiable),
		"must be DoNotSchedule or ScheduleAnyway")
	oneOf(v, at.key("whenUnsatisfiable"), &s.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway)
	v.atLeast32(at.key("minDomains"), s.MinDomains, 1)
	v.labelSelector(s.LabelSelector, at.key("labelSelector"))
}

func (v *validator) affinity(a *corev1.Affinity, at pointer) {
	if a == nil {
		return
	}
	if node := a.NodeAffinity; node != nil {
		v.nodeAffinity(node, at.key("nodeAffinity"))
	}
	const required, preferred = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
	terms := func(at pointer, hard []corev1.PodAffinityTerm, soft []corev1.WeightedPodAffinityTerm) {
		for i := range hard {
			v.podTerm(&hard[i], at.key(required).item(i))
		}
		for i := range soft {
			place := at.key(preferred).item(i)
			v.weight(soft[i].Weight, place.key("weight"))
			v.podTerm(&soft[i].PodAffinityTerm, place.key("podAffinityTerm"))
		}
	}
	if pod := a.PodAffinity; pod != nil {
		terms(at.key("podAffinity"), pod.RequiredDuringSchedulingIgnoredDuringExecution,
			pod.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if pod := a.PodAntiAffinity; pod != nil {
		terms(at.key("podAntiAffinity"), pod.RequiredDuringSchedulingIgnoredDuringExecution,
			pod.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (v *validator) nodeAffinity(a *corev1.NodeAffinity, at pointer) {
	if hard := a.RequiredDuringSchedulingIgnoredDuringExecution; hard != nil {
		place := at.key("requiredDuringSchedulingIgnoredDuringExecution").key("nodeSelectorTerms")
		if len(hard.NodeSelectorTerms) == 0 {
			v.fail(templating.CodeRequired, place, "needs at least one term")
		}
		for i := range hard.NodeSelectorTerms {
			v.nodeTerm(&hard.NodeSelectorTerms[i], place.item(i))
		}
	}
	for i := range a.PreferredDuringSchedulingIgnoredDuringExecution {
		soft := &a.PreferredDuringSchedulingIgnoredDuringExecution[i]
		place := at.key("preferredDuringSchedulingIgnoredDuringExecution").item(i)
		v.weight(soft.Weight, place.key("weight"))
		v.nodeTerm(&soft.Preference, place.key("preference"))
	}
}

func (v *validator) weight(weight int32, at pointer) {
	if weight < 1 || weight > 100 {
		v.fail(templating.CodeInvalid, at, "must be between 1 and 100, not %d", weight)
	}
}

func (v *validator) nodeTerm(t *corev1.NodeSelectorTerm, at pointer) {
	for key, list := range map[string][]corev1.NodeSelectorRequirement{"matchExpressions": t.MatchExpressions, "matchFields": t.MatchFields} {
		for i, r := range list {
			place := at.key(key).item(i)
			v.required(place.key("key"), r.Key, "an expression needs a key")
			v.name(place.key("key"), r.Key, validation.IsQualifiedName)
			switch r.Operator {
			case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
				if len(r.Values) != 1 || !isInteger(r.Values[0]) {
					v.fail(templating.CodeInvalid, place.key("values"), "%s needs exactly one integer",
						r.Operator)
				}
			default:
				v.expression(place, string(r.Operator), len(r.Values), "In", "NotIn", "Exists",
					"DoesNotExist", "Gt", "Lt")
				if key == "matchExpressions" {
					for j, label := range r.Values {
						v.name(place.key("values").item(j), label, validation.IsValidLabelValue)
					}
				}
			}
		}
	}
}

func isInteger(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

func (v *validator) podTerm(t *corev1.PodAffinityTerm, at pointer) {
	v.required(at.key("topologyKey"), t.TopologyKey, "a pod affinity term needs a topologyKey")
	v.name(at.key("topologyKey"), t.TopologyKey, validation.IsQualifiedName)
	for i, namespace := range t.Namespaces {
		v.nameGiven(at.key("namespaces").item(i), &namespace, validation.IsDNS1123Label)
	}
	v.labelSelector(t.LabelSelector, at.key("labelSelector"))
	v.labelSelector(t.NamespaceSelector, at.key("namespaceSelector"))
}

func (v *validator) labelSelector(s *metav1.LabelSelector, at pointer) {
	if s == nil {
		return
	}
	for key, value := range s.MatchLabels {
		v.name(at.key("matchLabels").key(key), key, validation.IsQualifiedName)
		v.name(at.key("matchLabels").key(key), value, validation.IsValidLabelValue)
	}
	for i, r := range s.MatchExpressions {
		place := at.key("matchExpressions").item(i)
		v.required(place.key("key"), r.Key, "an expression needs a key")
		v.name(place.key("key"), r.Key, validation.IsQualifiedName)
		for j, label := range r.Values {
			v.name(place.key("values").item(j), label, validation.IsValidLabelValue)
		}
		v.expression(place, string(r.Operator), len(r.Values), "In", "NotIn", "Exists", "DoesNotExist")
	}
}

// expression checks an operator, and that it has values where it needs some and none where it takes none.
func (v *validator) expression(at pointer, operator string, values int, allowed ...string) {
	v.required(at.key("operator"), operator, "an expression needs an operator")
	oneOf(v, at.key("operator"), &operator, allowed...)
	switch takes := operator == "In" || operator == "NotIn"; {
	case takes && values == 0:
		v.fail(templating.CodeRequired, at.key("values"), "%s needs at least one value", operator)
	case (operator == "Exists" || operator == "DoesNotExist") && values > 0:
		v.fail(templating.CodeInvalid, at.key("values"), "%s takes no values", operator)
	}
}
