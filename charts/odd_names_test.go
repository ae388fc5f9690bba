package charts

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestNamesAreTextWhateverTheyLookLike: YAML reads 123, 1e3, true and null as something else than text.
func TestNamesAreTextWhateverTheyLookLike(t *testing.T) {
	for _, odd := range []string{"123", "1e3", "0x10", "true", "null", "on", "1-2"} {
		t.Run(odd, func(t *testing.T) {
			values := strings.ReplaceAll(`
nameOverride: "ODD"
fullnameOverride: berth
commonLabels: {team: "ODD"}
image: {pullSecrets: [{name: "ODD"}]}
keys: {existingSecret: "ODD"}
database: {external: {existingSecret: "ODD"}}
jobs: {namespace: "ODD-jobs", podSecurity: baseline, namespaceLabels: {x: "ODD"}, serviceAccount: {name: "ODD"}}
server: {tls: {existingSecret: "ODD", caKey: "ODD"}, serviceAccount: {name: "ODD"}, podLabels: {x: "ODD"}}
worker:
  namespaces: ["9999"]
  pool: "ODD"
  serviceAccount: {name: "ODD"}
  apiKey: {existingSecret: "ODD", key: "ODD"}
  ca: {existingSecret: "ODD", key: "ODD"}
  podLabels: {x: "ODD"}
`, "ODD", odd)
			rendered, err := renderRelease(t, odd, odd, values)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objectsOf(t, rendered) { // decodes strictly
				if o.Labels["app.kubernetes.io/instance"] != odd {
					t.Errorf("%s has labels %v", o, o.Labels)
				}
				if o.Namespace == "" && o.Kind != "Namespace" {
					t.Errorf("%s has no namespace", o)
				}
			}
		})
	}
}

// TestTheNamespaceOfJobsIsNeverThatOfTheRelease tries names for which cutting could make them equal.
func TestTheNamespaceOfJobsIsNeverThatOfTheRelease(t *testing.T) {
	long := strings.Repeat("a", 58)
	for _, namespace := range []string{
		"berth-system", "jobs", "x-jobs", long, long + "-jobs", long[:57] + "--jobs", long + "bbbbb",
		strings.Repeat("b", 63),
	} {
		for _, values := range []string{"", remote} {
			rendered, err := renderRelease(t, "rel", namespace, values)
			if err != nil {
				t.Errorf("%s: %v", namespace, err)
				continue
			}
			for _, o := range objectsOf(t, rendered) {
				switch typed := o.typed.(type) {
				case *corev1.Namespace:
					if o.Name == namespace || len(o.Name) > 63 {
						t.Errorf("%s: Jobs run in %s", namespace, o.Name)
					}
				case *rbacv1.Role:
					for _, rule := range typed.Rules {
						if o.Namespace == namespace && fmt.Sprint(rule.APIGroups) == "[batch]" && strings.HasSuffix(o.Name, "-worker") {
							t.Errorf("%s: the worker may create Jobs beside the server", namespace)
						}
					}
				}
			}
		}
	}
}

// TestTwoReleasesInOneNamespaceShareNothing: Helm refuses an object that another release owns, as it does with the
// namespace of the Jobs where jobs.namespace is not set.
func TestTwoReleasesInOneNamespaceShareNothing(t *testing.T) {
	owner := map[string]string{}
	for _, release := range []string{"berth", "other", "berth-two"} {
		rendered, err := renderRelease(t, release, "team", "{jobs: {namespace: "+release+"-runs}}")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objectsOf(t, rendered) {
			if first := owner[o.String()]; first != "" && first != release {
				t.Errorf("%s is of %s and of %s", o, first, release)
			}
			owner[o.String()] = release
		}
	}
}

func TestAReleaseWhoseNameCannotBeThatOfAServiceIsRefused(t *testing.T) {
	_, err := renderRelease(t, "1st", "team", "")
	if err == nil || !strings.Contains(err.Error(), "fullnameOverride") {
		t.Errorf("error is %v, want one that names fullnameOverride", err)
	}
	if _, err := renderRelease(t, "1st", "team", "{fullnameOverride: first}"); err != nil {
		t.Error(err)
	}
}

