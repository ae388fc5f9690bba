package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating"
)

func (v *validator) job(spec *batchv1.JobSpec, at pointer) {
	v.atLeast(at.key("activeDeadlineSeconds"), spec.ActiveDeadlineSeconds, 1)
	v.atLeast32(at.key("parallelism"), spec.Parallelism, 0)
	v.atLeast32(at.key("completions"), spec.Completions, 1)
	v.atLeast32(at.key("backoffLimitPerIndex"), spec.BackoffLimitPerIndex, 0)
	v.atLeast32(at.key("maxFailedIndexes"), spec.MaxFailedIndexes, 0)
	if spec.Selector != nil || spec.ManualSelector != nil {
		v.fail(templating.CodeInvalid, at.key("selector"),
			"a Job selects its own pods; leave selector and manualSelector out")
	}
	v.indexes(spec, at)
	oneOf(v, at.key("completionMode"), spec.CompletionMode, batchv1.NonIndexedCompletion,
		batchv1.IndexedCompletion)
	oneOf(v, at.key("podReplacementPolicy"), spec.PodReplacementPolicy, batchv1.Failed,
		batchv1.TerminatingOrFailed)
	v.failurePolicy(spec, at.key("podFailurePolicy"))
}

// What Kubernetes allows of an Indexed Job.
const (
	maxParallelIndexes     = 100_000
	manyCompletions        = 100_000 // above it, retries per index need lower limits
	maxParallelOfMany      = 10_000
	maxFailedIndexesOfMany = 10_000
	maxSuccessRules        = 20
)

// indexes checks what only an Indexed Job has.
func (v *validator) indexes(spec *batchv1.JobSpec, at pointer) {
	if !isIndexed(spec) {
		for key, set := range map[string]bool{
			"backoffLimitPerIndex": spec.BackoffLimitPerIndex != nil, "maxFailedIndexes": spec.MaxFailedIndexes != nil,
			"successPolicy": spec.SuccessPolicy != nil,
		} {
			if set {
				v.fail(templating.CodeInvalid, at.key(key), "needs completionMode Indexed")
			}
		}
		return
	}
	if spec.Completions == nil && spec.Parallelism != nil {
		v.fail(templating.CodeRequired, at.key("completions"),
			"completionMode Indexed needs completions beside parallelism")
	}
	v.atMost32(at.key("parallelism"), spec.Parallelism, maxParallelIndexes)
	completions := ptr.Deref(spec.Completions, 1)
	if spec.MaxFailedIndexes != nil && spec.BackoffLimitPerIndex == nil {
		v.fail(templating.CodeRequired, at.key("backoffLimitPerIndex"), "maxFailedIndexes needs backoffLimitPerIndex")
	}
	v.atMost32(at.key("maxFailedIndexes"), spec.MaxFailedIndexes, completions)
	if spec.BackoffLimitPerIndex != nil && completions > manyCompletions {
		if spec.MaxFailedIndexes == nil {
			v.fail(templating.CodeRequired, at.key("maxFailedIndexes"),
				"completions above %d with backoffLimitPerIndex need maxFailedIndexes", manyCompletions)
		}
		v.atMost32(at.key("maxFailedIndexes"), spec.MaxFailedIndexes, maxFailedIndexesOfMany)
		v.atMost32(at.key("parallelism"), spec.Parallelism, maxParallelOfMany)
	}
	v.successPolicy(spec.SuccessPolicy, completions, at.key("successPolicy"))
}

func (v *validator) atMost32(at pointer, n *int32, most int32) {
	if n != nil && *n > most {
		v.fail(templating.CodeInvalid, at, "must be at most %d, not %d", most, *n)
	}
}

func (v *validator) successPolicy(policy *batchv1.SuccessPolicy, completions int32, at pointer) {
	if policy == nil {
		return
	}
	if n := len(policy.Rules); n == 0 || n > maxSuccessRules {
		v.fail(templating.CodeInvalid, at.key("rules"), "needs 1 to %d rules, not %d", maxSuccessRules, n)
	}
	for i, rule := range policy.Rules {
		place := at.key("rules").item(i)
		if rule.SucceededCount == nil && rule.SucceededIndexes == nil {
			v.fail(templating.CodeRequired, place, "a rule needs succeededCount or succeededIndexes")
			continue
		}
		most := completions
		if rule.SucceededIndexes != nil {
			n, err := countIndexes(*rule.SucceededIndexes, completions)
			if err != nil {
				v.fail(templating.CodeInvalid, place.key("succeededIndexes"), "%v", err)
				continue
			}
			most = n
		}
		v.atLeast32(place.key("succeededCount"), rule.SucceededCount, 0)
		v.atMost32(place.key("succeededCount"), rule.SucceededCount, most)
	}
}

