package charts

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestJobsRunWhereNoSecretOfBerthIs compares the namespaces that the worker serves with those of everything
// that a pod of this release reads.
func TestJobsRunWhereNoSecretOfBerthIs(t *testing.T) {
	for name, values := range renders() {
		t.Run(name, func(t *testing.T) {
			for _, o := range render(t, values) {
				role, ok := o.typed.(*rbacv1.Role)
				if !ok || !strings.HasSuffix(o.Name, "-worker") {
					continue
				}
				if role.Namespace == "berth-system" {
					t.Errorf("the worker may create Jobs in the release's namespace")
				}
			}
		})
	}
}

func TestTheNamespaceOfTheJobsIsLabelledAndKept(t *testing.T) {
	namespace := find[*corev1.Namespace](t, render(t, ""), "berth-system-jobs")
	if namespace.Labels["berth.dev/namespace"] != "jobs" ||
		namespace.Labels["pod-security.kubernetes.io/enforce"] != "baseline" {
		t.Errorf("labels are %v", namespace.Labels)
	}
	if namespace.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Error("an uninstall deletes the users' Secrets with the namespace")
	}
	given := names(render(t, "{jobs: {namespace: runs, createNamespace: false}}"))
	if slices.ContainsFunc(given, func(name string) bool { return strings.HasPrefix(name, "Namespace/") }) {
		t.Errorf("a namespace that exists is created: %v", given)
	}
}

func TestJobsHaveAnAccountWithoutPermissions(t *testing.T) {
	objects := render(t, "")
	account := find[*corev1.ServiceAccount](t, objects, "berth-system-rel-berth-job")
	if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
		t.Error("its token is mounted")
	}
	for _, o := range objects {
		if binding, ok := o.typed.(*rbacv1.RoleBinding); ok && binding.Subjects[0].Name == "berth-system-rel-berth-job" {
			t.Errorf("%s gives it permissions", o)
		}
	}
	if args := container(t, objects, "rel-berth-worker").Args; !slices.Contains(args,
		"--job-service-account=berth-system-rel-berth-job") {
		t.Errorf("the worker does not know it: %v", args)
	}
}

func TestSharingTheNamespaceMustBeAskedFor(t *testing.T) {
	for values, want := range map[string]string{
		"{jobs: {namespace: berth-system}}":                "jobs.shareNamespace=true",
		"{worker: {namespaces: [berth-system]}}":           "jobs.shareNamespace=true",
		"{jobs: {shareNamespace: true, namespace: other}}": "set only one of them",
	} {
		if _, err := renderFiles(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", values, err, want)
		}
	}
	const shared = "{jobs: {shareNamespace: true}}"
	args := container(t, render(t, shared), "rel-berth-worker").Args
	if !slices.Contains(args, "--namespace=berth-system") || !slices.Contains(args, "--share-namespace") ||
		slices.Contains(args, "--protect=namespace/berth-system") {
		t.Errorf("the worker is started with %v", args)
	}
	files, err := renderFiles(t, shared)
	if err != nil || !strings.Contains(files["berth/templates/NOTES.txt"], "WARNING: jobs.shareNamespace") {
		t.Errorf("the notes do not say what it costs: %v", err)
	}
}

func TestServerAndWorkerKnowWhatToProtect(t *testing.T) {
	objects := render(t, `
database: {external: {existingSecret: postgres}}
server: {tls: {existingSecret: tls}, extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: smtp, key: k}}}]}
worker: {apiKey: {existingSecret: wk}}`)
	for _, workload := range []string{"rel-berth-server", "rel-berth-worker"} {
		args := container(t, objects, workload).Args
		for _, object := range []string{
			"namespace/berth-system", "secret/rel-berth-keys", "secret/postgres", "secret/tls", "secret/smtp",
			"secret/wk", "serviceaccount/rel-berth-server", "serviceaccount/rel-berth-worker",
			"serviceaccount/rel-berth-keys", "serviceaccount/rel-berth-drain",
			"persistentvolumeclaim/rel-berth-server-data",
		} {
			if !slices.Contains(args, "--protect="+object) {
				t.Errorf("%s does not protect %s: %v", workload, object, args)
			}
		}
	}
}

// TestAWorkerOfAllNamespacesNamesNoAccountOfOne: the account that the chart creates is in one namespace.
func TestAWorkerOfAllNamespacesNamesNoAccountOfOne(t *testing.T) {
	for values, want := range map[string]string{
		"{worker: {allNamespaces: true}}":                                         "",
		"{worker: {allNamespaces: true}, jobs: {serviceAccount: {name: runner}}}": "--job-service-account=runner",
	} {
		got := ""
		for _, arg := range container(t, render(t, values), "rel-berth-worker").Args {
			if strings.HasPrefix(arg, "--job-service-account") {
				got = arg
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", values, got, want)
		}
	}
}
