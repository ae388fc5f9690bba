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

	"github.com/berth-dev/berth/charts/dashboard"
	"github.com/berth-dev/berth/internal/metricdoc"
)

// ruleGroup is a group of Prometheus rules.
type ruleGroup struct {
	Name  string `json:"name"`
	Rules []struct {
		Alert       string            `json:"alert"`
		Expr        string            `json:"expr"`
		For         string            `json:"for,omitempty"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations,omitempty"`
	} `json:"rules"`
}

// alerts returns the rule groups of the PrometheusRule rendered with these values.
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

// panel is the part of a dashboard panel that the tests use.
type panel struct {
	ID      int
	Title   string
	Targets []struct{ Expr string }
}

// dashboards are the panels of the dashboards in the chart, by their files.
func dashboards(t *testing.T) map[string][]panel {
	t.Helper()
	configMap := find[*corev1.ConfigMap](t, render(t, "{metrics: {dashboard: {enabled: true}}}"),
		"rel-berth-dashboard")
	if configMap.Labels["grafana_dashboard"] != "1" {
		t.Errorf("labels %v do not match the sidecar's selector", configMap.Labels)
	}
	boards := map[string][]panel{}
	for name, text := range configMap.Data {
		var board struct{ Panels []panel }
		if err := json.Unmarshal([]byte(text), &board); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		boards[name] = board.Panels
	}
	return boards
}

// TestTheDashboardsAreThoseOfTheirSource: -update writes them.
func TestTheDashboardsAreThoseOfTheirSource(t *testing.T) {
	const dir = "berth/monitoring/dashboards/"
	files := map[string]bool{}
	for _, b := range dashboard.Boards() {
		want, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		files[b.Name+".json"] = true
		if *update {
			if err := os.WriteFile(dir+b.Name+".json", want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(dir + b.Name + ".json"); err != nil || string(got) != string(want) {
			t.Errorf("%s differs from its source (%v); go test ./charts -update", b.Name, err)
		}
	}
	for name := range dashboards(t) {
		if !files[name] {
			t.Errorf("%s has no source", name)
		}
	}
}

var (
	metricNamed = regexp.MustCompile(`\b((?:berth|rest_client)_[a-z_]+)(\{[^}]*\})?(\[)?`)
	labelNamed  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouped     = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]*)\)`)
)

// targetLabels are labels that the scrape adds.
var targetLabels = []string{"cluster", "namespace", "pod", "instance", "le"}

// queryProblems lists the metrics and labels of a query that the code does not export, rates of metrics other
// than counters, and counters without a rate.
func queryProblems(metrics []metricdoc.Metric, query string) []string {
	var problems []string
	known := slices.Clone(targetLabels)
	for _, found := range metricNamed.FindAllStringSubmatch(query, -1) {
		name, matchers, ranged := found[1], found[2], found[3] != ""
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		i := slices.IndexFunc(metrics, func(m metricdoc.Metric) bool {
			return m.Name == name && m.Kind != "histogram" || m.Name == base && m.Kind == "histogram" &&
				name != base
		})
		if i < 0 {
			problems = append(problems, "unknown metric "+name)
			continue
		}
		if counts := metrics[i].Kind != "gauge"; counts != ranged &&
			!strings.Contains(query, name+matchers+" offset") && !strings.Contains(query, "last_over_time("+name) {
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
				problems = append(problems, "no metric of the query has the label "+label)
			}
		}
	}
	return problems
}

func TestAlertsAndDashboardUseExportedMetrics(t *testing.T) {
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
	for name, panels := range dashboards(t) {
		ids := map[int]bool{}
		for _, p := range panels {
			if ids[p.ID] {
				t.Errorf("%s: duplicate panel ID %d", name, p.ID)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				queries[name+", panel "+p.Title+": "+target.Expr] = target.Expr
			}
		}
	}
	if len(queries) < 40 {
		t.Errorf("found only %d queries", len(queries))
	}
	for of, query := range queries {
		for _, problem := range queryProblems(metrics, query) {
			t.Errorf("%s: %s", of, problem)
		}
	}
}

func TestQueryProblemsAreFound(t *testing.T) {
	metrics := []metricdoc.Metric{
		{
			Name: "berth_a_total", Kind: "counter", Labels: []string{"pool"},
		}, {Name: "berth_b_seconds", Kind: "histogram"}, {Name: "berth_c",
			Kind: "gauge"},
	}
	for query, want := range map[string]string{
		`sum by (pool) (rate(berth_a_total{pool="x"}[5m]))`: "",
		`rate(berth_b_seconds_bucket[5m]) + berth_c`:        "",
		`rate(berth_d_total[5m])`:                           "unknown metric berth_d_total",
		`berth_b_seconds`:                                   "unknown metric berth_b_seconds",
		`berth_a_total > 3`:                                 "berth_a_total is a counter",
		`rate(berth_c[5m])`:                                 "berth_c is a gauge",
		`berth_c{pool="x"}`:                                 "berth_c has no label pool",
		`max by (pool) (berth_c)`:                           "no metric of the query has the label pool",
	} {
		if got := strings.Join(queryProblems(metrics, query), "; "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestAlertsSelectThisInstallation(t *testing.T) {
	for name, test := range map[string]struct {
		values, selector string
		groups           []string
		without          string
	}{
		"defaults": {"{metrics: {prometheusRule: {enabled: true}}}", `namespace="berth-system"`,
			[]string{"berth-server", "berth-worker"}, ""},
		"worker only": {strings.TrimSuffix(remote, "}") + ", metrics: {prometheusRule: {enabled: true}}}", `namespace="berth-system"`,
			[]string{"berth-worker"}, "BerthServerGone"},
		"most values": {most, `namespace="east", cluster="one"`, []string{"berth-server", "berth-worker"}, "BerthRunsWait"},
	} {
		t.Run(name, func(t *testing.T) {
			var groups []string
			for _, group := range alerts(t, test.values) {
				groups = append(groups, group.Name)
				for _, rule := range group.Rules {
					if rule.Alert == test.without {
						t.Errorf("disabled alert %s is rendered", rule.Alert)
					}
					if !strings.Contains(rule.Expr, test.selector) ||
						strings.Contains(rule.Expr, `namespace="berth"`) {
						t.Errorf("%s selects other installations: %s", rule.Alert, rule.Expr)
					}
				}
			}
			if !slices.Equal(groups, test.groups) {
				t.Errorf("groups %v, want %v", groups, test.groups)
			}
		})
	}
}

func TestEveryAlertIsDescribedAndDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range alerts(t, "{metrics: {prometheusRule: {enabled: true}}}") {
		for _, rule := range group.Rules {
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s lacks a summary or a description", rule.Alert)
			}
			if row := "| `" + rule.Alert + "` | " + rule.Labels["severity"] +
				" |"; !strings.Contains(string(page), row) {
				t.Errorf("docs/metrics.md has no row %q", row)
			}
		}
	}
}
