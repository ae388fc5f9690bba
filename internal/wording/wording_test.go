package wording_test

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/wording"
)

const root = "../.."

var update = flag.Bool("update", false, "write the golden files anew")

func TestEveryMessageIsInTheGoldenFileOfItsSurface(t *testing.T) {
	messages, err := wording.Collect(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, surface := range wording.Surfaces() {
		t.Run(string(surface), func(t *testing.T) {
			got := wording.Format(messages, surface)
			golden := filepath.Join("testdata", string(surface)+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf(
					"messages differ; read them, then go test ./internal/wording -update (-want +got):\n%s",
					diff)
			}
		})
	}
}

func TestNoMessageUsesAPhraseThatWeAvoid(t *testing.T) {
	messages, err := wording.Collect(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		for _, complaint := range wording.CheckMessage(m) {
			t.Error(complaint)
		}
	}
}

func TestNoCommentOrDocumentUsesAPhraseThatWeAvoid(t *testing.T) {
	err := wording.Walk(root, func(name string, source []byte) error {
		var complaints []wording.Complaint
		var err error
		switch path.Ext(name) {
		case ".go":
			if path.Dir(name) == "internal/wording" {
				return nil // it has to name them
			}
			complaints, err = wording.CheckComments(name, source)
		case ".md", ".yaml", ".html", ".js", ".ts", ".sh", ".tpl":
			complaints = wording.CheckText(name, 1, string(source))
		}
		for _, complaint := range complaints {
			t.Error(complaint)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
