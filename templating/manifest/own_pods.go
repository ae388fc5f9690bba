package manifest

import (
	"cmp"
	"math"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/berth-dev/berth/templating"
)

// ownPods decides how many pods the Job has and who starts a failed one again. One rule holds for all of it:
// Berth retries, not the Job. Only the indexes of an Indexed Job, and containers where the policy of the
// template says `restarts: kubelet`, are retried within an attempt.
func (b *builder) ownPods() {
	b.ownRestartPolicy()
	b.ownCounts()
	b.ownBackoffLimit()
	b.checkFailureActions()
	b.addFailurePolicy()
	b.ownReplacementPolicy()
	if shape := ShapeOf(&b.job.Spec); shape != OnePod {
		b.job.Spec.Template.Annotations[AnnotationShape] = string(shape)
		b.checkProcess(shape)
	}
}

// checkProcess refuses several pods in a template for processes, of which a worker runs one.
func (b *builder) checkProcess(shape Shape) {
	container := b.jobContainer()
	if container == nil || !strings.HasPrefix(container.Image, processImagePrefix) {
		return
	}
	key := "completionMode"
	if shape == WorkQueue {
		key = "parallelism"
	}
	b.fail(templating.CodeInvalid, manifestPointer.key("spec").key(key),
		"the Job has several pods (%s), and a worker of type process runs one process", shape).
		Suggestion = "leave completionMode, completions and parallelism out"
}

// ownRestartPolicy replaces OnFailure, under which the kubelet would be a second one that retries. A template
// with a podFailurePolicy has to decide for itself: Kubernetes refuses the two together.
func (b *builder) ownRestartPolicy() {
	pod := &b.job.Spec.Template.Spec
	pod.RestartPolicy = cmp.Or(pod.RestartPolicy, corev1.RestartPolicyNever)
	onFailure := pod.RestartPolicy == corev1.RestartPolicyOnFailure
	if !onFailure || b.finished.Policy.KubeletRestarts || b.job.Spec.PodFailurePolicy != nil {
		return
	}
	pod.RestartPolicy = corev1.RestartPolicyNever
	b.warn(templating.CodeImport, manifestPointer.key("spec").key("template").key("spec").key("restartPolicy"),
		"restartPolicy OnFailure becomes Never: Berth retries a failed run in a new pod").
		Suggestion = "write Never, or keep it with job_configuration.policy: {restarts: kubelet}"
}

// ownCounts refuses counts that would mean less work than was asked for. What is left is one pod, an Indexed
// Job or a work queue.
func (b *builder) ownCounts() {
	spec := &b.job.Spec
	place := manifestPointer.key("spec")
	if spec.Parallelism != nil && *spec.Parallelism == 0 {
		b.fail(templating.CodeInvalid, place.key("parallelism"),
			"parallelism 0 makes no pod, and the run would wait for ever").
			Suggestion = "remove it, or write suspend: true for a Job that something else resumes"
		return
	}
	if isIndexed(spec) {
		return
	}
	switch {
	case above1(spec.Completions):
		b.fail(templating.CodeInvalid, place.key("completions"),
			"completions %d needs completionMode: Indexed, so that each pod knows its part of the work",
			*spec.Completions).
			Suggestion = "write completionMode: Indexed and read JOB_COMPLETION_INDEX in the container, " +
			"or leave completions out for a work queue"
	case spec.Completions != nil && above1(spec.Parallelism):
		b.fail(templating.CodeInvalid, place.key("parallelism"),
			"parallelism %d has no effect beside completions 1: one pod would run", *spec.Parallelism).
			Suggestion = "write completionMode: Indexed with as many completions, " +
			"or leave completions out for a work queue"
	case !above1(spec.Parallelism): // a work queue of one pod is one pod
		spec.Completions, spec.Parallelism = cmp.Or(spec.Completions, new(int32(1))), new(int32(1))
	}
}

// defaultBackoffLimit is what Kubernetes takes where a Job does not say.
const defaultBackoffLimit = 6

// ownBackoffLimit leaves retries to the Job only where they are its own: in an Indexed Job, and where the
// kubelet may restart containers.
func (b *builder) ownBackoffLimit() {
	spec := &b.job.Spec
	place := manifestPointer.key("spec").key("backoffLimit")
	limit := spec.BackoffLimit
	if limit != nil && *limit < 0 {
		b.fail(templating.CodeInvalid, place, "must not be negative")
		return
	}
	if isIndexed(spec) || spec.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
		if limit == nil {
			spec.BackoffLimit = new(ownLimit(spec))
		}
		return
	}
	if limit != nil && *limit > 0 {
		retries := int(*limit)
		b.finished.InfrastructureRetries = &retries
		b.warn(templating.CodeImport, place, "backoffLimit becomes the number of retries of the run after "+
			"infrastructure failures: Berth retries, not the Job")
	}
	spec.BackoffLimit = new(int32(0))
}

