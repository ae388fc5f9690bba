package charts

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/berth-dev/berth/worker/kube/cluster"
)

func TestEveryPodMeetsTheRestrictedPodSecurityStandard(t *testing.T) {
	restricted := restrictedEvaluator(t)
	for name, values := range renders() {
		t.Run(name, func(t *testing.T) {
			pods := podTemplates(render(t, values))
			if len(pods) == 0 {
				t.Fatal("no pods to check")
			}
			for of, pod := range pods {
				if got := restricted(&pod); !got.Allowed {
					t.Errorf("pods of %s are refused: %s", of, got.ForbiddenDetail())
				}
			}
		})
	}
}

func TestThePodSecurityCheckCanFail(t *testing.T) {
	pod := podTemplates(render(t,
		"{containerSecurityContext: {allowPrivilegeEscalation: true}}"))["rel-berth-server"]
	if restrictedEvaluator(t)(&pod).Allowed {
		t.Error("a pod with privilege escalation passes")
	}
}

func restrictedEvaluator(t *testing.T) func(*corev1.PodTemplateSpec) policy.AggregateCheckResult {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	return func(pod *corev1.PodTemplateSpec) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	}
}

func TestEveryContainerIsBoundAndReadOnly(t *testing.T) {
	for name, values := range renders() {
		for of, pod := range podTemplates(render(t, values)) {
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() ||
					c.Resources.Requests.Cpu().IsZero() {
					t.Errorf("%s: %s/%s has no memory limit or no requests", name, of, c.Name)
				}
				if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil ||
					!*s.ReadOnlyRootFilesystem {
					t.Errorf("%s: %s/%s can write to its image", name, of, c.Name)
				}
			}
		}
	}
}

func TestOnlyPodsThatTalkToKubernetesGetAToken(t *testing.T) {
	talks := map[string]bool{"rel-berth-worker": true, "rel-berth-keys": true, "rel-berth-drain": true}
	for name, values := range renders() {
		for of, pod := range podTemplates(render(t, values)) {
			mounted := pod.Spec.AutomountServiceAccountToken
			if mounted == nil || *mounted != talks[of] {
				t.Errorf("%s: pods of %s: automountServiceAccountToken = %v, want %v", name, of, mounted,
					talks[of])
			}
		}
	}
}

func TestHookJobsEndByThemselves(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, values) {
			job, ok := o.typed.(*batchv1.Job)
			if !ok {
				continue
			}
			if !o.isHook() {
				t.Errorf("%s: %s is a Job but no hook: an upgrade could not change it", name, o)
			}
			if job.Spec.ActiveDeadlineSeconds == nil || *job.Spec.ActiveDeadlineSeconds >= 300 {
				t.Errorf("%s: %s does not end before Helm's own timeout of 300 s", name, o)
			}
			if job.Spec.BackoffLimit == nil ||
				job.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
				t.Errorf("%s: %s does not bound its tries", name, o)
			}
		}
	}
}

// A hook needs its ServiceAccount and Roles as hooks of the same events with a lower weight; otherwise they
// do not exist when it runs.
func TestHooksHaveTheirAccountsAndPermissions(t *testing.T) {
	for name, values := range renders() {
		var jobs, others []object
		for _, o := range render(t, values) {
			switch {
			case o.isHook() && o.Kind == "Job":
				jobs = append(jobs, o)
			case o.isHook():
				others = append(others, o)
			}
		}
		for _, o := range jobs {
			account := find[*batchv1.Job](t, jobs, o.Name).Spec.Template.Spec.ServiceAccountName
			if account == "mine" || account == "rel-berth-server" {
				continue
			}
			there := map[string]bool{}
			for _, needed := range others {
				if !strings.Contains(needed.Name, account) {
					continue
				}
				there[needed.Kind] = true
				if needed.Annotations["helm.sh/hook"] != o.Annotations["helm.sh/hook"] ||
					needed.Annotations["helm.sh/hook-weight"] != "-20" || o.Annotations["helm.sh/hook-weight"] != "-10" {
					t.Errorf("%s: %s is not made before %s", name, needed, o)
				}
			}
			for _, kind := range []string{"ServiceAccount", "Role", "RoleBinding"} {
				if !there[kind] {
					t.Errorf("%s: %s has no %s among its hooks", name, o, kind)
				}
			}
		}
	}
}

