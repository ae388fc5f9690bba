package manifest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func TestAProgramThatLinuxWouldNotStartIsRefused(t *testing.T) {
	const container = "/job_configuration/job_manifest/spec/template/spec/containers/0"
	const limit = 128<<10 - 1
	text := strings.Repeat("x", limit)
	env := func(name, value string) string {
		return fmt.Sprintf("containers: [{name: a, image: b, env: [{name: %s, value: '%s'}]}]", name, value)
	}
	doubled := "{name: A0, value: xxxxxxxx}"
	for i := 1; i < 200; i++ {
		doubled += fmt.Sprintf(", {name: A%d, value: $(A%d)$(A%d)}", i, i-1, i-1)
	}
	for _, c := range []struct {
		name, pod, parameters, at, want string
	}{
		{"a variable that just fits", env("V", text[:limit-2]), "", "", ""},
		{"a variable of one byte more", env("V", text[:limit-1]), "", container + "/env", `variable "V" has 131072 bytes`},
		{"dollars that count once", env("V", strings.Repeat("$$", limit-2)), "", "", ""},
		{"references that make it longer", fmt.Sprintf("containers: [{name: a, image: b, env: [{name: V, value: '%s'}, {name: W, value: '$(V)$(V)'}]}]", text[:limit/2+1]),
			"", container + "/env", `variable "W" has`},
		{"references that double it 199 times", "containers: [{name: a, image: b, env: [" + doubled + "]}]", "", container + "/env", `variable "A14" has 131076 bytes`},
		{"many variables that fit", "containers: [{name: a, image: b, env: {A: '" + text[:limit-2] + "', B: '" + text[:limit-2] + "'}}]", "", "", ""},
		{"an argument", "containers: [{name: a, image: b, command: [sh, -c, '" + text + "x']}]", "", container + "/command/2", "the argument has 131072 bytes"},
		{"an argument by reference", "containers: [{name: a, image: b, env: {V: '" + text[:limit-2] + "'}, args: ['--in=$(V)']}]", "", container + "/args/0", "the argument has 131074 bytes"},
		{"parameters", "initContainers: [{name: i, image: b}], " + oneContainer, text, "/job_configuration/job_manifest", "the parameters of the run have 131096 bytes"},
		{"parameters that fit", oneContainer, text[:limit-30], "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := identity()
			if c.parameters != "" {
				id.Parameters, _ = json.Marshal(map[string]string{"a": c.parameters})
			}
			_, err := manifest.Build(render(t, job("", "", c.pod), nil), id)
			problems := templating.AsProblems(err)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(problems) == 0 || problems[0].Pointer != c.at || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %.300v, want %q at %s", err, c.want, c.at)
			}
			if c.parameters != "" && len(problems) != 1 {
				t.Errorf("got %d problems, want one for all containers", len(problems))
			}
		})
	}
}
