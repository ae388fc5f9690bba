package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	ktesting "k8s.io/client-go/testing"
)

// record is Helm's record of a revision, as its metadata shows it.
func record(kind string, revision int, status string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("sh.helm.release.v1.berth.v%d", revision),
			Labels: map[string]string{"owner": "helm", "name": "berth", "status": status}},
	}
}

// TestARoleThatNamesFewerRecordsIsEnough, as long as one of them can be read.
func TestARoleThatNamesFewerRecordsIsEnough(t *testing.T) {
	for name, test := range map[string]struct {
		readable []string
		says     string // empty: the drain goes on
	}{
		"the newest record": {[]string{"sh.helm.release.v1.berth.v1"}, ""},
		"none of them":      {nil, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := metadatafake.NewTestScheme()
			if err := metav1.AddMetaToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			records := metadatafake.NewSimpleMetadataClient(scheme, record("Secret", 1, "uninstalling"))
			records.PrependReactor("get", "*", func(action ktesting.Action) (bool, runtime.Object, error) {
				of := action.(ktesting.GetAction).GetName()
				if slices.Contains(test.readable, of) {
					return false, nil, nil
				}
				return true, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), of, errors.New("no rule"))
			})
			err := checkUninstall(t.Context(), fake.NewClientset(), "ns", records, HelmRelease{Namespace: "ns", Name: "berth", Revision: 1})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %v, want %q", err, test.says)
			}
		})
	}
}

func TestADrainNeedsAnUninstall(t *testing.T) {
	none := new(*NoUninstallError)
	for name, test := range map[string]struct {
		records  []runtime.Object
		revision int
		byHelm   bool
		refused  bool   // without a failure
		says     string // empty: the drain goes on
	}{
		"Helm is uninstalling the release":       {records: []runtime.Object{record("Secret", 1, "uninstalling")}, byHelm: true},
		"Helm keeps its records in ConfigMaps":   {records: []runtime.Object{record("ConfigMap", 1, "uninstalling")}, byHelm: true},
		"the workers are gone after a first try": {records: []runtime.Object{record("Secret", 1, "uninstalling")}},
		"a rollback runs the hooks of an older revision": {
			records: []runtime.Object{record("Secret", 2, "superseded"), record("Secret", 9, "uninstalling")}, revision: 2, byHelm: true,
		},
		"the release is deployed": {
			records: []runtime.Object{record("Secret", 1, "deployed")}, byHelm: true, refused: true, says: "ns/berth is deployed",
		},
		"an older uninstall failed, and the release was upgraded": {
			records: []runtime.Object{record("Secret", 1, "uninstalling"), record("Secret", 2, "deployed")}, byHelm: true, refused: true,
			says: "ns/berth is deployed",
		},
		"kubectl applied what Helm rendered": {refused: true, says: "not installed by Helm"},
		"the record is elsewhere":            {byHelm: true, says: "cannot be read"},
		"the newest record is out of reach": {
			records: []runtime.Object{record("Secret", 1, "superseded")}, byHelm: true, says: "cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			worker := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "berth-worker"}}
			if test.byHelm {
				worker.Annotations = map[string]string{"meta.helm.sh/release-name": "berth"}
			}
			scheme := metadatafake.NewTestScheme()
			if err := metav1.AddMetaToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			err := checkUninstall(t.Context(), fake.NewClientset(worker), "ns", metadatafake.NewSimpleMetadataClient(scheme, test.records...),
				HelmRelease{Namespace: "ns", Name: "berth", Revision: max(1, test.revision), Deployments: []string{"gone", "berth-worker"}})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %v, want %q", err, test.says)
			}
			if errors.As(err, none) != test.refused {
				t.Errorf("refused = %t: %v", !test.refused, err)
			}
		})
	}
}
