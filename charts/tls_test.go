package charts

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestCertificateEnablesTLSEverywhere(t *testing.T) {
	objects := render(t, secure)
	server := container(t, objects, "rel-berth-server")
	for _, want := range []string{"--tls-cert-file=/etc/berth/tls/tls.crt",
		"--tls-key-file=/etc/berth/tls/tls.key"} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("arguments %v, want %s", server.Args, want)
		}
	}
	for _, probe := range []*corev1.Probe{server.StartupProbe, server.LivenessProbe, server.ReadinessProbe} {
		if probe.HTTPGet.Scheme != corev1.URISchemeHTTPS {
			t.Errorf("probe %v", probe)
		}
	}
	volumes := podTemplates(objects)["rel-berth-server"].Spec.Volumes
	if !slices.ContainsFunc(volumes,
		func(v corev1.Volume) bool { return v.Name == "tls" && v.Secret.SecretName == "berth-tls" }) {
		t.Errorf("volumes %v", volumes)
	}
	if service := find[*corev1.Service](t, objects,
		"rel-berth-server"); *service.Spec.Ports[0].AppProtocol != "https" {
		t.Errorf("the Service says %s", *service.Spec.Ports[0].AppProtocol)
	}
	find[*corev1.Pod](t, objects, "rel-berth-test")
	for _, client := range []string{"rel-berth-worker", "rel-berth-drain", "rel-berth-test"} {
		c := container(t, objects, client)
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
			return e.Name == "BERTH_API_URL" && strings.HasPrefix(e.Value, "https://rel-berth-server.") &&
				strings.HasSuffix(e.Value, ".svc:4200")
		}) {
			t.Errorf("%s: environment %v", client, c.Env)
		}
		if got := setting(t, objects, client, "BERTH_CA_FILE"); got != "berth-tls/ca.crt" {
			t.Errorf("%s trusts %q", client, got)
		}
	}
}

func TestWorkerTrustsTheAuthorityOfItsServer(t *testing.T) {
	for name, test := range map[string]struct{ values, worker, test string }{
		"nobody's without TLS":                      {"", "", ""},
		"system authorities without a caKey":        {`{server: {tls: {existingSecret: berth-tls, caKey: ""}}}`, "", ""},
		"separate authority":                        {`{server: {tls: {existingSecret: berth-tls}}, worker: {ca: {existingSecret: mine, key: root.pem}}}`, "mine/root.pem", "berth-tls/ca.crt"},
		"system authorities for an external server": {`{server: {tls: {existingSecret: berth-tls}}, worker: {apiURL: "https://berth.example.com"}}`, "", "berth-tls/ca.crt"},
		"separate authority for an external server": {`{worker: {apiURL: "https://berth.example.com", ca: {existingSecret: mine}}}`,
			"mine/ca.crt", ""},
	} {
		objects := render(t, test.values)
		if got := setting(t, objects, "rel-berth-worker", "BERTH_CA_FILE"); got != test.worker {
			t.Errorf("%s: the worker trusts %q, want %q", name, got, test.worker)
		}
		if got := setting(t, objects, "rel-berth-test", "BERTH_CA_FILE"); got != test.test {
			t.Errorf("%s: the test trusts %q, want %q", name, got, test.test)
		}
	}
}
