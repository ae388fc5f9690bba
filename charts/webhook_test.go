package charts

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestWhatWebhooksMayCallReachesTheServer(t *testing.T) {
	server := container(t, render(t, `{server: {webhooks: {allow: ["*.slack.com", "http://alerts=10.0.0.0/8"]}}}`), "rel-berth-server")
	for _, want := range []string{"--webhook-allow=*.slack.com", "--webhook-allow=http://alerts=10.0.0.0/8"} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("the server has no %s: %v", want, server.Args)
		}
	}
	if !slices.ContainsFunc(server.Env, func(e corev1.EnvVar) bool { return e.Name == "BERTH_IDENTITY_KEY" }) {
		t.Error("the server has no key to encrypt secrets with")
	}
}
