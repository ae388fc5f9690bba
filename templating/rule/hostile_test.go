package rule_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating/rule"
)

// doubled is an expression of a list that holds the same list eight times, n times over: a tree of 8^n items
// that takes the memory of a few.
func doubled(n int) string { return "[1]" + strings.Repeat(".map(x,[x,x,x,x,x,x,x,x])", n) }

// hostile are expressions that take very long, or all memory, where they are not bounded.
func hostile() map[string]string {
	bound := func(start, more string, n int) string {
		for i := range n {
			start = fmt.Sprintf("cel.bind(a%d, %s, %s)", i, start, strings.ReplaceAll(more, "a", fmt.Sprint("a", i)))
		}
		return start
	}
	text := strings.Repeat("a", 1000)
	return map[string]string{
		"equality of lists that share items":   doubled(13) + " == " + doubled(13),
		"membership of such a list":            doubled(12) + " in " + doubled(13),
		"inequality of dynamic values":         "dyn(" + doubled(13) + ") != dyn(" + doubled(13) + ")",
		"equality of maps that share values":   "{'a': " + doubled(13) + "} == {'a': " + doubled(13) + "}",
		"distinct of such a list":              doubled(13) + ".distinct().size() > 0",
		"a set of such lists":                  "sets.contains(" + doubled(13) + ", " + doubled(13) + ")",
		"flatten":                              doubled(8) + ".flatten(9).size() > 0",
		"a quantity with a huge exponent":      `quantity("1e999999999999") > 1.0`,
		"a text that doubles":                  bound(`"x"`, "a + a", 25) + ` == ""`,
		"a list that doubles":                  bound(`containers`, "a + a", 25) + `.size() == 0`,
		"replace of replace":                   `"` + text + `"` + strings.Repeat(`.replace("a", "`+strings.Repeat("a", 300)+`")`, 6) + ` == ""`,
		"replace of nothing":                   `run.parameters.text.replace("", run.parameters.text) == ""`,
		"join with a long separator":           `run.parameters.text.split("").join(run.parameters.text) == ""`,
		"join of long texts":                   `run.parameters.text.split("").map(x, run.parameters.text).join("") == ""`,
		"format":                               `"%.1000000000f".format([1.0]) == ""`,
		"a long range":                         `lists.range(100000000).size() > 0`,
		"distinct of many":                     `run.parameters.text.split("").distinct().size() > 0`,
		"sets of many":                         `sets.equivalent(run.parameters.text.split(""), run.parameters.text.split(""))`,
		"a search that is quadratic":           `run.parameters.text.indexOf(run.parameters.text + "b") == 0`,
		"a regular expression that backtracks": `run.parameters.text.matches("(a*)*b")`,
		"a large regular expression":           `"x".matches("((a{100}){100}){100}")`,
		"nested loops":                         strings.Repeat(`containers.all(c, `, 12) + "true" + strings.Repeat(")", 12),
		"loops over a long list":               `run.parameters.list.all(a, run.parameters.list.all(b, run.parameters.list.all(c, a == b)))`,
		"deep nesting":                         strings.Repeat("[", 60) + "1" + strings.Repeat("]", 60) + ".size() > 0",
	}
}

// TestHostileExpressionsEndSoon measures the time of the processor, which other tests do not take.
func TestHostileExpressionsEndSoon(t *testing.T) {
	long := strings.Repeat("a", 60_000)
	in := input(aJob(t, plainPod))
	in.Run.Parameters = []byte(`{"text":"` + long + `","list":[` + strings.TrimSuffix(strings.Repeat("1,", 20_000), ",") + `]}`)
	for name, expression := range hostile() {
		t.Run(name, func(t *testing.T) {
			start := processorTime(t)
			r := of(expression)
			set, err := rule.Compile(rule.Set{Pool: "analytics", Rules: []rule.Rule{r}})
			if err == nil {
				_, err = rule.Evaluate(t.Context(), []*rule.Compiled{set}, in)
			}
			if took := processorTime(t) - start; took > 5*time.Second {
				t.Errorf("it took %s: %v", took, err)
			}
		})
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestOneSideOfAComparisonIsFlat(t *testing.T) {
	for expression, refused := range map[string]bool{
		`pod == pod`:                                           true,
		`containers == containers`:                             true,
		`run.parameters.a == run.parameters.b`:                 true,
		`containers[0] in containers`:                          true,
		`run.parameters.a == "x"`:                              false,
		`run.parameters.a == ["x"]`:                            false,
		`"a" in run.parameters.list`:                           false,
		`job.metadata.labels == {"a": "b"}`:                    false,
		`pod.?nodeSelector[?"a"] == optional.of("b")`:          false,
		`containers.map(c, c.name) == ["a", "b"]`:              false,
		`string(run.parameters.a) == string(run.parameters.b)`: false,
	} {
		if err := rule.Check(of(expression)); (err != nil) != refused {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

func TestFunctionsOfTextsListsAndSets(t *testing.T) {
	for _, expression := range []string{
		`"Ab".lowerAscii() == "ab" && "Ab".upperAscii() == "AB" && " a ".trim() == "a"`,
		`"äbc".indexOf("b") == 1 && "abab".lastIndexOf("b") == 3 && "a".indexOf("x") == -1`,
		`"äbc".substring(1) == "bc" && "äbc".substring(0, 1) == "ä"`,
		`"a-b".replace("-", "+") == "a+b" && "a,b".split(",") == ["a", "b"]`,
		`["a", "b"].join("-") == "a-b" && ["a", "b"].join() == "ab"`,
		`["a", "b", "a"].distinct() == ["a", "b"]`,
		`sets.contains(["a", "b"], ["a"]) && !sets.contains(["a"], ["a", "b"])`,
		`sets.intersects(["a"], ["b", "a"]) && sets.equivalent([1, 2], [2, 1, 1])`,
	} {
		if outcome := evaluate(t, of(expression), input(aJob(t, plainPod))); outcome.Denied() {
			t.Errorf("%s: %+v", expression, outcome.Denials)
		}
	}
}
