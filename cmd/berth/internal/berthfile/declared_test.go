package berthfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeclaredFilesAreThoseOfTheDirectories(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("good/berth.yaml", "variables: {place: Bern}\n")
	write("good/more.yaml", "a: 1\n")
	write("broken/berth.yaml", "varables: []\n")
	write("empty/other.yaml", "")
	files := Declared(dir, true)
	if len(files) != 3 {
		t.Fatalf("%+v", files)
	}
	broken, empty, good := files[0], files[1], files[2]
	if broken.Err == nil || !strings.Contains(broken.Err.Error(), "varables") || empty.Err == nil || good.Err != nil {
		t.Errorf("%v, %v, %v", broken.Err, empty.Err, good.Err)
	}
	body, err := good.Request(true, "")
	if err != nil || !strings.Contains(string(body), `"project":"apply:good"`) || !strings.Contains(string(body), `"prune":true`) {
		t.Errorf("%s: %v", body, err)
	}
	write("good/more.yaml", "a: 2\n")
	if Declared(dir, true)[2].Digest == good.Digest {
		t.Error("a change of a file that berth.yaml may refer to is not noticed")
	}
	if missing := Declared(filepath.Join(dir, "none"), false); len(missing) != 1 || missing[0].Err == nil {
		t.Errorf("a directory that is not there: %+v", missing)
	}
}

func TestADeclaredFileThatHasNotChangedIsNotParsedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "team", "berth.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write("varables: []\n")
	read := WatchDeclared(dir, false)
	first := read()[0]
	if second := read()[0]; first.Err == nil || second.Err != first.Err { // the same error, not an equal one
		t.Errorf("%v, then %v", first.Err, second.Err)
	}
	write("variables: {place: Bern}\n")
	if changed := read()[0]; changed.Err != nil || changed.Request == nil {
		t.Errorf("the change is not read: %v", changed.Err)
	}
}
