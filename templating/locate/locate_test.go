package locate_test

import (
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
)

func TestWhatCanNotBeFoundHasNoPlace(t *testing.T) {
	broken := locate.New([]byte("a: [\n"))
	circle := locate.New([]byte("job_configuration: &a\n  <<: *a\n  b: c\n"))
	for name, got := range map[string]locate.Place{
		"a file that is no YAML":  broken.Locate(templating.Problem{Pointer: "/job_configuration"}),
		"a problem of the values": circle.Locate(templating.Problem{Pointer: "/image"}),
		"an empty file":           locate.New(nil).Locate(templating.Problem{Pointer: "/engine"}),
		"nothing but a comment":   locate.New([]byte("# x\n")).Locate(templating.Problem{Pointer: "/engine"}),
	} {
		if got != (locate.Place{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := circle.Locate(templating.Problem{Pointer: "/job_configuration/nowhere/x"}); got.Line != 1 {
		t.Errorf("the nearest that is there: %+v", got)
	}
	if got := circle.Locate(templating.Problem{Pointer: "/job_configuration/b", Line: 9, Column: 9}); got.Line != 3 {
		t.Errorf("a place beyond the string: %+v", got)
	}
}

func TestAProblemOfARenderedTextIsFoundByItsNameWhereThatIsOne(t *testing.T) {
	s := locate.New([]byte(`job_configuration:
  job_manifest: |
    metadata: {name: x}
    spec:
      {{- if .a }}
      imagee: 5
      {{- end }}
      memory-limit: 1
      limits: {memory: 256MiB}
      containers: [{name: y, args: [1]}]
`))
	const at = "/job_configuration/job_manifest/spec/"
	for pointer, want := range map[string]int{
		at + "imagee": 6, at + "limits/memory": 9, at + "containers/0/args/0": 10, at + "containers/0/name": 2, at + "containers/0/image": 2,
	} {
		if got := s.Locate(templating.Problem{Pointer: pointer, Code: templating.CodeInvalid}); got.Line != want {
			t.Errorf("%s: line %d, want %d", pointer, got.Line, want)
		}
	}
	if got := s.Locate(templating.Problem{Pointer: at + "imagee", Code: templating.CodeRequired}); got.Line != 2 {
		t.Errorf("what is missing was found in line %d", got.Line)
	}
}
