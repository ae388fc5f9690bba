package charts

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/identity"
)

const signIn = `
server:
  publicURL: https://berth.example.com
  signIn:
    issuer: https://login.example.com
    clientID: berth
    existingSecret: oidc
    scopes: [openid, email]
    allowedDomains: [example.com]
    grants:
    - {group: platform, role: admin}
    - {group: data-eng, role: deployer, pools: [team-a]}
`

func TestSignInReachesTheServer(t *testing.T) {
	objects := render(t, signIn)
	server := container(t, objects, "rel-berth-server")
	for _, want := range []string{
		"--oidc-issuer=https://login.example.com", "--oidc-client-id=berth", "--oidc-scopes=openid,email",
		"--oidc-allowed-domain=example.com", "--access-file=/etc/berth/access/access.yaml", "--session-max-age=12h",
	} {
		if !slices.Contains(server.Args, want) {
			t.Errorf("the server has no %s: %v", want, server.Args)
		}
	}
	wantSetting(t, objects, "rel-berth-server", "BERTH_OIDC_CLIENT_SECRET", "oidc", "client-secret")
	access := find[*corev1.ConfigMap](t, objects, "rel-berth-access")
	grants, err := identity.ParseGrants([]byte(access.Data["access.yaml"]))
	if err != nil || len(grants) != 2 || grants[1].Pools[0] != "team-a" {
		t.Errorf("the access file is %s: %v", access.Data["access.yaml"], err)
	}
	for _, object := range render(t, "") {
		if strings.HasSuffix(object.Name, "-access") {
			t.Errorf("without sign-in there is %s", object)
		}
	}
}