func TestPermissionsAreExactlyThese(t *testing.T) {
	jobs := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: verbs}
	}
	core := func(resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}
	}
	stopped := func(resource, verb string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{resource},
			ResourceNames: []string{"rel-berth-worker"}, Verbs: []string{verb}}
	}
	ensured := core("secrets", "get", "patch")
	ensured.ResourceNames = []string{"rel-berth-keys"}
	labels := core("namespaces", "get")
	labels.ResourceNames = []string{"berth-system-jobs"}
	certificate := core("configmaps", "get") // its UID says which cluster it is
	certificate.ResourceNames = []string{"kube-root-ca.crt"}
	worker := []rbacv1.PolicyRule{
		jobs("get", "list", "watch", "create", "patch", "delete"), core("pods", "list", "watch", "delete"),
		core("pods/log", "get"), core("events", "list"), certificate, labels,
	}
	named := func(rule rbacv1.PolicyRule, names ...string) rbacv1.PolicyRule {
		rule.ResourceNames = names
		return rule
	}
	record := core("secrets", "get")
	record.Resources = []string{"secrets", "configmaps"}
	for revision := range cluster.HelmRevisions + 1 { // of revision 1, which is rendered here
		record.ResourceNames = append(record.ResourceNames, fmt.Sprintf("sh.helm.release.v1.rel.v%d", 1+revision))
	}
	want := map[string][]rbacv1.PolicyRule{
		"Role/berth-system-jobs/berth-system-rel-berth-worker": worker,
		"Role/berth-system/rel-berth-installations":            {named(core("configmaps", "get", "patch"), "rel-berth-installations")},
		"Role/berth-system/rel-berth-keys":                     {core("secrets", "create"), ensured},
		"Role/berth-system-jobs/berth-system-rel-berth-drain":  {jobs("get", "list", "patch", "delete")},
		"Role/berth-system/rel-berth-drain-stop": {
			stopped("deployments", "get"), stopped("deployments/scale", "patch"), core("pods", "list"),
			named(core("pods", "delete"), "rel-berth-test"), named(core("configmaps", "get"), "rel-berth-installations"),
		},
		"Role/berth-system/rel-berth-drain-record": {record},
	}
	got := roles(t, render(t, ""))
	for name, rules := range want {
		if !equalRules(got[name], rules) {
			t.Errorf("%s = %v, want %v", name, got[name], rules)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is not on the list", name)
	}
}

func TestWorkerMayCreateSecretsOnlyIfConfigured(t *testing.T) {
	for values, want := range map[string]bool{"": false, "{worker: {jobSecrets: true}}": true,
		"{worker: {envAsSecret: true}}": true, "{worker: {jobAPI: {createKey: true}}}": true} {
		objects := render(t, values)
		rules := roles(t, objects)["Role/berth-system-jobs/berth-system-rel-berth-worker"]
		got := slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
			return slices.Equal(r.Resources, []string{"secrets"}) && slices.Equal(r.Verbs, []string{"create"})
		})
		if got != want {
			t.Errorf("%s: may make Secrets is %v, want %v", values, got, want)
		}
		if asked := slices.Contains(container(t, objects, "rel-berth-worker").Args,
			"--env-as-secret"); asked != strings.Contains(values, "envAsSecret") {
			t.Errorf("%s: --env-as-secret is %v", values, asked)
		}
	}
}

func TestWorkerMayCreatePodsOnlyIfConfigured(t *testing.T) {
	want := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}}
	for values, allowed := range map[string]bool{"": false, "{worker: {dryRunPods: true}}": true} {
		for role, rules := range roles(t, render(t, values)) {
			got := slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return reflect.DeepEqual(r, want) })
			if got != (allowed && role == "Role/berth-system-jobs/berth-system-rel-berth-worker") {
				t.Errorf("%s: %s may create pods is %v", values, role, got)
			}
			if !got && slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.Resources, "pods") && slices.Contains(r.Verbs, "create")
			}) {
				t.Errorf("%s: %s may create pods", values, role)
			}
		}
	}
}

func TestWorkerMayReadWorkloadsOnlyIfConfigured(t *testing.T) {
	want := rbacv1.PolicyRule{APIGroups: []string{"kueue.x-k8s.io"}, Resources: []string{"workloads", "localqueues"},
		Verbs: []string{"get", "list", "watch"}}
	for values, allowed := range map[string]bool{"": false, "{worker: {kueue: true}}": true} {
		rules := roles(t, render(t, values))["Role/berth-system-jobs/berth-system-rel-berth-worker"]
		got := slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return reflect.DeepEqual(r, want) })
		if got != allowed {
			t.Errorf("%s: may read Workloads is %v, want %v", values, got, allowed)
		}
	}
}

