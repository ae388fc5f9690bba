package clustertest

import (
	"context"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// dryRun asks about an attempt. Whatever the answer is, nothing is created.
func (s *site) dryRun(a job.Attempt) job.DryRun {
	s.t.Helper()
	answer, err := s.runtime.DryRun(s.ctx(), a)
	if err != nil {
		s.t.Fatal(err)
	}
	if j := s.job(a.Manifest.Name); j != nil {
		s.t.Errorf("the dry run has created Job %s", j.Name)
	}
	if pods := s.pods(); len(pods) != 0 {
		s.t.Errorf("the dry run has created %d pods", len(pods))
	}
	return answer
}

// object is what was said of the object of a kind.
func object(t *testing.T, d job.DryRun, kind api.ObjectDryRunKind) api.ObjectDryRun {
	t.Helper()
	for _, o := range d.Objects {
		if o.Kind == kind {
			return o
		}
	}
	t.Fatalf("nothing is said of the %s: %+v", kind, d.Objects)
	return api.ObjectDryRun{}
}

func saysOf(t *testing.T, o api.ObjectDryRun, outcome api.DryRunOutcome, parts ...string) {
	t.Helper()
	message := ""
	if o.Message != nil {
		message = *o.Message
	}
	if o.Outcome != outcome {
		t.Errorf("the %s is %s (%s), want %s", o.Kind, o.Outcome, message, outcome)
	}
	for _, part := range parts {
		if !strings.Contains(message, part) {
			t.Errorf("the %s is %s with %q, which does not say %q", o.Kind, o.Outcome, message, part)
		}
	}
}

// changed is what was put at a place; empty where nothing was.
func changed(o api.ObjectDryRun, end string) string {
	for _, c := range o.Changes {
		if strings.HasSuffix(c.Pointer, end) {
			return string(c.After)
		}
	}
	return ""
}

// deleteAfter deletes an object of the cluster at the end of the test.
func (s *site) deleteAfter(
	deletes func(ctx context.Context, name string, options metav1.DeleteOptions) error, name string,
) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	if err := deletes(ctx, name, metav1.DeleteOptions{}); err != nil {
		s.t.Error(err)
	}
}

func limits(spec map[string]any) {
	mainContainer(spec)["resources"] = map[string]any{
		"requests": map[string]any{"memory": "1Gi", "cpu": "10m"}, "limits": map[string]any{"memory": "1Gi", "cpu": "1"},
	}
}

func TestADryRunSaysWhatTheAPIServerMakesOfAJobAndItsPod(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true", func(spec map[string]any) { delete(mainContainer(spec), "imagePullPolicy") })
	a.Secret = &job.Secret{Name: a.Manifest.Name, Data: map[string]string{"TOKEN": "geheim"}}
	d := s.dryRun(a)
	j, pod := object(t, d, api.DryRunJob), object(t, d, api.DryRunPod)
	saysOf(t, j, api.DryRunOutcomeAccepted)
	saysOf(t, object(t, d, api.DryRunSecret), api.DryRunOutcomeAccepted)
	saysOf(t, pod, api.DryRunOutcomeAccepted)
	if got := changed(j, "/containers/0/imagePullPolicy"); got != `"IfNotPresent"` && got != `"Always"` {
		t.Errorf("the image pull policy is said to become %q: %+v", got, j.Changes)
	}
	if len(j.Changes) != 1 || len(pod.Changes) != 0 || j.Defaults == nil || pod.Defaults == nil {
		t.Errorf("an unchanged Job and pod are said to be changed: %+v %+v", j, pod)
	}
	if d.Namespace != s.namespace {
		t.Errorf("the Job is said to go to namespace %q", d.Namespace)
	}
	secrets, err := s.client.CoreV1().Secrets(s.namespace).List(s.ctx(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) != 0 {
		t.Errorf("there are %d Secrets, %v", len(secrets.Items), err)
	}
}

func TestADryRunAsksAboutThePodOfAnIndexedJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	d := s.dryRun(s.attempt("true", func(spec map[string]any) {
		spec["completions"], spec["parallelism"], spec["completionMode"] = int64(2), int64(2), "Indexed"
	}))
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeAccepted)
}

func TestAQuotaThatIsUsedUpRefusesTheDryRunOfThePod(t *testing.T) {
	s := newSite(t, kube.Options{})
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourceRequestsMemory: resource.MustParse("512Mi")},
	}}
	if _, err := s.client.CoreV1().ResourceQuotas(s.namespace).Create(s.ctx(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually("the quota counts", func() bool {
		q, err := s.client.CoreV1().ResourceQuotas(s.namespace).Get(s.ctx(), "team", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
	a := s.attempt("true", limits)
	var d job.DryRun
	s.eventually("the pod is refused", func() bool {
		d = s.dryRun(a)
		return object(t, d, api.DryRunPod).Outcome != api.DryRunOutcomeAccepted
	})
	saysOf(t, object(t, d, api.DryRunJob), api.DryRunOutcomeAccepted)
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeRefused, "exceeded quota: team", "requests.memory=1Gi",
		"raise it")
}

func TestADryRunSaysWhatALimitRangeChanges(t *testing.T) {
	s := newSite(t, kube.Options{})
	memory := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	ranges := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: memory, DefaultRequest: memory,
			Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		}},
	}}
	if _, err := s.client.CoreV1().LimitRanges(s.namespace).Create(s.ctx(), ranges, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var d job.DryRun
	s.eventually("the limit range counts", func() bool {
		d = s.dryRun(s.attempt("true"))
		return changed(object(t, d, api.DryRunPod), "/containers/0/resources/limits") != ""
	})
	if got := changed(object(t, d, api.DryRunPod), "/containers/0/resources/limits"); got != `{"memory":"64Mi"}` {
		t.Errorf("the limits are said to become %s", got)
	}
	saysOf(t, object(t, s.dryRun(s.attempt("true", limits)), api.DryRunPod), api.DryRunOutcomeRefused,
		"maximum memory usage per Container is 256Mi")
}

