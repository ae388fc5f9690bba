package worker

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating/manifest"
)

func TestAJobNeverLandsInAnotherClusterThanItsTemplateNames(t *testing.T) {
	elsewhere := &manifest.SecretReference{Name: "elsewhere", Key: "kubeconfig"}
	named := strings.Replace(
		shellTemplate,
		`"job_configuration": {`,
		`"job_configuration": {"cluster_config": {"secretKeyRef": {"name": "elsewhere", "key": "kubeconfig"}}, `,
		1,
	)
	for name, test := range map[string]struct {
		template string
		serves   *manifest.SecretReference
		want     string // of the message; empty: it runs
	}{
		"none named, the cluster around":          {shellTemplate, nil, ""},
		"one named, that one":                     {named, elsewhere, ""},
		"one named, the cluster around":           {named, nil, "start a worker with --cluster-config elsewhere/kubeconfig"},
		"one named, another":                      {named, &manifest.SecretReference{Name: "third", Key: "kubeconfig"}, "start a worker with --cluster-config elsewhere/kubeconfig"},
		"none named, another than the one around": {shellTemplate, elsewhere, "start a worker without --cluster-config"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, test.template)
			startWorker(t, p, func(o *Options) { o.ClusterConfig = test.serves })
			s := p.offer(script("true"))
			p.wait(t, "the end", func() bool { return s.ended != nil })
			p.mu.Lock()
			defer p.mu.Unlock()
			if *s.ended.Succeeded != (test.want == "") ||
				!strings.Contains(value(s.ended.Message), test.want) {
				t.Errorf("ended as %s: %s", categoryOf(*s.ended), value(s.ended.Message))
			}
		})
	}
}
