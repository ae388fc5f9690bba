package templating_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

// hostile is a template that wants to hold or hurt the process that renders it.
type hostile struct {
	name string
	// leaf is a single value, text a whole manifest; one of them is set.
	leaf, text string
	// by is what ends it: all of the fuel, alloc or output is charged, or another bound is met; empty where
	// it is refused or fails for what it says.
	by string
}

// maxHostileBytes bounds what a hostile template may make the process allocate in all, from its parsing to
// its end.
const maxHostileBytes = 64 << 20

// hostiles is shared with the benchmark, which measures the worst of them.
func hostiles() []hostile {
	deep := strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000)
	return []hostile{
		{
			name: "nested loops over integers", by: "fuel",
			leaf: "{{ range 100000 }}{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}{{ end }}",
		},
		{
			name: "a loop over the largest integer that prints nothing", by: "fuel",
			leaf: "{{ range 9223372036854775807 }}{{ end }}",
		},
		{
			name: "a loop that prints", by: "output",
			leaf: "{{ range 10000000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}",
		},
		{
			name: "a loop that only assigns", by: "fuel",
			leaf: "{{ $x := 0 }}{{ range 10000000 }}{{ $x = add $x 1 }}{{ end }}",
		},
		{name: "until with a huge number", by: "alloc", leaf: "{{ until 2000000000 }}"},
		{name: "until inside loops", by: "fuel", leaf: "{{ range 1000 }}{{ $x := until 100000 }}{{ end }}"},
		{
			name: "untilStep over everything", by: "alloc",
			leaf: "{{ untilStep -9223372036854775807 9223372036854775807 1 }}",
		},
		{name: "seq with a huge number", by: "alloc", leaf: "{{ seq 1 1000000000 }}"},
		{name: "seq at the end of the integers", leaf: "{{ seq 9223372036854775806 9223372036854775807 }}"},
		{name: "repeat a huge number of times", by: "alloc", leaf: `{{ repeat 1000000000 "x" }}`},
		{name: "repeat of repeat", by: "alloc", leaf: `{{ repeat 10000 "x" | repeat 10000 | repeat 10000 }}`},
		{
			name: "doubling a string", by: "fuel",
			leaf: `{{ $s := "x" }}{{ range 60 }}{{ $s = print $s $s }}{{ end }}{{ $s }}`,
		},
		{
			name: "doubling with printf", by: "alloc",
			leaf: `{{ $s := "x" }}{{ range 60 }}{{ $s = printf "%s%s" $s $s }}{{ end }}`,
		},
		{
			name: "doubling with replace", by: "fuel",
			leaf: `{{ $s := "xx" }}{{ range 60 }}{{ $s = replace "x" "xx" $s }}{{ end }}`,
		},
		{
			name: "doubling with cat", by: "fuel",
			leaf: `{{ $s := "x" }}{{ range 60 }}{{ $s = cat $s $s }}{{ end }}`,
		},
		{
			name: "doubling with join", by: "fuel",
			leaf: `{{ $s := "x" }}{{ range 60 }}{{ $s = join $s (list $s $s) }}{{ end }}`,
		},
		{
			name: "doubling with quote", by: "alloc",
			leaf: `{{ $s := "\\" }}{{ range 60 }}{{ $s = quote $s }}{{ end }}`,
		},
		{
			name: "doubling a list", by: "fuel",
			leaf: `{{ $l := list 1 }}{{ range 60 }}{{ $l = concat $l $l }}{{ end }}`,
		},
		{name: "printf with a huge width", by: "bound", leaf: `{{ printf "%1000000000d" 1 }}`},
		{name: "printf with a huge precision", by: "bound", leaf: `{{ printf "%.1000000000f" 1.5 }}`},
		{name: "printf with a width from its arguments", leaf: `{{ printf "%*d" 1000000000 1 }}`},
		{
			name: "many wide printfs", by: "alloc",
			leaf: `{{ range 1000000 }}{{ $x := printf "%1000d" 1 }}{{ end }}`,
		},
		{name: "a huge indent", by: "alloc", leaf: `{{ indent 1000000000 "x" }}`},
		{name: "an indent of many lines", by: "alloc", leaf: `{{ repeat 100000 "\n" | nindent 100000 }}`},
		{
			name: "wrapWith a long separator", by: "alloc",
			leaf: `{{ wrapWith 1 (repeat 100000 "x") (repeat 100000 "a ") }}`,
		},
		{
			name: "splitList into characters, over and over", by: "fuel",
			leaf: `{{ $s := repeat 100000 "x" }}{{ range 10000 }}{{ $x := splitList "" $s }}{{ end }}`,
		},
		{
			name: "a regex on a huge text", by: "fuel",
			leaf: `{{ $s := repeat 1000000 "a" }}{{ range 1000 }}{{ $x := regexMatch "(a*)*b" $s }}{{ end }}`,
		},
		{name: "a regex with huge repetitions", leaf: `{{ regexMatch "((a{100}){100}){100}" "a" }}`},
		{
			name: "a regex that is a bomb of classes",
			leaf: `{{ regexMatch "(\\pL{1000}|\\pN{1000}){1}" "a" }}`,
		},
		{
			name: "a regex replacement that explodes", by: "alloc",
			leaf: `{{ regexReplaceAll "(.*)" (repeat 10000 "x") (repeat 10000 "$1") }}`,
		},
		{
			name: "a regex that looks at all of the rest for every match", by: "fuel",
			leaf: `{{ regexFindAll ".*b|a" (repeat 100000 "a") -1 }}`,
		},
		{
			name: "a regex split that does", by: "fuel",
			leaf: `{{ regexSplit "(.*b)?" (repeat 100000 "a") -1 }}`,
		},
		{
			name: "a regex replacement that does", by: "fuel",
			leaf: `{{ regexReplaceAll "\\s+$|\\s" (repeat 100000 " ") "" }}`,
		},
		{
			name: "a regex that looks far ahead", by: "fuel",
			leaf: `{{ regexReplaceAll ".{60}b|a" (repeat 50000 "a") "" }}`,
		},
		{
			name: "an object that holds itself",
			leaf: `{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ toJson $d }}`,
		},
		{
			name: "an object that holds itself through a list",
			leaf: `{{ $d := dict }}{{ $_ := set $d "self" (list (list $d)) }}{{ $d }}`,
		},
		{
			name: "two objects that hold each other",
			leaf: `{{ $a := dict }}{{ $b := dict "a" $a }}{{ $_ := set $a "b" $b }}{{ toYaml $a }}`,
		},
		{name: "the root inside itself", leaf: `{{ $_ := set . "self" . }}{{ toJson . }}`},
		{
			name: "an object nested without end", by: "fuel",
			leaf: `{{ $d := dict }}{{ range 1000000 }}{{ $d = dict "d" $d }}{{ end }}{{ toJson $d }}`,
		},
		{
			name: "a list nested without end", by: "fuel",
			leaf: `{{ $d := list }}{{ range 100000 }}{{ $d = list $d }}{{ end }}{{ $d }}`,
		},
		{
			name: "an object that doubles when it is written", by: "fuel",
			leaf: `{{ $d := dict "x" "y" }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ toJson $d }}`,
		},
		{
			name: "a doubling object as a whole value", by: "fuel",
			leaf: `{{ $d := list "x" }}{{ range 40 }}{{ $d = list $d $d }}{{ end }}{{ deepEqual $d $d }}`,
		},
		{
			name: "merge of doubling objects", by: "fuel",
			leaf: `{{ $d := dict "x" "y" }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ merge (dict) $d }}`,
		},
		{
			name: "toYaml over and over", by: "alloc",
			leaf: `{{ range 100000 }}{{ $x := toYaml $.object }}{{ end }}`,
		},
		{
			name: "fromYaml with a bomb of aliases",
			leaf: `{{ fromYaml "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" }}`,
		},
		{name: "fromYaml nested without end", leaf: `{{ fromYaml (repeat 100000 "[") }}`},
		{
			name: "fromJson nested without end",
			leaf: `{{ fromJson (print (repeat 9000 "[") (repeat 9000 "]")) }}`,
		},
		{
			name: "sorting over and over", by: "fuel",
			leaf: `{{ $l := splitList "" (repeat 10000 "ba") }}{{ range 10000 }}{{ $x := sortAlpha $l }}{{ end }}`,
		},
		{
			name: "uniq over and over", by: "fuel",
			leaf: `{{ $l := until 10000 }}{{ range 10000 }}{{ $x := uniq $l }}{{ end }}`,
		},
		{
			name: "hashing over and over", by: "fuel",
			leaf: `{{ $s := repeat 1000000 "x" }}{{ range 100000 }}{{ $x := sha512sum $s }}{{ end }}`,
		},
		{
			name: "case conversion over and over", by: "fuel",
			leaf: `{{ $s := repeat 100000 "aB" }}{{ range 100000 }}{{ $x := kebabcase $s }}{{ end }}`,
		},
		{name: "factorials", leaf: `{{ $x := 1 }}{{ range 100 }}{{ $x = mul $x 10 }}{{ end }}`},
		{name: "decimals that grow", leaf: `{{ $x := 1.5 }}{{ range 10000 }}{{ $x = mulf $x $x }}{{ end }}`},
		{name: "the smallest integer divided", leaf: `{{ div -9223372036854775808 -1 }}`},
		{name: "division by zero", leaf: `{{ mod 5 0 }}`},
		{name: "a method of a value", leaf: `{{ (now).Format "2006" }}`},
		{name: "a method of a string", leaf: `{{ .image.Len }}`},
		{name: "a field of null", leaf: `{{ .none.x.y }}`},
		{name: "calling a value", leaf: `{{ call .image }}`},
		{name: "an index beyond a list", leaf: `{{ index .list 99 }}`},
		{name: "a negative index", leaf: `{{ index .list -1 }}`},
		{name: "slice beyond a list", leaf: `{{ slice .list 1 99 }}`},
		{name: "parentheses without end", by: "bound", leaf: "{{ " + deep + " }}"},
		{
			name: "ifs nested without end", by: "bound",
			leaf: strings.Repeat("{{ if 1 }}", 5000) + strings.Repeat("{{ end }}", 5000),
		},
		{name: "an action that is not closed", leaf: "{{ printf \"" + strings.Repeat("{{", 1000)},
		{name: "the worker's environment through sprig", leaf: `{{ env "PATH" }}{{ expandenv "$PATH" }}`},
		{name: "the network through sprig", leaf: `{{ getHostByName "localhost" }}`},
		{name: "a key maker", leaf: `{{ genPrivateKey "rsa" }}`},
		{
			name: "a template that invokes itself", by: "bound",
			text: `{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`,
		},
		{
			name: "a template that invokes itself twice", by: "bound",
			text: `{{ define "x" }}{{ template "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`,
		},
		{
			name: "include that includes itself", by: "bound",
			text: `{{ define "x" }}{{ include "x" . }}{{ include "x" . }}{{ end }}{{ include "x" . }}`,
		},
		{
			name: "templates that fan out", by: "fuel",
			text: `{{ define "a" }}{{ template "b" }}{{ template "b" }}{{ template "b" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ template "c" }}{{ template "c" }}{{ template "c" }}{{ template "c" }}{{ end }}{{ define "c" }}{{ range 100000 }}{{ end }}{{ end }}{{ template "a" }}`,
		},
		{
			name: "include that doubles", by: "fuel",
			text: `{{ define "x" }}{{ $s := . }}{{ if lt (len $s) 100000000 }}{{ include "x" (print $s $s) }}{{ end }}{{ end }}{{ include "x" "y" }}`,
		},
		{
			name: "a manifest that is a bomb of aliases",
			text: "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
		},
		{name: "an alias that holds itself", text: "a: &a [*a]\n"},
		{name: "a manifest nested without end", text: `{{ repeat 9000 "[" }}`},
		{name: "a manifest of very many nodes", by: "bound", text: `a: [{{ repeat 300000 "x," }}]`},
		{name: "a manifest with a tag", text: "a: !!binary aGVsbG8=\n"},
		{name: "two documents", text: "a: 1\n---\nb: 2\n"},
		{name: "an undefined template", text: `{{ template "nowhere" }}`},
		{name: "no manifest at all but space", by: "fuel", text: `{{ range 10000000 }} {{ end }}`},
	}
}

