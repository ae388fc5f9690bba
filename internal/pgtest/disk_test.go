package pgtest_test

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
)

func TestADiskIsFullFreedAndGoneWithItsServer(t *testing.T) {
	t.Parallel()
	pgtest.Binary(t, "initdb")
	disk, err := pgtest.NewDisk(512 << 20)
	if err != nil {
		testenv.Missing(t, "the machine mounts no disk: "+err.Error())
	}
	s, err := pgtest.Launch(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Socket()); !os.IsNotExist(err) {
			t.Errorf("the directory of the server is still there: %v", err)
		}
	}()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), pgtest.DiskName) {
		t.Error("the machine sees the disk, which could stay behind")
	}

	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const grow = "INSERT INTO big SELECT md5(i::text) FROM generate_series(1, 200000) AS i"
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE big (text TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := disk.Fill(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), grow); err == nil {
		t.Error("10 MB went onto a disk with 1 MB free")
	}
	if err := disk.Free(); err != nil {
		t.Fatal(err)
	}
	if !s.Running() { // without room for its log it ends
		if err := s.StartAgain(); err != nil {
			t.Fatalf("%v\n%s", err, s.Log())
		}
	}
	if _, err := db.ExecContext(t.Context(), grow); err != nil {
		t.Errorf("the disk has room again: %v", err)
	}
	if err := s.Kill(); err != nil {
		t.Error(err)
	}
	if s.Running() {
		t.Error("a server that was killed runs")
	}
	if err := s.StartAgain(); err != nil {
		t.Errorf("%v\n%s", err, s.Log())
	}
}
