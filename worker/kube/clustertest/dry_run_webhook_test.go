package clustertest

import (
	"testing"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube"
)

// webhook registers a mutating webhook for the pods of the site.
func (s *site) webhook(url string) {
	s.t.Helper()
	webhooks := s.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	name := s.namespace + "-webhook"
	_, err := webhooks.Create(s.ctx(), &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []registrationv1.MutatingWebhook{{
			Name: "pods.berth.test", AdmissionReviewVersions: []string{"v1"},
			SideEffects: ptr.To(registrationv1.SideEffectClassNone), FailurePolicy: ptr.To(registrationv1.Fail),
			ClientConfig: registrationv1.WebhookClientConfig{URL: &url}, TimeoutSeconds: ptr.To(int32(5)),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.namespace}},
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Create},
				Rule:       registrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.deleteAfter(webhooks.Delete, name) })
}

func TestAWebhookThatDoesNotAnswerLeavesTheDryRunOpen(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.webhook("https://127.0.0.1:1/")
	var pod api.ObjectDryRun
	s.eventually("the webhook counts", func() bool {
		pod = object(t, s.dryRun(s.attempt("true")), api.DryRunPod)
		return pod.Outcome != api.DryRunOutcomeAccepted
	})
	saysOf(t, pod, api.DryRunOutcomeFailed, "failed calling webhook", "check its pods")
}