func TestAPolicyOfTheClusterRefusesTheDryRun(t *testing.T) {
	s := newSite(t, kube.Options{})
	name := s.namespace + "-policy"
	policies := s.client.AdmissionregistrationV1().ValidatingAdmissionPolicies()
	bindings := s.client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule: admissionv1.Rule{
						APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"},
					},
				},
			}}},
			Validations: []admissionv1.Validation{{
				Expression: "object.spec.template.spec.containers.all(c, has(c.resources) && has(c.resources.limits))",
				Message:    "every container needs limits",
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.namespace},
			}},
		},
	}
	ctx := t.Context()
	if _, err := policies.Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.deleteAfter(policies.Delete, name) })
	if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.deleteAfter(bindings.Delete, name) })
	var d job.DryRun
	s.eventually("the policy counts", func() bool {
		d = s.dryRun(s.attempt("true"))
		return object(t, d, api.DryRunJob).Outcome != api.DryRunOutcomeAccepted
	})
	saysOf(t, object(t, d, api.DryRunJob), api.DryRunOutcomeRefused, "every container needs limits")
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeSkipped)
	saysOf(t, object(t, s.dryRun(s.attempt("true", limits)), api.DryRunJob), api.DryRunOutcomeAccepted)
}

func TestPodSecurityWarnsOfTheJobAndRefusesThePod(t *testing.T) {
	s := newSite(t, kube.Options{})
	namespace, err := s.client.CoreV1().Namespaces().Get(s.ctx(), s.namespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if namespace.Labels == nil {
		namespace.Labels = map[string]string{}
	}
	for _, mode := range []string{"enforce", "warn"} {
		namespace.Labels["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	if _, err := s.client.CoreV1().Namespaces().Update(s.ctx(), namespace, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var d job.DryRun
	s.eventually("Pod Security counts", func() bool {
		d = s.dryRun(s.attempt("true"))
		return object(t, d, api.DryRunPod).Outcome != api.DryRunOutcomeAccepted
	})
	warned := func(text string) bool { return strings.Contains(text, `would violate PodSecurity "restricted`) }
	if j := object(t, d, api.DryRunJob); j.Outcome != api.DryRunOutcomeAccepted || !slices.ContainsFunc(j.Warnings, warned) {
		t.Errorf("the Job is %s with the warnings %q", j.Outcome, j.Warnings)
	}
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeRefused, `violates PodSecurity "restricted`)
}

func TestADryRunInANamespaceThatDoesNotExistSaysSo(t *testing.T) {
	s := newSite(t, kube.Options{Namespaces: []string{kube.AllNamespaces}})
	a := s.attempt("true")
	a.Manifest.Namespace = s.namespace + "-none"
	d, err := s.runtime.DryRun(s.ctx(), a)
	if err != nil {
		t.Fatal(err)
	}
	saysOf(t, object(t, d, api.DryRunJob), api.DryRunOutcomeRefused, "not found", "create the namespace")
}

func TestADryRunSaysThatAServiceAccountIsMissing(t *testing.T) {
	s := newSite(t, kube.Options{})
	d := s.dryRun(s.attempt("true", func(spec map[string]any) { podSpec(spec)["serviceAccountName"] = "missing" }))
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeRefused, `serviceaccount "missing" not found`)
}

func TestADryRunSaysWhatTheWorkerMayNotDo(t *testing.T) {
	s := newSite(t, kube.Options{})
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	watch := []rbacv1.PolicyRule{
		rule("batch", "jobs", "list", "watch"), rule("", "pods", "list", "watch"), rule("", "events", "list"),
	}
	s.as("reader", watch)
	s.start()
	d := s.dryRun(s.attempt("true"))
	saysOf(t, object(t, d, api.DryRunJob), api.DryRunOutcomeForbidden, "cannot create resource", "grant the worker")
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeSkipped)

	s.as("worker", append(watch, rule("batch", "jobs", "create")))
	s.start()
	d = s.dryRun(s.attempt("true"))
	saysOf(t, object(t, d, api.DryRunJob), api.DryRunOutcomeAccepted)
	saysOf(t, object(t, d, api.DryRunPod), api.DryRunOutcomeForbidden, "worker.dryRunPods=true")
}
