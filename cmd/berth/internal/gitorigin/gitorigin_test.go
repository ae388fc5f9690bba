package gitorigin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/testenv"
)

func TestAProjectIsNamedAfterItsOrigin(t *testing.T) {
	for _, test := range []struct{ origin, inside, want string }{
		{"https://github.com/acme/etl.git", "", "github.com:acme:etl"},
		{"https://bob:secret@GitHub.com/acme/etl", "", "github.com:acme:etl"},
		{"git@github.com:acme/etl.git", "", "github.com:acme:etl"},
		{"ssh://git@github.com:22/acme/etl.git/", "", "github.com:acme:etl"},
		{"https://gitlab.example.com/group/sub/etl.git", "jobs/nightly/", "gitlab.example.com:group:sub:etl@jobs:nightly"},
		{"/srv/git/etl.git", "", "file:srv:git:etl"},
		{"file:///srv/git/etl", "", "file:srv:git:etl"},
	} {
		got, err := name(test.origin, test.inside)
		if err != nil || got != test.want {
			t.Errorf("%s in %q: got %q, %v, want %q", test.origin, test.inside, got, err, test.want)
		}
	}
}

func TestNamesThatTheServerWouldRefuseStayDistinct(t *testing.T) {
	long := "https://github.com/acme/" + strings.Repeat("x", 300)
	seen := map[string]string{}
	for _, origin := range []string{"https://h/a~b", "https://h/a-b", "https://h/a!b", long + "1", long + "2"} {
		got, err := name(origin, "")
		if err != nil || len(got) > maxName || notInNames.MatchString(got) {
			t.Errorf("%.60s: got %q, %v", origin, got, err)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%.60s and %.60s are both %q", origin, other, got)
		}
		seen[got] = origin
	}
}

func TestDirectoriesOfTheSameNameInTwoRepositoriesAreTwoProjects(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		testenv.Missing(t, "git: install it")
	}
	root := t.TempDir()
	projects := map[string]bool{}
	for _, repository := range []string{"one", "two"} {
		dir := filepath.Join(root, repository, "etl")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Project(t.Context(), dir); !errors.Is(err, ErrNone) {
			t.Errorf("without a repository: %v", err)
		}
		for _, args := range [][]string{
			{"init", "-q"}, {"remote", "add", "origin", "https://example.com/" + repository + "/etl.git"},
		} {
			if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("git %v: %v: %s", args, err, out)
			}
		}
		project, err := Project(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		projects[project] = true
	}
	if len(projects) != 2 {
		t.Errorf("got %v", projects)
	}
}
