package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// optionalTemplate is a template with variables and further fields of the Job, of its pod and of its container.
const optionalTemplate = `variables: {properties: {%s}%s}
job_configuration:
  job_manifest:
    spec:
      %s
      template:
        spec:
          %s
          containers:
          - name: job
            image: "a:1"
            resources: {limits: {memory: 1Gi}}
            %s
`

// TestLintTriesEveryOptionalVariable: a field whose value no default gives is in no Job that the defaults make, and in
// every Job of a run that sets the variable.
func TestLintTriesEveryOptionalVariable(t *testing.T) {
	tests := map[string]struct {
		variables, more      string // more beside properties
		spec, pod, container string
		want                 []string // the errors; empty: none
	}{
		"an unknown field with an optional variable": {
			variables: `dir: {type: string}`, container: `workingDirr: "{{ dir }}"`,
			want: []string{`unknown field "workingDirr"`},
		},
		"with a default that is null": {
			variables: `dir: {type: [string, "null"], default: null}`, container: `workingDirr: "{{ dir }}"`,
			want: []string{`unknown field "workingDirr"`},
		},
		"with a default that is null, as Pydantic writes it": {
			variables: `dir: {anyOf: [{type: string}, {type: "null"}], default: null}`, container: `workingDirr: "{{ dir }}"`,
			want: []string{`unknown field "workingDirr"`},
		},
		"with a part of an optional object": {
			variables: `security: {type: object}`, pod: `securityContext: {runAsUserr: "{{ security.user }}"}`,
			want: []string{`unknown field "runAsUserr"`},
		},
		"with a part of a required object": {
			variables: `security: {type: object}`, more: `, required: [security]`,
			pod:  `securityContext: {runAsUserr: "{{ security.user }}"}`,
			want: []string{`unknown field "runAsUserr"`},
		},
		"with a part that the default leaves out": {
			variables: `security: {type: object, default: {group: 1}}`,
			pod:       `securityContext: {runAsGroup: "{{ security.group }}", runAsUserr: "{{ security.user }}"}`,
			want:      []string{`unknown field "runAsUserr"`},
		},
		"all at once": {
			variables: `dir: {type: string}, tty: {type: boolean}, key: {type: integer}`,
			spec:      `paralelism: "{{ key }}"`, container: "workingDirr: \"{{ dir }}\"\n            ttty: \"{{ tty }}\"",
			want: []string{
				`unknown field "paralelism"`, `unknown field "ttty"`, `unknown field "workingDirr"`,
			},
		},
		"a declared type that never fits": {
			variables: `seconds: {type: boolean}`, spec: `activeDeadlineSeconds: "{{ seconds }}"`,
			want: []string{"the boolean false", "the boolean true"},
		},
		"a declared type that never fits, of a variable without examples": {
			variables: `names: {type: array}`, spec: `activeDeadlineSeconds: "{{ names }}"`, want: []string{"an integer"},
		},
		"a value that only a run knows": {
			variables: `memory: {type: string}, pull: {type: string}, user: {type: integer}, tolerations: {type: array}, sa: {}`,
			pod:       "tolerations: \"{{ tolerations }}\"\n          serviceAccountName: \"{{ sa }}\"",
			container: "imagePullPolicy: \"{{ pull }}\"\n            volumeMounts: [{name: \"{{ memory }}\", mountPath: /x}]",
		},
		"a volume whose name a run gives": {
			variables: `volume: {type: string}`,
			pod:       `volumes: [{name: "{{ volume }}", emptyDir: {}}]`,
			container: `volumeMounts: [{name: data, mountPath: /data}]`,
			want:      []string{`"data"`}, // also without the variable
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parsed, err := templating.Parse(fmt.Appendf(nil, optionalTemplate, test.variables, test.more, test.spec, test.pod,
				test.container))
			if err != nil {
				t.Fatal(err)
			}
			report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
			if len(report.Errors) != len(test.want) {
				t.Fatalf("got\n%swant %q", text(report), test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(report.Errors[i].Message, want) {
					t.Errorf("got\n%swant %q", text(report), want)
				}
			}
		})
	}
}