func (h hostile) run(ctx context.Context, v *templating.Values) error {
	tree := map[string]any{"k": h.leaf}
	if h.text != "" {
		tree = map[string]any{"job_manifest": h.text}
	}
	program, err := templating.GoTemplateEngine().Compile(tree, templating.Declarations{})
	if err != nil {
		return err
	}
	_, err = program.Render(ctx, v)
	return err
}

// watchdog only guards against a hang: what is asserted is what was charged.
const watchdog = 2 * time.Minute

func TestHostileTemplatesEndInAnErrorAndChangeNothing(t *testing.T) {
	if n := len(hostiles()); n < 40 {
		t.Fatalf("%d hostile templates", n)
	}
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), watchdog)
			defer cancel()
			given := values()
			budget := templating.NewBudget(ctx, templating.Limits{})
			before := allocated()
			err := h.run(ctx, given.Charge(budget))
			taken := allocated() - before
			t.Logf("charged %+v, %d KiB: %.150v", budget.Used(), taken>>10, err)
			if taken > maxHostileBytes {
				t.Errorf("it took %d bytes", taken)
			}
			h.checkCharge(t, err, budget.Used())
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("it had to be stopped")
			}
			if err != nil && strings.Contains(err.Error(), "internal error") {
				t.Error("it panicked inside")
			}
			if diff := cmp.Diff(values(), given, cmp.AllowUnexported(templating.Values{})); diff != "" {
				t.Errorf("it changed its values (-before +after):\n%s", diff)
			}
		})
	}
}

