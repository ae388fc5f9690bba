package flagset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestADatabaseURLIsMadeOfItsParts(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"--database-host=db", "postgres://berth@db:5432/berth"},
		{"--database-host=db --database-port=6432 --database-name=b --database-user=u --database-password=p/@:?#", "postgres://u:p%2F%40%3A%3F%23@db:6432/b"},
		{"--database-host=fd00::1", "postgres://berth@[fd00::1]:5432/berth"},
		{"--database-host=db --database-sslmode=require", "postgres://berth@db:5432/berth?sslmode=require"},
		{"--database-host=db --database-ca-file=" + ca, "postgres://berth@db:5432/berth?sslmode=verify-full&sslrootcert=" + ca},
		{"--database-url=postgres://u@h/d?sslmode=verify-ca --database-ca-file=" + ca, "postgres://u@h/d?sslmode=verify-ca&sslrootcert=" + ca},
		{"--database-url=postgres://u@h/d?sslrootcert=/a --database-ca-file=" + ca, "postgres://u@h/d?sslmode=verify-full&sslrootcert=/a"},
		{"--database-url=postgres://u@h1,h2/d", "postgres://u@h1,h2/d"},
	} {
		var d Database
		cmd := &cobra.Command{}
		d.Add(cmd)
		if err := cmd.ParseFlags(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		if err := d.Complete(); err != nil {
			t.Errorf("%s: %v", test.args, err)
		}
		if err := d.Complete(); err != nil {
			t.Errorf("%s, again: %v", test.args, err)
		}
		if got := strings.ReplaceAll(d.URL, "%2F", "/"); got != strings.ReplaceAll(test.want, "%2F", "/") {
			t.Errorf("%s: %s, want %s", test.args, got, test.want)
		}
	}
}

func TestADatabaseURLAndItsPartsExcludeEachOther(t *testing.T) {
	d := Database{URL: "postgres://u@h/d", host: "h"}
	if err := d.Complete(); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("error is %v", err)
	}
	d = Database{URL: "postgres://u@h/d", CAFile: "/no/such/file"}
	if err := d.Complete(); err == nil || !strings.Contains(err.Error(), "--database-ca-file") {
		t.Errorf("error is %v", err)
	}
}