// TestEverySecretThatAPodOfTheReleaseReadsIsProtected compares what the pods refer to with what server and worker
// refuse to Jobs. It matters most where Jobs share the namespace.
func TestEverySecretThatAPodOfTheReleaseReadsIsProtected(t *testing.T) {
	sets := renders()
	sets["pull secrets"] = "{image: {pullSecrets: [{name: registry}]}}"
	sets["shared namespace"] = "{jobs: {shareNamespace: true}, image: {pullSecrets: [{name: registry}]}}"
	sets["shared, with other accounts"] = `{jobs: {shareNamespace: true}, server: {serviceAccount: {create: false}},
		worker: {serviceAccount: {create: false}}}`
	for name, values := range sets {
		objects := render(t, values)
		for of, pod := range podTemplates(objects) {
			for _, workload := range []string{"rel-berth-server", "rel-berth-worker"} {
				spec, there := podTemplates(objects)[workload]
				if !there {
					continue
				}
				args := strings.Join(spec.Spec.Containers[0].Args, "\n") + "\n"
				for _, reference := range referencesOf(pod.Spec, strings.Contains(values, "shareNamespace: true")) {
					if !strings.Contains(args, "--protect="+reference+"\n") && !ownAccount(reference, args) {
						t.Errorf("%s: %s does not protect %s of %s", name, workload, reference, of)
					}
				}
			}
		}
	}
}

// ownAccount reports whether a reference is to the account `default` of a namespace where no Job runs.
func ownAccount(reference, args string) bool {
	return reference == "serviceaccount/default" && strings.Contains(args, "--protect=namespace/berth-system\n")
}

// referencesOf names the Secrets, claims and the account of a pod as --protect does. Secrets to pull images with are
// among them only where Jobs share the namespace: elsewhere, users may have Secrets of the same names.
func referencesOf(pod corev1.PodSpec, shared bool) []string {
	references := []string{"serviceaccount/" + pod.ServiceAccountName}
	if shared {
		for _, s := range pod.ImagePullSecrets {
			references = append(references, "secret/"+s.Name)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			references = append(references, "secret/"+v.Secret.SecretName)
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				references = append(references, "secret/"+source.Secret.Name)
			}
		}
		if v.PersistentVolumeClaim != nil {
			references = append(references, "persistentvolumeclaim/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	for _, c := range pod.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				references = append(references, "secret/"+e.ValueFrom.SecretKeyRef.Name)
			}
		}
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				references = append(references, "secret/"+e.SecretRef.Name)
			}
		}
	}
	return references
}

// TestTheAccountOfJobsIsNoneOfBerths: Jobs must not run as what may create Jobs or read keys.
func TestTheAccountOfJobsIsNoneOfBerths(t *testing.T) {
	for _, values := range []string{
		"{jobs: {shareNamespace: true, serviceAccount: {create: false, name: rel-berth-worker}}}",
		"{jobs: {shareNamespace: true, serviceAccount: {create: false, name: rel-berth-server}}}",
		"{jobs: {shareNamespace: true, serviceAccount: {create: true, name: rel-berth-worker}}}",
		"{jobs: {shareNamespace: true, serviceAccount: {create: false, name: rel-berth-drain}}}",
		"{jobs: {shareNamespace: true, serviceAccount: {create: false}}, worker: {serviceAccount: {create: false}}}",
		"{jobs: {shareNamespace: true, serviceAccount: {create: false, name: mine}}, worker: {serviceAccount: {create: false, name: mine}}}",
	} {
		if _, err := renderFiles(t, values); err == nil || !strings.Contains(err.Error(), "jobs.serviceAccount") {
			t.Errorf("%s: error is %v, want one that names jobs.serviceAccount", values, err)
		}
	}
}

// TestTheWorkerMayDoNoMoreThanItDoes: its Role is the least that it needs, and reads Secrets only where asked to.
func TestTheWorkerMayDoNoMoreThanItDoes(t *testing.T) {
	may := func(values string) map[string]string {
		verbs := map[string]string{}
		for _, o := range render(t, values) {
			role, ok := o.typed.(*rbacv1.Role)
			if !ok || o.Name != "berth-system-rel-berth-worker" {
				continue
			}
			for _, rule := range role.Rules {
				if strings.Contains(strings.Join(append(rule.Verbs, rule.Resources...), " "), "*") {
					t.Errorf("a wildcard: %+v", rule)
				}
				for _, resource := range rule.Resources {
					verbs[resource] = strings.Join(rule.Verbs, " ")
				}
			}
		}
		return verbs
	}
	want := map[string]string{
		"jobs": "get list watch create patch delete", "pods": "list watch delete", "pods/log": "get",
		"events": "list", "namespaces": "get", "configmaps": "get",
	}
	if got := may(""); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the worker may %v, want %v", got, want)
	}
	if got := may("{worker: {jobSecrets: true}}")["secrets"]; got != "create" {
		t.Errorf("with jobSecrets the worker may %s Secrets", got)
	}
	for _, o := range render(t, "") {
		if o.Kind == "ClusterRole" || o.Kind == "ClusterRoleBinding" {
			t.Errorf("%s reaches every namespace", o)
		}
	}
}
