package charts

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// manyWorkers has a worker for each of three pools beside the default one: a team's, one with much memory, and one that is off.
const manyWorkers = `
worker: {limit: 7, logLevel: debug}
workers:
  etl: {replicas: 3, jobNamespace: team-etl, namespaces: [team-shared], serviceAccount: {annotations: {role: etl}}}
  ml: {pool: machine-learning, resources: {limits: {memory: 2Gi}}, limit: 1000000, apiKey: {existingSecret: ml-key}}
  old: {enabled: false}
`

func TestWorkersOfOneReleaseServeManyPools(t *testing.T) {
	objects := render(t, manyWorkers)
	for name, want := range map[string][]string{
		"rel-berth-worker":     {"--pool=default", "--limit=7", "--namespace=berth-system-jobs", "--log-level=debug"},
		"rel-berth-worker-etl": {"--pool=etl", "--limit=7", "--namespace=team-etl", "--watch-namespace=team-etl", "--watch-namespace=team-shared"},
		"rel-berth-worker-ml":  {"--pool=machine-learning", "--limit=1000000", "--namespace=berth-system-jobs", "--log-level=debug"},
	} {
		args := container(t, objects, name).Args
		for _, arg := range want {
			if !slices.Contains(args, arg) {
				t.Errorf("%s is started without %s: %v", name, arg, args)
			}
		}
		if !slices.Contains(args, "--protect=secret/ml-key") || !slices.Contains(args, "--protect=serviceaccount/rel-berth-worker-etl") {
			t.Errorf("%s does not protect what the others have: %v", name, args)
		}
	}
	if replicas := *find[*appsv1.Deployment](t, objects, "rel-berth-worker-etl").Spec.Replicas; replicas != 3 {
		t.Errorf("etl has %d replicas", replicas)
	}
	if memory := container(t, objects, "rel-berth-worker-ml").Resources; memory.Limits.Memory().String() != "2Gi" ||
		memory.Requests.Cpu().String() != "50m" {
		t.Errorf("ml has the resources %v", memory)
	}
	wantSetting(t, objects, "rel-berth-worker-ml", "BERTH_API_KEY", "ml-key", "key")
	wantSetting(t, objects, "rel-berth-worker-etl", "BERTH_API_KEY", "rel-berth-keys", "worker")

	server := container(t, objects, "rel-berth-server").Args
	for _, pool := range []string{"default", "etl", "machine-learning"} {
		if !slices.Contains(server, "--ensure-pool="+pool+"=kubernetes") || !slices.Contains(server, "--bootstrap-worker-pool="+pool) {
			t.Errorf("the server does not know the pool %s: %v", pool, server)
		}
		if args := container(t, objects, "rel-berth-test").Args; !slices.Contains(args, "--pool="+pool) {
			t.Errorf("the test leaves out %s: %v", pool, args)
		}
	}
	drain := find[*batchv1.Job](t, objects, "rel-berth-drain").Spec.Template.Spec.Containers
	if len(drain) != 1 {
		t.Fatalf("the drain has %d containers, want one for the one cluster", len(drain))
	}
	for _, want := range []string{"--deployment=rel-berth-worker", "--deployment=rel-berth-worker-etl", "--deployment=rel-berth-worker-ml",
		"--watch-namespace=berth-system-jobs", "--watch-namespace=team-etl", "--watch-namespace=team-shared"} {
		if !slices.Contains(drain[0].Args, want) {
			t.Errorf("the drain runs without %s: %v", want, drain[0].Args)
		}
	}
	for _, o := range objects {
		if strings.Contains(o.Name, "old") {
			t.Errorf("%s belongs to a worker that is off", o)
		}
	}
	for _, name := range []string{"rel-berth-worker-etl-metrics", "rel-berth-worker-ml-metrics", "rel-berth-worker-metrics"} {
		selector := find[*corev1.Service](t, objects, name).Spec.Selector
		var selected []string
		for of, pod := range podTemplates(objects) {
			if subset(selector, pod.Labels) {
				selected = append(selected, of)
			}
		}
		if len(selected) != 1 || selected[0] != strings.TrimSuffix(name, "-metrics") {
			t.Errorf("%s selects the pods of %v", name, selected)
		}
	}
}