// countIndexes counts the indexes of a list such as 0-2,5, which ascends and stays below completions.
func countIndexes(list string, completions int32) (int32, error) {
	count, last := int32(0), int64(-1)
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.ParseInt(from, 10, 32)
		end := first
		if err == nil && isRange {
			end, err = strconv.ParseInt(to, 10, 32)
		}
		if err != nil || first <= last || end < first || isRange && end == first || end >= int64(completions) {
			return 0, fmt.Errorf("must be ascending indexes below %d, such as 0-2,5, not %s", completions, strconv.Quote(list))
		}
		count, last = count+int32(end-first)+1, end
	}
	return count, nil
}

// maxFailureRules and maxExitCodes are what Kubernetes allows in a podFailurePolicy.
const (
	maxFailureRules = 20
	maxExitCodes    = 255
)

func (v *validator) failurePolicy(spec *batchv1.JobSpec, at pointer) {
	policy := spec.PodFailurePolicy
	if policy == nil {
		return
	}
	if spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		v.fail(templating.CodeInvalid, at, "needs restartPolicy Never")
	}
	if replacement := spec.PodReplacementPolicy; replacement != nil && *replacement != batchv1.Failed {
		v.fail(templating.CodeInvalid, at, "needs podReplacementPolicy Failed")
	}
	if len(policy.Rules) > maxFailureRules {
		v.fail(templating.CodeInvalid, at.key("rules"), "the policy has %d rules; the limit is %d",
			len(policy.Rules), maxFailureRules)
	}
	for i := range policy.Rules {
		v.failureRule(&policy.Rules[i], spec, at.key("rules").item(i))
	}
}

func (v *validator) failureRule(rule *batchv1.PodFailurePolicyRule, spec *batchv1.JobSpec, at pointer) {
	v.required(at.key("action"), string(rule.Action), "a rule needs an action")
	oneOf(v, at.key("action"), &rule.Action, batchv1.PodFailurePolicyActionFailJob,
		batchv1.PodFailurePolicyActionFailIndex, batchv1.PodFailurePolicyActionIgnore,
		batchv1.PodFailurePolicyActionCount)
	if rule.Action == batchv1.PodFailurePolicyActionFailIndex && spec.BackoffLimitPerIndex == nil {
		v.fail(templating.CodeInvalid, at.key("action"), "FailIndex needs backoffLimitPerIndex")
	}
	v.exactlyOne(
		at,
		"a rule",
		map[string]bool{
			"onExitCodes":     rule.OnExitCodes != nil,
			"onPodConditions": len(rule.OnPodConditions) > 0,
		},
	)
	if rule.OnExitCodes != nil {
		v.exitCodes(rule.OnExitCodes, &spec.Template.Spec, at.key("onExitCodes"))
	}
	for i, pattern := range rule.OnPodConditions {
		place := at.key("onPodConditions").item(i)
		v.required(place.key("type"), string(pattern.Type), "a condition needs a type")
		oneOf(v, place.key("status"), &pattern.Status, corev1.ConditionTrue, corev1.ConditionFalse,
			corev1.ConditionUnknown)
	}
}

func (v *validator) exitCodes(
	codes *batchv1.PodFailurePolicyOnExitCodesRequirement, pod *corev1.PodSpec, at pointer,
) {
	v.required(at.key("operator"), string(codes.Operator), "must be In or NotIn")
	oneOf(v, at.key("operator"), &codes.Operator, batchv1.PodFailurePolicyOnExitCodesOpIn,
		batchv1.PodFailurePolicyOnExitCodesOpNotIn)
	switch values := codes.Values; {
	case len(values) == 0:
		v.fail(templating.CodeRequired, at.key("values"), "needs at least one exit code")
	case len(values) > maxExitCodes:
		v.fail(templating.CodeInvalid, at.key("values"), "the rule has %d exit codes; the limit is %d",
			len(values), maxExitCodes)
	case !slices.IsSorted(values) || len(slices.Compact(slices.Clone(values))) < len(values):
		v.fail(templating.CodeInvalid, at.key("values"), "must be in ascending order, without duplicates")
	case codes.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn && slices.Contains(values, 0):
		v.fail(templating.CodeInvalid, at.key("values"), "must not contain 0, which is success")
	}
	if codes.ContainerName == nil {
		return
	}
	for _, list := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		if slices.ContainsFunc(
			list, func(c corev1.Container) bool { return c.Name == *codes.ContainerName },
		) {
			return
		}
	}
	v.fail(templating.CodeInvalid, at.key("containerName"), "unknown container %q", *codes.ContainerName)
}
