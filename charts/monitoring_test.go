package charts

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/metricdoc"
)

// ruleGroup is as much of a group of Prometheus' rules as there is in ours.
type ruleGroup struct {
	Name  string `json:"name"`
	Rules []struct {
		Alert       string            `json:"alert"`
		Expr        string            `json:"expr"`
		For         string            `json:"for"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"rules"`
}

// alerts are those of the PrometheusRule that the values make.
func alerts(t *testing.T, values string) []ruleGroup {
	t.Helper()
	for _, o := range render(t, values) {
		if o.Kind != "PrometheusRule" {
			continue
		}
		var rule struct {
			APIVersion, Kind string
			Metadata         any
			Spec             struct {
				Groups []ruleGroup `json:"groups"`
			}
		}
		if err := yaml.UnmarshalStrict([]byte(o.text), &rule); err != nil {
			t.Fatal(err)
		}
		return rule.Spec.Groups
	}
	return nil
}

// panel is as much of a panel of a dashboard as the tests look at.
type panel struct {
	ID      int
	Title   string
	Targets []struct{ Expr string }
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	made := find[*corev1.ConfigMap](t, render(t, "{metrics: {dashboard: {enabled: true}}}"), "rel-berth-dashboard")
	if made.Labels["grafana_dashboard"] != "1" {
		t.Errorf("labels %v: the sidecar does not find it", made.Labels)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal([]byte(made.Data["berth.json"]), &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

var (
	metricNamed = regexp.MustCompile(`\b((?:berth|rest_client)_[a-z_]+)(\{[^}]*\})?(\[)?`)
	labelNamed  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouped     = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]*)\)`)
)

// targetLabels are put on by the scrape.
var targetLabels = []string{"namespace", "pod", "instance", "le"}

// queryProblems says what a query names that no metric of the code is or has, and where it takes the rate of
// what is no counter, or not the rate of what is one.
func queryProblems(metrics []metricdoc.Metric, query string) []string {
	var problems []string
	known := slices.Clone(targetLabels)
	for _, found := range metricNamed.FindAllStringSubmatch(query, -1) {
		name, matchers, ranged := found[1], found[2], found[3] != ""
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		i := slices.IndexFunc(metrics, func(m metricdoc.Metric) bool {
			return m.Name == name && m.Kind != "histogram" || m.Name == base && m.Kind == "histogram" && name != base
		})
		if i < 0 {
			problems = append(problems, "there is no "+name)
			continue
		}
		if counts := metrics[i].Kind != "gauge"; counts != ranged && !strings.Contains(query, name+matchers+" offset") {
			problems = append(problems, name+" is a "+metrics[i].Kind)
		}
		known = append(known, metrics[i].Labels...)
		for _, label := range labelNamed.FindAllStringSubmatch(matchers, -1) {
			if !slices.Contains(slices.Concat(targetLabels, metrics[i].Labels), label[1]) {
				problems = append(problems, name+" has no label "+label[1])
			}
		}
	}
	for _, by := range grouped.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			if !slices.Contains(known, label) {
				problems = append(problems, "nothing there has a label "+label)
			}
		}
	}
	return problems
}

func TestAlertsAndDashboardNameWhatTheCodeExports(t *testing.T) {
	metrics, err := metricdoc.Read("..")
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	for _, group := range alerts(t, "{metrics: {prometheusRule: {enabled: true}}}") {
		for _, rule := range group.Rules {
			queries["alert "+rule.Alert] = rule.Expr
		}
	}
	ids := map[int]bool{}
	for _, p := range dashboard(t) {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			queries["panel "+p.Title+": "+target.Expr] = target.Expr
		}
	}
	if len(queries) < 40 {
		t.Errorf("%d queries, which can not be all", len(queries))
	}
	for of, query := range queries {
		for _, problem := range queryProblems(metrics, query) {
			t.Errorf("%s: %s", of, problem)
		}
	}
}

func TestAQueryThatCanNotWorkIsSeen(t *testing.T) {
	metrics := []metricdoc.Metric{
		{Name: "berth_a_total", Kind: "counter", Labels: []string{"pool"}}, {Name: "berth_b_seconds", Kind: "histogram"}, {Name: "berth_c", Kind: "gauge"},
	}
	for query, want := range map[string]string{
		`sum by (pool) (rate(berth_a_total{pool="x"}[5m]))`: "",
		`rate(berth_b_seconds_bucket[5m]) + berth_c`:        "",
		`rate(berth_d_total[5m])`:                           "there is no berth_d_total",
		`berth_b_seconds`:                                   "there is no berth_b_seconds",
		`berth_a_total > 3`:                                 "berth_a_total is a counter",
		`rate(berth_c[5m])`:                                 "berth_c is a gauge",
		`berth_c{pool="x"}`:                                 "berth_c has no label pool",
		`max by (pool) (berth_c)`:                           "nothing there has a label pool",
	} {
		if got := strings.Join(queryProblems(metrics, query), "; "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestAlertsLookAtThisInstallation(t *testing.T) {
	for name, test := range map[string]struct {
		values, selector string
		groups           []string
		without          string
	}{
		"as given out":   {"{metrics: {prometheusRule: {enabled: true}}}", `namespace="berth-system"`, []string{"berth-server", "berth-worker"}, ""},
		"a worker alone": {strings.TrimSuffix(remote, "}") + ", metrics: {prometheusRule: {enabled: true}}}", `namespace="berth-system"`, []string{"berth-worker"}, "BerthServerGone"},
		"most values":    {most, `namespace="east", cluster="one"`, []string{"berth-server", "berth-worker"}, "BerthRunsWait"},
	} {
		t.Run(name, func(t *testing.T) {
			var groups []string
			for _, group := range alerts(t, test.values) {
				groups = append(groups, group.Name)
				for _, rule := range group.Rules {
					if rule.Alert == test.without {
						t.Errorf("%s is among them", rule.Alert)
					}
					if !strings.Contains(rule.Expr, test.selector) || strings.Contains(rule.Expr, `namespace="berth"`) {
						t.Errorf("%s looks at others: %s", rule.Alert, rule.Expr)
					}
				}
			}
			if !slices.Equal(groups, test.groups) {
				t.Errorf("groups %v, want %v", groups, test.groups)
			}
		})
	}
}

func TestEveryAlertSaysWhatToDoAndIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range alerts(t, "{metrics: {prometheusRule: {enabled: true}}}") {
		for _, rule := range group.Rules {
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s says too little", rule.Alert)
			}
			if row := "| `" + rule.Alert + "` | " + rule.Labels["severity"] + " |"; !strings.Contains(string(page), row) {
				t.Errorf("docs/metrics.md has no row %q", row)
			}
		}
	}
}
