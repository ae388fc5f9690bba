package jobtype_test

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/manifest/jobtype"
)

var update = flag.Bool("update", false, "write enums.json anew")

// TestTheEnumerationsAreThoseOfKubernetes reads them from its source: constants of types that are marked as
// enumerations there.
func TestTheEnumerationsAreThoseOfKubernetes(t *testing.T) {
	enums := map[string][]string{}
	for _, path := range []string{
		"k8s.io/api/apps/v1", "k8s.io/api/autoscaling/v2", "k8s.io/api/batch/v1", "k8s.io/api/core/v1", "k8s.io/api/networking/v1",
		"k8s.io/apimachinery/pkg/apis/meta/v1",
	} {
		out, err := exec.Command("go", "list", "-f", "{{.Dir}}", path).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", path, err)
		}
		source := filepath.Join(strings.TrimSpace(string(out)), "types.go")
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range enumsOf(t, file) {
			enums[path+"."+name] = values
		}
	}
	written, err := json.MarshalIndent(enums, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	written = append(written, '\n')
	if *update {
		if err := os.WriteFile("enums.json", written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile("enums.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), string(written)); diff != "" {
		t.Errorf("enums.json (-stored +source; -update writes it):\n%s", diff)
	}
}

// enumsOf returns the constants of each string type with the mark +enum.
func enumsOf(t *testing.T, file *ast.File) map[string][]string {
	enums := map[string][]string{}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.TYPE {
			continue
		}
		for _, spec := range group.Specs {
			if strings.Contains(group.Doc.Text()+spec.(*ast.TypeSpec).Doc.Text(), "+enum") || marked(group.Doc) {
				enums[spec.(*ast.TypeSpec).Name.Name] = nil
			}
		}
	}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			of, ok := constant.Type.(*ast.Ident)
			if !ok {
				continue
			}
			if _, isEnum := enums[of.Name]; !isEnum || len(constant.Values) != 1 {
				continue
			}
			literal, ok := constant.Values[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			enums[of.Name] = append(enums[of.Name], value)
		}
	}
	for name, values := range enums {
		if len(values) == 0 {
			delete(enums, name)
			continue
		}
		slices.Sort(values)
		enums[name] = slices.Compact(values)
	}
	return enums
}

// marked looks at the comment as it is: Text leaves marks out.
func marked(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "// +enum") })
}

func TestAllTypesOfAJobAreDescribed(t *testing.T) {
	types := jobtype.All()
	if len(types) < 100 {
		t.Errorf("there are %d types", len(types))
	}
	undocumented := 0
	for name, described := range types {
		for _, f := range described.Fields {
			if f.Doc == "" {
				undocumented++
				t.Logf("%s.%s has no documentation", name, f.Name)
			}
			_, isType := types[f.Type]
			known := []string{
				jobtype.String, jobtype.Integer, jobtype.Number, jobtype.Boolean, jobtype.Quantity, jobtype.IntOrString,
				jobtype.Time, jobtype.Bytes, jobtype.Any,
			}
			if !isType && !slices.Contains(known, f.Type) {
				t.Errorf("%s.%s is of the type %q, which is not described", name, f.Name, f.Type)
			}
		}
	}
	if undocumented > 3 {
		t.Errorf("%d fields have no documentation", undocumented)
	}
}

func TestFieldsHaveTheTypesOfTheirValues(t *testing.T) {
	for _, tc := range []struct {
		of   string
		want jobtype.Field
	}{
		{"Job", jobtype.Field{Name: "apiVersion", Type: "string"}},
		{"Job", jobtype.Field{Name: "metadata", Type: "ObjectMeta"}},
		{"JobSpec", jobtype.Field{Name: "parallelism", Type: "integer"}},
		{"JobSpec", jobtype.Field{Name: "completionMode", Type: "string", Enum: []string{"Indexed", "NonIndexed"}}},
		{"PodSpec", jobtype.Field{Name: "containers", Type: "Container", List: true}},
		{"PodSpec", jobtype.Field{Name: "nodeSelector", Type: "string", Map: true}},
		{"PodSpec", jobtype.Field{Name: "restartPolicy", Type: "string", Enum: []string{"Always", "Never", "OnFailure"}}},
		{"PodSpec", jobtype.Field{Name: "hostNetwork", Type: "boolean"}},
		{"ResourceRequirements", jobtype.Field{Name: "limits", Type: "quantity", Map: true}},
		{"HTTPGetAction", jobtype.Field{Name: "port", Type: "integer-or-string"}},
		{"ObjectMeta", jobtype.Field{Name: "creationTimestamp", Type: "time"}},
		{"Container", jobtype.Field{Name: "command", Type: "string", List: true}},
		{"Volume", jobtype.Field{Name: "emptyDir", Type: "EmptyDirVolumeSource"}}, // of an embedded type
	} {
		fields := jobtype.All()[tc.of].Fields
		i := slices.IndexFunc(fields, func(f jobtype.Field) bool { return f.Name == tc.want.Name })
		if i < 0 {
			t.Errorf("%s has no field %s", tc.of, tc.want.Name)
			continue
		}
		if fields[i].Doc == "" {
			t.Errorf("%s.%s has no documentation", tc.of, tc.want.Name)
		}
		got := fields[i]
		got.Doc, got.Required = "", false
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s.%s: %s", tc.of, tc.want.Name, diff)
		}
	}
	if slices.ContainsFunc(jobtype.All()["Job"].Fields, func(f jobtype.Field) bool { return f.Name == "status" }) {
		t.Error("the status of a Job is described, which no template writes")
	}
}
