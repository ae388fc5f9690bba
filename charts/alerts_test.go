package charts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testenv"
)

// alertTests is what the tests read of a file in promtool's test format.
type alertTests struct {
	Tests []struct {
		Name           string
		AlertRuleTests []struct {
			AlertName string `json:"alertname"`
			Expected  []any  `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	}
}

const withAlerts = "{metrics: {prometheusRule: {enabled: true}}}"

// ruleFile writes the alerts of an installation as a rule file. Promtool compares annotations as a whole, so that they are
// left out.
func ruleFile(t *testing.T, path, namespace string) {
	t.Helper()
	groups := alerts(t, withAlerts)
	for _, group := range groups {
		for i := range group.Rules {
			group.Rules[i].Annotations = nil
			group.Rules[i].Expr = strings.ReplaceAll(group.Rules[i].Expr, `namespace="berth-system"`, `namespace="`+namespace+`"`)
		}
	}
	write(t, path, map[string]any{"groups": groups})
}

func write(t *testing.T, path string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool := testenv.Program(t, "promtool", "install prometheus (Debian's package has promtool), or run e2e/setup.sh")
	if output, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

// runAlertTests runs a file of testdata/alerts against the alerts of installations in some namespaces.
func runAlertTests(t *testing.T, file string, namespaces ...string) alertTests {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "alerts", file))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files []string
	for _, namespace := range namespaces {
		ruleFile(t, filepath.Join(dir, namespace+".yaml"), namespace)
		files = append(files, namespace+".yaml")
	}
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, append([]byte("rule_files: ["+strings.Join(files, ", ")+"]\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", path)
	var read alertTests
	if err := yaml.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestAlertsGetTheSituationsRight(t *testing.T) {
	if n := len(runAlertTests(t, "situations.yaml", "berth", "two").Tests); n < 6 {
		t.Errorf("there are only %d situations", n)
	}
}

func TestEveryAlertDoesNotFireThenFiresThenResolves(t *testing.T) {
	tested := map[string]bool{}
	for _, test := range runAlertTests(t, "rules.yaml", "berth").Tests {
		var fires []bool
		for _, at := range test.AlertRuleTests {
			if at.AlertName != test.Name {
				t.Errorf("the test of %s asks for %s", test.Name, at.AlertName)
			}
			fires = append(fires, len(at.Expected) > 0)
		}
		tested[test.Name] = len(fires) == 3 && !fires[0] && fires[1] && !fires[2]
	}
	for _, group := range alerts(t, withAlerts) {
		for _, rule := range group.Rules {
			if !tested[rule.Alert] {
				t.Errorf("%s has no test in which it does not fire, fires, and resolves", rule.Alert)
			}
		}
	}
}

func TestTheRuleFileIsOneForPrometheus(t *testing.T) {
	promtool(t, "check", "rules", "berth/monitoring/alerts.yaml")
}

func TestEveryAlertKeepsItsNamespaceAndHasARunbook(t *testing.T) {
	runbook, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range alerts(t, withAlerts) {
		for _, rule := range group.Rules {
			for _, by := range grouped.FindAllStringSubmatch(rule.Expr, -1) {
				if !strings.HasPrefix(by[1], "namespace") {
					t.Errorf("%s groups by %s: two installations would be one", rule.Alert, by[1])
				}
			}
			if !strings.Contains(string(runbook), "\n## "+rule.Alert+"\n") {
				t.Errorf("docs/runbook.md has no section %s", rule.Alert)
			}
			if !strings.HasSuffix(rule.Annotations["runbook_url"], "/docs/runbook.md#"+strings.ToLower(rule.Alert)) {
				t.Errorf("%s has the runbook %s", rule.Alert, rule.Annotations["runbook_url"])
			}
			if threshold, ok := rule.Annotations["threshold"]; ok && !strings.Contains(rule.Expr, "("+threshold+")") {
				t.Errorf("%s does not compare with its threshold %s: %s", rule.Alert, threshold, rule.Expr)
			}
		}
	}
}

func TestAlertsAreSetByValues(t *testing.T) {
	const values = `{metrics: {prometheusRule: {enabled: true, keepLabels: [cluster], alertLabels: {service: berth, team: ops},
		runbookURL: "https://runbooks.example.com/berth", disabled: [BerthPausedLong],
		alerts: {
			BerthScheduleLag: {threshold: 600, for: 20m, severity: warning, labels: {team: data}, runbookURL: "https://example.com/lag"},
			BerthClaimBudgetFast: {threshold: 0.05}}}}}`
	found := 0
	for _, group := range alerts(t, values) {
		for _, rule := range group.Rules {
			if rule.Labels["service"] != "berth" || strings.Contains(rule.Expr, "by (namespace") {
				t.Errorf("%s: labels %v, %s", rule.Alert, rule.Labels, rule.Expr)
			}
			switch rule.Alert {
			case "BerthPausedLong":
				t.Error("an alert that is disabled is there")
			case "BerthScheduleLag":
				found++
				want := `max by (cluster, namespace) (berth_schedule_lag_seconds{namespace="berth-system"}) > (600)`
				if rule.Expr != want || rule.For != "20m" || rule.Labels["severity"] != "warning" || rule.Labels["team"] != "data" ||
					rule.Annotations["runbook_url"] != "https://example.com/lag" || rule.Annotations["threshold"] != "600" {
					t.Errorf("%+v", rule)
				}
			case "BerthClaimBudgetFast":
				found++
				if strings.Count(rule.Expr, "14.4 * (0.05)") != 2 || rule.Labels["team"] != "ops" ||
					rule.Annotations["runbook_url"] != "https://runbooks.example.com/berth#berthclaimbudgetfast" {
					t.Errorf("%+v", rule)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of two alerts are there", found)
	}
}
