package charts

import (
	"reflect"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// exposed has everything by which others reach the installation, and what limits them.
const exposed = `
database: {external: {existingSecret: postgres}}
server:
  service: {type: LoadBalancer, nodePort: 30420, loadBalancerClass: internal, loadBalancerSourceRanges: [10.0.0.0/8],
    externalTrafficPolicy: Local, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6]}
  ingress: {enabled: true, className: nginx, hosts: [berth.example.com], tls: [{hosts: [berth.example.com], secretName: tls}], annotations: {a: b}}
  httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}], hostnames: [berth.example.com]}
  autoscaling: {enabled: true}
worker: {keda: {enabled: true, prometheusURL: "http://prometheus:9090", pollingInterval: 15}}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {name: monitoring}}}]
  server: {from: [{namespaceSelector: {matchLabels: {name: ingress}}}], restrictEgress: true, egress: [{ports: [{port: 443}]}]}
  worker: {restrictEgress: true, egress: [{to: [{ipBlock: {cidr: 10.0.0.1/32}}], ports: [{port: 6443}]}]}
  postgresql: {podSelector: {matchLabels: {app: pg}}, protect: true}
metrics: {podMonitor: {enabled: true, relabelings: [{action: labeldrop, regex: pod}], labels: {release: prometheus}}}`

func TestTheServiceTakesEveryFieldOfItsValues(t *testing.T) {
	spec := find[*corev1.Service](t, render(t, exposed), "rel-berth-server").Spec
	if spec.Ports[0].NodePort != 30420 || *spec.LoadBalancerClass != "internal" || spec.LoadBalancerSourceRanges[0] != "10.0.0.0/8" ||
		spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal || len(spec.IPFamilies) != 2 ||
		*spec.IPFamilyPolicy != corev1.IPFamilyPolicyPreferDualStack {
		t.Errorf("%+v", spec)
	}
}

func TestIngressAndRouteReachTheServer(t *testing.T) {
	objects := render(t, exposed)
	ingress := find[*networkingv1.Ingress](t, objects, "rel-berth-server")
	backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if backend.Name != "rel-berth-server" || backend.Port.Name != "http" || *ingress.Spec.IngressClassName != "nginx" ||
		ingress.Spec.TLS[0].SecretName != "tls" || ingress.Annotations["a"] != "b" {
		t.Errorf("%+v", ingress.Spec)
	}
	var route struct {
		Spec struct {
			ParentRefs []struct{ Name, Namespace string }
			Hostnames  []string
			Rules      []struct {
				BackendRefs []struct {
					Name string
					Port int
				}
				Timeouts struct{ Request string }
			}
		}
	}
	custom(t, objects, "HTTPRoute", &route)
	rule := route.Spec.Rules[0]
	if route.Spec.ParentRefs[0].Name != "public" || rule.BackendRefs[0].Name != "rel-berth-server" || rule.BackendRefs[0].Port != 4200 ||
		rule.Timeouts.Request != "0s" {
		t.Errorf("%+v", route)
	}
}

func TestAutoscalersDecideTheNumberOfReplicas(t *testing.T) {
	objects := render(t, exposed)
	scaler := find[*autoscalingv2.HorizontalPodAutoscaler](t, objects, "rel-berth-server").Spec
	if scaler.ScaleTargetRef.Name != "rel-berth-server" || *scaler.MinReplicas != 2 || scaler.MaxReplicas != 4 ||
		*scaler.Metrics[0].Resource.Target.AverageUtilization != 80 {
		t.Errorf("%+v", scaler)
	}
	var scaled struct {
		Spec struct {
			ScaleTargetRef struct{ Name string }
			Triggers       []struct{ Metadata map[string]string }
		}
	}
	custom(t, objects, "ScaledObject", &scaled)
	want := map[string]string{
		"serverAddress": "http://prometheus:9090", "threshold": "60",
		"query": `max(berth_run_queue_age_seconds{namespace="berth-system",pool="default"})`,
	}
	if scaled.Spec.ScaleTargetRef.Name != "rel-berth-worker" || !reflect.DeepEqual(scaled.Spec.Triggers[0].Metadata, want) {
		t.Errorf("%+v", scaled)
	}
	for _, o := range objects {
		if o.Kind == "Deployment" && strings.Contains(o.text, "\n  replicas:") {
			t.Errorf("%s sets its replicas against its autoscaler", o)
		}
	}
	for values, want := range map[string]string{
		"{server: {autoscaling: {enabled: true}}}":                                                   "SQLite allows exactly one server",
		"{worker: {keda: {enabled: true, prometheusURL: 'http://p'}, autoscaling: {enabled: true}}}": "mutually exclusive",
		"{worker: {keda: {enabled: true}}}":                                                          "worker.keda.prometheusURL",
		"{server: {ingress: {enabled: true}}}":                                                       "server.ingress.hosts",
		"{server: {httpRoute: {enabled: true}}}":                                                     "server.httpRoute.parentRefs",
		"{networkPolicy: {server: {from: [{podSelektor: {}}]}}}":                                     "podSelektor",
		"{server: {autoscaling: {metrics: [{type: Resource, x: {}}]}}}":                              "x",
	} {
		if _, err := renderFiles(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", values, err, want)
		}
	}
}

func TestNetworkPoliciesLetInWhoIsNamed(t *testing.T) {
	objects := render(t, exposed+"\napply: {file: {variables: []}}")
	server := find[*networkingv1.NetworkPolicy](t, objects, "rel-berth-server").Spec
	worker := find[*networkingv1.NetworkPolicy](t, objects, "rel-berth-worker").Spec
	postgres := find[*networkingv1.NetworkPolicy](t, objects, "rel-berth-postgresql").Spec
	// Every pod of the release that calls the server may.
	for _, of := range []string{"rel-berth-worker", "rel-berth-drain", "rel-berth-apply"} {
		pod := podTemplates(objects)[of]
		if !selected(t, server.Ingress[1].From, pod.Labels) {
			t.Errorf("%s may not call the server: %+v", of, server.Ingress[1])
		}
	}
	if len(server.Ingress[1].From) != 6 || server.Ingress[0].From[0].NamespaceSelector.MatchLabels["name"] != "monitoring" {
		t.Errorf("%+v", server.Ingress)
	}
	// DNS, what was added, and PostgreSQL.
	if len(server.PolicyTypes) != 2 || len(server.Egress) != 3 || server.Egress[2].To[0].PodSelector.MatchLabels["app"] != "pg" {
		t.Errorf("%+v", server.Egress)
	}
	if len(worker.Egress) != 3 || !selected(t, worker.Egress[2].To, podTemplates(objects)["rel-berth-server"].Labels) {
		t.Errorf("%+v", worker.Egress)
	}
	if postgres.PodSelector.MatchLabels["app"] != "pg" || len(postgres.Ingress[0].From) != 1 ||
		!selected(t, postgres.Ingress[0].From, podTemplates(objects)["rel-berth-server"].Labels) {
		t.Errorf("%+v", postgres)
	}
	open := find[*networkingv1.NetworkPolicy](t, render(t, "{networkPolicy: {enabled: true}}"), "rel-berth-server").Spec
	if len(open.PolicyTypes) != 1 || open.Ingress[0].From != nil || open.Ingress[1].From != nil {
		t.Errorf("without peers, someone is kept out: %+v", open)
	}
}

func selected(t *testing.T, peers []networkingv1.NetworkPolicyPeer, of map[string]string) bool {
	t.Helper()
	for _, peer := range peers {
		selector, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
		if err != nil {
			t.Fatal(err)
		}
		if peer.PodSelector != nil && selector.Matches(labels.Set(of)) {
			return true
		}
	}
	return false
}

func TestPodMonitorsSelectThePods(t *testing.T) {
	count := 0
	for _, o := range render(t, exposed) {
		if o.Kind == "PodMonitor" {
			count++
			if o.Labels["release"] != "prometheus" || !strings.Contains(o.text, "action: labeldrop") || strings.Contains(o.text, "berth.dev/metrics") {
				t.Errorf("%s:\n%s", o, o.text)
			}
		}
	}
	if count != 2 {
		t.Errorf("%d PodMonitors", count)
	}
}

// custom decodes the custom resource of a kind.
func custom(t *testing.T, objects []object, kind string, into any) {
	t.Helper()
	for _, o := range objects {
		if o.Kind == kind {
			if err := yaml.Unmarshal([]byte(o.text), into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no %s is rendered", kind)
}