// ownLimit is the limit of a Job that retries by itself and does not say how often: as in Kubernetes where
// something else in it asks for retries, else none.
func ownLimit(spec *batchv1.JobSpec) int32 {
	switch {
	case spec.BackoffLimitPerIndex != nil:
		return math.MaxInt32
	case spec.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure,
		spec.SuccessPolicy != nil, spec.PodFailurePolicy != nil:
		return defaultBackoffLimit
	}
	return 0
}

// checkFailureActions refuses rules under which the Job makes a new pod for a failed one: Berth has recorded
// the end of the attempt by then, and no worker would watch that pod.
func (b *builder) checkFailureActions() {
	spec := &b.job.Spec
	if spec.PodFailurePolicy == nil || isIndexed(spec) && above1(spec.Completions) {
		return
	}
	rules := manifestPointer.key("spec").key("podFailurePolicy").key("rules")
	for i, rule := range spec.PodFailurePolicy.Rules {
		if rule.Action != batchv1.PodFailurePolicyActionIgnore && rule.Action != batchv1.PodFailurePolicyActionCount {
			continue
		}
		b.fail(templating.CodeInvalid, rules.item(i).key("action"),
			"action %s lets the Job replace a failed pod, but Berth retries the run, not the Job; it needs "+
				"completionMode: Indexed and completions above 1", rule.Action).
			Suggestion = "remove the rule; retries.max and retries.on of the deployment say which exit codes are " +
			"retried, and pods that are evicted are rescheduled unless job_configuration.policy.eviction is fail"
	}
}

// addFailurePolicy makes the Job's own Failed condition name the disruption or the exit code for as long as
// the Job lives: the pod that was evicted is soon gone and takes its conditions with it. Only the exit code of
// the job container counts, as that is the run's. The exit codes of SIGKILL and SIGTERM stay out: a pod that
// is stopped because its Job is suspended ends with them, and the policy would fail the Job for it. Where
// suspending is to be expected, no exit code says anything, since a process may end with any when it is told
// to stop.
func (b *builder) addFailurePolicy() {
	spec := &b.job.Spec
	if spec.PodFailurePolicy != nil || ReplacesPods(spec) {
		return
	}
	rules := []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionFailJob,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
			{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
		},
	}}
	container := b.jobContainer()
	_, queued := b.job.Labels[LabelKueueQueue]
	if container != nil && container.Name != "" && !queued && (spec.Suspend == nil || !*spec.Suspend) {
		rules = append(rules, exitCodeRule(container.Name))
	}
	spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: rules}
}

func exitCodeRule(container string) batchv1.PodFailurePolicyRule {
	return batchv1.PodFailurePolicyRule{
		Action: batchv1.PodFailurePolicyActionFailJob,
		OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			ContainerName: new(container),
			Operator:      batchv1.PodFailurePolicyOnExitCodesOpNotIn, Values: []int32{0, 137, 143},
		},
	}
}

// DropExitCodeRule takes the rule on exit codes that Berth adds out of a Job that a queue may suspend although its
// template does not say so. It reports whether the Job had it.
func DropExitCodeRule(j *batchv1.Job) bool {
	policy, container := j.Spec.PodFailurePolicy, j.Annotations[AnnotationJobContainer]
	if policy == nil || len(policy.Rules) != 2 || !equality.Semantic.DeepEqual(policy.Rules[1], exitCodeRule(container)) {
		return false
	}
	policy.Rules = policy.Rules[:1]
	return true
}

// ownReplacementPolicy has the Job controller wait until a pod has ended before it makes another: two
// containers of one attempt never run at once, also when a Job is suspended and resumed.
func (b *builder) ownReplacementPolicy() {
	spec := &b.job.Spec
	if spec.PodReplacementPolicy != nil && *spec.PodReplacementPolicy != batchv1.Failed {
		if *spec.PodReplacementPolicy != batchv1.TerminatingOrFailed {
			return // what is no policy is refused
		}
		b.warn(templating.CodeImport, manifestPointer.key("spec").key("podReplacementPolicy"),
			"podReplacementPolicy is set to Failed: a pod that may still run is never replaced")
	}
	spec.PodReplacementPolicy = new(batchv1.Failed)
}