// TestEachWorkerReachesItsNamespacesOnly by a ServiceAccount of its name.
func TestEachWorkerReachesItsNamespacesOnly(t *testing.T) {
	want := map[string][]string{
		"rel-berth-worker": {"berth-system-jobs"}, "rel-berth-worker-ml": {"berth-system-jobs"},
		"rel-berth-worker-etl": {"team-etl", "team-shared"},
	}
	got := map[string][]string{}
	for _, o := range render(t, manyWorkers) {
		if binding, ok := o.typed.(*rbacv1.RoleBinding); ok && o.Namespace != "berth-system" && !o.isHook() {
			got[binding.Subjects[0].Name] = append(got[binding.Subjects[0].Name], o.Namespace)
		}
	}
	for account, namespaces := range want {
		slices.Sort(got[account])
		if !slices.Equal(got[account], namespaces) {
			t.Errorf("%s reaches %v, want %v", account, got[account], namespaces)
		}
	}
	if len(got) != len(want) {
		t.Errorf("bound: %v", got)
	}
}

func TestOnlyNamedWorkers(t *testing.T) {
	objects := render(t, "{worker: {enabled: false}, workers: {etl: {}}}")
	var names []string
	for of := range podTemplates(objects) {
		names = append(names, of)
	}
	slices.Sort(names)
	if want := []string{"rel-berth-drain", "rel-berth-keys", "rel-berth-server", "rel-berth-test", "rel-berth-worker-etl"}; !slices.Equal(names, want) {
		t.Errorf("pods of %v, want %v", names, want)
	}
}

// TestWorkersAloneServeAServerElsewhere with a key each.
func TestWorkersAloneServeAServerElsewhere(t *testing.T) {
	const values = `
server: {enabled: false}
worker: {enabled: false, apiURL: "https://berth.example.com"}
workers:
  etl: {apiKey: {existingSecret: etl-key}}
  ml: {apiKey: {existingSecret: ml-key}, jobNamespace: ml}
`
	objects := render(t, values)
	for name, key := range map[string]string{"rel-berth-worker-etl": "etl-key", "rel-berth-worker-ml": "ml-key"} {
		wantSetting(t, objects, name, "BERTH_API_KEY", key, "key")
	}
	for of := range podTemplates(objects) {
		if !strings.HasPrefix(of, "rel-berth-worker-") {
			t.Errorf("%s is rendered", of)
		}
	}
	_, err := renderFiles(t, strings.Replace(values, "{apiKey: {existingSecret: etl-key}}", "{}", 1))
	if err == nil || !strings.Contains(err.Error(), "workers.etl.apiKey.existingSecret") {
		t.Errorf("without a key: %v", err)
	}
}

func TestAClusterRoleIsThereOnRequestOnly(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, values) {
			if strings.HasPrefix(o.Kind, "ClusterRole") {
				t.Errorf("%s: %s", name, o)
			}
		}
	}
	objects := render(t, "{workers: {all: {allNamespaces: true}}}")
	if args := container(t, objects, "rel-berth-worker-all").Args; !slices.Contains(args, "--watch-namespace=*") {
		t.Errorf("args %v", args)
	}
	of := map[string]string{}
	for _, o := range objects {
		if binding, ok := o.typed.(*rbacv1.ClusterRoleBinding); ok {
			of[binding.Name] = binding.Subjects[0].Name
			find[*rbacv1.ClusterRole](t, objects, binding.RoleRef.Name)
		}
	}
	if len(of) != 2 || of["berth-system-rel-berth-worker-all"] != "rel-berth-worker-all" || of["berth-system-rel-berth-drain"] != "rel-berth-drain" {
		t.Errorf("cluster-wide: %v, want the worker and the drain", of)
	}
	if args := container(t, objects, "rel-berth-drain").Args; !slices.Contains(args, "--watch-namespace=*") {
		t.Errorf("the drain looks at %v", args)
	}
}