func TestWorkerOfAnotherClusterMayOnlyReadItsKubeconfig(t *testing.T) {
	objects := render(t, `{jobs: {namespace: runs}, worker: {clusterConfig: {existingSecret: elsewhere}, namespaces: [team-a]}}`)
	for _, name := range []string{"rel-berth-worker", "rel-berth-drain"} {
		if args := container(t, objects, name).Args; !slices.Contains(args,
			"--cluster-config=elsewhere/kubeconfig") {
			t.Errorf("%s is started without --cluster-config: %v", name, args)
		}
	}
	got := roles(t, objects)
	kubeconfig := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"},
		ResourceNames: []string{"elsewhere"}, Verbs: []string{"get"}}
	if rules := got["Role/berth-system/rel-berth-kubeconfig-worker"]; !equalRules(rules,
		[]rbacv1.PolicyRule{kubeconfig}) {
		t.Errorf("the worker may %v", rules)
	}
	if rules := got["Role/berth-system/rel-berth-drain-stop"]; len(rules) != 6 ||
		!equalRules(rules[5:], []rbacv1.PolicyRule{kubeconfig}) {
		t.Errorf("the drain may %v", rules)
	}
	for name := range got {
		if strings.Contains(name, "team-a") || name == "Role/berth-system/rel-berth-worker" ||
			name == "Role/berth-system/rel-berth-drain" {
			t.Errorf("%s is made here, and the Jobs are elsewhere", name)
		}
	}
}

func TestJobsGetTheConfiguredKey(t *testing.T) {
	args := container(t, render(
		t, `{worker: {jobAPI: {url: "https://berth.example.com", existingSecret: keys, key: jobs}}}`,
	), "rel-berth-worker").Args
	if own := container(t, render(t, `{worker: {jobAPI: {createKey: true}}}`),
		"rel-berth-worker").Args; !slices.Contains(own, "--create-job-api-key-secret") {
		t.Errorf("the worker is started without --create-job-api-key-secret: %v", own)
	}
	for _, want := range []string{"--job-api-url=https://berth.example.com", "--job-api-key-secret=keys",
		"--job-api-key-secret-key=jobs"} {
		if !slices.Contains(args, want) {
			t.Errorf("the worker is started without %s: %v", want, args)
		}
	}
}

func TestEachNamespaceGetsItsOwnRole(t *testing.T) {
	objects := render(t, most)
	for _, namespace := range []string{"jobs", "team-a", "team-b"} {
		if _, ok := roles(t, objects)["Role/"+namespace+"/berth-system-rel-berth-worker"]; !ok {
			t.Errorf("no Role for the worker in %s", namespace)
		}
	}
	if _, ok := roles(t, objects)["Role/berth-system/rel-berth-worker"]; ok {
		t.Error("the worker has rights in a namespace that it does not serve")
	}
	args := container(t, objects, "rel-berth-worker").Args
	for _, arg := range []string{"--namespace=jobs", "--watch-namespace=jobs", "--watch-namespace=team-a",
		"--watch-namespace=team-b"} {
		if !slices.Contains(args, arg) {
			t.Errorf("the worker is started without %s: %v", arg, args)
		}
	}
}

func TestBindingsBindOwnRoleToOwnAccount(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, values) {
			binding, ok := o.typed.(*rbacv1.RoleBinding)
			if !ok {
				continue
			}
			if binding.RoleRef.Kind != "Role" || binding.RoleRef.Name != binding.Name {
				t.Errorf("%s: %s binds %v", name, o, binding.RoleRef)
			}
			if len(binding.Subjects) != 1 || binding.Subjects[0].Namespace != "berth-system" ||
				binding.Subjects[0].Kind != "ServiceAccount" {
				t.Errorf("%s: %s binds to %v", name, o, binding.Subjects)
			}
		}
	}
}

func roles(t *testing.T, objects []object) map[string][]rbacv1.PolicyRule {
	t.Helper()
	out := map[string][]rbacv1.PolicyRule{}
	for _, o := range objects {
		switch typed := o.typed.(type) {
		case *rbacv1.Role:
			out[o.String()] = typed.Rules
		case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
			t.Errorf("%s reaches beyond a namespace", o)
		}
	}
	return out
}

func equalRules(a, b []rbacv1.PolicyRule) bool {
	return slices.EqualFunc(a, b, func(x, y rbacv1.PolicyRule) bool {
		return slices.Equal(x.APIGroups, y.APIGroups) && slices.Equal(x.Resources, y.Resources) &&
			slices.Equal(x.ResourceNames, y.ResourceNames) && slices.Equal(x.Verbs, y.Verbs) &&
			len(x.NonResourceURLs) == 0
	})
}
