package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

const valuesSchema = `{"type":"object","properties":{
	"date":{"type":"string"}, "rows":{"type":"integer"}, "ratio":{"type":"number"},
	"size":{"enum":["1","2"]}, "name":{"type":["string","null"]}, "id":{"type":["string","integer"]}, "part":{"type":["string","number"]},
	"env":{"type":"object","additionalProperties":{"type":"string"}},
	"a.b":{"type":"string"}}}`

func TestAValueIsJSONUnlessTheSchemaWantsAString(t *testing.T) {
	for _, test := range []struct{ arg, want string }{
		{"x=3", `3`}, {"x=1.10", `"1.10"`}, {"x=1.5", `1.5`}, {"x=1.0", `1.0`}, {"x=1e3", `"1e3"`}, {"x=-0", `"-0"`}, {"ratio=1e3", `1e3`}, {"ratio=1.10", `1.10`}, {"x=true", `true`}, {"x=null", `null`}, {"x=[1, 2]", `[1, 2]`}, {`x={"a":1}`, `{"a":1}`},
		{`x="3"`, `"3"`}, {"x=hello", `"hello"`}, {"x=", `""`}, {"x=a=b", `"a=b"`}, {"x=2026-01-01", `"2026-01-01"`}, {"x=NaN", `"NaN"`},
		{"x=12345678901234567890", `"12345678901234567890"`}, {"x=<&>", `"\u003c\u0026\u003e"`},
		{"date=2026", `"2026"`}, {"date=true", `"true"`}, {"date=null", `"null"`}, {`date="2026"`, `"\"2026\""`}, {"rows=3", `3`}, {"rows=many", `"many"`},
		{"ratio=1", `1`}, {"size=1", `"1"`}, {"size=3", `3`}, {"name=null", `null`}, {"name=3", `"3"`}, {"id=3", `3`}, {"id=3.5", `"3.5"`}, {"part=3", `3`},
		{"env.PORT=80", `"80"`}, {"env.PY=3.10", `"3.10"`}, {"env.GONE=null", `"null"`}, {`env={"A":"1"}`, `{"A":"1"}`}, {"a.b=1", `"1"`},
	} {
		values, err := cli.Assignments("param", []string{test.arg}, json.RawMessage(valuesSchema))
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(test.arg, "=")
		if got := string(values[name]); got != test.want {
			t.Errorf("%s: got %s, want %s", test.arg, got, test.want)
		}
	}
}

func TestEnvironmentVariablesAreTextWithoutASchema(t *testing.T) {
	for arg, want := range map[string]string{
		"env.PY=3.10": `"3.10"`, "env.N=5": `"5"`, "env.T=true": `"true"`, "env.GONE=null": `null`, `env.Q="5"`: `"5"`,
	} {
		values, err := cli.Assignments("job-variable", []string{arg}, nil)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(arg, "=")
		if got := string(values[name]); got != want {
			t.Errorf("%s: got %s, want %s", arg, got, want)
		}
	}
}

func TestAnAssignmentThatIsNoneIsWrongUse(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"=1"}, {"x=1", "x=2"}} {
		if _, err := cli.Assignments("param", args, nil); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: got %v, want wrong use", args, err)
		}
	}
}

func TestOnlyWhatLooksLikeJSONNeedsTheSchema(t *testing.T) {
	for arg, want := range map[string]bool{"x=hello": false, "x=2026-01-01": false, "x=3": true, `x="a"`: true, "x=": false} {
		if got := cli.NeedsSchema([]string{arg}); got != want {
			t.Errorf("%s: got %t", arg, got)
		}
	}
}