// checkCharge holds that the bound which is meant to end the template did: that one is used up, no other is.
func (h hostile) checkCharge(t *testing.T, err error, used templating.Limits) {
	t.Helper()
	var problems templating.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("not a list of problems: %v", err)
	}
	limits := templating.DefaultLimits()
	if bound := problems[0].Code == templating.CodeLimit; bound != (h.by != "") {
		t.Errorf("ended by a bound: %v, want one: %q", bound, h.by)
	}
	for _, c := range []struct {
		by        string
		used, max int64
	}{{"fuel", used.Fuel, limits.Fuel}, {"alloc", used.Alloc, limits.Alloc}, {"output", used.Output, limits.Output}} {
		switch {
		case h.by == c.by && c.used != c.max:
			t.Errorf("%s charged %d of %d", c.by, c.used, c.max)
		case h.by != c.by && c.used >= c.max:
			t.Errorf("all of its %s was charged, want %q to end it", c.by, h.by)
		}
	}
}

// BenchmarkHostileWorst runs every hostile template from its source to its end, and reports the slowest and
// the one that allocates most.
func BenchmarkHostileWorst(b *testing.B) {
	var slowest time.Duration
	var most uint64
	for b.Loop() {
		for _, h := range hostiles() {
			start, before := time.Now(), allocated()
			if err := h.run(context.Background(), values()); err == nil {
				b.Fatalf("%s rendered", h.name)
			}
			slowest, most = max(slowest, time.Since(start)), max(most, allocated()-before)
		}
	}
	b.ReportMetric(slowest.Seconds(), "worst-sec/op")
	b.ReportMetric(float64(most), "worst-B/op")
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// ending is a context that ends when it has been looked at a number of times.
type ending struct {
	context.Context
	looks int
}

func (e *ending) Err() error {
	if e.looks--; e.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestARenderStopsWhenItsContextEnds(t *testing.T) {
	for name, tree := range map[string]map[string]any{
		"in a value": {"k": "{{ range 100000 }}{{ end }}{{ range 100000 }}{{ end }}"},
		"in a text":  {"job_manifest": "{{ range 200000 }}{{ end }}a: 1"},
	} {
		program, err := templating.GoTemplateEngine().Compile(tree, templating.Declarations{})
		if err != nil {
			t.Fatal(err)
		}
		for _, looks := range []int{0, 1, 2, 20} {
			ctx := &ending{Context: context.Background(), looks: looks}
			given := values()
			budget := templating.NewBudget(ctx, templating.Limits{Fuel: 10_000_000})
			_, err = program.Render(ctx, given.Charge(budget))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, ended after %d looks: got %v, want that it was canceled", name, looks, err)
			}
			if most := int64(looks+1) * 1100; budget.Used().Fuel > most {
				t.Errorf("%s, ended after %d looks: it went on to %d steps, at most %d are due", name, looks,
					budget.Used().Fuel, most)
			}
		}
	}
}
