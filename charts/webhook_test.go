package charts

import (
	"slices"
	"testing"
)

func TestWhatWebhooksMayCallReachesTheServer(t *testing.T) {
	objects := render(t, `{server: {webhooks: {allow: ["*.slack.com", "http://alerts=10.0.0.0/8"]}}}`)
	server := container(t, objects, "rel-berth-server")
	for _, want := range []string{"--webhook-allow=*.slack.com", "--webhook-allow=http://alerts=10.0.0.0/8"} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("the server has no %s: %v", want, server.Args)
		}
	}
	wantSetting(t, objects, "rel-berth-server", "BERTH_IDENTITY_KEY", "rel-berth-keys", "identity")
}
