package image

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestBerthImageKeepsItsPromises(t *testing.T) {
	archive := packBerth(t)
	image, err := tarball.Image(opener(archive), nil) // by manifest.json, as docker load reads it
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" ||
		!slices.Equal(config.Config.Entrypoint, []string{"/usr/local/bin/berth"}) {
		t.Errorf("it runs %v as %s", config.Config.Entrypoint, config.Config.User)
	}
	if config.OS != "linux" || config.Architecture == "" {
		t.Errorf("it is for %s on %s", config.OS, config.Architecture)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]unpacked{}
	for _, layer := range layers {
		reader, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		unpack(t, reader, files)
		reader.Close()
	}
	checkBerthFiles(t, files)
}

func checkBerthFiles(t *testing.T, files map[string]unpacked) {
	t.Helper()
	if program := files["usr/local/bin/berth"]; program.header.Mode != 0o755 ||
		string(program.data) != "a program" {
		t.Errorf("the program is %+v", program.header)
	}
	if !strings.Contains(string(files["etc/passwd"].data), "\nberth:x:65532:65532:") {
		t.Errorf("/etc/passwd does not know the user:\n%s", files["etc/passwd"].data)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"].data) {
		t.Error("there are no certificate authorities")
	}
	if _, err := time.LoadLocationFromTZData("Europe/Berlin", files["usr/share/zoneinfo/Europe/Berlin"].data); err != nil {
		t.Errorf("time zone Europe/Berlin: %v", err)
	}
	if header := files["tmp"].header; header == nil || header.Mode != 0o1777 ||
		header.Typeflag != tar.TypeDir {
		t.Errorf("/tmp is %+v", header)
	}
	if header := files["var/lib/berth"].header; header == nil || header.Uid != 65532 || header.Gid != 0 || header.Mode != 0o770 {
		t.Errorf("/var/lib/berth is %+v", header)
	}
	for name, file := range files {
		if !file.header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s carries the time %s", name, file.header.ModTime)
		}
		if name != "tmp" && name != "var/lib/berth" && file.header.Mode&0o022 != 0 {
			t.Errorf("%s can be written by others than its owner: %o", name, file.header.Mode)
		}
	}
}

func TestBerthImageIsTheSameEveryTime(t *testing.T) {
	if !bytes.Equal(packBerth(t), packBerth(t)) {
		t.Error("two packings of the same program differ")
	}
}

func TestDockerfileRunsTheImageTheSameWay(t *testing.T) {
	data, err := os.ReadFile("../../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	config := BerthConfig("${VERSION}")
	want := []string{
		"USER " + config.User,
		"WORKDIR " + config.WorkingDir,
		`ENTRYPOINT ["` + strings.Join(config.Entrypoint, `", "`) + `"]`,
		"ENV " + strings.Join(config.Env, " "),
	}
	for name, value := range config.Labels {
		want = append(want, name+`="`+value+`"`)
	}
	for _, line := range want {
		if !strings.Contains(string(data), line) {
			t.Errorf("the Dockerfile does not say: %s", line)
		}
	}
}

func TestImageWithoutAFullNameIsRefused(t *testing.T) {
	for _, reference := range []string{"", "berth", "ghcr.io/berth-dev/berth", "ghcr.io/Upper/case:1"} {
		if _, err := (Spec{Reference: reference}).Write(io.Discard); err == nil {
			t.Errorf("Write took %q for a name", reference)
		}
	}
}

func packBerth(t *testing.T) []byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "berth")
	if err := os.WriteFile(program, []byte("a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	spec, err := Berth(t.Context(), program, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, spec)
}

func pack(t *testing.T, spec Spec) []byte {
	t.Helper()
	var archive bytes.Buffer
	if _, err := spec.Write(&archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func opener(archive []byte) tarball.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
}

type unpacked struct {
	header *tar.Header
	data   []byte
}

// unpack adds what is in a layer, and insists that entries are sorted, so that parents come before children.
func unpack(t *testing.T, layer io.Reader, into map[string]unpacked) {
	t.Helper()
	maps.Copy(into, readTar(t, layer, func(last, name string) {
		if name <= last {
			t.Errorf("%s comes after %s", name, last)
		}
	}))
}

// readTar returns the entries of a tar archive, and shows each name with the one before.
func readTar(t *testing.T, reader io.Reader, show func(last, name string)) map[string]unpacked {
	t.Helper()
	entries := map[string]unpacked{}
	archive := tar.NewReader(reader)
	for last := ""; ; {
		header, err := archive.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(header.Name, "/")
		show(last, name)
		entries[name], last = unpacked{header, data}, name
	}
}
