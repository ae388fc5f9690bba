package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestAClusterIsIdentifiedByWhatIsInItAndNotByHowItIsReached(t *testing.T) {
	const system, root = "/api/v1/namespaces/kube-system", "/api/v1/namespaces/n/configmaps/kube-root-ca.crt"
	namespace := func(uid types.UID) any {
		return &corev1.Namespace{
			TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{UID: uid},
		}
	}
	configMap := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{UID: "u-root"},
	}
	refusal := func(err *apierrors.StatusError) any {
		err.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		return err.ErrStatus
	}
	forbidden := refusal(apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "y", errors.New("no")))
	missing := refusal(apierrors.NewNotFound(schema.GroupResource{Resource: "x"}, "y"))
	away := refusal(apierrors.NewServiceUnavailable("starting"))
	for name, c := range map[string]struct {
		system, root any
		id           string // set with --cluster-id
		want         string // empty: an error
		objects      int
	}{
		"both can be read":                    {system: namespace("u-system"), root: configMap, want: "u-system", objects: 2},
		"kube-system is forbidden":            {system: forbidden, root: configMap, want: "u-root", objects: 1},
		"there is no ConfigMap":               {system: namespace("u-system"), root: missing, want: "u-system", objects: 1},
		"an ID is set":                        {system: forbidden, root: configMap, id: "mine", want: "mine", objects: 1},
		"an ID is set, nothing can be read":   {system: forbidden, root: forbidden, id: "mine", want: "mine"},
		"nothing can be read":                 {system: forbidden, root: forbidden},
		"the API server is away":              {system: away, root: configMap},
		"the API server is away for one only": {system: forbidden, root: away},
		"a page of a proxy":                   {system: nil, root: configMap},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := map[string]any{system: c.system, root: c.root}[r.URL.Path]
				if answer == nil {
					http.Error(w, "<h1>Not Found</h1>", http.StatusNotFound)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				if status, ok := answer.(metav1.Status); ok {
					w.WriteHeader(int(status.Code))
				}
				if err := json.NewEncoder(w).Encode(answer); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			config, err := ConnectOptions{ClusterID: c.id}.config(&rest.Config{Host: server.URL}, "n")
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Identify(t.Context())
			if (err == nil) != (c.want != "") || got.ID != c.want || len(got.Objects) != c.objects {
				t.Errorf("identified as %+v, %v; want %q and %d objects", got, err, c.want, c.objects)
			}
			if name == "nothing can be read" && !strings.Contains(err.Error(), "--cluster-id") {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
}