// TestTwoClustersAreDrained by a container each.
func TestTwoClustersAreDrained(t *testing.T) {
	objects := render(t, `{workers: {east: {clusterConfig: {existingSecret: east}, jobNamespace: runs, legacyFinalizers: [old.example.com/hold]}}}`)
	drain := find[*batchv1.Job](t, objects, "rel-berth-drain").Spec.Template.Spec.Containers
	if len(drain) != 2 || slices.Contains(drain[0].Args, "--cluster-config=east/kubeconfig") ||
		!slices.Contains(drain[1].Args, "--cluster-config=east/kubeconfig") || !slices.Contains(drain[1].Args, "--namespace=runs") ||
		!slices.Contains(drain[1].Args, "--legacy-finalizer=old.example.com/hold") {
		t.Errorf("containers %v", drain)
	}
}

func TestANamedWorkerHasNoDrainOfItsName(t *testing.T) {
	_, err := renderFiles(t, "{workers: {etl: {drain: {keepJobs: true}}}}")
	if err == nil || !strings.Contains(err.Error(), "set worker.drain") {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"ETL", "a_b", strings.Repeat("x", 41), "-a"} {
		if _, err := renderFiles(t, "{workers: {"+name+": {}}}"); err == nil || !strings.Contains(err.Error(), "workers") {
			t.Errorf("the name %s: %v", name, err)
		}
	}
}

// TestWorkersWithoutTheFirstHaveTheirAlerts: worker.enabled is only that of the first.
func TestWorkersWithoutTheFirstHaveTheirAlerts(t *testing.T) {
	groups := func(values string) []string {
		var names []string
		for _, group := range alerts(t, values+", metrics: {prometheusRule: {enabled: true}}}") {
			names = append(names, group.Name)
		}
		return names
	}
	if got := groups("{worker: {enabled: false}, workers: {etl: {}}"); !slices.Contains(got, "berth-worker") {
		t.Errorf("the groups are %v", got)
	}
	if got := groups("{worker: {enabled: false}"); slices.Contains(got, "berth-worker") {
		t.Errorf("without a worker, the groups are %v", got)
	}
}

// TestWhatCanBeSeveralHasABudgetAndIsSpread, whoever decides how many there are.
func TestWhatCanBeSeveralHasABudgetAndIsSpread(t *testing.T) {
	for values, several := range map[string]bool{
		"{worker: {replicas: 1}}": false,
		"{worker: {replicas: 2}}": true,
		"{worker: {replicas: 1, autoscaling: {enabled: true, maxReplicas: 5}}}":                              true,
		"{worker: {replicas: 3, autoscaling: {enabled: true, minReplicas: 1, maxReplicas: 1}}}":              false,
		"{worker: {replicas: 1, keda: {enabled: true, prometheusURL: 'http://prometheus', maxReplicas: 5}}}": true,
	} {
		objects := render(t, values)
		budget := slices.Contains(names(objects), "PodDisruptionBudget/berth-system/rel-berth-worker")
		spread := podTemplates(objects)["rel-berth-worker"].Spec.TopologySpreadConstraints
		if budget != several || (len(spread) > 0) != several {
			t.Errorf("%s: a budget: %t, spread: %v", values, budget, spread)
		}
	}
}

// TestAWorkerOfAServerElsewhereIsNoneOfThisInstallation: its Jobs are of another one, and this server knows nothing of its pool.
func TestAWorkerOfAServerElsewhereIsNoneOfThisInstallation(t *testing.T) {
	objects := render(t, `workers: {remote: {apiURL: "https://central.example.com", apiKey: {existingSecret: central}}}`)
	if args := container(t, objects, "rel-berth-worker-remote").Args; slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--record-installation")
	}) {
		t.Errorf("an uninstall would end the Jobs of the other installation: %v", args)
	}
	if args := container(t, objects, "rel-berth-test").Args; slices.Contains(args, "--pool=remote") || !slices.Contains(args, "--pool=default") {
		t.Errorf("the test asks for the pools %v", args)
	}
}
